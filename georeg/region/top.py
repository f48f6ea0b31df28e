"""Which accounts something happens to most, in memory that does not grow with the accounts.

Space-saving (Metwally, Agrawal, El Abbadi 2005): a fixed number of counters; an account that has
none takes over the smallest one and its count. Two generations, so that what is told is of the last
half hour to hour and not since the start.

Invariant: an account's true count in a generation is at most `times` and at least `times - error`.
Cost: a step of a dict, or a look at all counters when a newcomer needs one, some 10 us.
"""

from typing import Final, NamedTuple

COUNTERS: Final = 256
GENERATION_MS: Final = 1_800_000


class Top(NamedTuple):
    """One account among those that it happened to most."""

    account: str
    times: int
    """At most so often, in the present and the last generation."""
    error: int
    """The true count is lower by this at most."""


class TopAccounts:
    """Counts by account. Times are monotonic milliseconds."""

    def __init__(self, counters: int = COUNTERS, generation_ms: int = GENERATION_MS) -> None:
        self._counters = counters
        self._generation_ms = generation_ms
        self._turned_ms: int | None = None
        self._now: dict[str, tuple[int, int]] = {}
        self._before: dict[str, tuple[int, int]] = {}
        """account -> (count, error)."""

    def add(self, account: str, now_ms: int) -> None:
        """It happened once more to this account."""
        self._turn(now_ms)
        counts = self._now
        known = counts.get(account)
        if known is not None:
            counts[account] = (known[0] + 1, known[1])
            return
        least = 0
        if len(counts) >= self._counters:
            last = min(counts, key=lambda name: counts[name][0])
            least = counts.pop(last)[0]
        counts[account] = (least + 1, least)

    def most(self, count: int, now_ms: int) -> list[Top]:
        """The accounts that it happened to most, the first one most."""
        self._turn(now_ms)
        sums = dict(self._before)
        for account, (times, error) in self._now.items():
            before = sums.get(account, (0, 0))
            sums[account] = (before[0] + times, before[1] + error)
        tops = [Top(account, times, error) for account, (times, error) in sums.items()]
        return sorted(tops, key=lambda top: (-top.times, top.account))[:count]

    def _turn(self, now_ms: int) -> None:
        if self._turned_ms is None:
            self._turned_ms = now_ms
        turns = (now_ms - self._turned_ms) // self._generation_ms
        if turns > 0:
            self._before = self._now if turns == 1 else {}
            self._now = {}
            self._turned_ms += turns * self._generation_ms
