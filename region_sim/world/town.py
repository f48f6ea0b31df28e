"""The viewers' side of the simulated world: lines from their places, and proofs of their plans."""

from random import Random

import jwt
from aiohttp import ClientSession

from region_sim.history import History
from region_sim.kernel.machine import EPOCH_MS, Machine
from region_sim.world.ground import EDGE_PORT, INSIDE, Secrets
from region_sim.world.lines import open_lines

PLACE = "@"
"""Host `@us` is where the devices next to region `us` are."""


def region_of(host: str) -> str:
    """The region in which or next to which a host is."""
    return host.removeprefix(PLACE).partition(INSIDE)[0]


class SimTown:
    """What viewers see (viewers/town.py). Their machine has true time and never fails."""

    def __init__(
        self,
        machine: Machine,
        regions: tuple[str, ...],
        random: Random,
        history: History,
        secrets: Secrets,
    ) -> None:
        self.regions = regions
        self.random = random
        self.history = history
        self._machine = machine
        self._secrets = secrets
        self._lines: dict[str, ClientSession] = {}
        self._backend = {"Authorization": f"Bearer {secrets.backend_key}"}

    def now_us(self) -> int:
        """True time since the run began."""
        return self._machine.scheduler.now_us

    def wall_ms(self) -> int:
        """True wall time."""
        return EPOCH_MS + self.now_us() // 1000

    def lines(self, place: str) -> ClientSession:
        """Connections from devices near a region."""
        found = self._lines.get(place)
        if found is None:
            found = self._lines[place] = open_lines(self._machine, PLACE + place)
        return found

    def address(self, region: str) -> str:
        """Where a region's edge answers."""
        return f"http://{region}:{EDGE_PORT}"

    def entitlement(self, account: str, plan: str, home: str) -> dict[str, str]:
        """A statement of the account's plan as of now, signed by the billing system."""
        claims = {"account": account, "plan": plan, "iat": self.wall_ms() / 1000}
        if home:
            claims["home"] = home
        token = jwt.encode(claims, self._secrets.entitlement, algorithm="HS256")
        return {"Authorization": f"Bearer {token}"}

    def backend(self) -> dict[str, str]:
        """The key of a backend."""
        return self._backend
