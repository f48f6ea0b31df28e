"""The viewers' world in live mode: real HTTP to real edges, real time, signed entitlements.

Devices call the edges directly, from every place with the same, very short way: only links between
regions go through Toxiproxy. Time is microseconds since the town was opened, on this process's
monotonic clock, and is what every record of the run is stamped with.
"""

import asyncio
import time
from random import Random
from types import TracebackType
from typing import Self

import aiohttp
import jwt

from region_sim.history import History
from region_sim.live.configs import ClusterPlan

_US = 1_000_000


class LiveTown:
    """Lines to the edges of a live cluster; satisfies `viewers.town.Town`."""

    def __init__(self, plan: ClusterPlan, history: History, random: Random) -> None:
        self.regions = tuple(region.name for region in plan.regions)
        self.random = random
        self.history = history
        self._addresses = {region.name: region.address for region in plan.regions}
        self._entitlement_key = plan.entitlement_key
        self._backend_key = plan.backend_key
        self._lines: dict[str, aiohttp.ClientSession] = {}
        self._loop = asyncio.get_running_loop()
        self._began_s = self._loop.time()
        self.began_wall_s = time.time()
        """For records that carry wall time: lines of logs."""

    async def __aenter__(self) -> Self:
        for place in self.regions:
            connector = aiohttp.TCPConnector(limit=0)
            self._lines[place] = aiohttp.ClientSession(connector=connector)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for session in self._lines.values():
            await session.close()

    def begin(self) -> None:
        """Now is 0."""
        self._began_s = self._loop.time()
        self.began_wall_s = time.time()

    def now_us(self) -> int:
        """True time since the run began."""
        return round((self._loop.time() - self._began_s) * _US)

    def wall_ms(self) -> int:
        """Wall time of this machine, which the regions share."""
        return round(time.time() * 1000)

    def lines(self, place: str) -> aiohttp.ClientSession:
        """The session through which devices near a region call."""
        return self._lines[place]

    def address(self, region: str) -> str:
        """`http://host:port` of a region's edge."""
        return self._addresses[region]

    def entitlement(self, account: str, plan: str, home: str) -> dict[str, str]:
        """Headers that prove an account's plan as of now."""
        claims: dict[str, object] = {"account": account, "plan": plan, "iat": time.time()}
        if home:
            claims["home"] = home
        token = jwt.encode(claims, self._entitlement_key, algorithm="HS256")
        return {"Authorization": f"Bearer {token}"}

    def backend(self) -> dict[str, str]:
        """Headers of a backend."""
        return {"Authorization": f"Bearer {self._backend_key}"}
