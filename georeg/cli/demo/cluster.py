"""The demo's regions together: started until ready, looked at, restarted, stopped.

Leaving the `async with` stops every process, whatever led there.
"""

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Self

import aiohttp

from georeg.cli.demo.children import Child
from georeg.cli.demo.gauges import fetch_numbers
from georeg.cli.demo.plan import RegionPlan
from georeg.cli.demo.view import Row

READY_S = 30.0
"""A region that takes no starts by then has a fault that a person should see."""
_POLL_S = 0.1


class DemoCluster:
    """The regions of one demo."""

    def __init__(self, plan: Sequence[RegionPlan], *, restart: bool) -> None:
        self.children = [Child(region) for region in plan]
        self._restart = restart
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.gather(*(child.stop() for child in self.children))
        if self._session is not None:
            await self._session.close()

    async def start(self, stopping: asyncio.Event) -> str:
        """Start all regions and wait until they take starts; returns what went wrong, if so."""
        for child in self.children:
            await child.start()
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + READY_S
        while not stopping.is_set():
            rows = await self.rows()
            if all(row.state == "up" for row in rows):
                return ""
            for child in self.children:
                if not child.is_running:
                    return f"region {child.plan.name} {child.ending}:\n{child.log_tail()}"
            if loop.time() > deadline_s:
                late = ", ".join(row.name for row in rows if row.state != "up")
                return f"not ready after {READY_S:g} s: {late}"
            await asyncio.sleep(_POLL_S)
        return ""

    async def rows(self) -> list[Row]:
        """All regions as they are now."""
        assert self._session is not None
        found = await asyncio.gather(
            *(fetch_numbers(self._session, child.plan.address) for child in self.children)
        )
        return [
            Row(
                child.plan.name, child.plan.address, child.pid, numbers if child.pid else None,
                child.ending,
            )  # fmt: skip
            for child, numbers in zip(self.children, found, strict=True)
        ]

    async def restart_dead(self, *numbers: int) -> dict[str, str]:
        """Start dead regions again, these or all; returns their names and how each had ended."""
        started = {}
        for number, child in enumerate(self.children, start=1):
            if not child.is_running and (not numbers or number in numbers):
                started[child.plan.name] = child.ending
                await child.start()
        return started

    async def tend(self) -> dict[str, str]:
        """Called every second: under `--restart`, as `restart_dead`."""
        return await self.restart_dead() if self._restart else {}
