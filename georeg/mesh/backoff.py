"""How long a link waits before it dials again.

The pause doubles with every failure up to a limit, and a random part of it is left out, so that
regions that lost a peer at the same moment do not all come back at the same moment. Only a link
that has lived longer than the longest pause starts over: one that is accepted and closed at once,
again and again, is as much a failure as one that is refused.
"""

from random import Random


class Backoff:
    """Pauses of one link, in milliseconds: between half and all of `first * 2**failures`."""

    __slots__ = ("_first_ms", "_max_ms", "_pause_ms", "_random")

    def __init__(self, first_ms: int, max_ms: int, random: Random) -> None:
        self._first_ms = first_ms
        self._max_ms = max_ms
        self._pause_ms = first_ms
        self._random = random

    def next_ms(self, lived_ms: float) -> float:
        """The pause after a connection that was up for `lived_ms`, 0: it never was."""
        if lived_ms > self._max_ms:
            self._pause_ms = self._first_ms
        pause_ms = self._pause_ms * self._random.uniform(0.5, 1.0)
        self._pause_ms = min(self._max_ms, 2 * self._pause_ms)
        return pause_ms
