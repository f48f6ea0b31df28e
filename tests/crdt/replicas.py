"""Three regions that run a random program, and what they must know after each of its steps.

A program is a list of small tuples (step, region, x, y), so that Hypothesis can shrink it. The
regions write, send ranges over a wire that loses, doubles and reorders, pull, install snapshots at
second hand, and restart without memory. Beside the real shards a history is kept: what each region
has ever written, event by event. The specification says what a shard must hold from the history
alone: the events up to its positions, and the kicks, ends and plans that have reached it.
"""

import random
from typing import Any, NamedTuple

from crdt.codec import concatenated, decode_events, unpack
from crdt.context import Position
from crdt.dots import RegionId, SessionId
from crdt.events import Entry, Event, Kick, Plan, PlanSet, Reason, Release, Stop
from crdt.shard import Shard
from crdt.snapshot import decode_snapshot, encode_snapshot
from crdt.stops import End
from tests.crdt.samples import ACCOUNTS, SHARD, add, kick

REGIONS = (RegionId(1), RegionId(2), RegionId(3))
STEPS = (
    "start", "start", "adopt", "adopt", "release", "release", "stop", "kick", "plan", "send",
    "send", "deliver", "deliver", "pull", "relay", "restart",
)  # fmt: skip
QUIET_STEPS = tuple(step for step in STEPS if step not in ("relay", "restart"))
"""Steps by which state travels in logs alone."""
REASONS = (Reason.LAPSED, Reason.STOPPED, Reason.MOVED, Reason.DISPLACED)

HISTORY, POSITIONS, FINALITY, AGREEMENT = CLAUSES = (
    "a region holds what the visible history says",
    "equal positions mean equal dots",
    "no session that was kicked is live",
    "in the end all know the same",
)
"""What is demanded. Of a mutant only one of them, that is meant to find it."""

Step = tuple[str, int, int, int]


class Sent(NamedTuple):
    """A range on the wire."""

    to: RegionId
    writer: RegionId
    incarnation: int
    first: int
    data: bytes


class Wrong(AssertionError):
    """A shard is not what the specification says."""


def random_program(seed: int, length: int, steps: tuple[str, ...] = STEPS) -> list[Step]:
    """A program for the tests that need many of them rather than short ones."""
    rng = random.Random(seed)
    return [
        (rng.choice(steps), rng.randrange(3), rng.randrange(100), rng.randrange(100))
        for _ in range(length)
    ]


