"""How many streams an account may run, as the regions may have known it at a time.

A change of plan reaches the regions with the next start's entitlement, by the backend's word, and
then by replication. So for `SETTLE_US` after it, and as long as links are in trouble, the limit
before is as right as the one after. A start is judged by any of them, an excess by the largest.
"""

from bisect import bisect_left, bisect_right
from typing import Final

from region_sim.history import Call, CallKind, Joined
from region_sim.oracle.network import HEAL_US, Network

SETTLE_US: Final = 5_000_000


class Limits:
    """The limits of one account, in the order of time."""

    def __init__(self, joined: list[Joined]) -> None:
        self._at_us = [change.at_us for change in joined]
        self._limits = [change.limit for change in joined]
        self._said: list[tuple[int, int]] = []
        """When a call said which limit: an entitlement may precede the record of a smaller plan."""

    def hear(self, call: Call) -> None:
        """Note what a start or a statement of the plan says."""
        limit = call.request.get("limit")
        if limit is not None and call.kind in (CallKind.START, CallKind.PLAN):
            self._said.append((call.sent_us, int(limit)))

    @property
    def changes(self) -> int:
        """How often the plan changed."""
        return max(0, len(self._limits) - 1)

    @property
    def smallest(self) -> int:
        """The smallest that there ever was: with fewer sessions nothing can exceed anything."""
        return min(self._limits, default=0)

    def at(self, at_us: int) -> int:
        """The limit that was true then; 0: none was known."""
        index = bisect_right(self._at_us, at_us)
        return self._limits[max(0, index - 1)] if self._limits else 0

    def known(self, network: Network, from_us: int, to_us: int) -> list[int]:
        """All limits that a region may rightly have gone by at some moment between."""
        found = {self.at(to_us)}
        for index in range(bisect_right(self._at_us, to_us) - 1, 0, -1):
            changed_us = self._at_us[index]
            has_spread = network.is_calm(changed_us, changed_us + SETTLE_US, HEAL_US)
            is_quiet = network.is_calm(from_us - SETTLE_US, from_us, HEAL_US)
            is_old = changed_us + SETTLE_US < from_us and not network.has_jumped
            if is_old and (has_spread or is_quiet):
                break
            found.add(self._limits[index - 1])
        first = bisect_left(self._said, (from_us - SETTLE_US, 0))
        for said_us, limit in self._said[first:]:
            if said_us > to_us:
                break
            found.add(limit)
        return sorted(found)

    def largest(self, by_us: int) -> int:
        """The largest until then: running streams outlive a smaller plan."""
        return max(self._limits[: max(1, bisect_right(self._at_us, by_us))], default=0)

    def largest_within(self, from_us: int, to_us: int) -> int:
        """The largest that was true at some moment between."""
        first = max(0, bisect_right(self._at_us, from_us) - 1)
        return max(self._limits[first : max(1, bisect_right(self._at_us, to_us))], default=0)
