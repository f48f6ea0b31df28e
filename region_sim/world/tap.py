"""Writes down what really happens in a region: ends, kicks it hears of, budgets, messages.

The oracle must not take a region's word for when a session ended, so it listens where that is
decided. Reading changes nothing: no look that would release a lapsed session, no clock of another
machine. What is tapped are methods of one instance; the product has no hooks for it.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from crdt.events import ActorKind, Entry, HomeSet, Kick, Reason
from georeg.edge.render import Renderer
from georeg.region import wire
from georeg.region.election import StaticElection
from georeg.region.region import Region
from georeg.region.settings import ElectionKind
from region_sim.history import Budget, Cloned, Ended, Frame, Learned, Moved, Probe, Sat, Voided
from region_sim.world.ground import Ground


class Tap:
    """Listens to one life of a region."""

    def __init__(self, ground: Ground, region: Region, others: dict[str, Any]) -> None:
        """`others`: the living processes of all regions by name, this one soon included. `region`:
        its rules, or those of one of its slices."""
        self._ground = ground
        self._history = ground.history
        self._region: Any = region
        self._others = others
        names = dict(enumerate(ground.regions, start=1))
        self._render = Renderer(names)  # type: ignore[arg-type]
        self._election = StaticElection(names)  # type: ignore[arg-type]
        self._frames: dict[tuple[str, bytes], deque[int]] = {}
        """Target and payload -> indices in the history of what has not arrived."""
        self._evidence: list[tuple[str, ...]] = []
        self._listen(self._region)

    @property
    def _now_us(self) -> int:
        return self._ground.machine.scheduler.now_us

    def _listen(self, region: Any) -> None:
        state, overdrafts = region._state, region._overdrafts
        kick, release, hold = state.kick, state.release, state.hold
        apply_kick, judge = state.apply_kick, overdrafts._judge
        take_voided = region._budget.take_voided

        def on_kick(entry: Entry, reason: Reason, *args: Any) -> Kick:
            if state.kicked(entry.account, entry.session) is None:
                self._ended(entry, reason, is_kick=True, by=_device_of(args))
            known: Kick = kick(entry, reason, *args)
            return known

        def on_release(entry: Entry, reason: Reason, **options: Any) -> None:
            if reason is not Reason.MOVED and state.kicked(entry.account, entry.session) is None:
                self._ended(entry, reason, is_kick=False, by="")
            release(entry, reason, **options)

        def on_apply_kick(known: Kick) -> None:
            session = self._render.session_id(known.session)
            self._history.learned.append(Learned(self._now_us, self._ground.name, session))
            apply_kick(known)

        def on_hold(account: str, *args: Any, **options: Any) -> Entry:
            entry: Entry = hold(account, *args, **options)
            self._measure(account)
            return entry

        def on_judge(inquiry: Any) -> None:
            seen = [*state.own(inquiry.account), *inquiry.found()]
            self._evidence.append(tuple(self._render.session_id(s.session) for s in seen))
            judge(inquiry)
            self._evidence.pop()

        def on_voided(count: int) -> list[str]:
            accounts: list[str] = take_voided(count)
            if accounts:
                voided = Voided(self._now_us, self._ground.name, len(accounts))
                self._history.voided.append(voided)
            return accounts

        stored = region._moves._stored

        def on_stored(move: HomeSet, error: OSError | None) -> None:
            if error is None:
                self._moved(move)
            stored(move, error)

        region._moves._stored = on_stored
        region._budget.take_voided = on_voided
        state.kick, state.release, state.hold = on_kick, on_release, on_hold
        state.apply_kick, overdrafts._judge = on_apply_kick, on_judge
        clones = region._heartbeats._clones
        clones._found = partial(self._cloned, clones._found, by_pace=False)
        clones._is_fast = partial(self._cloned, clones._is_fast, by_pace=True)

    def _cloned(self, count: Callable[[Entry], None], entry: Entry, *, by_pace: bool) -> None:
        session = self._render.session_id(entry.session)
        self._history.cloned.append(
            Cloned(self._now_us, self._ground.name, entry.account, session, by_pace)
        )
        count(entry)

    def _ended(self, entry: Entry, reason: Reason, *, is_kick: bool, by: str) -> None:
        self._history.ended.append(
            Ended(
                self._now_us, self._ground.name, entry.account,
                self._render.session_id(entry.session), entry.device.id, reason.name.lower(),
                is_kick, by,
                self._evidence[-1] if reason is Reason.LIMIT and self._evidence else (),
            )
        )  # fmt: skip

    def _moved(self, move: HomeSet) -> None:
        names = self._ground.regions
        self._history.moved.append(
            Moved(
                self._now_us, self._ground.name, move.account, names[move.home - 1], move.number
            )
        )  # fmt: skip

    # ---- budgets -----------------------------------------------------------------------------

    def _measure(self, account: str) -> None:
        """What each region could use of the account's slots at this instant."""
        usable: dict[str, int] = {}
        homes = set()
        living = {
            name: process.regions_for(account)
            for name, process in sorted(self._others.items())
            if process.ground.machine.is_alive
        }
        everyone = [region for regions in living.values() for region in regions]
        for name, regions in living.items():
            for region in regions:  # two where two nodes may decide at once, which none should
                if not region.joined or not _belongs(region, everyone):
                    continue
                usable[name] = usable.get(name, 0) + self._usable(region, account)
                if (known := region._state.plan_of(account)) is not None:
                    # By pin and hash among all: that regions may differ about who belongs to the
                    # cluster, where a home has moved, or who sits in a seat, is no excuse for
                    # lending twice.
                    homes.add(self._election.home(account, known.plan.home))
        limit = self._region._state.limit_of(account)
        self._history.budgets.append(
            Budget(self._now_us, account, limit, usable, max(1, len(homes)))
        )

    def _note_seats(self) -> None:
        state, names = self._region._state, self._ground.regions
        now_ms = state.clock.now_ms()
        for seat in sorted(state.seats.terms):
            book = state.seats.acting(seat, now_ms)
            if book is not None and not book.is_learning(now_ms):
                sat = Sat(self._now_us, self._ground.name, names[seat - 1])
                self._history.sat.append(sat)

    def _is_first(self) -> bool:
        """Whether no living region comes before this one: one of them speaks for all."""
        living = [name for name, p in self._others.items() if p.ground.machine.is_alive]
        return min(living, default="") == self._ground.name

    @staticmethod
    def _usable(region: Any, account: str) -> int:
        """As `Budget.usable`, without its look at sessions, which would release lapsed ones; at a
        home this can only be more than that."""
        state, budget = region._state, region._budget
        seat, now_ms = state.seat_of(account), state.clock.now_ms()
        if budget.is_moving(account):
            return 0
        book = state.seats.acting(seat, now_ms)
        if book is None or book.is_learning(now_ms):
            return int(budget.holder.usable(seat, account, now_ms))
        if state.shard(account).plan(account) is None:
            return 0
        lent = sum(book.valid(account, now_ms).values())
        return int(max(0, state.limit_of(account) - lent))

    def probe(self) -> None:
        """What the region says of itself; and, while seats may pass on, what all could use."""
        scenario = self._ground.scenario
        if scenario.election != ElectionKind.STATIC:
            self._note_seats()
            for account in scenario.accounts() if self._is_first() else ():
                self._measure(account)
        region: Any = self._region
        shards, budget = region._state.shards, region._budget
        self._history.probes.append(
            Probe(
                self._now_us, self._ground.name, sum([s.sessions.own_count for s in shards]),
                sum([s.sessions.count for s in shards]), region._overdrafts.count, budget.held(),
                budget.lent(), dict(region._state.counters),
            )
        )  # fmt: skip

    # ---- messages ----------------------------------------------------------------------------

    def keep_frames(self, node: Any) -> None:
        """Write down each message that the node sends."""
        send, regions = node._mesh.send, self._ground.regions

        def on_send(peer: int, payload: bytes) -> None:
            target = regions[peer - 1]
            version = self._region._replication.links[peer].version
            kind = type(wire.decode(payload, version)).__name__
            frame = Frame(self._now_us, None, self._ground.name, target, kind, len(payload))
            frames = self._history.frames
            self._frames.setdefault((target, payload), deque()).append(len(frames))
            frames.append(frame)
            send(peer, payload)

        node._mesh.send = on_send

    def arrived(self, source: str, payload: bytes) -> None:
        """A message of another region is here."""
        other = self._others.get(source)
        if not self._ground.chaos.keeps_frames or other is None:
            return
        indices = other.tap._frames.get((self._ground.name, payload))
        if not indices:
            return
        index = indices.popleft()
        frames = self._history.frames
        frames[index] = replace(frames[index], arrived_us=self._now_us)


def _belongs(region: Any, living: list[Any]) -> bool:
    """Whether any other region's config has it: one that was lost and removed, and that lives on
    somewhere unseen, is no part of the cluster, and nothing but a fence could stop it."""
    others = [other for other in living if other.id != region.id]
    return not others or any(region.id in other._members.regions for other in others)


def _device_of(args: tuple[Any, ...]) -> str:
    """Of the arguments of `kick`: the device whose act it was."""
    if len(args) > 1 and args[0] is ActorKind.DEVICE:
        return str(args[1])
    return ""
