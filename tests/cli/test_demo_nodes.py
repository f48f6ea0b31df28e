"""`georeg demo --store redis`: nodes and redis-servers come up, bear a loss, and leave nothing."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.processes import Demo, call, eventually, is_alive, start

pytestmark = pytest.mark.redis
RunDemo = Callable[..., tuple[Demo, int]]
NODES = ("--store", "redis", "--nodes", "2", "--regions", "us,eu", "--heartbeat-s", "30")


def processes_in(directory: Path) -> list[int]:
    """Processes whose command line names a directory in this one: the redis-servers."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            words = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if entry.name.isdigit() and f"{directory}/".encode() in words:
            found.append(int(entry.name))
    return found


def test_a_node_is_killed_and_the_other_one_answers_for_it(
    run_demo: RunDemo, tmp_path: Path
) -> None:
    demo, port = run_demo(*NODES)
    pids = demo.pids()
    assert sorted(pids) == ["eu.1", "eu.2", "us.1", "us.2"]
    tokens = {}
    for account in (f"anna-{number}" for number in range(8)):
        status, body = start(port + len(tokens) % 2, account, "tv-1", plan="basic")
        assert status == 201, body
        tokens[account] = body["token"]
    os.kill(pids["us.1"], signal.SIGKILL)
    for token in tokens.values():
        url = f"http://127.0.0.1:{port + 1}/v1/sessions/heartbeat"
        assert call("POST", url, token=token)[0] == 200
    demo.said(r"us\.1 DOWN \(killed by signal 9\)")
    taken_over = f"http://127.0.0.1:{port + 1}/v1/accounts"

    def is_listed(account: str) -> bool:
        return call("GET", f"{taken_over}/{account}/sessions")[0] == 200

    eventually(lambda: all(map(is_listed, tokens)), "slices are not taken over")
    for account, token in tokens.items():
        url = f"http://127.0.0.1:{port + 1}/v1/sessions/heartbeat"
        assert call("POST", url, token=token)[0] == 200
        assert start(port + 1, account, "tv-2", plan="basic")[0] == 409
    demo.signal(signal.SIGTERM)
    assert demo.ended() == 0
    assert [name for name, pid in pids.items() if is_alive(pid)] == []
    assert processes_in(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == ["output.txt"]


def test_nodes_and_redis_servers_stop_by_themselves_when_the_demo_is_killed(
    run_demo: RunDemo, tmp_path: Path
) -> None:
    demo, port = run_demo(*NODES)
    pids = [*demo.pids().values(), *processes_in(tmp_path)]
    assert len(pids) > 4, "no redis-server was found"
    assert call("GET", f"http://127.0.0.1:{port}/readyz")[0] == 200
    demo.signal(signal.SIGKILL)
    demo.ended()
    eventually(lambda: not any(is_alive(pid) for pid in pids), f"they outlive the demo: {pids}")


def test_nodes_without_a_store_to_share_are_refused(tmp_path: Path) -> None:
    demo = Demo(tmp_path, 17401, "--nodes", "2")
    assert demo.ended() == 2
    assert "--nodes needs --store redis" in demo.output
