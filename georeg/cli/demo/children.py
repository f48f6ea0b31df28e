"""The demo's region processes: started, watched, restarted, and stopped by process id.

Invariant: no region outlives the demo. Each child's standard input is a pipe that the demo holds;
when the demo ends in any way, kill -9 included, the pipe closes and the child stops
(`georeg serve --until-stdin-closes`). Children have sessions of their own, so that Ctrl-C reaches
the demo alone and it can stop them in order.
"""

import asyncio
import contextlib
import subprocess
import sys

from georeg.cli.demo.plan import RegionPlan

STOP_S = 5.0
"""A child that has not stopped by then is killed."""
_LOG_TAIL = 5
_LOG_TAIL_BYTES = 16_384


class Child:
    """One region's process, which may die and be started again."""

    def __init__(self, plan: RegionPlan) -> None:
        self.plan = plan
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        return self._process.pid if self.is_running and self._process is not None else None

    @property
    def is_running(self) -> bool:
        """Whether the process has been started and has not ended."""
        return self._process is not None and self._process.returncode is None

    @property
    def ending(self) -> str:
        """How the last process ended."""
        if self._process is None or self._process.returncode is None:
            return ""
        code = self._process.returncode
        return f"killed by signal {-code}" if code < 0 else f"exited with code {code}"

    async def start(self) -> None:
        """Start the process; it is not ready yet when this returns."""
        assert not self.is_running
        with self.plan.log_file.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "georeg.cli.main", "serve"),
                *("--config", str(self.plan.config_file), "--until-stdin-closes"),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    async def stop(self) -> None:
        """Ask the process to stop, and kill it when it does not."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), STOP_S)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def log_tail(self) -> str:
        """The last lines of its log, to show why it died."""
        try:
            with self.plan.log_file.open("rb") as log:
                log.seek(0, 2)
                log.seek(max(0, log.tell() - _LOG_TAIL_BYTES))
                lines = log.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        return "\n".join(f"    {line}" for line in lines[-_LOG_TAIL:])
