"""The server is found or the way to get it is told, and it never outlives whoever started it."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from region_sim.live.errors import LiveError
from region_sim.live.toxiproxy import ENVIRONMENT, ToxiproxyServer, find_server
from tests.cli.processes import ROOT, eventually, is_alive

STARTER = """
import asyncio, sys
from pathlib import Path
from region_sim.live.toxiproxy import ToxiproxyServer, find_server

async def main():
    server = ToxiproxyServer(find_server(), Path(sys.argv[1]))
    await server.start()
    print(server.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


def test_a_server_that_is_missing_is_told_with_the_ways_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("region_sim.live.toxiproxy.BUILT", tmp_path / "none")
    with pytest.raises(LiveError) as caught:
        find_server({"PATH": str(tmp_path)})
    assert "make tools" in str(caught.value)
    assert "go install github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0" in str(caught.value)


def test_a_named_server_that_cannot_be_run_is_told_and_not_replaced(tmp_path: Path) -> None:
    with pytest.raises(LiveError, match=ENVIRONMENT):
        find_server({ENVIRONMENT: str(tmp_path / "none"), "PATH": str(tmp_path)})


def test_a_server_on_the_path_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("region_sim.live.toxiproxy.BUILT", tmp_path / "none")
    program = tmp_path / "toxiproxy-server"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o700)
    assert find_server({"PATH": str(tmp_path)}) == program


async def test_a_program_that_ends_at_once_is_told_with_its_last_words(tmp_path: Path) -> None:
    program = tmp_path / "broken"
    program.write_text("#!/bin/sh\necho no such thing >&2\nexit 3\n")
    program.chmod(0o700)
    server = ToxiproxyServer(program, tmp_path / "log")
    with pytest.raises(LiveError, match="no such thing"):
        await server.start()


@pytest.mark.toxiproxy
async def test_the_server_runs_beside_whatever_has_the_usual_port(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with contextlib.suppress(OSError):  # somebody has it: just as well
            other.bind(("127.0.0.1", 8474))
        server = ToxiproxyServer(find_server(), tmp_path / "log")
        await server.start()
        try:
            assert await server.call(server.api.proxies) == {}
        finally:
            await server.stop()
    assert not is_alive(server.pid)


@pytest.mark.toxiproxy
async def test_stopping_twice_is_harmless(server: ToxiproxyServer) -> None:
    await server.stop()
    await server.stop()
    await asyncio.to_thread(eventually, lambda: not is_alive(server.pid), "the server is gone")


@pytest.mark.toxiproxy
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_the_server_dies_with_whoever_started_it(number: signal.Signals, tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path / "log")], cwd=ROOT, stdout=subprocess.PIPE
    )
    with starter:
        assert starter.stdout is not None
        pid = int(starter.stdout.readline())
        assert is_alive(pid)
        starter.send_signal(number)
    eventually(lambda: not is_alive(pid), "the server is gone")
