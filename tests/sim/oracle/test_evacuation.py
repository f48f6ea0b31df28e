"""Evacuation: what a region may answer that its operator has drained."""

import pytest

from region_sim.history import CallKind
from tests.sim.oracle.story import Rule, Story

TO_EU = [{"name": "eu", "url": "http://eu"}]


def told(story: Story, session: str, region: str, at_s: float, *names: str) -> None:
    """A heartbeat that is answered with where to go."""
    story.beat(session, region, at_s).body["regions"] = [{"name": name} for name in names]


def test_a_region_that_is_drained_declines_starts_and_sends_its_devices_elsewhere() -> None:
    story = Story(limit=2)
    tv = story.start("tv", "us", 80)
    story.drain("us", 100, 300)
    told(story, tv, "us", 110, "eu", "ap")
    story.call(CallKind.START, "phone", "us", 120, 503, {"regions": TO_EU})
    story.start("phone", "eu", 121)
    story.beats(tv, "eu", 130, 280)

    verdict = story.judged("drained start went", "drained heartbeat went", "evacuated")
    assert verdict.findings == []
    assert verdict.missing == []


@pytest.mark.parametrize(("until_s", "broken"), [(110, True), (101, False), (299, False)])
def test_it_admits_nobody_between_its_first_and_its_last_moments(
    until_s: float, broken: bool
) -> None:
    story = Story()
    story.drain("us", 100, 300)
    story.start("tv", "us", until_s)
    rule: list[Rule] = [("evacuation", "start admitted while drained")]
    assert story.broken() == (rule if broken else [])


def test_whoever_is_renewed_is_told_where_to_go() -> None:
    story = Story()
    tv = story.start("tv", "us", 80)
    story.drain("us", 100, 300)
    story.beat(tv, "us", 110)
    assert story.broken() == [("evacuation", "not told where to go")]


def test_nobody_is_sent_to_a_region_that_is_drained_too() -> None:
    story = Story()
    tv = story.start("tv", "us", 80)
    story.drain("us", 100, 300)
    story.drain("eu", 90, 300)
    told(story, tv, "us", 110, "eu")
    assert story.broken() == [("evacuation", "sent to a drained region")]


def test_with_nowhere_to_go_a_drain_has_no_effect() -> None:
    story = Story()
    for region in ("us", "eu", "ap"):
        story.drain(region, 100, 300)
    story.start("tv", "us", 110)
    assert story.broken() == []


def test_after_a_trouble_a_region_may_not_know_where_to_go() -> None:
    story = Story()
    story.cut(90, 105)
    story.drain("us", 100, 300)
    story.start("tv", "us", 110)
    assert story.broken() == []


def test_who_stays_is_no_evacuation() -> None:
    story = Story()
    tv = story.start("tv", "us", 80)
    story.drain("us", 100, 200)
    for at_s in (110, 140, 170, 195):
        told(story, tv, "us", at_s, "eu")
    verdict = story.judged("evacuated", "drained heartbeat went")
    assert verdict.findings == []
    assert verdict.missing == ["evacuated", "drained heartbeat went"]


def test_when_the_drain_is_over_a_start_must_be_taken_again() -> None:
    story = Story()
    story.drain("us", 100, 200)
    story.call(CallKind.START, "tv", "us", 150, 503, {"regions": TO_EU})
    story.call(CallKind.START, "tv", "us", 250, 503, {"regions": TO_EU})
    assert story.broken() == [("P3", "start answered 503")]
