"""One shard: what a region writes, what it takes in, what it refuses."""

from typing import Any

import pytest

from crdt.codec import concatenated, decode_events, unpack
from crdt.context import Position
from crdt.dots import RegionId, SessionId, shard_of
from crdt.errors import LocalError, PeerError
from crdt.events import Event, Nothing, Plan, PlanSet, Reason, Release, Stop
from crdt.sessions import NEVER
from crdt.shard import Shard
from crdt.stops import End
from tests.crdt.samples import (
    ACCOUNTS,
    DEADLINE_S,
    ONE,
    SHARD,
    THREE,
    TWO,
    add,
    begun,
    entry,
    kick,
)

PLAN = PlanSet(ACCOUNTS[0], Plan("basic", 1, 0), 5)


def sent(author: Shard, after: int = 0, limit: int = 1000) -> tuple[int, list[Event]]:
    """A range of the author's log as a peer decodes it."""
    part = author.log.range(after, limit, 1 << 20)
    assert part is not None
    first, raw = part
    incarnation = author.position(author.me).incarnation
    unpacked = unpack(concatenated(raw), 1 << 20)
    return first, decode_events(unpacked, author.me, author.index, incarnation, first)


def tell(author: Shard, reader: Shard, after: int = 0, limit: int = 1000) -> list[Event]:
    """Let a peer apply a range of the author's log."""
    first, events = sent(author, after, limit)
    return reader.apply(author.me, author.position(author.me).incarnation, first, events, now_ms=0)


def state(shard: Shard) -> Any:
    """Everything that a shard knows of others and itself."""
    writers = [region for region, _ in shard.context.as_tuple()]
    return (shard.context.as_tuple(), [shard.snapshot(writer) for writer in writers])


# ---- own writes --------------------------------------------------------------------------------


def test_a_new_session_is_named_by_its_dot_and_held_here() -> None:
    shard = begun()
    held = add(shard, heard_ms=7)

    assert (int(held.session), held.dot) == (held.dot, entry(1).dot)
    assert shard.sessions.own_row(ACCOUNTS[0], held.session) != -1
    assert shard.position(ONE) == Position(1, 1)


def test_every_change_takes_one_position_of_the_own_log() -> None:
    shard = begun()
    held = add(shard)
    shard.release(held, Reason.LAPSED, 0)
    shard.stop(SessionId(5), ACCOUNTS[0], 0)
    shard.kick(kick())
    shard.set_plan(PLAN)

    assert shard.position(ONE) == Position(1, 5)
    assert [type(e).__name__ for e in sent(shard, after=1)[1]] == [
        "Release", "Stop", "Kick", "PlanSet",
    ]  # fmt: skip


def test_what_is_known_already_is_not_logged_again() -> None:
    shard = begun()
    for _ in range(2):
        shard.stop(SessionId(5), ACCOUNTS[0], 0)
        assert shard.kick(kick()) == kick()
        assert shard.set_plan(PLAN)

    assert shard.position(ONE) == Position(1, 3)


def test_a_later_kick_of_the_same_session_changes_nothing() -> None:
    shard = begun()
    shard.kick(kick(at_ms=5))

    assert shard.kick(kick(at_ms=6, reason=Reason.LIMIT)) == kick(at_ms=5)
    assert shard.position(ONE).top == 1


def test_an_older_plan_is_refused() -> None:
    shard = begun()
    shard.set_plan(PLAN)

    assert not shard.set_plan(PLAN._replace(plan=Plan("premium", 4, 0), issued=4))
    assert shard.plan(ACCOUNTS[0]) == PLAN


def test_only_an_own_dot_can_be_released() -> None:
    shard, other = begun(ONE), begun(TWO)
    theirs = add(other)
    tell(other, shard)
    for one in (theirs, entry(1)):
        with pytest.raises(LocalError):
            shard.release(one, Reason.LAPSED, 0)

    assert shard.position(ONE) == Position(1, 0)


@pytest.mark.parametrize(
    "change", [{"hop": -1}, {"account": "x" * 200}, {"heard_ms": NEVER}, {"title": "t" * 600}]
)
def test_an_own_write_out_of_bounds_is_a_bug_and_changes_nothing(change: dict[str, Any]) -> None:
    shard = begun()
    with pytest.raises(LocalError):
        add(shard, **change)

    assert shard.position(ONE).top == shard.log.top == shard.sessions.count == 0


