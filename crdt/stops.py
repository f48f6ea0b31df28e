"""Remembered ends that are not kicks: stopped, lapsed, displaced, moved away.

An end is remembered so that a late heartbeat is answered with it, and so that a stop wins over an
adoption that did not know of it. It is remembered for a fixed time from when it was heard, on the
own monotonic clock, long enough for every device that could still ask.

Rule: of all ends of one session, the one with the highest (stopped, hop, dot) is kept, so the order
in which logs arrive does not matter. It holds unless an add beyond it is known: then the session
lives on elsewhere; this is asked when somebody looks, not when the add arrives. A stop stands above
every add. A release that says "moved" is kept for its rank and never shown.

Cost: one dict entry an end, about 250 B; forgetting is O(1) an end, oldest first. Bounded: beyond
the limit the oldest goes.

An end by silence says how silent the device had been. A region that has heard it later than that
knows better (`outlived_ms`): it may have given up its own copy for one that nobody spoke to.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, NamedTuple

from crdt.dots import SessionId
from crdt.events import SILENCE, Reason

ENDS_MAX: Final = 1 << 16
MEMORY_MS: Final = 270_000
"""Three client leases of 90 s."""


class End(NamedTuple):
    """The end of a session as a log said it. A stop names neither hop nor dot: both are 0."""

    session: SessionId
    account: str
    hop: int
    dot: int
    reason: Reason
    silent_ms: int = 0
    """As the release said it; 0: it did not."""

    @property
    def rank(self) -> tuple[bool, int, int]:
        """Of two ends of a session, the one with the higher rank holds."""
        return (self.reason is Reason.STOPPED, self.hop, self.dot)


class Stops:
    """Session -> its end, for one shard.

    `holder` tells, by account and session, the highest (hop, dot) that is held, (0, 0) for none.
    `memory_ms`: longer explains later, and costs memory.
    """

    __slots__ = ("_ends", "_holder", "ends_max", "memory_ms")

    def __init__(
        self,
        holder: Callable[[str, int], tuple[int, int]],
        memory_ms: int = MEMORY_MS,
        ends_max: int = ENDS_MAX,
    ) -> None:
        self.memory_ms = memory_ms
        self.ends_max = ends_max
        self._holder = holder
        self._ends: OrderedDict[int, tuple[int, str, int, int, Reason, int, int]] = OrderedDict()
        """Session -> (expires_ms, account, hop, dot, reason, silent_ms, heard_ms), what expires
        first in front. heard_ms: when this region last heard its device, 0 if it never held it."""

    def __len__(self) -> int:
        return len(self._ends)

    def get(self, session: int, now_ms: int) -> End | None:
        """How the session ended; None when no end is remembered that holds."""
        known = self._ends.get(session)
        if known is None or known[0] <= now_ms or known[4] is Reason.MOVED:
            return None
        end = End(SessionId(session), *known[1:6])
        if end.reason is Reason.STOPPED or self._holder(end.account, session) <= known[2:4]:
            return end
        return None

    def age_ms(self, session: int, now_ms: int) -> int:
        """How long ago the end was heard of; 0 when none is remembered."""
        known = self._ends.get(session)
        return 0 if known is None else max(0, now_ms - (known[0] - self.memory_ms))

    def is_stopped(self, session: int) -> bool:
        """Whether its device ended the session: nobody may hold or adopt it any more."""
        known = self._ends.get(session)
        return known is not None and known[4] is Reason.STOPPED

    def all(self) -> list[End]:
        """All that is remembered, ordered by session; marks of moves included."""
        return [End(SessionId(s), *known[1:6]) for s, known in sorted(self._ends.items())]

    def outlived_ms(self, session: int) -> int | None:
        """When this region heard the device, own clock, if that was after the region that ended
        the session for its silence had heard it; else None.

        That region last heard it at the latest so long before its word arrived as it says.
        """
        known = self._ends.get(session)
        if known is None or known[4] not in SILENCE:
            return None
        silent_since_ms = known[0] - self.memory_ms - known[5]
        return known[6] if known[6] > silent_since_ms else None

    def left_ms(self, session: int) -> int | None:
        """When this region, own clock, last heard the device of a session that moved away from it;
        None: it did not, or nothing later is remembered of it."""
        known = self._ends.get(session)
        return known[6] or None if known is not None and known[4] is Reason.MOVED else None

    def remember(self, end: End, now_ms: int, heard_ms: int = 0) -> bool:
        """Note an end. False when it is known, or a higher one is.

        `heard_ms`: when this region last heard its device, if it gave up the session itself.
        """
        known = self._ends.get(end.session)
        if known is not None:
            heard_ms = max(heard_ms, known[6])
            if end.rank <= End(end.session, *known[1:6]).rank:
                self._ends[end.session] = (*known[:6], heard_ms)
                return False
            del self._ends[end.session]
        self._ends[end.session] = (now_ms + self.memory_ms, *end[1:], heard_ms)
        if len(self._ends) > self.ends_max:
            self._ends.popitem(last=False)
        return True

    def expire(self, now_ms: int) -> int:
        """Forget the ends whose time is over; returns how many."""
        if not self._ends:
            return 0
        before = len(self._ends)
        while self._ends and next(iter(self._ends.values()))[0] <= now_ms:
            self._ends.popitem(last=False)
        return before - len(self._ends)
