"""The parts that drawings are made of: axis, stacks, counts, lives, and what is left out."""

import pytest

from region_sim.history import History, Life, LifeEvent
from region_sim.report import accounts, counting, diagram, lives, marks, page
from region_sim.report.axis import whole, window
from region_sim.report.details import Details
from tests.sim.oracle.story import Story, us
from tests.sim.report.evening import subject_of, told


def test_the_axis_keeps_order_and_draws_the_empty_end_shorter() -> None:
    axis = whole(History(1, "x", healed_us=us(100), end_us=us(300)), 100, 1100)
    assert axis.x(0) == 100
    assert axis.x(us(300)) == 1100
    assert axis.x(us(112)) == axis.break_x == 1000
    assert axis.x(us(400)) == 1100
    assert [label for _, label in axis.ticks()][-2:] == ["110", "300"]


def test_an_axis_without_an_empty_end_has_no_break() -> None:
    axis = whole(History(1, "x", healed_us=us(100), end_us=us(110)), 0, 110)
    assert axis.x(us(55)) == 55


def test_marks_are_stacked_so_that_none_hides_another() -> None:
    assert marks.stacked([0, 1, 2, 10, 11], 5, 3) == [0, 1, 2, 0, 1]
    assert marks.stacked([0, 0, 0], 5, 2) == [0, 1, 1]


def test_a_device_with_two_sessions_counts_once() -> None:
    spans = [("tv", (0, 10)), ("tv", (5, 20)), ("phone", (8, 12))]
    assert counting.levels(spans) == [(0, 1), (8, 2), (12, 1), (20, 0)]


def test_the_life_of_a_region_has_no_gap() -> None:
    events = [(0, Life.BOOTED), (1, Life.READY), (5, Life.PAUSED), (7, Life.RESUMED),
              (9, Life.KILLED)]  # fmt: skip
    history = History(1, "x", end_us=20)
    history.lives = [LifeEvent(at_us, "us", what) for at_us, what in events]
    found = [(span.from_us, span.to_us, span.state) for span in lives.spans(history, "us")]
    assert found == [
        (0, 1, "booting"), (1, 5, "up"), (5, 7, "paused"), (7, 9, "up"), (9, 20, "killed"),
    ]  # fmt: skip
    assert [span.state for span in lives.spans(history, "eu")] == ["up"]


def many(refusals: int) -> Story:
    """An account that is refused again and again on a session that lives, and once falsely."""
    story = Story()
    tv = story.start("tv", "us", 10)
    story.beats(tv, "us", 30, 200)
    for number in range(refusals):
        story.refused("phone", "us", 20 + number * 100 / refusals, [(tv, "local")])
    story.refused("phone", "us", 130, [("ghost", "local")], limit=1)
    return story


def test_too_many_marks_are_thinned_but_those_of_findings_stay_and_the_page_says_so() -> None:
    story = many(marks.MARKS_MAX * 2)
    subject = subject_of(story.history, story.judged())
    found = marks.gather(subject, Details())
    assert found.is_thinned
    assert len(found.shown) <= marks.MARKS_MAX
    assert found.counts["refused", "us"] == marks.MARKS_MAX * 2 + 1
    blamed = {number for finding in subject.verdict.findings for number in finding.calls}
    assert len([mark for mark in found.shown if mark.is_blamed]) == len(blamed)
    written = page(subject)
    assert "Thinned out" in written
    assert len(written.encode()) < 3_000_000


def test_stories_are_bounded_and_the_chosen_account_is_always_told() -> None:
    subject = told(account="anna")
    shown, left_out = accounts.choose(subject)
    assert [one.account for one in shown] == ["anna"]
    assert shown[0].is_chosen
    assert left_out == 0
    assert shown[0].at_us == subject.verdict.findings[0].at_us


def test_a_window_with_too_much_is_made_narrower_and_says_so() -> None:
    story = many(2_000)
    subject = subject_of(story.history, story.judged(), around_us=us(60))
    first = diagram.data(subject, Details())["windows"][0]
    assert len(first["calls"]) <= diagram.CALLS_MAX
    assert "only" not in first["note"] or first["to"] - first["from"] < 3
    crowded = many(20_000)
    subject = subject_of(crowded.history, crowded.judged(), around_us=us(60))
    first = diagram.data(subject, Details())["windows"][0]
    assert len(first["calls"]) <= diagram.CALLS_MAX
    assert "too much at once" in first["note"]


@pytest.mark.parametrize("length_s", [0.5, 3, 40, 900, 50_000])
def test_ticks_are_few_enough_to_be_read(length_s: float) -> None:
    ticks = list(window(us(1), us(1 + length_s), 0, 1000).ticks())
    assert 2 <= len(ticks) <= 19
