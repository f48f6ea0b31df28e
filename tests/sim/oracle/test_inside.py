"""Inside a region of many nodes: what devices may notice of trouble there, and what not."""

import pytest

from region_sim.history import CallKind
from tests.sim.oracle.story import Story


def with_nodes(*troubles: tuple[int, str, float, float]) -> Story:
    """Two nodes in each region; faults of nodes of us: number, how, from and until when."""
    story = Story(limit=2)
    story.history.nodes = 2
    for node, how, from_s, to_s in troubles:
        story.fault("node", from_s, to_s, regions="us", note=how, node=node)
    return story


def inside(story: Story) -> list[str]:
    """Rules that are broken inside."""
    return [rule for promise, rule in story.broken() if promise == "inside"]


@pytest.mark.parametrize("kind", [CallKind.HEARTBEAT, CallKind.STOP, CallKind.START])
def test_what_a_stream_needs_is_answered_while_a_node_is_dead(kind: CallKind) -> None:
    story = with_nodes((1, "kill", 50, 60))
    session = story.start("tv", "us", 40)
    options = {} if kind is CallKind.START else {"session": session}
    story.call(kind, "tv", "us", 55, 503, {}, **options)
    assert inside(story) == ["answered 503"]


def test_lists_and_kicks_may_be_put_off() -> None:
    story = with_nodes((1, "kill", 50, 60))
    session = story.start("tv", "us", 40)
    story.call(CallKind.LIST, "tv", "us", 55, 503, {})
    story.call(CallKind.KICK, "tv", "us", 55, 503, {}, session=session)
    assert inside(story) == []


@pytest.mark.parametrize(
    ("error", "rules"), [("reset", []), ("refused", []), ("timeout", ["no answer"])]
)
def test_a_connection_that_dies_with_its_node_says_so_at_once(error: str, rules: list[str]) -> None:
    story = with_nodes((1, "kill", 50, 60))
    session = story.start("tv", "us", 40)
    story.beat(session, "us", 55, status=0, error=error)
    assert inside(story) == rules


@pytest.mark.parametrize(("how", "rules"), [("kill", ["held for too long"]), ("pause", [])])
def test_only_a_node_that_stands_still_holds_calls_up(how: str, rules: list[str]) -> None:
    story = with_nodes((1, how, 50, 60))
    session = story.start("tv", "us", 40)
    story.beat(session, "us", 55, took_s=4.0)
    assert inside(story) == rules


@pytest.mark.parametrize(
    ("second", "rules"),
    [
        ((2, "stop", 54.0, 58.0), []),
        ((2, "cut", 54.0, 58.0), ["answered 503"]),
        ((1, "stop", 54.0, 58.0), ["answered 503"]),
        ((2, "stop", 66.0, 70.0), ["answered 503"]),
    ],
    ids=["both", "one reaches no store", "one of them twice", "one after the other"],
)
def test_where_no_node_is_left_nobody_answers(
    second: tuple[int, str, float, float], rules: list[str]
) -> None:
    story = with_nodes((1, "kill", 50, 60), second)
    session = story.start("tv", "us", 40)
    story.beat(session, "us", 56, status=503)
    assert inside(story) == rules


def test_when_all_is_in_order_the_rules_of_others_hold() -> None:
    story = with_nodes((1, "kill", 50, 60))
    session = story.start("tv", "us", 40)
    story.beat(session, "us", 70, status=503)
    assert inside(story) == []
    assert ("P3", "heartbeat answered 503") in story.broken()


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_start_that_was_sent_again_may_begin_two_sessions_where_nobody_ran_its_slice(
    is_whole: bool,
) -> None:
    story = with_nodes() if is_whole else with_nodes((1, "pause", 38, 42))
    story.lost_start("tv", "us", 40, key="tv/1")
    basis = "granted" if is_whole else "unchecked"
    story.stop(story.start("tv", "us", 40.1, basis=basis, key="tv/1"), "us", 42)
    phone = story.start("phone", "us", 41)
    told = story.refused("tablet", "us", 60, [("us-1-77", "local"), (phone, "local")])
    told.body["sessions"][0]["device"]["id"] = "tv"
    rules = [rule for promise, rule in story.broken() if promise == "P1"]
    assert rules == (["false block: local: phantom"] if is_whole else [])
