"""Real processes of the `georeg` command, for tests: started, read, talked to, ended."""

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parent.parent.parent
WAIT_S = 30.0
_POLL_S = 0.05
T = TypeVar("T")


def eventually(look: Callable[[], T | None], what: str) -> T:
    """What `look` finds, as soon as it finds something; fails when that takes too long."""
    give_up_s = time.monotonic() + WAIT_S
    while time.monotonic() < give_up_s:
        found = look()
        if found:
            return found
        time.sleep(_POLL_S)
    raise AssertionError(f"waited {WAIT_S:g} s in vain: {what}")


def is_alive(pid: int) -> bool:
    """Whether the process runs; one that has ended and is not yet waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


class Command:
    """One `georeg` process with its output in a file."""

    def __init__(self, arguments: Sequence[str], directory: Path) -> None:
        self._output = directory / "output.txt"
        with self._output.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "georeg.cli.main", *arguments],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "TMPDIR": str(directory)},
            )

    @property
    def output(self) -> str:
        """All that it has printed so far."""
        return self._output.read_text()

    def said(self, pattern: str, count: int = 1) -> None:
        """Wait until it has printed the pattern so often; fails when it ends before."""

        def has_said() -> bool:
            has_ended = self.process.poll() is not None
            found = len(re.findall(pattern, self.output, re.MULTILINE)) >= count
            assert found or not has_ended, f"ended without {pattern}:\n{self.output}"
            return found

        try:
            eventually(has_said, f"{pattern} x {count}")
        except AssertionError as error:
            error.add_note(self.output)
            raise

    def signal(self, number: signal.Signals) -> None:
        """Send the process a signal."""
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait for its end; its exit code."""
        return self.process.wait(WAIT_S)

    def end(self) -> None:
        """Kill it if it still runs; for the end of a test."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Demo(Command):
    """A demo with its regions."""

    def __init__(self, directory: Path, first_port: int, *arguments: str) -> None:
        given = ("demo", "--plain", "--port", str(first_port), "--heartbeat-s", "1", *arguments)
        super().__init__(given, directory)

    def pids(self) -> dict[str, int]:
        """Process ids by region, from the table that it prints once all are ready."""
        self.said("^start a stream:")
        found = re.findall(r"^([\w.]+) +http://127\.0\.0\.1:\d+ +(\d+)$", self.output, re.MULTILINE)
        return {name: int(pid) for name, pid in found}


def call(method: str, url: str, body: object = None, token: str = "") -> tuple[int, Any]:
    """Status and JSON of one HTTP call; status 0 when nobody answers."""
    request = urllib.request.Request(url, method=method)
    if token:
        request.add_header("Authorization", f"Bearer {token}")
    if body is not None:
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode()
    try:
        with urllib.request.urlopen(request, timeout=5) as response:
            return response.status, json.loads(response.read() or b"null")
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read() or b"null")
    except OSError:
        return 0, None


def start(port: int, account: str, device: str, plan: str = "standard") -> tuple[int, Any]:
    """Start a stream."""
    body = {"device": {"id": device, "name": device, "kind": "tv"}, "plan": plan}
    return call("POST", f"http://127.0.0.1:{port}/v1/accounts/{account}/sessions", body)


def listed(port: int, account: str) -> list[str] | None:
    """The ids of an account's sessions as one region lists them, None when it does not answer."""
    status, found = call("GET", f"http://127.0.0.1:{port}/v1/accounts/{account}/sessions")
    return sorted(session["id"] for session in found["sessions"]) if status == 200 else None
