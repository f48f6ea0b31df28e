"""One Toxiproxy server of our own: found, started on a free port, called, and ended by its pid.

Invariant: it never outlives this process (guard.py). It listens on a port of its own, so that a
Toxiproxy that runs here for something else (on its usual 8474) is neither used nor disturbed.
Calls go through toxiproxy-python, which blocks and keeps the server's address in a class variable:
so they run one after the other on one thread, which also means that a fault whose call was
cancelled half way is in place, or not, before the call that removes it; and a process has one
server at a time.
"""

import asyncio
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

import requests
from toxiproxy import Toxiproxy

from georeg.cli.demo.ports import HOST, free_ports
from region_sim.live import guard
from region_sim.live.errors import LiveError

ENVIRONMENT: Final = "GEOREG_TOXIPROXY"
"""Names the server's program where it is neither on PATH nor built by `make tools`."""
PROGRAM: Final = "toxiproxy-server"
BUILT: Final = Path(__file__).resolve().parents[2] / ".tools" / PROGRAM
START_S: Final = 10.0
CALL_S: Final = 30.0
"""The server itself gives up after 25 s."""
_POLL_S: Final = 0.05
_TRIES: Final = 3
REMEDY: Final = (
    "get it in one of these ways:\n"
    "  make tools                 builds it into .tools, where there is Go\n"
    "  go install github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0\n"
    f"                             then: export {ENVIRONMENT}=$(go env GOPATH)/bin/server"
)
T = TypeVar("T")


def find_server(environment: Mapping[str, str] = os.environ) -> Path:
    """The server's program. Raises LiveError that says how to get it."""
    named = environment.get(ENVIRONMENT, "")
    if named:
        found = shutil.which(named)
        if found is None:
            raise LiveError(
                f"{ENVIRONMENT}={named} is no program that can be run; correct it, or unset it and "
                + REMEDY
            )
        return Path(found)
    for candidate in (str(BUILT), PROGRAM):
        found = shutil.which(candidate, path=environment.get("PATH"))
        if found is not None:
            return Path(found)
    raise LiveError(f"live mode needs the Toxiproxy server, which is not here; {REMEDY}")


class ToxiproxyServer:
    """A running server; `start`, then `stop`, once each."""

    _running: "ToxiproxyServer | None" = None
    """Of this process: the library keeps the address for all of it."""

    def __init__(self, program: Path, log_file: Path) -> None:
        self.api = Toxiproxy()
        """For use inside `call` only."""
        self.pid = 0
        self._program = program
        self._log_file = log_file
        self._guard: asyncio.subprocess.Process | None = None
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="toxiproxy")

    async def call(self, work: Callable[[], T]) -> T:
        """Run what calls the server, after all earlier calls. Raises LiveError when it hangs."""
        loop = asyncio.get_running_loop()
        try:
            return await asyncio.wait_for(loop.run_in_executor(self._thread, work), CALL_S)
        except TimeoutError:
            raise LiveError(f"Toxiproxy has not answered for {CALL_S:g} s") from None

    async def start(self) -> None:
        """Start it and wait until it answers. Raises LiveError."""
        assert ToxiproxyServer._running is None, "one Toxiproxy server at a time in one process"
        ToxiproxyServer._running = self
        _reach_directly()
        for _ in range(_TRIES):
            (port,) = free_ports(1)
            await self._spawn(port)
            if await self._answers(port):
                return
            await self._end()
        await self.stop()
        raise LiveError(
            f"{self._program} does not answer within {START_S:g} s; its last words:\n"
            f"{self._log_file.read_text(encoding='utf-8', errors='replace')[-2000:]}"
        )

    async def _spawn(self, port: int) -> None:
        with self._log_file.open("ab") as log:
            self._guard = await asyncio.create_subprocess_exec(
                *(sys.executable, "-I", str(Path(guard.__file__))),
                *(str(self._program), "-host", HOST, "-port", str(port)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                process_group=0,  # Ctrl-C is for us alone, who then stop it in order
            )
        assert self._guard.stdout is not None
        self.pid = int(await self._guard.stdout.readline() or 0)

    async def _answers(self, port: int) -> bool:
        """Whether it came up, and is ours: a fresh server has no proxies."""
        assert self._guard is not None
        self.api.update_api_consumer(HOST, port)
        loop = asyncio.get_running_loop()
        give_up_s = loop.time() + START_S
        while self._guard.returncode is None and loop.time() < give_up_s:
            try:
                if await self.call(self.api.version) is not None:
                    return not await self.call(self.api.proxies)
            except requests.RequestException:
                pass  # it listens, but does not answer yet
            await asyncio.sleep(_POLL_S)
        return False

    async def stop(self) -> None:
        """End it. Harmless when `start` failed half way, and when repeated."""
        await self._end()
        self._thread.shutdown(wait=False, cancel_futures=True)
        if ToxiproxyServer._running is self:
            ToxiproxyServer._running = None

    async def _end(self) -> None:
        if self._guard is None:
            return
        assert self._guard.stdin is not None
        self._guard.stdin.close()
        await self._guard.wait()
        self._guard = None


def _reach_directly() -> None:
    """Keep calls to this machine off an HTTP proxy of the environment, which requests obeys."""
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return
    for name in ("NO_PROXY", "no_proxy"):
        others = os.environ.get("no_proxy") or os.environ.get("NO_PROXY") or ""
        if HOST not in others.split(","):
            os.environ[name] = f"{others},{HOST}".lstrip(",")
