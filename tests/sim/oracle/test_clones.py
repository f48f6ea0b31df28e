"""Clones: who is taken for two devices must be two, in that region and by then."""

import pytest

from region_sim.history import Cloned
from tests.sim.oracle.story import Story, us


def told(region: str, at_s: float, *, by_pace: bool = False, shared: str = "us") -> Story:
    """A region takes a session to be in two hands; a friend shared it at 40 s."""
    story = Story()
    session = story.start("tv", "us", 10)
    story.beats(session, "us", 30, 90)
    if shared:
        story.beat(session, shared, 40, device="friend", cloned=True)
    story.history.cloned.append(Cloned(us(at_s), region, story.account, session, by_pace))
    return story


@pytest.mark.parametrize("by_pace", [False, True])
def test_a_shared_token_may_be_found_where_it_is_used(by_pace: bool) -> None:
    assert told("us", 60, by_pace=by_pace).broken() == []


@pytest.mark.parametrize(
    "story",
    [told("us", 60, shared=""), told("us", 30), told("eu", 60)],
    ids=["never", "not yet", "elsewhere"],
)
def test_a_token_that_nobody_shares_may_not(story: Story) -> None:
    assert story.broken() == [("clones", "nobody shared")]


@pytest.mark.parametrize("is_shared", [True, False])
def test_an_end_by_the_system_needs_a_second_device(is_shared: bool) -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    if is_shared:
        story.beat(session, "us", 20, device="friend", cloned=True)
    story.beat(session, "us", 40, "kicked").body["by"] = {"kind": "system", "device": ""}
    assert story.broken() == ([] if is_shared else [("P5", "kicked by nobody")])