class World:
    """The regions, the wire and the history."""

    shard_class: type[Shard] = Shard
    clauses: tuple[str, ...] = CLAUSES
    incarnation_step = 1

    def __init__(self) -> None:
        self.shards: dict[RegionId, Shard] = {}
        self.history: dict[tuple[RegionId, int], list[Event]] = {}
        self.known: dict[RegionId, set[Event | End]] = {}
        """Kicks, plan statements and ends that have reached a region since its last restart."""
        self.sessions: list[Entry] = []
        self.wire: list[Sent] = []
        self.time = 0
        for region in REGIONS:
            self._begin(region, 1, None)

    def run(self, program: list[Step]) -> None:
        """Run a program; raises Wrong after the first step that breaks the specification."""
        for name, n, x, y in program:
            region = REGIONS[n]
            getattr(self, name)(region, x, y)
            self.check(region)

    # ---- steps -------------------------------------------------------------------------------

    def start(self, region: RegionId, x: int, y: int) -> None:
        self._wrote(region, add(self.shards[region], ACCOUNTS[x % 3], title="film" * (y % 2)))

    def adopt(self, region: RegionId, x: int, y: int) -> None:
        if not self.sessions:
            return
        one = self.sessions[x % len(self.sessions)]
        if one.session in self.shards[region].ledger:
            return
        self._wrote(
            region,
            add(self.shards[region], one.account, session=one.session, hop=one.hop + 1),
        )

    def release(self, region: RegionId, x: int, y: int) -> None:
        shard = self.shards[region]
        rows = shard.sessions.rows_of(region)
        if rows:
            one = shard.sessions.entry(rows[x % len(rows)])
            reason = REASONS[y % len(REASONS)]
            shard.release(one, reason, 0)
            self._wrote(region, Release(one.dot, one.session, one.account, one.hop, reason))

    def stop(self, region: RegionId, x: int, y: int) -> None:
        if self.sessions:
            one = self.sessions[x % len(self.sessions)]
            shard = self.shards[region]
            before = shard.log.top
            shard.stop(one.session, one.account, 0)
            if shard.log.top > before:
                self._wrote(region, Stop(one.session, one.account))

    def kick(self, region: RegionId, x: int, y: int) -> None:
        if self.sessions:
            one = self.sessions[x % len(self.sessions)]
            self.time += 1
            shard = self.shards[region]
            before = shard.log.top
            at_ms = 1000 + self.time // 2 if y % 2 else 1000 - self.time // 2
            holds = shard.kick(kick(one.session, account=one.account, at_ms=at_ms, region=region))
            if shard.log.top > before:
                self._wrote(region, holds)

    def plan(self, region: RegionId, x: int, y: int) -> None:
        update = PlanSet(ACCOUNTS[x % 3], Plan("p", x % 4 + 1, 0), y % 5)
        shard = self.shards[region]
        before = shard.log.top
        shard.set_plan(update)
        if shard.log.top > before:
            self._wrote(region, update)

    def send(self, region: RegionId, x: int, y: int) -> None:
        """Put a range on the wire: after what the reader has, or after what it may not have."""
        reader = REGIONS[x % 3]
        shard = self.shards[region]
        incarnation, top = shard.position(region)
        known = self.shards[reader].position(region)
        after = known.top if known.incarnation == incarnation else 0
        after = min(top, max(0, after + (0, 0, 0, 1, -1)[y % 5]))
        part = shard.log.range(after, 1 + y % 7, 1 << 20)
        if reader != region and part is not None and part[1]:
            first, raw = part
            self.wire.append(Sent(reader, region, incarnation, first, concatenated(raw)))

    def deliver(self, region: RegionId, x: int, y: int) -> None:
        """Deliver any message on the wire; sometimes it stays there and comes again."""
        if self.wire:
            at = x % len(self.wire)
            message = self.wire[at] if y % 3 == 0 else self.wire.pop(at)
            self._apply(message)
            self.check(message.to)

    def pull(self, region: RegionId, x: int, y: int) -> None:
        """Get everything of one other region's log, as after its acknowledgement."""
        writer = REGIONS[x % 3]
        author = self.shards[writer]
        incarnation = author.position(writer).incarnation
        known = self.shards[region].position(writer)
        if writer == region:
            return
        if known.incarnation < incarnation:
            self.shards[region].renounce(writer, incarnation)
            known = Position(incarnation, 0)
        part = author.log.range(known.top, 10_000, 1 << 20)
        if part is not None and part[1]:
            self._apply(Sent(region, writer, incarnation, part[0], concatenated(part[1])))

    def relay(self, region: RegionId, x: int, y: int) -> None:
        """Install what one region has of any writer's state."""
        source, writer = REGIONS[x % 3], REGIONS[y % 3]
        if source != region and writer != region:
            self._install(self.shards[region], source, writer)
            self.known[region] |= self.known[source]

    def restart(self, region: RegionId, x: int, y: int) -> None:
        """Lose the memory, not the incarnation; join one other region first, or nobody."""
        if x % 4 == 0:
            incarnation = self.shards[region].position(region).incarnation
            source = REGIONS[y % 3]
            self._begin(
                region, incarnation + self.incarnation_step, source if source != region else None
            )

    # ---- what must hold ----------------------------------------------------------------------

    def check(self, region: RegionId) -> None:
        """What the clauses demand of one region."""
        if HISTORY in self.clauses:
            self._check_history(region)
        if POSITIONS in self.clauses:
            self._check_positions(region)
        if FINALITY in self.clauses:
            kicked = {e.session for e in self.known[region] if isinstance(e, Kick)}
            _same(live(self.shards[region]) & kicked, set(), f"live and kicked in {region}")

    def _check_history(self, region: RegionId) -> None:
        shard = self.shards[region]
        for writer in REGIONS:
            incarnation, top = shard.position(writer)
            visible = self.history.get((writer, incarnation), [])[:top]
            released = {event.dot for event in visible if isinstance(event, Release)}
            held = [e for e in visible if isinstance(e, Entry) and e.dot not in released]
            _same(entries(shard, writer), held, f"dots of {writer} in {region}")
        _same(shard.ledger.all(), self._kicks(region), f"kicks in {region}")
        _same(shard.accounts.plans(), self._plans(region), f"plans in {region}")
        _same(shard.stops.all(), self._ends(region), f"ends in {region}")

    def _check_positions(self, region: RegionId) -> None:
        shard = self.shards[region]
        for writer in REGIONS:
            for other in REGIONS:
                if self.shards[other].position(writer) == shard.position(writer):
                    what = f"dots of {writer} in {region} and {other}"
                    _same(entries(shard, writer), entries(self.shards[other], writer), what)
                    _same(shard.state_hash(writer), self.shards[other].state_hash(writer), what)

    def converge(self, *, by_snapshots: bool) -> None:
        """Let everybody hear everything, then demand that all know the same."""
        for _ in range(3):
            for region in REGIONS:
                for n in range(3):
                    self.pull(region, n, 0)
        if by_snapshots:
            for _ in range(2):
                for region in REGIONS:
                    for n in range(9):
                        self.relay(region, n // 3, n % 3)
        for region in REGIONS:
            self.check(region)
            if AGREEMENT in self.clauses:
                _same(value(self.shards[region]), value(self.shards[REGIONS[0]]), "the end")

    def _kicks(self, region: RegionId) -> list[Kick]:
        """Of each session the earliest kick."""
        found: dict[SessionId, Kick] = {}
        for one in self.known[region]:
            if isinstance(one, Kick):
                found[one.session] = min(one, found.get(one.session, one), key=_kick_order)
        return [found[session] for session in sorted(found)]

    def _plans(self, region: RegionId) -> list[PlanSet]:
        """Of each account the latest statement."""
        found: dict[str, PlanSet] = {}
        for one in self.known[region]:
            if isinstance(one, PlanSet):
                found[one.account] = max(
                    one, found.get(one.account, one), key=lambda p: (p.issued, p.plan)
                )
        return sorted(found.values())

    def _ends(self, region: RegionId) -> list[End]:
        """Of each session the highest end."""
        found: dict[SessionId, End] = {}
        for one in self.known[region]:
            if isinstance(one, End):
                found[one.session] = max(one, found.get(one.session, one), key=lambda end: end.rank)
        return [found[session] for session in sorted(found)]

    # ---- how it is done ----------------------------------------------------------------------

    def _begin(self, region: RegionId, incarnation: int, source: RegionId | None) -> None:
        shard = self.shard_class(SHARD, region)
        known: set[Event | End] = set()
        if source is not None:
            for writer in REGIONS:
                self._install(shard, source, writer)
            known |= self.known[source]
        self.shards[region] = shard
        self.known[region] = known
        self.history[region, incarnation] = []
        inherited = shard.begin(incarnation)
        for known_kick in shard.ledger.all():
            self._wrote(region, known_kick)
        for one in inherited:
            if one.session not in shard.ledger:
                self._wrote(
                    region,
                    add(shard, one.account, session=one.session, hop=one.hop, unconfirmed=True),
                )

    def _wrote(self, region: RegionId, event: Event) -> None:
        self.history[region, self.shards[region].position(region).incarnation].append(event)
        self.known[region] |= told_by(event)
        if isinstance(event, Entry):
            self.sessions.append(event)

    def _apply(self, message: Sent) -> None:
        to, writer, incarnation, first, data = message
        events = decode_events(unpack(data, 1 << 20), writer, SHARD, incarnation, first)
        before = self.shards[to].position(writer)
        self.shards[to].apply(writer, incarnation, first, events, 0)
        after = self.shards[to].position(writer)
        seen = before.top if before.incarnation == after.incarnation else 0
        for event in self.history[writer, incarnation][seen : after.top]:
            if after.incarnation == incarnation:
                self.known[to] |= told_by(event)

    def _install(self, shard: Shard, source: RegionId, writer: RegionId) -> None:
        data = encode_snapshot(self.shards[source].snapshot(writer))
        shard.install(decode_snapshot(data), 0)


def told_by(event: Event) -> set[Event | End]:
    """What an event says for good, beside the writer's own dots."""
    if isinstance(event, Release):
        return {End(event.session, event.account, event.hop, event.dot, event.reason)}
    if isinstance(event, Stop):
        return {End(event.session, event.account, 0, 0, Reason.STOPPED)}
    return {event} if isinstance(event, Kick | PlanSet) else set()


def entries(shard: Shard, writer: RegionId) -> list[Entry]:
    """What a writer holds, as the shard has it."""
    return [shard.sessions.entry(row) for row in shard.sessions.rows_of(writer)]


def live(shard: Shard) -> set[int]:
    """The sessions that are live in the shard's view."""
    held = {entry.session for writer in REGIONS for entry in entries(shard, writer)}
    return {s for s in held if shard.ledger.get(s) is None and not shard.stops.is_stopped(s)}


def value(shard: Shard) -> Any:
    """All that a shard knows, whoever asks."""
    return (
        shard.context.as_tuple(),
        [entries(shard, writer) for writer in REGIONS],
        shard.ledger.all(),
        shard.ledger.hash,
        shard.stops.all(),
        shard.accounts.plans(),
    )


def _kick_order(one: Kick) -> Any:
    return (one.at_ms, one)


def _same(found: Any, expected: Any, what: str) -> None:
    if found != expected:
        raise Wrong(f"{what}: found {found}, expected {expected}")
