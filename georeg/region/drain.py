"""A region that its operator drains: it admits no more, and its devices are told where to go.

A drain is a wish with an end: it is undone, or it expires by itself, so that an operator who
forgets it does no harm; a new process does not drain. While it is on, the region hands back the
grants that it does not use and asks for none that a running session does not need. Everything else
goes on: heartbeats, adoptions, stops, lists, kicks, answers to other regions, the duty as home.

Invariant: without `force` a drain has effect only while there is another region to go to, one that
is up and does not drain. It cannot begin otherwise, and is suspended when the last one is lost or
drains too: two operators who drain the last two regions at once leave both of them admitting.

Devices leave evenly. Each session has its turn, a fixed share of the time that the drain takes; it
is told where to go at its last heartbeat before that, with the time until then.

Cost: a few comparisons at each heartbeat of a draining region, nothing elsewhere; grants are looked
through HAND_BACK_MAX accounts a round.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from crdt.dots import RegionId
from crdt.errors import LocalError
from crdt.liveness import RegionState as Liveness
from georeg.region.budget import Budget
from georeg.region.evidence import Evidence
from georeg.region.ports import Timer
from georeg.region.state import RegionState

FOR_MS: Final = 3_600_000
"""A drain ends by itself after this, unless its operator says otherwise."""
FOR_MS_MAX: Final = 7 * 86_400_000
HAND_BACK_MAX: Final = 2_000
"""Accounts a round whose unused grants are looked for."""
SOON_PARTS: Final = (30, 6)
"""Whose turn is over when it is told first goes after 1/30 to 1/6 of a heartbeat."""
_GOLDEN: Final = 2_654_435_769
_SPREAD_BITS: Final = 16
_FAR_MS: Final = 1 << 40


class Progress(NamedTuple):
    """How far a drain has come."""

    is_on: bool
    has_effect: bool
    """False while it is on: suspended, since there is nowhere to go."""
    is_forced: bool
    sessions: int
    """Own sessions that have not left; 0: the region is evacuated."""
    grants: int
    """Slots of other homes that are not handed back, since sessions use them or it is not their
    turn yet."""
    since_ms: int
    """So long ago it began; 0 when it is not on."""
    left_ms: int | None
    """It ends by itself after this; None: it does not, or is not on."""
    elsewhere: tuple[RegionId, ...]
    """Where devices are sent, best first."""


class Drain:
    """The drain of one region, on or not."""

    def __init__(
        self, state: RegionState, budget: Budget, evidence: Evidence, say: Callable[[], None]
    ) -> None:
        """`say`: tell the other regions now whether this one drains."""
        self._state = state
        self._budget = budget
        self._evidence = evidence
        self._say = say
        self._draining: dict[RegionId, bool] = {}
        """What the newest beacon of each other region said."""
        self._watchers: list[Callable[[], None]] = []
        self._timer: Timer | None = None
        self._since_ms = 0
        self._until_ms: int | None = None
        self._over_ms = 0
        self._walk: list[tuple[RegionId, str]] = []
        """What is still to be looked at for unused grants."""
        self.is_on = False
        self.is_forced = False
        self.has_effect = False
        """Whether starts are declined and devices sent elsewhere, as of the last look."""
        self.elsewhere: tuple[RegionId, ...] = ()
        """The other regions that are up and do not drain, nearest first, as of the last look."""

    # ---- operators ---------------------------------------------------------------------------

    def obstacle(self) -> str | None:
        """Why `begin` would refuse without force, and what to do; None: it would not."""
        if self._look_elsewhere():
            return None
        return (
            "no other region is up and admits: with this one drained, every start would be "
            "declined. Undrain or start another region first, or force it"
        )

    def begin(
        self,
        for_ms: int | None = FOR_MS,
        *,
        over_ms: int | None = None,
        force: bool = False,
        goes_on: bool = False,
    ) -> None:
        """Drain from now on; begun again, the new terms hold.

        `for_ms`: it ends by itself after this; None: never, for a process that is about to stop.
        `over_ms`: devices leave evenly within this; None: within one heartbeat, or `for_ms` if that
        is shorter. `goes_on`: it was begun elsewhere, and is suspended where it would be refused.
        Raises LocalError for terms that cannot be, and for what `obstacle` says.
        """
        if for_ms is not None and not 0 < for_ms <= FOR_MS_MAX:
            raise LocalError(f"a drain lasts 1 to {FOR_MS_MAX} ms, not {for_ms}")
        longest_ms = FOR_MS_MAX if for_ms is None else for_ms
        if over_ms is None:
            over_ms = min(self._state.settings.heartbeat_ms, longest_ms)
        if not 0 <= over_ms <= longest_ms:
            raise LocalError(f"devices leave within 0 to {longest_ms} ms, not {over_ms}")
        if not (force or goes_on) and (obstacle := self.obstacle()) is not None:
            raise LocalError(obstacle)
        self._cancel()
        clock = self._state.clock
        self._since_ms, self._over_ms = clock.now_ms(), over_ms
        self._until_ms = None
        if for_ms is not None:
            self._until_ms = self._since_ms + for_ms
            self._timer = clock.call_later(for_ms, self._expire)
        self._state.counters["drains"] += 1
        self._set(is_on=True, is_forced=force)

    def end(self) -> None:
        """Drain no more; harmless when it is not on. Who was told to go may still go."""
        self._cancel()
        if self.is_on:
            self._walk.clear()
            self._set(is_on=False, is_forced=False)

    def progress(self) -> Progress:
        """How far it has come, and on what terms."""
        now_ms, until_ms = self._state.clock.now_ms(), self._until_ms
        is_ending = self.is_on and until_ms is not None
        return Progress(
            is_on=self.is_on,
            has_effect=self.has_effect,
            is_forced=self.is_forced,
            sessions=self.sessions_left(),
            grants=self._budget.held(),
            since_ms=now_ms - self._since_ms if self.is_on else 0,
            left_ms=max(0, until_ms - now_ms) if is_ending and until_ms is not None else None,
            elsewhere=self._look_elsewhere(),
        )

    def sessions_left(self) -> int:
        """Own sessions; those whose lease ran out within the last second may still be counted."""
        return sum(shard.sessions.own_count for shard in self._state.shards)

    # ---- devices -----------------------------------------------------------------------------

    def watch(self, callback: Callable[[], None]) -> None:
        """Call back whenever a drain begins, ends, or gains or loses its effect."""
        self._watchers.append(callback)

    def leaves_in_ms(self, session: int) -> int:
        """How long until it is a session's turn to leave; 0 when that is over."""
        turn_ms = self._since_ms + (_share(session) * self._over_ms >> _SPREAD_BITS)
        return max(0, turn_ms - self._state.clock.now_ms())

    def next_heartbeat_ms(self, session: int) -> int | None:
        """When a device that has just been heard must be heard elsewhere.

        None: it is not its turn yet, its next heartbeat comes here. A device that was told before
        and stays is told again, at its usual pace.
        """
        state, since_ms, share = self._state, self._since_ms, _share(session)
        interval_ms, now_ms = state.settings.heartbeat_ms, state.clock.now_ms()
        turn_ms = since_ms + (share * self._over_ms >> _SPREAD_BITS)
        if turn_ms > now_ms + interval_ms:
            return None
        if now_ms > turn_ms and now_ms > since_ms + interval_ms:
            return interval_ms
        soon_ms = interval_ms // SOON_PARTS[0]
        latest_ms = interval_ms // SOON_PARTS[1]
        return max(turn_ms - now_ms, soon_ms + (share * (latest_ms - soon_ms) >> _SPREAD_BITS))

    # ---- other regions -----------------------------------------------------------------------

    def heard(self, peer: RegionId, is_draining: bool) -> None:
        """What a beacon says of its sender."""
        self._draining[peer] = is_draining

    def is_draining(self, peer: RegionId) -> bool:
        """Whether another region drains, by its newest beacon."""
        return self._draining.get(peer, False)

    def tick(self) -> None:
        """Once a beacon round: look where devices can go, hand back what is not used."""
        if self.is_on:
            self._look()
            if self.has_effect:
                self._hand_back()

    def _look_elsewhere(self) -> tuple[RegionId, ...]:
        regions, now_ms = self._state.regions, self._state.clock.now_ms()
        open_ = [
            peer
            for peer in self._state.peers
            if regions.state(peer, now_ms) is Liveness.UP and not self.is_draining(peer)
        ]
        return tuple(sorted(open_, key=lambda peer: (self._distance_ms(peer), peer)))

    def _distance_ms(self, peer: RegionId) -> int:
        round_trip_ms = self._evidence.round_trip_ms(peer)
        return _FAR_MS if round_trip_ms is None else round_trip_ms

    # ---- itself ------------------------------------------------------------------------------

    def _set(self, *, is_on: bool, is_forced: bool) -> None:
        self.is_on, self.is_forced = is_on, is_forced
        self._say()
        self._look(has_changed=True)

    def _look(self, *, has_changed: bool = False) -> None:
        had_effect = self.has_effect
        self.elsewhere = self._look_elsewhere() if self.is_on else ()
        self.has_effect = self.is_on and (self.is_forced or bool(self.elsewhere))
        if has_changed or self.has_effect != had_effect:
            for callback in self._watchers:
                callback()

    def _expire(self) -> None:
        self._state.counters["drains_expired"] += 1
        self.end()

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _hand_back(self) -> None:
        """Look at the next accounts; when all were looked at, begin again with what is held now."""
        if not self._walk:
            self._walk = [
                (seat, account)
                for seat in self._budget.seats()
                for account in self._budget.holder.accounts(seat)
            ]
        self._walk, turn = self._walk[:-HAND_BACK_MAX], self._walk[-HAND_BACK_MAX:]
        for seat, account in turn:
            self._budget.hand_back(seat, account)


def _share(session: int) -> int:
    """A fixed number below 2**_SPREAD_BITS: sessions that follow one another are far apart."""
    return (session * _GOLDEN >> 16) & ((1 << _SPREAD_BITS) - 1)
