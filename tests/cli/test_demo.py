"""The demo with real processes: it comes up, bears the loss of a region, and leaves nothing."""

import os
import pty
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.processes import ROOT, Demo, call, eventually, is_alive, listed, start

RunDemo = Callable[..., tuple[Demo, int]]


def test_sigterm_stops_every_region_and_leaves_nothing_behind(
    run_demo: RunDemo, tmp_path: Path
) -> None:
    demo, port = run_demo()
    pids = demo.pids()
    assert sorted(pids) == ["ap", "eu", "us"]
    assert f"curl -s http://127.0.0.1:{port}/v1/accounts/anna/sessions" in demo.output
    demo.signal(signal.SIGTERM)
    assert demo.ended() == 0
    assert [name for name, pid in pids.items() if is_alive(pid)] == []
    assert [path.name for path in tmp_path.iterdir()] == ["output.txt"]


def test_regions_stop_by_themselves_when_the_demo_is_killed(run_demo: RunDemo) -> None:
    demo, _ = run_demo()
    pids = demo.pids()
    demo.signal(signal.SIGKILL)
    demo.ended()
    eventually(
        lambda: not any(is_alive(pid) for pid in pids.values()), f"regions outlive the demo: {pids}"
    )


def test_a_killed_region_is_shown_as_down_while_the_others_answer(run_demo: RunDemo) -> None:
    demo, port = run_demo()
    pids = demo.pids()
    os.kill(pids["eu"], signal.SIGKILL)
    demo.said(r"eu DOWN \(killed by signal 9\)")
    status, answer = start(port, "anna", "tv-1")
    assert status == 201, answer
    assert call("GET", f"http://127.0.0.1:{port + 2}/readyz")[0] == 200
    assert call("GET", f"http://127.0.0.1:{port + 1}/readyz")[0] == 0


def test_the_line_for_operators_can_be_pasted_and_tells_the_truth(run_demo: RunDemo) -> None:
    demo, _ = run_demo()
    pids = demo.pids()
    (line,) = re.findall(r"^\S*georeg (status --to \S+ --key \S+)$", demo.output, re.MULTILINE)

    def seen() -> str:
        command = [sys.executable, "-m", "georeg.cli.main", *line.split()]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout

    assert re.findall(r"^(\w\w)  (\w+)", seen(), re.MULTILINE)[1:] == [
        ("UN", "us"), ("UN", "eu"), ("UN", "ap"),
    ]  # fmt: skip
    os.kill(pids["eu"], signal.SIGKILL)
    eventually(lambda: re.search(r"^SN  eu .*\n(.*\n)*!  eu has not", seen(), re.MULTILINE), "SN")


def test_under_restart_a_killed_region_comes_back_with_the_same_lists(run_demo: RunDemo) -> None:
    demo, port = run_demo("--restart", "--lease-s", "60")
    pids = demo.pids()
    for index, device in enumerate(("tv-1", "tv-2", "tv-3")):
        status, answer = start(port + index, "anna", device, plan="premium")
        assert status == 201, answer
    before = eventually(lambda: same_lists(port, 3), "lists differ before")
    os.kill(pids["eu"], signal.SIGKILL)
    demo.said("eu is started again")
    demo.said(r"eu up: ", count=2)
    eventually(lambda: same_lists(port, 3) == before, "lists differ after the restart")


def same_lists(port: int, sessions: int) -> list[str] | None:
    """What all three regions list for anna, once they agree on so many sessions."""
    lists = [listed(port + index, "anna") for index in range(3)]
    agreed = lists[0] is not None and len(lists[0]) == sessions and lists.count(lists[0]) == 3
    return lists[0] if agreed else None


def test_a_second_demo_on_the_same_ports_is_told_which_port_is_taken(
    run_demo: RunDemo, tmp_path: Path
) -> None:
    first, port = run_demo()
    first.pids()
    second = Demo(tmp_path_of(tmp_path), port)
    try:
        assert second.ended() == 1
        assert f"port {port} is in use, perhaps by another demo" in second.output
    finally:
        second.end()


def tmp_path_of(directory: Path) -> Path:
    other = directory / "second"
    other.mkdir()
    return other


class Terminal:
    """A demo that believes to sit at a terminal."""

    def __init__(self, port: int) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "georeg.cli.main", "demo", "--port", str(port)],
            cwd=ROOT,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            env={**os.environ, "TERM": "xterm", "COLUMNS": "120", "LINES": "40"},
        )
        os.close(theirs)
        self._seen: list[str] = []
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        while True:
            try:
                data = os.read(self._ours, 65_536)
            except OSError:  # how Linux says that the other end has closed
                return
            if not data:
                return
            self._seen.append(data.decode("utf-8", "replace"))

    @property
    def screen(self) -> str:
        """All that was written so far, without colours and cursor movements."""
        return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", "".join(self._seen))

    def press(self, key: str) -> None:
        os.write(self._ours, key.encode())


@pytest.fixture
def terminal(consecutive_ports: Callable[[int], int]) -> Terminal:
    return Terminal(consecutive_ports(3))


def test_on_a_terminal_a_key_restarts_a_dead_region_and_ctrl_c_stops_all(
    terminal: Terminal,
) -> None:
    try:
        eventually(lambda: "restart dead regions" in terminal.screen, "no live view")
        pids = dict(re.findall(r"^(us|eu|ap) +http\S+ +(\d+)", terminal.screen, re.MULTILINE))
        os.kill(int(pids["eu"]), signal.SIGKILL)
        eventually(lambda: re.search(r"2 eu +│ +- +│ +DOWN", terminal.screen), "eu is not down")
        terminal.press("r")
        again = eventually(
            lambda: [
                pid
                for pid in re.findall(r"2 eu +│ +(\d+) +│ +up", terminal.screen)
                if pid != pids["eu"]
            ],
            "eu did not come back",
        )
        terminal.press("\x03")
        os.killpg(terminal.process.pid, signal.SIGINT)
        assert terminal.process.wait(30) == 0
        assert not is_alive(int(again[0]))
        assert not is_alive(int(pids["us"]))
    finally:
        if terminal.process.poll() is None:
            terminal.process.kill()
            terminal.process.wait()
