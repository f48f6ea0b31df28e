"""P5: which ends need whose act, which heartbeat was in time, what an end for the limit needs."""

from dataclasses import replace

import pytest

from tests.sim.oracle.story import Story


def limited(*, others: bool, basis: str = "overdraft") -> tuple[Story, str, str]:
    """A second session is ended for the limit at 63 s; the first may have been over by then."""
    story = Story()
    story.history.max_latency_us = 100_000
    first = story.start("tv", "us", 10)
    if others:
        story.beats(first, "us", 40, 130)
    else:
        story.stop(first, "us", 50)
    second = story.start("phone", "eu", 60, basis=basis)
    story.ended(second, "eu", 63, "limit", evidence=(second, first))
    story.beat(second, "eu", 90, "limit")
    return story, first, second


def p5(story: Story) -> list[str]:
    """Rules of P5 that are broken."""
    return [rule for promise, rule in story.broken() if promise == "P5"]


@pytest.mark.parametrize("reason", ["kicked", "superseded", "replaced", "stopped"])
def test_an_end_by_somebody_needs_somebody(reason: str) -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.beat(session, "us", 200, reason)
    assert p5(story) == [f"{reason} by nobody"]


def test_ends_by_somebody_are_right() -> None:
    story = Story(limit=4)
    kicked, stopped = story.start("a", "us", 10), story.start("b", "us", 10)
    superseded, replaced = story.start("c", "us", 10), story.start("d", "us", 10)
    story.kick(kicked, "us", 20)
    story.stop(stopped, "us", 20)
    story.start("c", "us", 20)
    story.start("e", "us", 21, replace=[replaced])
    for session, reason in (
        (kicked, "kicked"), (stopped, "stopped"), (superseded, "superseded"),
        (replaced, "replaced"),
    ):  # fmt: skip
        story.beat(session, "us", 30, reason)
    assert p5(story) == []


def test_a_start_without_an_answer_may_have_superseded() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.lost_start("tv", "eu", 20)
    story.beat(session, "us", 40, "superseded")
    assert p5(story) == []


@pytest.mark.parametrize(("stuck_s", "rules"), [(9, []), (3, ["superseded by nobody"])])
def test_a_start_on_a_stuck_line_may_arrive_long_after_it_was_given_up(
    stuck_s: float, rules: list[str]
) -> None:
    story = Story()
    story.fault("line", 24 - stuck_s, 24, regions="us", note="drop")
    story.lost_start("tv", "us", 22)
    session = story.start("tv", "eu", 30)
    story.beat(session, "eu", 40, "superseded")
    assert p5(story) == rules


@pytest.mark.parametrize("reason", ["displaced", "lapsed"])
def test_a_session_in_time_is_neither_displaced_nor_lapsed(reason: str) -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.beat(session, "us", 40)
    story.beat(session, "us", 100, reason)
    assert p5(story) == [f"in time, {reason}"]


def test_a_silent_one_may_be() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.beat(session, "us", 76, "displaced")
    assert p5(story) == []


def test_a_heartbeat_of_a_shared_token_counts() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.beat(session, "us", 60, device="laptop", cloned=True)
    story.beat(session, "us", 76, "displaced")
    assert p5(story) == ["in time, displaced"]


def test_a_restart_is_no_excuse() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.kill("us", 15, 30, "wipe")
    story.beat(session, "us", 40, "lapsed")
    assert p5(story) == ["in time, lapsed"]


def test_an_end_of_the_other_side_is_no_excuse_where_its_device_was_heard() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.cut(20, 60)
    story.beat(session, "eu", 30)
    story.beats(session, "us", 40, 90)
    story.ended(session, "eu", 97, "displaced", is_kick=False)
    story.beat(session, "us", 98, "displaced")
    assert p5(story) == ["in time, displaced"]


def test_who_was_heard_beyond_a_cut_only_was_silent_here() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.beat(session, "us", 30)
    story.cut(40, 200)
    story.beat(session, "eu", 60)
    story.beat(session, "us", 100, "displaced")
    assert p5(story) == []
    assert story.judged().coverage["410 in time, heard beyond a cut"] == 1


def test_a_session_does_not_expire_within_a_run_but_by_a_clock_that_jumps() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.beat(session, "us", 40, "expired")
    assert p5(story) == ["expired within the run"]
    story.fault("jump", 20, 60, regions="us")
    assert p5(story) == []


def test_an_overdraft_ends_when_as_many_as_may_were_there() -> None:
    story, _, _ = limited(others=True)
    assert p5(story) == []
    assert story.judged().coverage["overdraft disproved"] == 1


