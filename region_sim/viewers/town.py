"""What viewers see of the world: lines to the regions, the time, and where to write down calls.

The same viewers live in the simulated world and before real processes (live mode): they know
asyncio and aiohttp and this protocol, and nothing else.
"""

from random import Random
from typing import Protocol

from aiohttp import ClientSession

from region_sim.history import History


class Town(Protocol):
    """The world around the viewers."""

    @property
    def regions(self) -> tuple[str, ...]:
        """Names of all regions."""

    @property
    def random(self) -> Random:
        """The stream of the workload, and of nothing else."""

    @property
    def history(self) -> History:
        """Where calls are written down."""

    def now_us(self) -> int:
        """True time since the run began."""

    def wall_ms(self) -> int:
        """True wall clock, milliseconds since 1970: what backends date their statements by."""

    def lines(self, place: str) -> ClientSession:
        """The session through which devices near a region call; shared by all of them."""

    def address(self, region: str) -> str:
        """`http://host:port` of a region's edge."""

    def entitlement(self, account: str, plan: str, home: str) -> dict[str, str]:
        """Headers that prove an account's plan as of now; `home` may be empty."""

    def backend(self) -> dict[str, str]:
        """Headers of a backend."""
