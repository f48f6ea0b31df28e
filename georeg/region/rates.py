"""How often something happened in the last minute, from counters that only grow.

Nothing is added to what is counted: a sample of the counters is kept about once a second, and the
answer is the difference to the oldest one of the last minute. Cost: a tuple a second, 61 of them.
"""

from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

WINDOW_MS: Final = 60_000
SAMPLE_MS: Final = 1_000


class LastMinute:
    """Of some counters, by their names. Times are monotonic milliseconds."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._samples: deque[tuple[int, tuple[int, ...]]] = deque()

    def sample(self, counters: Mapping[str, int], now_ms: int) -> None:
        """To be called about every second; more often changes nothing."""
        samples = self._samples
        if samples and now_ms - samples[-1][0] < SAMPLE_MS:
            return
        samples.append((now_ms, self._read(counters)))
        while now_ms - samples[0][0] > WINDOW_MS:
            samples.popleft()

    def counts(self, counters: Mapping[str, int]) -> dict[str, int]:
        """Name -> how often since the oldest sample, which is at most a minute old."""
        first = self._samples[0][1] if self._samples else self._read(counters)
        now = self._read(counters)
        return {name: b - a for name, a, b in zip(self._names, first, now, strict=True)}

    def _read(self, counters: Mapping[str, int]) -> tuple[int, ...]:
        return tuple(counters.get(name, 0) for name in self._names)
