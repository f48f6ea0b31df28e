"""Which screens played, told from the calls and the devices alone."""

import pytest

from region_sim.compare.playing import above, households
from tests.sim.compare.histories import Evening, S


def spans(evening: Evening, device: str = "tv") -> list[tuple[float, float]]:
    return [(a / S, b / S) for a, b in households(evening.history)["a"].screens.get(device, [])]


def excess(evening: Evening) -> list[tuple[float, float, float, int]]:
    found = above(households(evening.history)["a"])
    return [(t.from_us / S, t.to_us / S, t.screen_us / S, t.peak) for t in found]


def test_a_screen_plays_from_its_admission_to_its_stop_whatever_the_stop_is_answered() -> None:
    evening = Evening()
    evening.stop(20, evening.start(10, "tv"), status=503)
    assert spans(evening) == [(10, 20)]


def test_a_screen_whose_device_sleeps_plays_again_when_it_goes_on() -> None:
    evening = Evening()
    session = evening.start(10, "tv")
    evening.gone(20, session)
    evening.beat(90, session, status=503)
    evening.stop(100, session)
    assert spans(evening) == [(10, 20), (90, 100)]


def test_a_screen_ends_when_its_device_hears_so() -> None:
    evening = Evening()
    session = evening.start(10, "tv")
    evening.beat(40, session)
    evening.beat(70, session, 410)
    assert spans(evening) == [(10, 70)]


def test_heartbeats_of_a_shared_token_are_no_screen_of_the_device() -> None:
    evening = Evening()
    session = evening.start(10, "tv")
    evening.gone(20, session)
    evening.beat(30, session, cloned=True)
    assert spans(evening) == [(10, 20)]


def test_a_kicked_screen_counts_until_the_kick_was_answered() -> None:
    evening = Evening()
    session = evening.start(10, "tv")
    evening.kick(20, session)
    evening.beat(40, session, 410)
    assert spans(evening) == [(10, 20)]


@pytest.mark.parametrize("lost", [0, 503])
def test_a_kick_that_the_region_of_the_session_never_hears_of_ends_nothing(lost: int) -> None:
    evening = Evening()
    session = evening.start(10, "tv")
    evening.kick(20, session)
    evening.beat(40, session, lost)
    evening.beat(45, session)
    evening.stop(50, session)
    assert spans(evening) == [(10, 50)]


def test_a_replaced_screen_counts_until_the_start_that_replaced_it() -> None:
    evening = Evening()
    session = evening.start(10, "tv")
    evening.start(20, "phone", replace=[session])
    assert spans(evening) == [(10, 20)]
    assert excess(evening) == []


def test_screens_above_the_limit_are_counted_with_their_time() -> None:
    evening = Evening(limit=1)
    first = evening.start(0, "tv")
    second = evening.start(10, "phone")
    third = evening.start(20, "tablet")
    for at_s, session in ((30, first), (50, second), (60, third)):
        evening.stop(at_s, session)
    assert excess(evening) == [(10, 50, 50, 2)]


def test_two_sessions_of_one_device_are_one_screen() -> None:
    evening = Evening(limit=1)
    first, second = evening.start(0, "tv"), evening.start(10, "tv")
    evening.stop(30, first)
    evening.stop(40, second)
    assert excess(evening) == []


def test_a_smaller_plan_makes_no_excess_of_what_runs() -> None:
    evening = Evening(limit=2)
    evening.history.joined.append(type(evening.history.joined[0])(20 * S, "a", "basic", 1))
    evening.start(0, "tv")
    evening.start(10, "phone")
    assert excess(evening) == []


def test_the_flight_of_an_answer_is_no_excess() -> None:
    evening = Evening(limit=1)
    first = evening.start(0, "tv")
    evening.start(9.5, "phone")
    evening.stop(10, first)
    assert excess(evening) == []
