"""A second table of plans, judged on live starts without effect: what would it have refused?

Each start that is decided is judged again by the shadow's limit, on what was known when it was
decided: the devices that stay live beside it, as the view and the answers show them. Nobody is
asked, nothing changes, and accounts are counted only.

Where it errs: docs/operations.md. Revivals and plans without a shadow are not counted.
Cost: one look into a dict when there is no shadow; else one set of devices, some 2 us a start.
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from georeg.region.ports import Clock
from georeg.region.top import COUNTERS, TopAccounts

PAIRS: Final = (
    ("admitted", "admitted"), ("admitted", "refused"), ("refused", "admitted"),
    ("refused", "refused"),
)  # fmt: skip
"""What was decided, what the shadow would have."""


class ShadowCount(NamedTuple):
    """One plan's starts since its shadow has had this limit."""

    plan: str
    limit: int
    """The shadow's."""
    since_ms: int
    """Monotonic."""
    times: dict[tuple[str, str], int]
    """Each of PAIRS -> how often."""
    accounts: int
    """Distinct accounts of the last half hour to hour that were admitted where the shadow would
    have refused; at least so many when `has_more`."""
    has_more: bool


class _Plan:
    """One plan's shadow."""

    __slots__ = ("limit", "since_ms", "times", "top")

    def __init__(self, limit: int, since_ms: int) -> None:
        self.limit = limit
        self.since_ms = since_ms
        self.times = dict.fromkeys(PAIRS, 0)
        self.top = TopAccounts()


class Shadow:
    """The shadows of one region."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._plans: dict[str, _Plan] = {}

    def configure(self, limits: Mapping[str, int]) -> None:
        """Plan -> its limit in the shadow. One whose limit stays goes on counting."""
        now_ms, before = self._clock.now_ms(), self._plans
        self._plans = {
            name: before[name]
            if name in before and before[name].limit == limit
            else _Plan(limit, now_ms)
            for name, limit in sorted(limits.items())
        }

    def has(self, plan: str) -> bool:
        """Whether the plan has a shadow."""
        return plan in self._plans

    def decided(
        self, account: str, plan: str, beside: int, limit: int, *, is_admitted: bool
    ) -> None:
        """A start of a plan that `has` a shadow was decided by this limit; so many other devices
        are live beside it as far as is known.

        An admission shows that fewer than `limit` were proved, so that a shadow which allows as
        much never disagrees, whatever the view showed.
        """
        shadow = self._plans[plan]
        would_admit = (min(beside, limit - 1) if is_admitted else beside) < shadow.limit
        real = "admitted" if is_admitted else "refused"
        shadow.times[real, "admitted" if would_admit else "refused"] += 1
        if is_admitted and not would_admit:
            shadow.top.add(account, self._clock.now_ms())

    def counts(self) -> list[ShadowCount]:
        """All plans, by name."""
        now_ms = self._clock.now_ms()
        counts = []
        for name, shadow in self._plans.items():
            accounts = len(shadow.top.most(2 * COUNTERS, now_ms))
            counts.append(
                ShadowCount(
                    name, shadow.limit, shadow.since_ms, dict(shadow.times), accounts,
                    accounts >= COUNTERS,
                )
            )  # fmt: skip
        return counts
