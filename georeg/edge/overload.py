"""What is put off when more is asked than this process can do: first looks, then starts.

A call that ends, renews or frees a stream is never put off (heartbeats, batches, stops, kicks), nor
are probes and metrics: under load those are what the promises rest on, and a region that says that
it is not ready would send its devices, and its load, to the others. Looks (lists, introspection,
event streams, documents) come first: nobody's stream depends on their being answered now. Then
starts: 503 tells the player to start in another region. Who was put off costs a fifth of a start.

How it is noticed: in a loop that is behind, each turn serves what has piled up in all sockets, and
the turn is as long as the pile; a heartbeat waits two or three of them. So each call that may be
put off measures the turn it comes in (one callback per turn at most, none in idle times). What
counts is the *shortest* turn of the last half second, as in CoDel (Nichols, Jacobson, 2012): one
long turn, a collection of garbage or a burst is no overload, a pile that never clears is.
Invariant: a class once put off is let in again when the shortest turn is under half of what began
it, or when nobody has asked for a window.
Besides: at most `STARTS_MAX` starts wait for a decision at once, which bounds their memory.
"""

import asyncio
from enum import IntEnum
from typing import Final

WINDOW_S: Final = 0.5
LOOKS_TURN_S: Final = 0.1
STARTS_TURN_S: Final = 0.25
TURNS_MIN: Final = 2
"""Where turns are longer than a window, it lasts for so many of them."""
RELEASE: Final = 0.5
"""A class is let in again at this share of the turn at which it was put off."""
STARTS_MAX: Final = 10_000


class Urgency(IntEnum):
    """Classes of calls, in the order in which they are put off."""

    LOOK = 0
    START = 1
    ALWAYS = 2


_TURNS_S: Final = (LOOKS_TURN_S, STARTS_TURN_S)


class Overload:
    """Watches one loop through the calls that come."""

    def __init__(self) -> None:
        self._level = 0
        """Classes below this are put off."""
        self._is_measuring = False
        self._heard_s = 0.0
        """When a turn was measured last."""
        self._turns = 0
        """Of the present window."""
        self._window_began_s = 0.0
        self._shortest_s = 0.0
        self.starts = 0
        """Starts that wait for their decision."""
        self.shed: dict[Urgency, int] = {Urgency.LOOK: 0, Urgency.START: 0}
        """Calls that were put off, by class."""

    def admits(self, urgency: Urgency) -> bool:
        """Whether a call may go on; counts it if not. To be asked for each call of a class below
        ALWAYS, on the running loop."""
        if not self._is_measuring:
            self._measure(asyncio.get_running_loop())
        if urgency >= self._level and not (
            urgency is Urgency.START and self.starts >= STARTS_MAX
        ):
            return True
        self.shed[urgency] += 1
        return False

    @property
    def level(self) -> int:
        """How many classes are put off now."""
        return self._level

    def _measure(self, loop: asyncio.AbstractEventLoop) -> None:
        """Take the time until the loop comes round again."""
        began_s = loop.time()
        if self._level and self._was_quiet(began_s):
            self._level = 0
        self._is_measuring = True
        loop.call_soon(self._measured, loop, began_s)

    def _measured(self, loop: asyncio.AbstractEventLoop, began_s: float) -> None:
        self._is_measuring = False
        now_s = loop.time()
        self.turned(now_s - began_s, now_s)

    def turned(self, turn_s: float, now_s: float) -> None:
        """A turn of the loop took so long and is over."""
        if self._was_quiet(now_s - turn_s):
            self._level = self._turns = 0
        self._heard_s = now_s
        if self._turns == 0:
            self._window_began_s, self._shortest_s = now_s - turn_s, turn_s
        self._turns += 1
        self._shortest_s = min(self._shortest_s, turn_s)
        if self._turns >= TURNS_MIN and now_s - self._window_began_s >= WINDOW_S:
            self._judge(self._shortest_s)
            self._turns = 0

    def _was_quiet(self, at_s: float) -> bool:
        """Whether nobody had asked for a while: what was measured then says nothing about now."""
        return at_s - self._heard_s >= WINDOW_S

    def _judge(self, shortest_s: float) -> None:
        level = sum(shortest_s >= turn_s for turn_s in _TURNS_S)
        kept = sum(shortest_s >= turn_s * RELEASE for turn_s in _TURNS_S)
        self._level = max(level, min(self._level, kept))
