"""What the slices that are run here tell operators, as one report.

Of an account it is its slice's own word; numbers are those of this node's slices added up
(sums.py), and those of other nodes where somebody has asked them.
"""

from collections.abc import Generator, Iterable, Iterator
from contextvars import ContextVar
from typing import Final

from crdt.dots import RegionId
from georeg.nodes.parts import Parts
from georeg.nodes.sums import sum_of_quotas, sum_of_reports
from georeg.region.decisions import Decision, Keeping
from georeg.region.ports import Clock
from georeg.region.region import Region
from georeg.region.report import AccountReport, QuotaReport, StatusReport
from georeg.region.shadow import PAIRS, ShadowCount

Said = tuple[StatusReport | QuotaReport, ...]
OTHERS: Final[ContextVar[Said]] = ContextVar("others", default=())
"""What the other nodes have said, while a call about the whole region is answered."""


class SlicedDecisions:
    """What was decided about an account, by its slice."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.keeping = Keeping()
        """How much each slice keeps."""

    def of(self, account: str) -> list[Decision]:
        """What is remembered of an account, oldest first."""
        return self._parts.of_account(account).region.report.decisions.of(account)

    def complete_since_ms(self, account: str) -> int:
        """Wall clock: what was decided about the account since then is all remembered."""
        decisions = self._parts.of_account(account).region.report.decisions
        return decisions.complete_since_ms(account)


class SlicedShadow:
    """The second tables of plans, counted over the slices here and those that were here before:
    counters of a process never go back. Accounts are those of the slices that are here."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._gone: dict[str, ShadowCount] = {}
        parts.watch(self._keep)

    def counts(self) -> list[ShadowCount]:
        """All plans, by name."""
        return _sums([*self._gone.values(), *self._counted(self._parts.regions)])

    def _keep(self, region: Region) -> None:
        gone = (each._replace(accounts=0, has_more=False) for each in self._counted([region]))
        self._gone = {each.plan: each for each in _sums([*self._gone.values(), *gone])}

    def _counted(self, regions: Iterable[Region]) -> Iterator[ShadowCount]:
        for region in regions:
            yield from region.report.shadow.counts()


def _sums(counts: Iterable[ShadowCount]) -> list[ShadowCount]:
    """By plan; where a limit has changed, those of the latest one."""
    by_plan: dict[str, list[ShadowCount]] = {}
    for count in counts:
        known = by_plan.setdefault(count.plan, [])
        if known and known[0].limit != count.limit:
            known.clear()
        known.append(count)
    return [_sum(by_plan[plan]) for plan in sorted(by_plan)]


def _sum(slices: list[ShadowCount]) -> ShadowCount:
    return ShadowCount(
        slices[0].plan,
        slices[0].limit,
        min(each.since_ms for each in slices),
        {pair: sum(each.times[pair] for each in slices) for pair in PAIRS},
        sum(each.accounts for each in slices),
        any(each.has_more for each in slices),
    )


class SlicedReport:
    """Reads the reports of the slices."""

    def __init__(
        self, region: RegionId, clock: Clock, parts: Parts
    ) -> None:
        self._region = region
        self._clock = clock
        self._parts = parts
        self.decisions = SlicedDecisions(parts)
        self.shadow = SlicedShadow(parts)

    def status(self) -> StatusReport:
        """All regions as the slices here see them."""
        slices = [region.report.status() for region in self._parts.regions]
        slices += [said for said in OTHERS.get() if isinstance(said, StatusReport)]
        return sum_of_reports(self._region, self._clock.wall_ms(), slices)

    def quota(self) -> Generator[None, None, QuotaReport]:
        """The budgets; a generator, since it walks over all accounts."""
        slices: list[QuotaReport] = []
        for region in self._parts.regions:
            quota = yield from region.report.quota()
            slices.append(quota)
        slices += [said for said in OTHERS.get() if isinstance(said, QuotaReport)]
        return sum_of_quotas(self._region, self._clock.wall_ms(), slices)

    def account(self, account: str) -> AccountReport:
        """One account, by its slice."""
        return self._parts.of_account(account).region.report.account(account)
