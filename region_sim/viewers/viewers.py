"""All viewers of a run, from the first household to the last heartbeat.

Invariant: everything that chance decides comes from `town.random` and streams that are derived from
it, in an order that the loop alone determines; so on a loop that always does the same, viewers
always do the same.
"""

from typing import Final

from region_sim.plan.errors import PlanError
from region_sim.plan.scenario import Scenario
from region_sim.viewers.household import Household
from region_sim.viewers.passport import LIMITS
from region_sim.viewers.street import Street
from region_sim.viewers.town import Town

FIRST_ACTS_S: Final = 10.0
"""First presses are spread over so long, at the pace of 30 s heartbeats."""


class Viewers:
    """The households of a scenario. `begin`, then `quiet`, `leave`, `close`, in this order."""

    def __init__(self, town: Town, scenario: Scenario) -> None:
        """Raises PlanError for a plan that nobody sells."""
        for name, share in scenario.plans:
            if name not in LIMITS or share < 0:
                known = ", ".join(LIMITS)
                raise PlanError(f"plans: {name!r} with {share:g} is wrong; there are {known}")
        self._town, self._scenario = town, scenario
        self._street: Street | None = None
        self._households: list[Household] = []

    def begin(self) -> None:
        """Move in and begin to watch. Must be called on the running loop, with addresses known."""
        scenario = self._scenario
        street = self._street = Street(self._town, scenario.habits, scenario.pinned)
        plans = {name: share for name, share in scenario.plans if share > 0}
        spread_s = street.seconds(FIRST_ACTS_S, FIRST_ACTS_S)
        for account in scenario.accounts():
            household = Household(street, account, plans)
            self._households.append(household)
            household.begin(spread_s)

    def quiet(self) -> None:
        """From now on only what plays goes on, with heartbeats."""
        if self._street is not None:
            self._street.is_quiet = True

    def leave(self) -> None:
        """Everybody vanishes without a word."""
        if self._street is None:
            return
        for household in self._households:
            household.leave()
        self._street.leave()

    async def close(self) -> None:
        """Leave, and wait until the last task has ended. Raises the first error of any of them."""
        self.leave()
        if self._street is not None:
            await self._street.close()
