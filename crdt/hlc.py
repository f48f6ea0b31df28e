"""Hybrid logical clock: the order of plan statements, close to wall time.

One number: 48 bits of wall milliseconds, 16 bits of counter. It never goes back, also when the wall
clock does, and a statement made after another one was seen gets a higher number.

Invariant: at most `ahead_ms_max` ahead of the own wall clock through others. A time further in the
future is not followed, or one broken machine would win every last-writer-wins contest for years;
what carries it is not refused, since the wrong clock may be the own one.

Source: Kulkarni et al., "Logical Physical Clocks"; bounded as in CockroachDB's `pkg/util/hlc`.
"""

from typing import Final

from crdt.errors import LocalError

LOGICAL_BITS: Final = 16
WALL_MS_MAX: Final = (1 << 48) - 1


def hlc_at(wall_ms: int) -> int:
    """The lowest hybrid time of a wall-clock millisecond. Raises LocalError out of range."""
    if not 0 <= wall_ms <= WALL_MS_MAX:
        raise LocalError(f"no hybrid time for {wall_ms} ms")
    return wall_ms << LOGICAL_BITS


def wall_ms_of(time: int) -> int:
    """The wall-clock part of a hybrid time, ms since 1970."""
    return time >> LOGICAL_BITS


class Hlc:
    """One region's hybrid clock. `ahead_ms_max`: larger tolerates worse clocks and lies."""

    __slots__ = ("_last", "ahead_ms_max")

    def __init__(self, ahead_ms_max: int = 500) -> None:
        self.ahead_ms_max = ahead_ms_max
        self._last = 0

    @property
    def last(self) -> int:
        """The highest time made or seen so far."""
        return self._last

    def tick(self, wall_ms: int) -> int:
        """A time higher than all before, for something that happens now."""
        self._last = max(hlc_at(wall_ms), self._last + 1)
        return self._last

    def observe(self, remote: int, wall_ms: int) -> bool:
        """Take note of another's time; False when it is too far in the future to be followed."""
        if wall_ms_of(remote) - wall_ms > self.ahead_ms_max:
            return False
        if remote > self._last:
            self._last = remote
        return True
