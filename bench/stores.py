"""The Redis under a region of many nodes: one server, or a cluster of three masters.

All run on the core of the load generator, each in a process of its own, without persistence. What
they did is asked of them (INFO, MEMORY USAGE), what it cost is their CPU time.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from redis import Redis

from bench.processes import Server, redis_serving
from georeg.cli.demo.ports import free_ports

MASTERS: Final = 3
SLOTS: Final = 16_384
_JOIN_S: Final = 20.0
_SCRIPT: Final = "evalsha"


@dataclass(frozen=True, slots=True)
class Store:
    """Where it is, and its processes."""

    url: str
    """As in `[store]` of a config."""
    servers: Sequence[Server]

    def scripts(self) -> int:
        """Scripts that were run since these servers began: what nodes send is little else."""
        return sum(int(each.get(_SCRIPT, {}).get("calls", 0)) for each in self._commands())

    def commands(self) -> int:
        """Commands of all kinds, those inside of scripts included."""
        return sum(
            int(stats["calls"]) for each in self._commands() for stats in each.values()
        )

    def memory_bytes(self) -> int:
        """used_memory, all servers."""
        return sum(int(_client(each).info("memory")["used_memory"]) for each in self.servers)

    def key_bytes(self) -> dict[str, int]:
        """MEMORY USAGE of all keys, added up by the last part of their names: `sessions`, ..."""
        found: dict[str, int] = {}
        for server in self.servers:
            client = _client(server)
            for key in client.scan_iter():
                name = key.decode().rpartition(":")[2]
                found[name] = found.get(name, 0) + int(client.memory_usage(key, samples=0) or 0)
        return found

    def _commands(self) -> list[dict[str, dict[str, Any]]]:
        """By name, of each server; without what is asked here."""
        asked = ("info", "memory", "scan", "client", "hello")
        found = []
        for server in self.servers:
            stats = _client(server).info("commandstats")
            named = {name.removeprefix("cmdstat_"): each for name, each in stats.items()}
            found.append({n: each for n, each in named.items() if n.partition("|")[0] not in asked})
        return found


@contextmanager
def single() -> Iterator[Store]:
    """One redis-server. Raises Missing."""
    with redis_serving() as server:
        yield Store(f"redis://127.0.0.1:{server.port}", [server])


@contextmanager
def cluster(folder: Path) -> Iterator[Store]:
    """Three masters, each with a third of the slots. Raises Missing."""
    with ExitStack() as stack:
        servers, buses = [], free_ports(MASTERS)
        for number, bus in enumerate(buses):
            home = folder / f"redis-{number}"
            home.mkdir()
            options = ("--cluster-enabled", "yes", "--cluster-port", str(bus), "--dir", str(home))
            servers.append(stack.enter_context(redis_serving(*options)))
        _join(servers, buses)
        hosts = ",".join(f"127.0.0.1:{server.port}" for server in servers)
        yield Store(f"redis+cluster://{hosts}", servers)


def _join(servers: Sequence[Server], buses: Sequence[int]) -> None:
    """Deal the slots, make them known to one another, and wait until all agree."""
    step = -(-SLOTS // len(servers))
    for number, server in enumerate(servers):
        last = min(SLOTS, (number + 1) * step) - 1
        _told(server, "ADDSLOTSRANGE", number * step, last)
        _told(server, "SET-CONFIG-EPOCH", number + 1)
    for other, bus in zip(servers[1:], buses[1:], strict=True):
        _told(servers[0], "MEET", "127.0.0.1", other.port, bus)
    until_s = time.monotonic() + _JOIN_S
    while not all(b"cluster_state:ok" in _told(server, "INFO") for server in servers):
        if time.monotonic() > until_s:
            raise RuntimeError("the Redis cluster did not come together")
        time.sleep(0.02)


def _told(server: Server, *command: str | int) -> Any:
    return _client(server).execute_command("CLUSTER", *command)  # type: ignore[no-untyped-call]


def _client(server: Server) -> Redis:
    return Redis(port=server.port, protocol=2)
