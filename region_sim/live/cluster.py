"""The regions as processes: started, waited for, killed, paused, drained and started again, by pid.

Invariant: no region outlives us. Each one's standard input is a pipe that we hold, and it stops
when the pipe closes (`georeg serve --until-stdin-closes`). A paused one cannot see that; therefore
each is a process group of its own within our session: when we end, the system finds the group
orphaned with a stopped member and ends it (SIGHUP, then SIGCONT). A group of its own also keeps
Ctrl-C away from the regions.
"""

import asyncio
import contextlib
import shutil
import signal
import subprocess
import sys
from random import Random
from types import TracebackType
from typing import Self

import aiohttp

from region_sim.damage import damage
from region_sim.live.configs import ClusterPlan, RegionPlan
from region_sim.live.errors import LiveError

READY_S = 30.0
"""A region that takes no starts by then never will."""
END_S = 10.0
_POLL_S = 0.05
_LOG_TAIL_LINES = 8


class Region:
    """One region's process, which may die and be started again."""

    def __init__(self, plan: RegionPlan) -> None:
        self.plan = plan
        self.is_meant_to_run = False
        """Otherwise whoever ended it knows, and its end is no trouble."""
        self._process: asyncio.subprocess.Process | None = None

    @property
    def name(self) -> str:
        """The region's name."""
        return self.plan.name

    @property
    def pid(self) -> int | None:
        """Process id while it runs, paused or not."""
        return self._process.pid if self.is_running and self._process is not None else None

    @property
    def is_running(self) -> bool:
        """Whether there is a process, paused or not."""
        return self._process is not None and self._process.returncode is None

    @property
    def ending(self) -> str:
        """How the last process ended; empty: it has not."""
        if self._process is None or self._process.returncode is None:
            return ""
        code = self._process.returncode
        return f"killed by signal {-code}" if code < 0 else f"exited with code {code}"

    async def start(self) -> None:
        """Start the process; it is not ready yet when this returns."""
        assert not self.is_running, f"{self.name} runs already"
        self._close_pipe()
        with self.plan.log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "georeg.cli.main", "serve"),
                *("--config", str(self.plan.config_file), "--until-stdin-closes"),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                process_group=0,
            )
        self.is_meant_to_run = True

    async def wait_until_ready(self, http: aiohttp.ClientSession) -> None:
        """Return as soon as it takes starts. Raises LiveError when it never does."""
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + READY_S
        timeout = aiohttp.ClientTimeout(total=1)
        while loop.time() < give_up_s:
            if not self.is_running:
                break
            with contextlib.suppress(aiohttp.ClientError, TimeoutError, OSError):
                async with http.get(f"{self.plan.address}/readyz", timeout=timeout) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(_POLL_S)
        why = self.ending or f"takes no starts after {READY_S:g} s"
        raise LiveError(f"region {self.name} {why}; its last words:\n{self.log_tail()}")

    def pause(self) -> None:
        """Let it stand still (SIGSTOP)."""
        self._send(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on, if it was paused."""
        self._send(signal.SIGCONT)

    async def kill(self) -> None:
        """End it as a crash does, and wait until it is gone; works on a paused one too."""
        self.is_meant_to_run = False
        self._send(signal.SIGKILL)
        if self._process is not None:
            await self._process.wait()

    async def drain(self) -> str:
        """Ask it to stop in order and wait; how it ended."""
        self.is_meant_to_run = False
        self._send(signal.SIGTERM)
        if self._process is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._process.wait(), END_S)
        ending = self.ending or f"has not stopped after {END_S:g} s"
        await self.kill()
        return ending

    def wipe(self) -> None:
        """Lose the disk."""
        assert not self.is_running, f"{self.name} still runs"
        shutil.rmtree(self.plan.data_directory, ignore_errors=True)

    def damage(self) -> None:
        """Damage what stands on the disk."""
        assert not self.is_running, f"{self.name} still runs"
        damage(self.plan.data_directory, Random(self.name))

    async def close(self) -> None:
        """Leave nothing running, paused or open."""
        await self.kill()
        self._close_pipe()

    def _send(self, number: signal.Signals) -> None:
        if self.is_running and self._process is not None:
            with contextlib.suppress(ProcessLookupError):  # it has ended this very moment
                self._process.send_signal(number)

    def _close_pipe(self) -> None:
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.close()

    def log_tail(self) -> str:
        """The last lines that it printed."""
        text = self.plan.log_file.read_text(encoding="utf-8", errors="replace")
        return "\n".join(f"    {line}" for line in text.splitlines()[-_LOG_TAIL_LINES:])


class Cluster:
    """All regions. Leaving the `async with` ends every process, whatever led there."""

    def __init__(self, plan: ClusterPlan) -> None:
        self.plan = plan
        self.regions = {region.name: Region(region) for region in plan.regions}
        self._http: aiohttp.ClientSession | None = None

    @property
    def http(self) -> aiohttp.ClientSession:
        """For the simulator's own questions; the viewers have lines of their own."""
        assert self._http is not None, "not entered"
        return self._http

    def __getitem__(self, name: str) -> Region:
        return self.regions[name]

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await asyncio.gather(*(region.close() for region in self.regions.values()))
        await self.http.close()

    async def start(self) -> None:
        """Start all regions and wait until they take starts. Raises LiveError."""
        for region in self.regions.values():
            await region.start()
        await asyncio.gather(
            *(region.wait_until_ready(self.http) for region in self.regions.values())
        )
