"""Makes the faults of a plan happen to real processes and links, and takes every one back.

Each fault lives in a task of its own: it waits for its time, begins, waits, ends. Invariants: what
may have begun, even in part, is in `_active` until it has ended, and all of that is ended whatever
stops the tasks (an exception, Ctrl-C); the history gets a fault's begin before it acts and its
end after it is undone, so that the recorded span covers the real one. A region has one owner of its
process at a time: a fault that finds it taken does nothing and says so.

`power`, `wipe` and `corrupt` differ from `crash` in that nobody is told: the process stands still,
its sockets stay open and silent, and it dies only when the region is started again. A kill does not
take back what the process has written to its files: the loss of unsynced pages is for the simulated
disk.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from typing import Protocol

import aiohttp

from region_sim.history import FaultEvent, History, Life, LifeEvent, LogLine
from region_sim.live.cluster import Region
from region_sim.plan.errors import PlanError
from region_sim.plan.faults import KINDS, Fault, FaultKind

Say = Callable[[str], None]


class FaultyLinks(Protocol):
    """What the nemesis needs of the links."""

    async def begin(self, fault: Fault, purpose: str) -> None:
        """Put a fault on its links."""

    async def end(self, fault: Fault, purpose: str) -> None:
        """Take it off again."""


class FaultyRegions(Protocol):
    """What the nemesis needs of the cluster."""

    @property
    def http(self) -> aiohttp.ClientSession:
        """For asking whether a region is ready."""

    def __getitem__(self, name: str) -> Region:
        """One region."""


def check_live(faults: Sequence[Fault]) -> None:
    """Raise PlanError for a fault that live mode does not have."""
    for fault in faults:
        if not KINDS[fault.kind].is_live:
            known = ", ".join(kind.value for kind, doc in KINDS.items() if doc.is_live)
            raise PlanError(
                f"fault {fault.kind.value}: real processes cannot be given that; live mode has "
                f"{known}. `region-sim run` has all"
            )


class Nemesis:
    """The faults of one run."""

    def __init__(
        self,
        faults: Sequence[Fault],
        regions: FaultyRegions,
        links: FaultyLinks,
        history: History,
        now_us: Callable[[], int],
        say: Say,
    ) -> None:
        """Raises PlanError for a fault that live mode does not have."""
        check_live(faults)
        # Of drains live mode has only this one; the oracle must know that the region stops.
        self._faults = tuple(
            replace(fault, how="stop") if fault.kind is FaultKind.DRAIN else fault
            for fault in faults
        )
        self._regions = regions
        self._links = links
        self._history = history
        self._now_us = now_us
        self._say = say
        self._active: dict[int, Fault] = {}
        self._owners: dict[str, int] = {}
        """Region -> number of the fault that has its process."""

    async def run(self, until_s: float) -> None:
        """Let the faults happen, each at its time, and return when they are over, at `until_s`.

        What would last longer ends then, what would begin later does not. Whatever stops this
        earlier, no link and no paused process keeps its fault; only dead regions stay dead.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                for number, fault in enumerate(self._faults):
                    if fault.at_s < until_s:
                        tasks.create_task(self._live_through(number, fault, until_s))
                tasks.create_task(self._until(until_s))
        except BaseExceptionGroup as group:
            raise group.exceptions[0] from None
        finally:
            for number in list(self._active):
                await self._let_go(number)

    async def _live_through(self, number: int, fault: Fault, until_s: float) -> None:
        await self._until(fault.at_s)
        await self._begin(number, fault)
        await self._until(min(fault.end_s, until_s))
        await self._end(number)

    async def _let_go(self, number: int) -> None:
        """End a fault whose run was broken off, without starting anything."""
        fault = self._active.pop(number)
        if KINDS[fault.kind].on_links:
            await self._links.end(fault, _purpose(number))
        for name in fault.regions:
            self._regions[name].resume()
        self._write(number, fault, is_begin=False)

    async def _until(self, at_s: float) -> None:
        await asyncio.sleep(max(0.0, at_s - self._now_us() / 1e6))

    async def _begin(self, number: int, fault: Fault) -> None:
        taken = [region for region in fault.regions if region in self._owners]
        if taken:
            self._say(f"not done, {taken[0]} is down already: {fault.describe()}")
            return
        self._active[number] = fault
        self._owners |= dict.fromkeys(fault.regions, number)
        self._write(number, fault, is_begin=True)
        if KINDS[fault.kind].on_links:
            await self._links.begin(fault, _purpose(number))
        else:
            await _all(self._take(self._regions[name], fault) for name in fault.regions)

    async def _end(self, number: int) -> None:
        fault = self._active.get(number)
        if fault is None:
            return
        if KINDS[fault.kind].on_links:
            await self._links.end(fault, _purpose(number))
        else:
            await _all(self._give_back(self._regions[name], fault) for name in fault.regions)
        self._active.pop(number)
        for name in fault.regions:
            del self._owners[name]
        self._write(number, fault, is_begin=False)

    async def _take(self, region: Region, fault: Fault) -> None:
        """Begin a fault of processes on one of them."""
        if fault.kind is FaultKind.PAUSE:
            self._became(region, Life.PAUSED)
            region.pause()
        elif fault.kind is FaultKind.DRAIN:
            self._became(region, Life.DRAINING)
            ending = await region.drain()
            self._became(region, Life.STOPPED, ending)
            if ending != "exited with code 0":
                self._complain(region, "drain_failed", f"a drained region {ending}")
        elif fault.how != "crash":
            region.is_meant_to_run = False
            self._became(region, Life.KILLED, fault.how)
            region.pause()
        else:
            self._became(region, Life.KILLED, fault.how)
            await region.kill()

    async def _give_back(self, region: Region, fault: Fault) -> None:
        """End it: the region takes starts when this returns."""
        if fault.kind is FaultKind.PAUSE:
            region.resume()
            self._became(region, Life.RESUMED)
        else:
            await region.kill()
            if fault.how == "wipe":
                region.wipe()
            elif fault.how == "corrupt":
                region.damage()
            self._became(region, Life.BOOTED)
            await region.start()
        await region.wait_until_ready(self._regions.http)
        if fault.kind is not FaultKind.PAUSE:
            self._became(region, Life.READY)

    def _write(self, number: int, fault: Fault, *, is_begin: bool) -> None:
        self._history.faults.append(
            FaultEvent(
                self._now_us(),
                number,
                fault.kind.value,
                is_begin,
                fault.regions,
                fault.links,
                fault.how,
            )
        )
        self._say(f"{'begins' if is_begin else 'is over'}: {fault.describe()}")

    def _became(self, region: Region, what: Life, note: str = "") -> None:
        self._history.lives.append(LifeEvent(self._now_us(), region.name, what, note))

    def _complain(self, region: Region, event: str, detail: str) -> None:
        self._history.logs.append(LogLine(self._now_us(), region.name, event, detail))


def _purpose(number: int) -> str:
    """How the toxics of a fault are named, so that overlapping faults do not meet."""
    return f"fault{number}"


async def _all(acts: Iterable[Awaitable[None]]) -> None:
    """All at once; the first error, when all are done."""
    results = await asyncio.gather(*acts, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
