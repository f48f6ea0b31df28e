"""Random programs of writes, messages, snapshots and restarts against the specification.

Each rule that the shard keeps is broken once, by a subclass here; the same programs must find it.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt.accounts import AccountTable
from crdt.codec import NOTHING
from crdt.context import Position
from crdt.dots import RegionId
from crdt.errors import CrdtError
from crdt.events import Entry, Event, Kick, PlanSet, Reason, Release
from crdt.ledger import KickLedger
from crdt.log import Log
from crdt.sessions import SessionSet
from crdt.shard import Shard
from crdt.snapshot import Snapshot
from crdt.stops import End, Stops
from tests.crdt.replicas import (
    AGREEMENT,
    FINALITY,
    HISTORY,
    POSITIONS,
    QUIET_STEPS,
    REGIONS,
    STEPS,
    Step,
    World,
    Wrong,
    random_program,
    value,
)


def programs(steps: tuple[str, ...]) -> st.SearchStrategy[list[Step]]:
    return st.lists(
        st.tuples(st.sampled_from(steps), st.integers(0, 2), st.integers(0, 99), st.integers(0, 9)),
        max_size=40,
    )


@settings(max_examples=120, deadline=None)
@given(programs(STEPS))
def test_a_region_holds_what_the_visible_history_says(program: list[Step]) -> None:
    """At every step; through loss, doubling, reordering, relays and restarts. Then all agree."""
    world = World()
    world.run(program)
    world.converge(by_snapshots=True)


@settings(max_examples=120, deadline=None)
@given(programs(QUIET_STEPS))
def test_logs_alone_bring_all_regions_to_the_same_state(program: list[Step]) -> None:
    """Whatever was lost, doubled or reordered before."""
    world = World()
    world.run(program)
    world.converge(by_snapshots=False)


@pytest.mark.parametrize("seed", range(8))
def test_a_long_program_keeps_the_specification(seed: int) -> None:
    world = World()
    world.run(random_program(seed, 300))
    world.converge(by_snapshots=True)


# ---- the laws of join, on states that programs reach --------------------------------------------


def joined(*shards: Shard) -> Shard:
    """A fresh observer that takes in everything of several shards, one after the other."""
    observer = Shard(shards[0].index, RegionId(200))
    for shard in shards:
        for region in (*REGIONS, RegionId(200)):
            observer.install(shard.snapshot(region), 0)
    return observer


@settings(max_examples=80, deadline=None)
@given(programs(STEPS))
def test_join_is_associative_commutative_and_idempotent(program: list[Step]) -> None:
    world = World()
    world.run(program)
    a, b, c = (world.shards[region] for region in REGIONS)

    assert value(joined(a)) == value(a)
    assert value(joined(a, a)) == value(joined(a))
    assert value(joined(a, b)) == value(joined(b, a))
    assert value(joined(joined(a, b), c)) == value(joined(a, joined(b, c)))


@settings(max_examples=60, deadline=None)
@given(programs(STEPS))
def test_a_join_forgets_nothing(program: list[Step]) -> None:
    world = World()
    world.run(program)
    a, b, _ = (world.shards[region] for region in REGIONS)
    both = joined(a, b)

    for shard in (a, b):
        assert both.context.dominates(shard.context)
        assert value(joined(both, shard)) == value(both)
        assert all(k.session in both.ledger for k in shard.ledger.all())


# ---- mutants -----------------------------------------------------------------------------------


class ReleaseTakesNoPosition(Shard):
    def release(self, entry: Entry, reason: Reason, now_ms: int, after: int = 0) -> None:
        one = Release(entry.dot, entry.session, entry.account, entry.hop, reason)
        self._commit_release(one, now_ms)


class SnapshotIsPartial(Shard):
    def snapshot(self, writer: RegionId) -> Snapshot:
        whole = super().snapshot(writer)
        return whole._replace(entries=whole.entries[:3])


class GapsAreApplied(Shard):
    def apply(
        self,
        writer: RegionId,
        incarnation: int,
        first: int,
        events: Sequence[Event],
        now_ms: int,
    ) -> list[Event]:
        known = self.position(writer)
        if known.incarnation == incarnation and known.top < first - 1:
            self.context.advance(writer, Position(incarnation, first - 1))
        return super().apply(writer, incarnation, first, events, now_ms)


class OverlapsAreAppliedAgain(Shard):
    def apply(
        self,
        writer: RegionId,
        incarnation: int,
        first: int,
        events: Sequence[Event],
        now_ms: int,
    ) -> list[Event]:
        known = self.position(writer)
        if known.incarnation == incarnation:
            for event in events[: max(0, known.top + 1 - first)]:
                self._commit(event, now_ms)
        return super().apply(writer, incarnation, first, events, now_ms)


class EarlierIncarnationsCountStill(Shard):
    def apply(
        self,
        writer: RegionId,
        incarnation: int,
        first: int,
        events: Sequence[Event],
        now_ms: int,
    ) -> list[Event]:
        known = self.position(writer)
        if incarnation < known.incarnation:
            for event in events:
                self._commit(event, now_ms)
            return list(events)
        return super().apply(writer, incarnation, first, events, now_ms)


class KickRemovesDotsOfOthers(Shard):
    def _commit(self, event: Event, now_ms: int) -> None:
        super()._commit(event, now_ms)
        if isinstance(event, Kick):
            for row in self.sessions.rows(event.account):
                if self.sessions.sessions[row] == event.session:
                    self.sessions._remove_row(row)


class KicksOfOthersAreIgnored(Shard):
    def _commit(self, event: Event, now_ms: int) -> None:
        if not isinstance(event, Kick):
            super()._commit(event, now_ms)


class StaleSnapshotsAreInstalled(Shard):
    def install(self, snapshot: Snapshot, now_ms: int, *, repair: bool = False) -> list[Event]:
        if snapshot.position < self.position(snapshot.writer) and snapshot.writer != self.me:
            for entry in snapshot.entries:
                self._commit(entry, now_ms)
        return super().install(snapshot, now_ms, repair=repair)


def with_part(**parts: Callable[[Shard], Any]) -> type[Shard]:
    """A shard some of whose parts are made in another way."""

    class Mutant(Shard):
        def __init__(self, index: int, me: RegionId, **options: Any) -> None:
            super().__init__(index, me, **options)
            for name, make in parts.items():
                setattr(self, name, make(self))

        def begin(self, incarnation: int) -> list[Entry]:
            inherited = super().begin(incarnation)
            if "log" in parts:
                self.log = parts["log"](self)
            return inherited

    return Mutant


class OldDotsStay(SessionSet):
    def drop_writer(self, region: RegionId) -> int:
        return 0


class LastKickHeardWins(KickLedger):
    def join(self, kick: Kick) -> bool:
        known = self.get(kick.session)
        if known is not None:
            self._forget(known)
        return super().join(kick) and kick != known


class LastEndHeardWins(Stops):
    def remember(self, end: End, now_ms: int, heard_ms: int = 0) -> bool:
        self._ends.pop(end.session, None)
        return super().remember(end, now_ms, heard_ms)


class LastPlanHeardWins(AccountTable):
    def set_plan(self, update: PlanSet) -> bool:
        row = self.find(update.account)
        if row != -1 and self.plan(update.account) not in (None, update):
            self._drop_plan(row)
        return super().set_plan(update)


class BlanksBeyondTheRange(Log):
    def _sent(self, after: int, end: int) -> Iterator[bytes]:
        for position in range(after + 1, end + 1):
            over = position in self._closed
            yield NOTHING if over else self._events[position - self.floor - 1]


class OldDotsStayEverywhere(Shard):
    def __init__(self, index: int, me: RegionId, **options: Any) -> None:
        super().__init__(index, me, **options)
        self.sessions = OldDotsStay(self.accounts)
        self.stops = Stops(self.sessions.holder)


class LastPlanHeard(Shard):
    def __init__(self, index: int, me: RegionId, **options: Any) -> None:
        super().__init__(index, me, **options)
        self.accounts = LastPlanHeardWins(self.accounts.slab)
        self.sessions = SessionSet(self.accounts)
        self.stops = Stops(self.sessions.holder)


MUTANTS: dict[str, tuple[type[Shard], str]] = {
    "a release takes no position": (ReleaseTakesNoPosition, POSITIONS),
    "part of a snapshot has the full position": (SnapshotIsPartial, POSITIONS),
    "a range is applied over a gap": (GapsAreApplied, POSITIONS),
    "an overlap is applied again": (OverlapsAreAppliedAgain, POSITIONS),
    "a kick removes the dots of others": (KickRemovesDotsOfOthers, POSITIONS),
    "a new incarnation keeps the old dots": (OldDotsStayEverywhere, POSITIONS),
    "an add is left out without its release": (
        with_part(log=lambda shard: BlanksBeyondTheRange()),
        HISTORY,
    ),
    "an earlier incarnation counts still": (EarlierIncarnationsCountStill, HISTORY),
    "a stale snapshot is installed": (StaleSnapshotsAreInstalled, HISTORY),
    "kicks of others are ignored": (KicksOfOthersAreIgnored, FINALITY),
    "the kick heard last wins": (with_part(ledger=lambda shard: LastKickHeardWins()), AGREEMENT),
    "the end heard last wins": (
        with_part(stops=lambda shard: LastEndHeardWins(shard.sessions.holder)),
        AGREEMENT,
    ),
    "the plan heard last wins": (LastPlanHeard, AGREEMENT),
}


class ReusingWorld(World):
    """A restarted region begins the incarnation that it had: it kept nothing and asked nobody."""

    incarnation_step = 0


def is_caught(world_class: type[World]) -> bool:
    """Whether any of 60 programs finds something that the specification does not allow.

    Or the code itself does: a peer refuses what it is sent, a region what it is told of its own
    log. What only the end shows, is shown by logs alone: a second round of snapshots tells
    everybody everything in the same order.
    """
    by_logs = world_class.clauses == (AGREEMENT,)
    for seed in range(60):
        world = world_class()
        try:
            world.run(random_program(seed, 120, QUIET_STEPS if by_logs else STEPS))
            world.converge(by_snapshots=not by_logs)
        except (Wrong, CrdtError):
            return True
    return False


def test_the_programs_find_nothing_wrong_with_the_real_shard() -> None:
    class QuietWorld(World):
        clauses = (AGREEMENT,)

    assert not is_caught(World)
    assert not is_caught(QuietWorld)


@pytest.mark.parametrize("rule", MUTANTS)
def test_a_broken_rule_is_found(rule: str) -> None:
    class MutantWorld(World):
        shard_class, clause = MUTANTS[rule]
        clauses = (clause,)

    assert is_caught(MutantWorld)


def test_an_incarnation_that_is_used_twice_is_found() -> None:
    """At the latest by the region itself, when its peers know more of its log than it does."""
    assert is_caught(ReusingWorld)
