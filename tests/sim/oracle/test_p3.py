"""P3 and availability: what an answer may take, what it may say, and when there need be none."""

import pytest

from region_sim.history import CallKind, Life
from tests.sim.oracle.story import Story


def test_a_start_may_take_its_deadline_and_two_trips() -> None:
    story = Story()
    story.start("tv", "us", 10, took_s=0.14)
    assert story.broken() == []


@pytest.mark.parametrize(
    ("kind", "status", "took_s"),
    [
        (CallKind.START, 201, 0.2),
        (CallKind.HEARTBEAT, 200, 0.2),
        (CallKind.STOP, 204, 0.11),
        (CallKind.LIST, 200, 0.11),
        (CallKind.KICK, 200, 0.3),
    ],
)
def test_an_answer_that_takes_longer_is_late(kind: CallKind, status: int, took_s: float) -> None:
    story = Story()
    body = {"session": {"id": "us-1-1"}, "decision": {"basis": "granted"}, "sessions": []}
    story.call(kind, "tv", "us", 10, status, body, took_s=took_s)
    assert story.broken() == [("P3", f"late {kind.value}")]


def test_a_longer_deadline_may_be_asked_for() -> None:
    story = Story()
    story.start("tv", "us", 10, took_s=0.5, wait="0.5")
    assert story.broken() == []


def test_a_kick_waits_for_a_slow_disk() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.fault("disk", 15, 25, regions="us", note="slow")
    story.kick(session, "us", 20, took_s=3)
    assert story.broken() == []


def test_a_start_does_not_wait_for_a_slow_disk() -> None:
    story = Story()
    story.fault("disk", 15, 25, regions="us", note="slow")
    story.start("tv", "us", 20, took_s=1)
    assert story.broken() == [("P3", "late start")]


def test_what_is_wrong_between_regions_is_no_excuse() -> None:
    story = Story()
    story.cut(5, 50)
    story.start("tv", "us", 20, took_s=1)
    assert story.broken() == [("P3", "late start")]


@pytest.mark.parametrize("how", ["line", "pause", "kill"])
def test_what_is_wrong_around_the_region_is_one(how: str) -> None:
    story = Story()
    if how == "kill":
        story.kill("us", 5, 20.5)
    else:
        story.fault(how, 5, 20.5, regions="us")
    story.start("tv", "us", 20, took_s=1)
    story.call(CallKind.LIST, "tv", "us", 20, 503)
    story.call(CallKind.LIST, "tv", "us", 20, 0, took_s=5, error="timeout")
    assert story.broken() == []


def test_service_trouble_must_not_be_answered() -> None:
    story = Story()
    story.call(CallKind.START, "tv", "us", 10, 503)
    story.call(CallKind.START, "tv", "us", 20, 429)
    assert story.broken() == [("P3", "start answered 503"), ("P3", "start answered 429")]


def test_a_draining_region_takes_no_starts_but_heartbeats() -> None:
    story = Story()
    session = story.start("tv", "us", 5)
    story.life("us", 10, Life.DRAINING)
    story.call(CallKind.START, "phone", "us", 12, 503)
    assert story.broken() == []
    story.beat(session, "us", 12, status=503)
    assert story.broken() == [("P3", "heartbeat answered 503")]


@pytest.mark.parametrize(("note", "rules"), [("full", []), ("", [("P3", "kick answered 503")])])
def test_a_full_disk_may_refuse_a_kick(note: str, rules: list[tuple[str, str]]) -> None:
    story = Story()
    session = story.start("tv", "us", 5)
    if note:
        story.fault("disk", 8, 20, regions="us", note=note)
    story.kick(session, "us", 10, 503)
    assert story.broken() == rules


def test_a_repeated_start_gets_the_first_answer() -> None:
    story = Story()
    first = story.start("tv", "us", 10, key="k")
    story.start("tv", "us", 12, key="k", id=first)
    assert story.broken() == []
    assert story.judged().coverage["idempotent answer repeated"] == 1


def test_another_answer_to_a_repeated_start_is_wrong() -> None:
    story = Story()
    story.start("tv", "us", 10, key="k")
    story.start("tv", "us", 12, key="k")
    assert story.broken() == [("P3", "another answer to the same start")]


@pytest.mark.parametrize("how", ["other region", "restart"])
def test_a_key_holds_in_one_life_of_one_region(how: str) -> None:
    story = Story()
    story.start("tv", "us", 10, key="k")
    if how == "restart":
        story.kill("us", 11, 15)
    story.start("tv", "eu" if how == "other region" else "us", 20, key="k")
    assert story.broken() == []


def test_end_oldest_refuses_only_whom_it_has_ended() -> None:
    story = Story()
    story.history.on_limit = "end_oldest"
    first = story.start("tv", "us", 10)
    second = story.start("phone", "us", 20)
    story.ended(first, "us", 20.01, "limit", by="phone")
    story.refused("tv", "us", 30, [(second, "local")])
    assert story.broken() == []
    story.refused("tablet", "us", 30, [(second, "local")])
    assert story.broken() == [("P3", "refused though the oldest may end")]


def test_a_call_without_an_answer_is_a_finding_when_all_was_in_order() -> None:
    story = Story()
    story.lost_start("tv", "us", 10)
    assert story.broken() == [("availability", "no answer to a start")]
    assert story.judged().unanswered == 1


def test_a_call_that_its_device_gave_up_needs_no_answer() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.beat(session, "us", 40, status=0, took_s=None)
    assert story.broken() == []


def test_a_connection_from_before_a_trouble_may_be_dead() -> None:
    story = Story()
    story.kill("us", 5, 20)
    story.call(CallKind.LIST, "tv", "us", 40, 0, took_s=0.01, error="reset")
    assert story.broken() == []
    story.call(CallKind.LIST, "tv", "us", 50, 0, took_s=5, error="timeout")
    assert story.broken() == [("availability", "no answer to a list")]


@pytest.mark.parametrize("starts", [300, 200])
def test_only_an_account_that_floods_may_be_turned_away(starts: int) -> None:
    story = Story()
    for number in range(starts):
        story.call(CallKind.START, "tv", "us", 10 + number / 100, 409, {"limit": 1})
    story.call(CallKind.START, "tv", "us", 15, 429)
    found = [rule for promise, rule in story.broken() if promise == "P3"]
    assert found == ([] if starts == 300 else ["start answered 429"])
