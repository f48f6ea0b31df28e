"""What proves a household's plan to a region: its entitlement, kept as an app keeps it.

Invariant: once the plan has changed, no call carries an entitlement of the plan before, also not
one that was signed earlier for a plan that has come back.
"""

from collections.abc import Mapping
from typing import Final

from region_sim.viewers.calls import JSON
from region_sim.viewers.town import Town

LIMITS: Final[Mapping[str, int]] = {"basic": 1, "standard": 2, "premium": 4}
"""The plans that there are, as `georeg.region.settings.default_plans` has them."""
KEPT_US: Final = 60_000_000
"""An app asks its backend for a new entitlement when its own is older."""


class Passport:
    """An account's plan and its proof."""

    __slots__ = ("_headers", "_issued_us", "_start_headers", "_town", "account", "home", "plan")

    def __init__(self, town: Town, account: str, plan: str, home: str = "") -> None:
        """`home`: the region that shall lease out the account's slots; empty: any."""
        self._town, self.home, self.account, self.plan = town, home, account, plan
        self._headers: dict[str, str] | None = None
        self._start_headers: dict[str, str] = {}
        self._issued_us = 0

    @property
    def limit(self) -> int:
        """Streams at once."""
        return LIMITS[self.plan]

    def headers(self) -> dict[str, str]:
        """Headers of a call of the account. The caller must not change them."""
        now_us = self._town.now_us()
        if self._headers is None or now_us - self._issued_us > KEPT_US:
            self._issued_us = now_us
            self._headers = self._town.entitlement(self.account, self.plan, self.home)
            self._start_headers = self._headers | JSON
        return self._headers

    def start_headers(self) -> dict[str, str]:
        """The same for a call with a JSON body."""
        self.headers()
        return self._start_headers

    def change(self, plan: str) -> None:
        """From now on the account has this plan."""
        self.plan = plan
        self._headers = None
