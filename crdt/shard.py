"""The replicated state of one shard: what this region writes, and how it takes in the rest.

Of each writer there is its set of dots and its position; of the shard as a whole there are kicks,
remembered ends, plans and homes. Own changes are applied here and go to the own log; others' come
as a contiguous range of the writer's log (`apply`) or as a complete snapshot (`install`).

Invariants:
- a writer's dots are a function of its position, so equal positions mean equal dots: positions
  have no gaps, only the writer adds or releases its dots, and a release takes a position too;
- so the join of two shards is, per writer, the one with the higher position as a whole, and for
  kicks, ends, plans and homes the maximum; it is associative, commutative and idempotent;
- what comes from outside is checked before the first change: a PeerError changes nothing.

The shard decides neither who holds a session nor what a kick does; `georeg/region` does.
Cost: a range costs its own length, whatever the number of sessions; a snapshot walks the shard.
Source: Almeida et al. (delta intervals); Phoenix.Tracker (a leave ticks the clock, merge says who).
"""

from collections.abc import Sequence

from crdt.accounts import NONE, AccountTable
from crdt.codec import encode_event
from crdt.context import Context, Position
from crdt.dots import (
    INCARNATION_MAX,
    POSITION_MAX,
    SHARD_BITS,
    SHARDS,
    Dot,
    RegionId,
    SessionId,
    dot_at,
    position_of,
    region_of,
    shard_of,
)  # fmt: skip
from crdt.errors import LocalError, PeerError
from crdt.events import Device, Entry, Event, HomeSet, Kick, Plan, PlanSet, Reason, Release, Stop
from crdt.foreign import check_range, compare, join_rest
from crdt.interner import Interner
from crdt.ledger import KickLedger
from crdt.log import Log
from crdt.releases import release_of
from crdt.sessions import NEVER, SessionSet
from crdt.slab import Slab
from crdt.snapshot import Snapshot
from crdt.stops import MEMORY_MS, End, Stops


