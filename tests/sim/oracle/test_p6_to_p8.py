"""P6, P7, P8 and logged errors: stops, leftovers, convergence, budgets."""

import pytest

from region_sim.history import Voided
from region_sim.oracle.verdict import Outcome
from tests.sim.oracle.story import Story, us


def stopped_in_us() -> tuple[Story, str]:
    """A session of us is stopped there at 50 s."""
    story = Story()
    session = story.start("tv", "us", 10)
    story.stop(session, "us", 50)
    return story, session


@pytest.mark.parametrize(("region", "beat_s"), [("us", 50.1), ("eu", 60)])
def test_a_stopped_session_never_comes_back(region: str, beat_s: float) -> None:
    story, session = stopped_in_us()
    story.beat(session, region, beat_s)
    assert story.broken() == [("P6", "a stopped session came back")]


def test_before_the_stop_can_be_known_it_may() -> None:
    story, session = stopped_in_us()
    story.beat(session, "eu", 51)
    assert story.broken() == []


def test_a_region_that_began_anew_has_forgotten_stops() -> None:
    story, session = stopped_in_us()
    story.kill("us", 55, 65)
    story.beat(session, "us", 70)
    assert story.broken() == []


def test_a_stop_without_an_answer_promises_nothing() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.fault("line", 45, 56, regions="us")
    story.stop(session, "us", 50, 0, took_s=5, error="timeout")
    story.beat(session, "us", 60)
    assert story.broken() == []


def test_what_is_left_at_the_end_is_a_leak() -> None:
    story = Story()
    story.converged("P6 us holds 1 session", agreed_s=None)
    verdict = story.judged()
    assert [(f.promise, f.text) for f in verdict.findings] == [("P6", "us holds 1 session")]
    assert verdict.outcome is Outcome.BROKEN


def test_regions_that_agree_in_time_have_converged() -> None:
    story = Story()
    story.converged()
    verdict = story.judged()
    assert (verdict.outcome, verdict.converged_us) == (Outcome.HOLDS, 1_000_000)


@pytest.mark.parametrize(
    ("problems", "agreed_s", "words"),
    [
        (("P7 us is behind eu",), None, ["us is behind eu"]),
        ((), 104.0, ["the regions agreed 1.000 s too late"]),
    ],
)
def test_regions_that_do_not_agree_have_not(
    problems: tuple[str, ...], agreed_s: float | None, words: list[str]
) -> None:
    story = Story()
    story.converged(*problems, agreed_s=agreed_s)
    verdict = story.judged()
    assert verdict.outcome is Outcome.NOT_CONVERGED
    assert verdict.convergence == words


def test_a_broken_promise_outweighs_convergence() -> None:
    story, session = stopped_in_us()
    story.beat(session, "us", 60)
    story.converged("P7 us is behind eu")
    assert story.judged().outcome is Outcome.BROKEN


def test_unequal_state_at_equal_positions_is_told_once() -> None:
    story = Story()
    for at_s, count in ((10, 0), (11, 1), (12, 1)):
        story.probe(at_s, "us", state_mismatches=count)
    assert story.broken() == [("P7", "equal positions, unequal state")]


def test_grants_sum_up_to_the_limit() -> None:
    story = Story(limit=2)
    story.budget(10, us=1, eu=1)
    assert story.broken() == []
    story.budget(20, us=2, eu=1)
    assert story.broken() == [("P8", "usable grants above L")]


def test_while_two_regions_are_the_home_each_may_lend_the_limit() -> None:
    story = Story(limit=2)
    story.budget(10, homes=2, us=2, eu=2)
    assert story.broken() == []
    story.budget(20, homes=2, us=2, eu=2, ap=1)
    assert story.broken() == [("P8", "usable grants above L")]


def test_no_lease_of_grants_runs_out_in_calm() -> None:
    story = Story()
    story.history.voided.append(Voided(us(200), "us", 1))
    assert story.broken() == [("P8", "a lease ran out in calm")]
    story.cut(150, 160)
    assert story.broken() == []


def test_no_region_can_use_more_than_the_limit() -> None:
    story = Story(limit=2)
    story.budget(10, us=4)
    assert story.broken() == []


@pytest.mark.parametrize(("at_s", "rules"), [(70, []), (90, [("P8", "usable grants above L")])])
def test_what_a_smaller_plan_left_lent_comes_back(at_s: float, rules: list[object]) -> None:
    story = Story(limit=2)
    story.plan(50, 1)
    story.limit = 1
    story.budget(at_s, us=1, eu=1)
    assert story.broken() == rules


def test_slots_of_sessions_that_outlive_a_plan_come_back_after_them() -> None:
    story = Story(limit=2)
    first, second = story.start("tv", "us", 10), story.start("phone", "eu", 10)
    story.plan(20, 1)
    story.limit = 1
    for session, region in ((first, "us"), (second, "eu")):
        story.beats(session, region, 40, 100)
        story.stop(session, region, 110)
    story.budget(105, us=1, eu=1)
    story.budget(135, us=1, eu=1)
    assert story.broken() == []
    story.budget(150, us=1, eu=1)
    assert story.broken() == [("P8", "usable grants above L")]


def test_no_region_logs_an_error() -> None:
    story = Story()
    story.log(10, "us", "uncaught")
    assert story.broken() == [("errors", "uncaught")]


def test_but_one_whose_disk_is_full() -> None:
    story = Story()
    story.fault("disk", 5, 20, regions="us", note="full")
    story.log(10, "us", "journal_write_failed")
    assert story.broken() == []
    story.log(11, "eu", "journal_write_failed")
    assert story.broken() == [("errors", "journal_write_failed")]
