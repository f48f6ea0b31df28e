"""The judge of the load test is not blind: it finds each kind of wrong answer in a story."""

from typing import Any

import pytest

from tests.e2e.client import Answer
from tests.e2e.truth import Truth, longest_above


def answered(status: int, at_s: float, **body: Any) -> Answer:
    return Answer(status, body, {}, at_s - 0.01, at_s, at_s)


def admission(session: str, at_s: float, basis: str = "granted", limit: int = 1) -> Answer:
    decision = {"basis": basis, "limit": limit}
    return answered(201, at_s, session={"id": session}, decision=decision)


def refusal(at_s: float, *sessions: str, limit: int = 1) -> Answer:
    return answered(409, at_s, limit=limit, sessions=[{"id": session} for session in sessions])


@pytest.fixture
def truth() -> Truth:
    return Truth(lease_s=3.0, suspect_s=2.0, network_s=0.5)


def test_a_refusal_that_names_a_live_device_is_right(truth: Truth) -> None:
    truth.admitted("a", "tv", admission("s1", 10))
    truth.refused("a", "phone", refusal(11, "s1"))
    assert list(truth.false_refusals()) == []


def test_a_refusal_that_rests_on_a_session_that_ended_long_ago_is_found(truth: Truth) -> None:
    truth.admitted("a", "tv", admission("s1", 10)).close("stopped", 11)
    truth.refused("a", "phone", refusal(14, "s1"))
    truth.refused("a", "phone", refusal(15, "s1"))
    assert len(list(truth.false_refusals())) == 1


def test_a_refusal_that_rests_on_a_lapsed_session_is_found(truth: Truth) -> None:
    truth.admitted("a", "tv", admission("s1", 10))
    truth.refused("a", "phone", refusal(17, "s1"))
    assert len(list(truth.false_refusals())) == 1


@pytest.mark.parametrize("sessions", [(), ("unknown",), ("s1",), ("s1", "s2"), ("s1", "other")])
def test_a_refusal_that_names_too_few_devices_is_found(
    truth: Truth, sessions: tuple[str, ...]
) -> None:
    truth.admitted("a", "tv", admission("s1", 10, limit=2))
    truth.admitted("a", "phone", admission("s2", 10, limit=2))
    truth.admitted("b", "tv", admission("other", 10))
    truth.refused("a", "phone", refusal(11, *sessions, limit=2))
    assert len(list(truth.false_refusals())) == 1


def test_a_refusal_may_name_the_session_of_a_start_whose_answer_was_lost(truth: Truth) -> None:
    truth.refused("a", "phone", refusal(11, "unknown"))
    truth.lost("b", "tv", 10)
    truth.lost("a", "phone", 10)
    truth.lost("a", "tv", 3)
    assert len(list(truth.false_refusals())) == 1
    truth.lost("a", "tv", 10)
    assert list(truth.false_refusals()) == []


def test_more_streams_than_the_limit_are_found_with_their_duration(truth: Truth) -> None:
    for session, device in (("s1", "tv"), ("s2", "phone")):
        life = truth.admitted("a", device, admission(session, 10))
        truth.beat(life, answered(200, 14))
    assert truth.excesses() == {"a": pytest.approx(3.99)}


def test_one_device_with_two_sessions_is_one_stream() -> None:
    assert longest_above(1, [("tv", 0, 5), ("tv", 3, 9)]) == 0
    assert longest_above(1, [("tv", 0, 5), ("tv", 3, 9), ("phone", 4, 7)]) == 3


@pytest.mark.parametrize(
    ("reason", "at_s", "is_wrong"),
    [
        ("lapsed", 11, True),
        ("lapsed", 14, False),
        ("displaced", 11.5, True),
        ("displaced", 12.5, False),
        ("kicked", 11, True),
        ("superseded", 11, True),
        ("limit", 11, True),
    ],
)
def test_an_end_that_nobody_gave_cause_for_is_found(
    truth: Truth, reason: str, at_s: float, is_wrong: bool
) -> None:
    life = truth.admitted("a", "tv", admission("s1", 10))
    truth.beat(life, answered(410, at_s, reason=reason))
    assert bool(truth.wrong) is is_wrong


def test_an_end_for_the_limit_is_right_for_an_overdraft(truth: Truth) -> None:
    life = truth.admitted("a", "tv", admission("s1", 10, basis="overdraft"))
    truth.beat(life, answered(410, 11, reason="limit"))
    assert truth.wrong == []


def test_a_session_that_lives_on_after_its_kick_is_found(truth: Truth) -> None:
    life = truth.admitted("a", "tv", admission("s1", 10))
    life.close("kicked", 11)
    truth.beat(life, answered(200, 12))
    assert len(truth.wrong) == 1