class Shard:
    """One shard as region `me` has it. Interners are best shared by all shards of a region."""

    __slots__ = (
        "_first", "accounts", "changes", "context", "index", "ledger", "log", "me", "sessions",
        "stops",
    )  # fmt: skip

    def __init__(
        self,
        index: int,
        me: RegionId,
        *,
        memory_ms: int = MEMORY_MS,
        labels: Interner[str] | None = None,
        plans: Interner[Plan] | None = None,
    ) -> None:
        if not 0 <= index < SHARDS:
            raise LocalError(f"shards are 0 to {SHARDS - 1}, got {index}")
        self.index = index
        self.me = me
        self.changes = 0  # grows with every change: equal numbers mean an equal shard
        self.context = Context()
        self.accounts = AccountTable(Slab(), plans)
        self.sessions = SessionSet(self.accounts, labels)
        self.ledger = KickLedger()
        self.stops = Stops(self.sessions.holder, memory_ms)
        self.log = Log()
        self._first = Dot(0)  # of the own log; 0: no incarnation has begun

    def position(self, writer: RegionId) -> Position:
        """How far the writer's log is applied here; for `me` the own log's end."""
        return self.context.get(writer)

    def state_hash(self, writer: RegionId) -> int:
        """Hash of the writer's dots; at equal positions it is equal everywhere."""
        return self.sessions.hash_of(writer)

    def plan(self, account: str) -> PlanSet | None:
        """The statement of the account's plan that holds; None when none is known."""
        return self.accounts.plan(account)

    # ---- own writes --------------------------------------------------------------------------

    def begin(self, incarnation: int) -> list[Entry]:
        """Begin a new incarnation; its log begins with kicks, and homes that moved here or away.

        An earlier log of this region may be lost: a kick that it told to some peers only, or that
        a peer told here, must reach the others all the same. Drops what earlier incarnations of
        this region held and returns it, ordered by dot, so that the caller adds again what still
        lives. Raises LocalError unless the incarnation is higher than all seen.
        """
        if not self.position(self.me).incarnation < incarnation <= INCARNATION_MAX:
            raise LocalError(f"incarnation {incarnation} is not above {self.position(self.me)}")
        self._first = dot_at(self.me, incarnation, self.index, 1)
        inherited = [self.sessions.entry(row) for row in self.sessions.rows_of(self.me)]
        self.changes += 1
        self.sessions.drop_writer(self.me)
        self.context.advance(self.me, Position(incarnation, 0))
        self.log = Log(self.log.capacity_events, self.log.capacity_bytes)
        told: list[Event] = [*self.ledger.all(), *self.accounts.say_homes_again(self.me)]
        for event in told:
            self._append(encode_event(event))
        return inherited

    def add(
        self,
        *,
        session: SessionId | None,
        account: str,
        device: Device,
        title: str,
        started_ms: int,
        placed_ms: int,
        deadline_s: int,
        hop: int,
        provisional: bool,
        unconfirmed: bool,
        heard_ms: int,
        is_settled: bool = False,
    ) -> Entry:
        """Hold a session from now on. `session` None: a new one, named by its dot.

        `heard_ms`: own monotonic time. `is_settled`: a grant covers it. Raises LocalError when a
        field is out of bounds.
        """
        self._check_own(account)
        dot = Dot(self._first + (self.log.top << SHARD_BITS))
        entry = Entry(
            dot, SessionId(dot) if session is None else session, account, device, title,
            started_ms, placed_ms, deadline_s, hop, provisional, unconfirmed,
        )  # fmt: skip
        data = encode_event(entry)
        if heard_ms == NEVER:
            raise LocalError("an own session has been heard at some time")
        row = self.sessions.insert(entry, heard_ms)
        if is_settled:
            self.sessions.settle(row)
        self._append(data)
        return entry

    def release(self, entry: Entry, reason: Reason, now_ms: int, after: int = 0) -> None:
        """Give up an own dot (`after`: see `Release`). Raises LocalError if it is not held here."""
        dot, account = entry.dot, entry.account
        row = self.sessions.row_of(account, dot)
        if region_of(dot) != self.me or row == NONE:
            raise LocalError(f"dot {dot:#x} of {account!r} is not held by region {self.me}")
        heard_ms = self.sessions.heard[row]
        event = release_of(entry, reason, now_ms - heard_ms, after)
        data = encode_event(event)
        self._check_own(account)
        self._commit_release(event, now_ms, heard_ms)
        position = self._append(data)
        if reason is not Reason.MOVED:  # the new holder may know its token only
            self.log.blank(position_of(dot), position)

    def stop(self, session: SessionId, account: str, now_ms: int) -> Stop:
        """Note, for all regions, that a device ended its session. Again changes nothing."""
        event = Stop(session, account)
        data = encode_event(event)
        self._check_own(account)
        if self._commit_stop(event, now_ms):
            self._append(data)
        return event

    def kick(self, kick: Kick) -> Kick:
        """Note an end for good, for all regions. Returns the kick that holds: the earliest."""
        encode_event(kick)
        self._check_own(kick.account)
        changed = self.ledger.join(kick)
        holds = self.ledger.get(kick.session)
        assert holds is not None
        if changed:
            self._append(encode_event(holds))
        return holds

    def set_plan(self, update: PlanSet) -> bool:
        """Note a plan for all regions, unless it is known. False: a later statement is known."""
        data = encode_event(update)
        self._check_own(update.account)
        if self.accounts.set_plan(update):
            return self._append(data) > 0
        return self.accounts.plan(update.account) == update

    def set_home(self, update: HomeSet) -> bool:
        """Say who is home, to all regions, also what they have told. False: it was said before."""
        data = encode_event(update)
        self._check_own(update.account)
        return self.accounts.say_home(update) and self._append(data) > 0

    # ---- from peers --------------------------------------------------------------------------

    def apply(
        self,
        writer: RegionId,
        incarnation: int,
        first: int,
        events: Sequence[Event],
        now_ms: int,
    ) -> list[Event]:
        """Take in a range of a writer's log, as decoded; returns the events that were new.

        Contiguous or not at all: what is known already is skipped, a gap or an earlier incarnation
        applies nothing, a later one begins at its first event and drops the writer's older dots.
        Raises PeerError, and changes nothing, when the range contradicts itself or the own log.
        """
        known = self.position(writer)
        if incarnation < known.incarnation or not events:
            return []
        if incarnation > known.incarnation:
            known = Position(incarnation, 0)
        new = list(events[max(0, known.top + 1 - first) :])
        if first > known.top + 1 or not new:
            return []
        self._check_foreign(writer)
        check_range(writer, incarnation, self.index, known.top + 1, new)
        self.changes += 1
        if 0 < self.position(writer).incarnation < incarnation:
            self.sessions.drop_writer(writer)
        for event in new:
            self._commit(event, now_ms)
        self.context.advance(writer, Position(incarnation, known.top + len(new)))
        return new

    def snapshot(self, writer: RegionId) -> Snapshot:
        """What is known of a writer, complete, with all else that the shard knows."""
        return Snapshot(
            writer,
            self.index,
            self.position(writer),
            [self.sessions.entry(row) for row in self.sessions.rows_of(writer)],
            self.ledger.all(),
            self.stops.all(),
            self.accounts.plans(),
            tuple(self.accounts.moved()),
        )

    def install(self, snapshot: Snapshot, now_ms: int, *, repair: bool = False) -> list[Event]:
        """Take in a snapshot; returns its news as events, what has left the writer first.

        The dots only when its position is higher (with `repair`: or equal, since hashes differed),
        all else always. A dot that has left is a Release, reason MOVED when nothing tells how it
        ended. Raises PeerError, and changes nothing, when it contradicts itself or the own log.
        """
        if snapshot.shard != self.index:
            raise PeerError(f"a snapshot of shard {snapshot.shard} for shard {self.index}")
        known = self.position(snapshot.writer)
        takes_dots = snapshot.position > known or (repair and snapshot.position == known)
        left: list[Entry] = []
        joined: list[Entry] = []
        if takes_dots:
            self._check_foreign(snapshot.writer)
            left, joined = compare(self.sessions, snapshot, repair)
        self.changes += 1
        for entry in left:
            self.sessions.remove(entry.account, entry.dot)
        for entry in joined:
            self._commit(entry, now_ms)
        if snapshot.position > known:
            self.context.advance(snapshot.writer, snapshot.position)
        news: list[Event] = [*joined]
        news += join_rest(snapshot, self.ledger, self.stops, self.accounts, now_ms)
        return [*(self._release_of(entry, now_ms) for entry in left), *news]

    def renounce(self, writer: RegionId, incarnation: int) -> int:
        """Note that a writer has begun an incarnation and has written nothing yet in this shard.

        Drops its older dots and returns how many. Nothing changes if it is not a later one. Raises
        PeerError for a later incarnation of this region itself.
        """
        if incarnation <= self.position(writer).incarnation:
            return 0
        self._check_foreign(writer)
        self.changes += 1
        self.context.advance(writer, Position(incarnation, 0))
        return self.sessions.drop_writer(writer)

    def expire(self, now_s: int, now_ms: int) -> None:
        """Forget kicks past their expiry (wall clock) and ends past their time (monotonic)."""
        forgotten = self.ledger.expire(now_s) + self.stops.expire(now_ms)
        self.changes += forgotten > 0

    def forget_plans(self, issued_before: int, first_row: int, count: int) -> int:
        """Forget old plans of accounts without sessions; see `AccountTable.forget_plans`."""
        forgotten = self.accounts.forget_plans(issued_before, first_row, count)
        self.changes += forgotten > 0
        return forgotten

    # ---- committing --------------------------------------------------------------------------

    def _check_own(self, account: str) -> None:
        if not self._first:
            raise LocalError("begin an incarnation before the first write")
        if (shard := shard_of(account)) != self.index:
            raise LocalError(f"account {account!r} belongs to shard {shard}")
        if self.log.top >= POSITION_MAX:
            raise LocalError(f"the log is full: an incarnation has {POSITION_MAX} positions")

    def _append(self, data: bytes) -> int:
        self.changes += 1
        self.context.step(self.me)
        return self.log.append(data)

    def _commit(self, event: Event, now_ms: int) -> None:
        if type(event) is Entry:
            self.sessions.insert(event)
        elif type(event) is Release:
            self._commit_release(event, now_ms)
        elif type(event) is Stop:
            self._commit_stop(event, now_ms)
        elif type(event) is Kick:
            self.ledger.join(event)
        elif type(event) is PlanSet:
            self.accounts.set_plan(event)
        elif type(event) is HomeSet:
            self.accounts.set_home(event)

    def _commit_release(self, event: Release, now_ms: int, heard_ms: int = 0) -> None:
        dot, session, account, hop, reason, silent_ms, _ = event
        self.sessions.remove(account, dot)
        self.stops.remember(End(session, account, hop, dot, reason, silent_ms), now_ms, heard_ms)

    def _commit_stop(self, event: Stop, now_ms: int) -> bool:
        return self.stops.remember(End(*event, 0, 0, Reason.STOPPED), now_ms)

    def _release_of(self, entry: Entry, now_ms: int) -> Release:
        """What the release of a dot would have said that a snapshot no longer has."""
        kick = self.ledger.get(entry.session)
        end = self.stops.get(entry.session, now_ms)
        reason = kick.reason if kick else end.reason if end else Reason.MOVED
        return release_of(entry, reason, end.silent_ms if end else 0)

    # ---- checking ----------------------------------------------------------------------------

    def _check_foreign(self, writer: RegionId) -> None:
        """Others may tell what earlier incarnations of this region wrote, before it begins."""
        if writer == self.me and self._first:
            raise PeerError(
                f"another process writes as region {writer}: region numbers must be unique, and an "
                "incarnation is never used twice"
            )