def test_nobody_writes_before_its_incarnation_begins_or_into_another_shard() -> None:
    with pytest.raises(LocalError, match="begin"):
        add(Shard(SHARD, ONE))
    with pytest.raises(LocalError, match="shard"):
        add(begun(), next(a for a in map(str, range(99)) if shard_of(a) != SHARD))
    with pytest.raises(LocalError):
        Shard(64, ONE)


# ---- incarnations ------------------------------------------------------------------------------


def test_a_restarted_region_gets_back_what_its_peers_hold_of_it() -> None:
    before, peer = begun(incarnation=3), begun(TWO)
    held = [add(before), add(before, ACCOUNTS[1])]
    tell(before, peer)
    after = Shard(SHARD, ONE)
    after.install(peer.snapshot(ONE), 0)

    assert after.sessions.own_row(ACCOUNTS[0], held[0].session) == -1
    assert after.begin(4) == held
    assert after.sessions.count == 0
    again = add(after, session=held[0].session, unconfirmed=True)
    assert tell(after, peer) == [again]
    assert [peer.sessions.entry(row) for row in peer.sessions.rows_of(ONE)] == [again]


@pytest.mark.parametrize("incarnation", [0, 2, 3, 1 << 20])
def test_an_incarnation_is_never_used_twice(incarnation: int) -> None:
    shard = begun(incarnation=3)
    with pytest.raises(LocalError):
        shard.begin(incarnation)


def test_a_later_incarnation_without_events_takes_the_older_dots_away() -> None:
    author, peer = begun(), begun(TWO)
    add(author)
    tell(author, peer)

    assert peer.renounce(ONE, 1) == 0
    assert peer.renounce(ONE, 2) == 1
    assert peer.position(ONE) == Position(2, 0)
    assert tell(author, peer) == []


def test_a_later_incarnation_is_applied_from_its_first_event_only() -> None:
    author, peer = begun(), begun(TWO)
    add(author)
    tell(author, peer)
    author.begin(2)
    fresh = [add(author), add(author)]

    assert tell(author, peer, after=1) == []
    assert peer.position(ONE) == Position(1, 1)
    assert tell(author, peer) == fresh
    assert peer.sessions.count == 2


def test_another_process_that_writes_as_this_region_is_refused() -> None:
    shard, impostor = begun(), begun()
    add(impostor)
    with pytest.raises(PeerError, match="unique"):
        tell(impostor, shard)
    with pytest.raises(PeerError, match="unique"):
        shard.install(impostor.snapshot(ONE), 0)
    with pytest.raises(PeerError, match="unique"):
        shard.renounce(ONE, 2)

    assert shard.position(ONE) == Position(1, 0)
    assert shard.sessions.count == 0


def test_the_own_log_that_comes_back_by_a_third_region_is_no_news() -> None:
    author = begun()
    add(author)

    assert tell(author, author) == []
    assert author.install(author.snapshot(ONE), 0) == []


# ---- ranges ------------------------------------------------------------------------------------


def test_an_overlap_is_skipped_and_a_gap_applies_nothing() -> None:
    author, peer = begun(), begun(TWO)
    held = [add(author) for _ in range(4)]

    assert tell(author, peer, after=1) == []
    assert tell(author, peer, limit=2) == held[:2]
    assert tell(author, peer, after=3) == []
    assert tell(author, peer, after=1) == held[2:]
    assert tell(author, peer) == []
    assert peer.state_hash(ONE) == author.state_hash(ONE)


def test_a_session_that_is_over_within_the_range_comes_as_its_end_only() -> None:
    author, peer = begun(), begun(TWO)
    held = add(author)
    author.release(held, Reason.LAPSED, 0)
    end = Release(held.dot, held.session, held.account, 0, Reason.LAPSED)

    assert tell(author, peer) == [Nothing(), end]
    assert peer.stops.get(held.session, 0) is not None


def test_a_range_that_contradicts_itself_changes_nothing() -> None:
    shard = begun(TWO)
    held = entry(1)
    end = Release(held.dot, held.session, held.account, 0, Reason.LAPSED)
    shard.apply(ONE, 1, 1, [kick()], 0)
    before = state(shard)
    stray = Release(entry(1, region=3).dot, held.session, held.account, 0, Reason.LAPSED)
    ranges: list[list[Event]] = [
        [held], [end, entry(4)], [entry(2), stray], [entry(2), entry(2)],
    ]  # fmt: skip
    for events in ranges:
        with pytest.raises(PeerError):
            shard.apply(ONE, 1, 2, events, 0)
        assert state(shard) == before


