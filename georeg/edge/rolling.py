"""When a heartbeat's answer carries a rolled token.

A device that takes rolled tokens gets one each `token_roll_ms`. One that ignores them would be
offered one at every heartbeat from then on, which costs more than the heartbeat; so the offer
stands for a heartbeat and a half, and comes again one period later. A device whose answer was lost
misses that one at most.
"""


class Rolling:
    """Decides by the age of the token that is shown; remembers nothing."""

    __slots__ = ("_offer_ms", "_period_ms")

    def __init__(self, period_ms: int, heartbeat_ms: int) -> None:
        """`period_ms` 0: tokens are never rolled."""
        self._period_ms = period_ms
        self._offer_ms = heartbeat_ms * 3 // 2

    def is_due(self, age_ms: int) -> bool:
        """Whether the answer to a token of this age carries the next one."""
        period_ms = self._period_ms
        return 0 < period_ms <= age_ms and age_ms % period_ms < self._offer_ms
