"""P8 Conserved budgets, as it is judged: every budget record.

The usable grants of an account, summed over all regions at one instant, never exceed L. Of one
region at most L count, since with L own sessions it refuses whatever it holds.

A smaller plan ends no session, so the slots of those that run stay lent, and come back after them:
the larger limit counts for `PLAN_US` after a change, for as long after a time at which more than L
devices lived, and while links are in trouble. While regions do not agree on the seat, since a plan
that names another one is on its way, the home of each may lend L. Fenced or static, a seat has one
home at most, whatever happens. By best effort it has one in each part of the world, up to
`APART_US` after it was in parts: then P x L. Records exist in simulated runs only; a run without
them says nothing of P8, and its coverage shows that.

**Renewed.** A region lease runs on while its holder and its home hear one another: no region loses
its grants while nothing has been in trouble for `CALM_US`.
"""

from collections.abc import Iterator
from typing import Final

from region_sim.history import Budget
from region_sim.oracle.run import Run
from region_sim.oracle.verdict import Finding

PLAN_US: Final = 30_000_000
CALM_US: Final = 60_000_000
APART_US: Final = 20_000_000
"""What a home had lent beyond a cut runs out, or is void at its next renewal."""


def check(run: Run) -> Iterator[Finding]:
    """Every record, of an account the first that is wrong; then every lease that ran out."""
    told: set[str] = set()
    for budget in run.history.budgets:
        used = _used(budget, budget.limit)
        if used <= budget.limit * budget.homes or budget.account in told:
            continue
        homes = budget.homes * _parts(run, budget.at_us)
        household = run.households.get(budget.account)
        limit = budget.limit
        if household is not None:
            from_us = budget.at_us - PLAN_US
            known = household.limits.known(run.network, from_us, budget.at_us)
            limit = max(known[-1], household.limits.largest_within(from_us, budget.at_us))
            largest = household.limits.largest(budget.at_us)
            if largest > limit and len(household.living(from_us, budget.at_us)) > limit:
                limit = largest
        limit = limit or budget.limit
        if (used := _used(budget, limit)) > limit * homes:
            told.add(budget.account)
            shares = ", ".join(f"{name} {n}" for name, n in sorted(budget.usable.items()) if n)
            text = f"usable grants of {used} at {limit} streams: {shares}"
            yield Finding("P8", "usable grants above L", budget.at_us, budget.account, text)
    for voided in run.history.voided:
        if run.network.is_settled(voided.at_us, voided.at_us, CALM_US, CALM_US):
            text = f"{voided.region} lost its grants of {voided.accounts} accounts to a lease"
            yield Finding("P8", "a lease ran out in calm", voided.at_us, "", text)


def _parts(run: Run, at_us: int) -> int:
    """In how many parts a seat may have a home of its own."""
    if run.history.election != "best-effort":
        return 1
    return run.network.parts_around(at_us - APART_US, at_us)


def _used(budget: Budget, limit: int) -> int:
    return sum(min(usable, limit) for usable in budget.usable.values())
