"""The demo's redis-servers, one for each region: on free ports of 127.0.0.1, in its directory.

They keep nothing on a disk: when the demo ends, all of it ends. Invariant: none outlives the demo
(guard.py).
"""

import asyncio
import contextlib
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from georeg.cli.demo.plan import PlanError
from georeg.cli.demo.ports import HOST

PROGRAM: Final = "redis-server"
READY_S: Final = 10.0
_POLL_S: Final = 0.05


class DemoStores:
    """`async with`: they answer inside of it."""

    def __init__(self, names: Sequence[str], ports: Sequence[int], directory: Path) -> None:
        """Raises PlanError when there is no redis-server here."""
        if shutil.which(PROGRAM) is None:
            raise PlanError(
                f"--store redis needs {PROGRAM}, 7.0 or newer: install it (apt install redis-server"
                " on Debian and Ubuntu), or leave --store out"
            )
        self._names = names
        self._ports = ports
        self._directory = directory
        self._processes: list[asyncio.subprocess.Process] = []

    @property
    def urls(self) -> list[str]:
        """Where each region's is."""
        return [f"redis://{HOST}:{port}" for port in self._ports]

    async def __aenter__(self) -> Self:
        for name, port in zip(self._names, self._ports, strict=True):
            directory = self._directory / f"redis-{name}"
            directory.mkdir(mode=0o700)
            with (directory / "log").open("ab") as log:
                process = await asyncio.create_subprocess_exec(
                    *(sys.executable, "-m", "georeg.cli.demo.guard", PROGRAM),
                    *("--port", str(port), "--bind", HOST, "--save", "", "--appendonly", "no"),
                    *("--dir", str(directory), "--daemonize", "no"),
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            self._processes.append(process)
        try:
            async with asyncio.timeout(READY_S):
                await asyncio.gather(*(_until_open(port) for port in self._ports))
        except TimeoutError:
            await self._stop()
            raise PlanError(
                f"{PROGRAM} did not come up within {READY_S:g} s; what it says is in"
                f" {self._directory}/redis-*/log"
            ) from None
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
        await asyncio.gather(*(process.wait() for process in self._processes))


async def _until_open(port: int) -> None:
    """Return when the port takes connections."""
    while True:
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), 0.2):
            return
        await asyncio.sleep(_POLL_S)
