"""How often one account may start: a token bucket in bounded memory.

Kept as one number per account, the time at which its bucket would be full again (the "generic cell
rate algorithm"), so that a start costs one look-up and one store. Invariant: never more accounts
than `accounts_max`; the one that has been quiet longest is forgotten first, which can only let more
through. A refusal is 429, which a player takes as "go on", never as "stop".

An OrderedDict, because a dict looks for its oldest key past the places of all that were taken out
before: at 50,000 accounts a start cost 18 us here, and costs 0.7 now.
"""

from collections import OrderedDict


class StartRate:
    """Token buckets, one per account. Times are monotonic milliseconds of the caller's clock."""

    def __init__(self, *, burst: int, rate_hz: float, accounts_max: int) -> None:
        self._interval_ms = 1000.0 / rate_hz
        self._depth_ms = self._interval_ms * burst
        self._accounts_max = accounts_max
        self._full_at_ms: OrderedDict[str, float] = OrderedDict()

    def admit(self, account: str, now_ms: int) -> float:
        """0 when the account may start now, else the seconds that it has to wait."""
        full_at_ms = max(self._full_at_ms.pop(account, 0.0), float(now_ms))
        wait_ms = full_at_ms + self._interval_ms - self._depth_ms - now_ms
        if wait_ms > 0:
            self._full_at_ms[account] = full_at_ms
            return wait_ms / 1000
        self._full_at_ms[account] = full_at_ms + self._interval_ms
        if len(self._full_at_ms) > self._accounts_max:
            self._full_at_ms.popitem(last=False)
        return 0.0

    def __len__(self) -> int:
        """Accounts that are remembered."""
        return len(self._full_at_ms)
