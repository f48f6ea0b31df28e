"""Two devices that use one session token at the same time: noticed by tokens and by pace.

**By tokens.** Now and then the answer to a heartbeat carries a *rolled* token, which the device
shows from then on. Each is made once: it has a mark of its own and names its parent. A device that
retries after a lost answer gets another one of the same parent, and shows only the last; a copy of
the token goes on with one line of children while the device goes on with another. So a session
whose tokens turn back to a line that had been left, and back again, is in two hands. What one
device alone can cause is never a turn: the same token again, a child of the last one, a line that
is never seen again (a device that was restored, or was in another region meanwhile). An old
heartbeat that arrives after the next token was shown is one turn; it takes `TURNS` of them, each at
most `TURNS_WITHIN` leases after the one before. A region that has just begun to hold a session
knows no token of it, and suspects nothing.

**By pace.** Who ignores rolled tokens can only be told by its pace: a byte per session fills with
each heartbeat and drains with time, a quarter faster than the agreed pace fills it. A device in
trouble may be fast too, so this is only ever counted, never acted on. So are copies that are used
in different regions, where each sees one line: their session moves to and fro at twice the pace of
a device that goes to two regions in turn.

Memory: three bytes a session in its columns, and of `SUSPICIONS_MAX` sessions each whose tokens
ever turned and that came back fast; the one that was noticed first is forgotten first.
Cost: nothing for a heartbeat at its pace with the same token; else about 1 us.
"""

from typing import Final

from crdt.events import ActorKind, Entry, Reason
from crdt.sessions import SessionSet
from georeg.region.settings import OnClone
from georeg.region.state import RegionState

TURNS: Final = 3
TURNS_WITHIN: Final = 20
SUSPICIONS_MAX: Final = 10_000
LINES_MAX: Final = 4
"""Lines of tokens that are remembered of one session besides the present one."""
BEAT: Final = 8
"""What one heartbeat adds to the byte; the time between two of them takes `DRAIN` away."""
DRAIN: Final = 10
PACE_MAX: Final = 24 * BEAT
"""So many heartbeats too many are counted: two devices at their pace reach it after 32."""


class _Suspicion:
    """A session whose tokens have left a line at least once."""

    __slots__ = ("is_told", "lines", "turned_ms", "turns")

    def __init__(self) -> None:
        self.lines: tuple[int, ...] = ()
        """Marks of the last tokens of the lines that were left, the latest first."""
        self.turns = 0
        self.turned_ms = 0
        self.is_told = False


class Clones:
    """Watches the heartbeats of the sessions that are held here."""

    def __init__(self, state: RegionState) -> None:
        self._state = state
        self._suspicions: dict[int, _Suspicion] = {}
        self._returns: dict[int, int] = {}
        """Session -> how far it is ahead of the pace at which one device could come back."""
        self.soon_ms = state.settings.heartbeat_ms * BEAT // DRAIN
        """A heartbeat that comes sooner after the one before fills the byte."""

    def heard(
        self, sessions: SessionSet, row: int, mark: int, parent: int, gap_ms: int
    ) -> bool:
        """A heartbeat that shows another token, or comes fast. False: its session has ended."""
        self._measure(sessions, row, gap_ms)
        last = sessions.marks[row]
        if mark == last:
            return True
        sessions.marks[row] = mark
        if last == 0 or not self._has_turned(sessions.sessions[row], last, mark, parent):
            return True
        entry = sessions.entry(row)
        self._found(entry)
        if self._state.policy_of(entry.account).clones is not OnClone.END:
            return True
        self._state.counters["clones_ended"] += 1
        self._state.kick(entry, Reason.KICKED, ActorKind.SYSTEM)
        return False

    def returned(self, entry: Entry, gap_ms: int) -> None:
        """A session is back that had moved away from here, so long after its device was last heard
        here. One device that goes to and fro needs two intervals for it, two devices one."""
        drained = DRAIN * gap_ms // self._state.settings.heartbeat_ms
        ahead = self._returns.pop(entry.session, 0) + 2 * BEAT - drained
        if ahead >= PACE_MAX:
            self._is_fast(entry)
        elif ahead > 0:
            self._returns[entry.session] = ahead
            if len(self._returns) > SUSPICIONS_MAX:
                del self._returns[next(iter(self._returns))]

    def _has_turned(self, session: int, last: int, mark: int, parent: int) -> bool:
        """Whether this token makes it certain, for the first time."""
        suspicion = self._suspicions.get(session)
        if suspicion is None:
            if parent == last:
                return False
            suspicion = self._suspicions[session] = _Suspicion()
            if len(self._suspicions) > SUSPICIONS_MAX:
                del self._suspicions[next(iter(self._suspicions))]
        lines = suspicion.lines
        if mark in lines or (parent != last and parent in lines):
            self._turn(suspicion)
        left = () if parent == last else (last,)
        kept = tuple(line for line in lines if line not in (mark, parent, last))
        suspicion.lines = (left + kept)[:LINES_MAX]
        if suspicion.is_told or suspicion.turns < TURNS:
            return False
        suspicion.is_told = True
        return True

    def _turn(self, suspicion: _Suspicion) -> None:
        now_ms = self._state.clock.now_ms()
        within_ms = TURNS_WITHIN * self._state.settings.client_lease_ms
        if now_ms - suspicion.turned_ms > within_ms:
            suspicion.turns = 0
        suspicion.turns += 1
        suspicion.turned_ms = now_ms

    def _measure(self, sessions: SessionSet, row: int, gap_ms: int) -> None:
        """How far the device is ahead of its pace."""
        drained = DRAIN * gap_ms // self._state.settings.heartbeat_ms
        pace = max(0, sessions.paces[row] + BEAT - drained)
        if pace >= PACE_MAX:
            pace = 0
            self._is_fast(sessions.entry(row))
        sessions.paces[row] = pace

    def _found(self, entry: Entry) -> None:  # noqa: ARG002 - for who listens
        self._state.counters["clones"] += 1

    def _is_fast(self, entry: Entry) -> None:  # noqa: ARG002 - for who listens
        self._state.counters["clones_by_pace"] += 1
