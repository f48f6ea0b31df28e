"""P4: who must know of a kick, from when on, and until when."""

import pytest

from tests.sim.oracle.story import Rule, Story

KNOWN: Rule = ("P4", "kicked session answered 200")
UNTOLD: Rule = ("P4", "a kick was not told")


def kicked_in_us() -> tuple[Story, str]:
    """A session of eu is kicked in us at 50 s."""
    story = Story()
    session = story.start("tv", "eu", 10)
    story.kick(session, "us", 50)
    return story, session


def test_a_kicked_session_is_told_so() -> None:
    story, session = kicked_in_us()
    story.beat(session, "eu", 60, "kicked")
    assert story.broken() == []


def test_the_region_that_acknowledged_a_kick_knows_it() -> None:
    story, session = kicked_in_us()
    story.beat(session, "us", 50.1)
    assert story.broken() == [KNOWN]


def test_also_after_a_restart() -> None:
    story, session = kicked_in_us()
    story.kill("us", 55, 70)
    story.beat(session, "us", 80)
    assert story.broken() == [KNOWN]


def test_a_lost_disk_loses_kicks() -> None:
    story, session = kicked_in_us()
    story.cut(10, 200)
    story.kill("us", 55, 70, "wipe")
    story.beat(session, "us", 80)
    assert story.broken() == []


def test_a_region_that_has_heard_of_a_kick_knows_it() -> None:
    story, session = kicked_in_us()
    story.cut(40, 300)
    story.learned(session, "eu", 51)
    story.beat(session, "eu", 60)
    assert story.broken() == [KNOWN]


def test_seconds_later_everybody_knows() -> None:
    story, session = kicked_in_us()
    story.beat(session, "eu", 51)
    assert story.broken() == []
    story.beat(session, "eu", 54)
    assert story.broken() == [UNTOLD]


@pytest.mark.parametrize(("beat_s", "rules"), [(60, []), (104, []), (110, [UNTOLD])])
def test_beyond_a_cut_seconds_after_it_has_healed(beat_s: float, rules: list[Rule]) -> None:
    story, session = kicked_in_us()
    story.cut(40, 100)
    story.beat(session, "eu", beat_s)
    assert story.broken() == rules


def test_a_kick_without_an_answer_promises_nothing() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.kick(session, "us", 50, 0, took_s=5, error="timeout")
    story.beat(session, "us", 60)
    assert [rule for rule in story.broken() if rule[0] == "P4"] == []


def test_a_superseded_session_never_comes_back_where_that_is_known() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.start("tv", "us", 50)
    story.ended(session, "us", 50.01, "superseded", by="tv")
    story.beat(session, "us", 60)
    assert story.broken() == [KNOWN]


def test_a_crash_may_lose_an_end_that_nobody_was_promised() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.start("tv", "us", 50)
    story.ended(session, "us", 50.01, "superseded", by="tv")
    story.kill("us", 50.05, 55)
    story.beat(session, "us", 60)
    assert story.broken() == []


def test_live_runs_know_kicks_by_their_answers() -> None:
    story, session = kicked_in_us()
    story.history.is_tapped = False
    story.beat(session, "us", 60)
    assert story.broken() == [KNOWN]


@pytest.mark.parametrize(("kick_s", "rules"), [(12, []), (50, [("P4", "kick found nothing")])])
def test_a_session_that_was_there_for_seconds_can_be_kicked(
    kick_s: float, rules: list[Rule]
) -> None:
    story = Story()
    session = story.start("tv", "eu", 10)
    story.kick(session, "us", kick_s, 404)
    story.beats(session, "eu", 40, 100)
    assert story.broken() == rules


@pytest.mark.parametrize(("replaced_s", "broken"), [(50, [KNOWN]), (120, [])])
def test_without_a_tap_who_may_have_lapsed_was_not_there_to_be_replaced(
    replaced_s: float, broken: list[Rule]
) -> None:
    story = Story()
    story.history.is_tapped = False
    session = story.start("tv", "us", 10)
    story.start("phone", "us", replaced_s, replace=[session])
    story.beat(session, "us", replaced_s + 1)
    assert [rule for rule in story.broken() if rule[0] == "P4"] == broken