def test_an_end_for_the_limit_needs_that_many_others() -> None:
    story, _, _ = limited(others=False)
    assert p5(story) == ["limit end without L others"]


def test_one_whose_start_was_never_answered_is_one_of_them() -> None:
    story, first, second = limited(others=False)
    story.history.ended[-1] = replace(story.history.ended[-1], evidence=(second, "us-1-77"))
    assert p5(story) == ["limit end without L others"]
    story.lost_start("tablet", "us", 59)
    assert p5(story) == []


def test_one_that_was_heard_perhaps_and_ended_later_is_one_of_them() -> None:
    story = Story()
    story.history.max_latency_us = 100_000
    woken = story.start("tv", "us", 10)
    ended = story.start("phone", "eu", 160, basis="overdraft")
    story.ended(ended, "eu", 163, "limit", evidence=(ended, woken))
    story.beat(ended, "eu", 190, "limit")
    assert p5(story) == ["limit end without L others"], "it had lapsed"
    story.beat(woken, "us", 159, status=0, took_s=None)
    story.ended(woken, "us", 170, "superseded", by="tv")
    assert p5(story) == []


def test_but_for_an_end_beyond_a_cut() -> None:
    story, _, _ = limited(others=False)
    story.cut(45, 100)
    assert p5(story) == []


def test_a_settled_session_never_ends_for_the_limit() -> None:
    story, _, _ = limited(others=True, basis="granted")
    assert p5(story) == ["settled session ended for the limit"]


def test_one_that_was_adopted_young_may_be_provisional() -> None:
    story, _, second = limited(others=True, basis="granted")
    story.beat(second, "ap", 62)
    assert p5(story) == []


def test_provisional_sessions_never_end_one_another() -> None:
    story = Story()
    first = story.start("tv", "us", 60, basis="overdraft")
    second = story.start("phone", "eu", 60, basis="overdraft")
    story.ended(first, "us", 61, "limit", evidence=(second,))
    story.ended(second, "eu", 61.05, "limit", evidence=(first,))
    assert p5(story) == ["provisional sessions ended one another"]


def test_without_a_tap_a_settled_session_is_known_by_its_basis() -> None:
    story = Story()
    story.history.is_tapped = False
    session = story.start("tv", "us", 10)
    story.beat(session, "us", 40, "limit")
    assert p5(story) == ["settled session ended for the limit"]


def test_without_a_tap_who_ended_the_oldest_is_known_by_the_answer() -> None:
    story = Story()
    story.history.is_tapped, story.history.on_limit = False, "end_oldest"
    session = story.start("tv", "us", 10)
    call = story.beat(session, "us", 40, "limit")
    assert p5(story) == ["settled session ended for the limit"]
    call.body["by"] = {"kind": "device", "device": "phone"}
    assert p5(story) == []


def evicting(times: list[tuple[str, str, float]], limit: int = 1) -> Story:
    """With `end_oldest`: who starts when and so ends whom."""
    story = Story(limit=limit)
    story.history.on_limit = "end_oldest"
    sessions: dict[str, str] = {}
    for device, other, at_s in times:
        sessions[device] = story.start(device, "us", at_s)
        if other in sessions:
            story.ended(sessions[other], "us", at_s + 0.01, "limit", by=device)
    return story


def test_the_oldest_ends_when_the_account_is_full() -> None:
    assert p5(evicting([("tv", "", 10), ("phone", "tv", 20), ("tab", "phone", 30)])) == []


def test_the_oldest_does_not_end_while_there_is_room() -> None:
    story = evicting([("tv", "", 10), ("phone", "tv", 20)], limit=2)
    assert p5(story) == ["oldest ended though not full"]


def test_players_do_not_end_one_another_in_turn() -> None:
    story = evicting([("tv", "", 10), ("phone", "tv", 20), ("tv", "phone", 30)])
    assert p5(story) == ["oldest ended in turn"]


@pytest.mark.parametrize(
    ("region", "rules"), [("us", ["a refused start ended a session"]), ("eu", [])]
)
def test_a_refused_start_ends_nothing_where_it_was_refused(region: str, rules: list[str]) -> None:
    story = Story(limit=1)
    mine = story.start("phone", "us", 5)
    other = story.start("tv", "eu", 10)
    story.beats(other, "eu", 40, 70)
    story.refused("phone", "us", 50, [(other, "confirmed")])
    story.ended(mine, region, 50.01, "superseded", by="phone")
    assert p5(story) == rules


def test_a_session_that_yields_is_not_kicked() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.ended(session, "us", 80, "displaced", is_kick=False)
    assert p5(story) == []
    story.ended(session, "us", 81, "displaced")
    assert p5(story) == ["yielded for good"]