# ---- ends and kicks ----------------------------------------------------------------------------


def test_a_kick_removes_no_dot_and_is_known_everywhere() -> None:
    author, peer = begun(), begun(TWO)
    held = add(author)
    tell(author, peer)
    peer.kick(kick(held.session))
    tell(peer, author)

    assert author.ledger.get(held.session) == kick(held.session)
    assert author.sessions.count == 1


def test_a_move_is_no_end_and_a_revived_session_has_none() -> None:
    shard = begun()
    held = add(shard)
    shard.release(held, Reason.MOVED, 0)
    assert shard.stops.get(held.session, 0) is None
    again = add(shard, session=held.session, hop=1)
    shard.release(again, Reason.LAPSED, 0)
    assert shard.stops.get(held.session, 0) == End(
        held.session, held.account, 1, again.dot, Reason.LAPSED
    )
    add(shard, session=held.session, hop=2)
    assert shard.stops.get(held.session, 0) is None


def test_a_stop_wins_over_a_concurrent_adoption() -> None:
    author, adopter, reader = begun(ONE), begun(TWO), begun(THREE)
    author.stop(SessionId(77), ACCOUNTS[0], 0)
    add(adopter, session=SessionId(77), hop=1)
    tell(author, reader)
    tell(adopter, reader)

    assert reader.stops.is_stopped(77)


def test_ends_and_kicks_are_forgotten_in_their_time() -> None:
    shard = begun()
    shard.kick(kick())
    shard.stop(SessionId(5), ACCOUNTS[0], 1_000)
    shard.expire(DEADLINE_S, 1_000)
    assert (len(shard.ledger), len(shard.stops)) == (1, 1)
    shard.expire(DEADLINE_S + 256, 271_000)
    assert (len(shard.ledger), len(shard.stops)) == (0, 0)


# ---- snapshots ---------------------------------------------------------------------------------


def test_a_snapshot_says_who_left_and_who_joined() -> None:
    author, peer = begun(), begun(TWO)
    held = [add(author) for _ in range(3)]
    tell(author, peer)
    for one, reason in ((held[0], Reason.LAPSED), (held[1], Reason.MOVED)):
        author.release(one, reason, 0)
    fresh = add(author)
    author.stop(SessionId(5), ACCOUNTS[0], 0)
    author.kick(kick())
    author.set_plan(PLAN)

    assert peer.install(author.snapshot(ONE), 0) == [
        Release(held[0].dot, held[0].session, ACCOUNTS[0], 0, Reason.LAPSED),
        Release(held[1].dot, held[1].session, ACCOUNTS[0], 0, Reason.MOVED),
        fresh,
        kick(),
        Stop(SessionId(5), ACCOUNTS[0]),
        PLAN,
    ]
    assert peer.state_hash(ONE) == author.state_hash(ONE)
    assert peer.install(author.snapshot(ONE), 0) == []


def test_a_stale_snapshot_brings_its_kicks_but_not_its_dots() -> None:
    author, peer = begun(), begun(TWO)
    held = add(author)
    stale = author.snapshot(ONE)._replace(kicks=[kick()])
    author.release(held, Reason.LAPSED, 0)
    tell(author, peer)

    assert peer.install(stale, 0) == [kick()]
    assert peer.sessions.count == 0
    assert peer.position(ONE) == Position(1, 2)


def test_a_snapshot_repairs_equal_positions_only_when_it_is_asked_to() -> None:
    author, peer = begun(), begun(TWO)
    held = [add(author), add(author)]
    tell(author, peer)
    peer.sessions.remove(held[0].account, held[0].dot)

    assert peer.install(author.snapshot(ONE), 0) == []
    assert peer.install(author.snapshot(ONE), 0, repair=True) == [held[0]]
    assert peer.state_hash(ONE) == author.state_hash(ONE)


def test_a_snapshot_with_another_content_of_a_known_dot_changes_nothing() -> None:
    author, peer = begun(), begun(TWO)
    add(author)
    tell(author, peer)
    before = state(peer)
    wrong = author.snapshot(ONE)._replace(
        position=Position(1, 2), entries=[entry(1, hop=9)], kicks=[kick()]
    )
    with pytest.raises(PeerError, match="double-spent"):
        peer.install(wrong, 0)

    assert state(peer) == before


def test_a_snapshot_of_another_shard_is_refused() -> None:
    with pytest.raises(PeerError):
        begun().install(begun(TWO).snapshot(RegionId(2))._replace(shard=SHARD + 1), 0)
