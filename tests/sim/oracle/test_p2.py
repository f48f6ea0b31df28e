"""P2: who must be known at an admission, how long an excess may last, and what excuses it."""

import pytest

from tests.sim.oracle.story import Story, us

SLOW_US = 100_000


def far() -> Story:
    """Regions so far apart that decisions run into their deadline."""
    story = Story()
    story.history.max_latency_us = SLOW_US
    return story


def near() -> Story:
    """Regions so near that no decision ever does."""
    story = Story()
    story.history.max_latency_us = 1_000
    return story


def two_at_once(story: Story, first: str = "us", then: str = "eu", *, at_s: float = 60) -> str:
    """A stream from 10 s on, and another one from `at_s` on, at a limit of one."""
    session = story.start("tv", first, 10)
    story.beats(session, first, 40, 250)
    other = story.start("phone", then, at_s, basis="overdraft")
    story.beats(other, then, at_s + 30, at_s + 150)
    return other


def test_one_stream_after_the_other_is_within_the_limit() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.stop(session, "us", 50)
    story.start("phone", "us", 51)
    assert story.broken() == []
    assert story.judged().excesses == []


def test_the_same_device_twice_is_one() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.beats(session, "us", 40, 100)
    story.start("tv", "eu", 60)
    assert story.broken() == []


def test_a_region_admits_no_more_than_the_limit_itself() -> None:
    story = far()
    two_at_once(story, "us", "us")
    assert ("P2", "one region above L") in story.broken()


def test_also_in_a_cut() -> None:
    story = far()
    story.cut(20, 300)
    two_at_once(story, "us", "us")
    assert story.broken() == [("P2", "one region above L")]


def test_what_was_known_for_seconds_must_count() -> None:
    story = far()
    two_at_once(story)
    assert ("P2", "admitted though full: overdraft") in story.broken()


def test_what_is_beyond_a_cut_cannot_count() -> None:
    story = far()
    story.cut(20, 300)
    two_at_once(story)
    assert story.broken() == []
    (excess,) = story.judged().excesses
    assert (excess.peak, excess.limit, excess.excuse) == (2, 1, "partition")


@pytest.mark.parametrize("link", [("us", "ap"), ("us", "eu")])
def test_a_cut_that_can_be_gone_round_is_no_excuse(link: tuple[str, str]) -> None:
    story = far()
    story.cut_link(20, 300, *link)
    two_at_once(story)
    assert story.broken() == [
        ("P2", "admitted though full: overdraft"), ("P2", "above L without a partition"),
    ]  # fmt: skip


def test_nor_does_it_keep_the_home_from_seeing_all() -> None:
    story = far()
    story.cut_link(20, 300)
    session = story.start("tv", "us", 10)
    story.beats(session, "us", 40, 250)
    story.start("phone", "eu", 60, basis="borrowed")
    assert ("P2", "admitted though full: borrowed") in story.broken()


def test_nearness_is_that_of_the_longer_way() -> None:
    story = far()
    story.history.max_latency_us = 4_000  # 12 trips are within the deadline, 24 are not
    story.stop(story.start("tv", "us", 10), "us", 12)
    story.start("phone", "us", 60, basis="overdraft")
    assert story.broken() == [("P2", "overdraft though all are near")]
    story.cut_link(20, 300)
    assert story.broken() == []


def test_a_silent_session_need_not_be_known_but_must_yield_in_time() -> None:
    story = far()
    session = story.start("tv", "us", 10)
    other = story.start("phone", "eu", 78, basis="overdraft")
    story.beats(other, "eu", 108, 170)
    story.ended(session, "us", 85, "displaced", is_kick=False)
    assert story.broken() == []
    story.history.ended.clear()
    story.ended(session, "us", 97, "lapsed", is_kick=False)
    assert story.broken() == [("P2", "above L without a partition")]


def test_a_session_that_has_just_moved_need_not_be_known() -> None:
    story = far()
    session = story.start("tv", "us", 10)
    story.beat(session, "us", 40)
    story.beat(session, "ap", 58)
    story.beat(session, "ap", 65)
    story.start("phone", "eu", 60, basis="overdraft")
    assert story.broken() == []


@pytest.mark.parametrize(("ended_s", "rules"), [(70, []), (75, ["above L without a partition"])])
def test_an_overdraft_is_over_when_it_is_no_longer_young(ended_s: float, rules: list[str]) -> None:
    story = far()
    first = story.start("tv", "us", 60)
    story.beats(first, "us", 90, 150)
    second = story.start("phone", "eu", 60.02, basis="overdraft")
    story.ended(second, "eu", ended_s, "limit", evidence=(first,))
    story.beat(second, "eu", ended_s + 1, "limit")
    assert [rule for promise, rule in story.broken() if promise == "P2"] == rules


def test_near_regions_are_never_above_the_limit() -> None:
    story = near()
    first = story.start("tv", "us", 60)
    story.beats(first, "us", 90, 150)
    second = story.start("phone", "eu", 62, basis="borrowed")
    story.ended(second, "eu", 62.1, "stopped", is_kick=False)
    assert story.broken() == [("P2", "above L without a partition")]


def test_near_regions_need_no_overdraft() -> None:
    story = near()
    story.stop(story.start("tv", "us", 10), "us", 20)
    story.start("phone", "us", 62, basis="overdraft")
    assert story.broken() == [("P2", "overdraft though all are near")]


def test_a_device_that_comes_back_late_may_exceed_the_limit() -> None:
    story = far()
    session = story.start("tv", "us", 10)
    other = story.start("phone", "eu", 80)
    story.beat(session, "eu", 85)
    story.beats(session, "eu", 90, 200)
    story.beats(other, "eu", 100, 200)
    assert story.broken() == []
    assert {excess.excuse for excess in story.judged().excesses} == {"late return"}


def test_a_smaller_plan_ends_nothing() -> None:
    story = Story(limit=2)
    first, second = story.start("tv", "us", 10), story.start("phone", "us", 12)
    story.plan(50, 1)
    for session in (first, second):
        story.beats(session, "us", 40, 200)
    assert story.broken() == []


def test_after_a_smaller_plan_the_smaller_limit_counts_for_starts() -> None:
    story = Story(limit=2)
    first = story.start("tv", "us", 10)
    story.plan(50, 1)
    story.beats(first, "us", 40, 200)
    second = story.start("phone", "us", 70)
    story.beats(second, "us", 100, 200)
    assert story.broken() == [("P2", "one region above L")]


def test_a_world_in_two_parts_has_twice_the_limit_at_most() -> None:
    story = far()
    story.history.is_crossed = False
    story.fault("cut", 20, 400, links="us>eu,eu>us,us>ap,ap>us")
    for device, region, at_s in (("tv", "us", 30), ("phone", "eu", 31), ("tab", "ap", 31.1)):
        session = story.start(device, region, at_s, basis="overdraft")
        story.beats(session, region, at_s + 30, 300)
    assert story.broken() == [("P2", "more than 2 x L")]


def test_with_the_policy_end_an_excess_is_over_after_the_partition() -> None:
    story = far()
    story.history.excess_policy = "end"
    story.cut(20, 100)
    two_at_once(story)
    assert story.broken() == [("P2", "not ended after the partition")]


def test_of_an_excess_the_verdict_tells_when_and_how_much() -> None:
    story = far()
    story.cut(20, 300)
    two_at_once(story)
    (excess,) = story.judged().excesses
    assert (excess.account, excess.from_us) == ("anna", us(60.02))
    assert excess.to_us == us(210)
