"""Who is known at an admission without a look into the past, and beyond a link that is cut."""

import pytest

from region_sim.history import Joined, Life
from tests.sim.oracle.story import Story


def near(home: str = "") -> Story:
    """Regions so near that everybody who is asked answers in time."""
    story = Story()
    story.history.max_latency_us = 1_000
    story.history.joined[:] = [Joined(0, story.account, "plan", 1, home)]
    return story


def rules(story: Story) -> list[str]:
    """How P2 was broken."""
    return [rule for promise, rule in story.broken() if promise == "P2"]


# ---- before an overdraft everybody is asked ----------------------------------------------------


def one_after_the_other(story: Story, *, basis: str = "overdraft", second_s: float = 40.5) -> Story:
    """Two streams in two regions, half a second apart, while the third one is gone."""
    story.kill("ap", 30, 60)
    session = story.start("tv", "us", 40, basis="overdraft")
    story.beats(session, "us", 70, 130)
    story.start("phone", "eu", second_s, basis=basis)
    return story


def test_an_overdraft_beside_what_an_answer_tells_is_wrong_whatever_the_home_does() -> None:
    assert rules(one_after_the_other(near())) == ["admitted though full: overdraft"]


def test_a_slot_that_was_held_already_is_used_without_asking() -> None:
    assert rules(one_after_the_other(near(), basis="granted")) == []


def test_what_begins_at_the_same_moment_need_not_be_known() -> None:
    assert rules(one_after_the_other(near(), second_s=40.01)) == []


def test_far_regions_may_answer_too_late() -> None:
    story = near()
    story.history.max_latency_us = 30_000
    assert rules(one_after_the_other(story)) == []


def test_so_may_real_processes() -> None:
    story = near()
    story.history.is_tapped = False
    assert rules(one_after_the_other(story)) == []


# ---- the home could tell -----------------------------------------------------------------------


def beyond_a_cut(home: str) -> Story:
    """A stream in us, and one in eu, which does not hear us."""
    story = near(home)
    story.cut_link(20, 300, "us", "eu")
    story.history.has_older = True  # nothing is relayed: the home's word is all that there is
    session = story.start("tv", "us", 10)
    story.beats(session, "us", 40, 130)
    story.start("phone", "eu", 60, basis="overdraft")
    return story


def test_a_home_that_hears_both_sides_of_a_cut_tells_one_of_the_other() -> None:
    assert rules(beyond_a_cut("ap")) == ["overdraft though the home could tell"]


@pytest.mark.parametrize("home", ["us", "eu", ""])
def test_a_home_on_one_side_of_the_cut_does_not_hear_the_other(home: str) -> None:
    assert rules(beyond_a_cut(home)) == []


def test_a_home_that_was_in_trouble_itself_may_not_know() -> None:
    story = beyond_a_cut("ap")
    story.fault("lag", 45, 50, links="us>ap")
    assert rules(story) == []


# ---- what a region inherits --------------------------------------------------------------------


def beside_a_restart(*, away_s: float, basis: str = "borrowed", at_s: float = 0) -> Story:
    """A stream in eu, which dies and is back; then one in us."""
    story = near()
    story.life("eu", 0, Life.BOOTED)
    story.life("eu", 1, Life.READY)
    session = story.start("tv", "eu", 10)
    story.beats(session, "eu", 40, 130)
    story.kill("eu", 50, 50 + away_s)
    story.start("phone", "us", at_s or 51 + away_s, basis=basis)
    return story


def test_no_slot_is_lent_beside_what_a_region_inherits() -> None:
    assert rules(beside_a_restart(away_s=2)) == ["a slot beside what was inherited"]


def test_an_overdraft_may_be_admitted_until_its_device_is_heard() -> None:
    assert rules(beside_a_restart(away_s=2, basis="overdraft")) == []


def test_a_region_that_was_away_for_long_was_down() -> None:
    assert rules(beside_a_restart(away_s=16)) == []


def test_other_trouble_meanwhile_excuses_a_slot() -> None:
    story = beside_a_restart(away_s=2)
    story.cut_link(52, 53, "us", "ap")
    assert rules(story) == []
