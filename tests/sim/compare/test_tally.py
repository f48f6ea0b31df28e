"""Counting one run, and adding runs."""

from region_sim.compare.tally import Tally, tally
from region_sim.history import CallKind, Transfer
from tests.sim.compare.histories import Evening, S


def test_starts_are_counted_by_what_became_of_them() -> None:
    evening = Evening()
    evening.start(0, "tv")
    evening.refused(1, "phone")
    evening.call(CallKind.START, 2, 503, "phone")
    evening.call(CallKind.START, 3, 0, "phone")
    counts = tally(evening.history)
    assert (counts.starts, counts.admitted, counts.refused, counts.unavailable) == (4, 1, 1, 1)
    assert (counts.calls, counts.undecided) == (4, 2)


def test_calls_that_were_given_up_by_their_device_are_no_calls() -> None:
    evening = Evening()
    evening.call(CallKind.START, 2, 0, "phone").answered_us = None
    assert tally(evening.history).calls == 0


def test_a_refusal_without_a_playing_screen_is_by_ghosts() -> None:
    evening = Evening()
    session = evening.start(0, "tv")
    evening.refused(5, "phone")
    evening.gone(10, session)
    evening.refused(12, "phone")
    evening.refused(20, "phone")
    assert tally(evening.history).ghost_blocks == 1


def test_a_kick_of_a_playing_screen_that_finds_nothing_is_missed() -> None:
    evening = Evening()
    session = evening.start(0, "tv")
    evening.kick(5, session, 404)
    evening.stop(10, session)
    evening.kick(15, session, 404)
    counts = tally(evening.history)
    assert (counts.kicks, counts.kicks_missed) == (2, 1)


def test_a_screen_is_cut_off_when_it_ends_unasked_although_it_was_in_time() -> None:
    evening = Evening()
    first, second, third = (evening.start(0, device) for device in ("tv", "phone", "tablet"))
    evening.beat(30, first, 410, reason="limit")
    evening.beat(30, second, 410, reason="kicked")
    evening.beat(100, third, 410, reason="lapsed")
    assert tally(evening.history).cut_off == 1


def test_waiting_counts_only_next_to_the_region() -> None:
    evening = Evening()
    near = evening.refused(0, "tv")
    near.answered_us = near.sent_us + 20_000
    far = evening.refused(1, "tv")
    far.answered_us, far.place = far.sent_us + 500_000, "ap"
    counts = tally(evening.history)
    assert counts.start_us == [20_000]
    assert (counts.start_ms(0.5), Tally().start_ms(0.5)) == (20.0, 0.0)


def test_runs_add_up_and_the_worst_of_them_stays() -> None:
    total = Tally()
    total.add(Tally(runs=1, starts=3, excess_peak=2, excess_longest_us=5 * S, start_us=[1]))
    total.add(Tally(runs=1, starts=4, excess_peak=1, excess_longest_us=9 * S, start_us=[2]))
    assert (total.runs, total.starts, total.excess_peak) == (2, 7, 2)
    assert (total.excess_longest_us, total.start_us) == (9 * S, [1, 2])


def test_all_bytes_between_regions_count() -> None:
    evening = Evening()
    evening.history.transfers += [Transfer("us", "eu", 700, 1), Transfer("eu", "us", 300, 1)]
    assert tally(evening.history).bytes == 1000
