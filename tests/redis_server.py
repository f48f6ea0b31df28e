"""Real redis-servers for tests: on free ports of 127.0.0.1, in folders of their own.

Only the process that was started here is ever stopped, killed or paused, by its pid.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from georeg.cli.demo.ports import free_ports
from tests.tools import tool

START_S: Final = 10.0
NO_DISK: Final = ("--save", "", "--appendonly", "no", "--repl-diskless-sync-delay", "0")
PROTECTED: Final = "the-password"
SLOTS: Final = 16_384
READY: Final = (b"Ready to accept connections", b"Sentinel ID is")


def free_port() -> int:
    return free_ports(1)[0]


class RedisServer:
    """One redis-server; `options` as on its command line."""

    def __init__(
        self, folder: Path, *options: str, port: int | None = None, sentinel: Path | None = None
    ) -> None:
        """`sentinel`: its config file; then it is a sentinel."""
        self.folder = folder
        self._sentinel = sentinel
        self.port = free_port() if port is None else port
        self._is_at_home = port is not None
        """Whether others know it by its port."""
        self._options = options or NO_DISK
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def is_running(self) -> bool:
        return self._process is not None

    def is_in_step(self) -> bool:
        """Whether this replica has what its master has."""
        return "master_link_status:up" in self.cli("INFO", "replication")

    def option(self, name: str) -> str:
        """What follows an option on its command line."""
        return self._options[self._options.index(name) + 1]

    def start(self) -> "RedisServer":
        """Start it and wait until it takes connections."""
        for _ in range(3):
            if self._begin():
                self._is_at_home = True
                return self
            assert not self._is_at_home, (self.folder / "log").read_text()
            self.port = free_port()  # somebody else was quicker to take it
        raise AssertionError((self.folder / "log").read_text())

    def pause(self) -> None:
        """It hangs: connections stand, nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """kill -9, as a crash."""
        self._signal(signal.SIGKILL)
        self._end()

    def stop(self) -> None:
        if self._process is not None:
            self._signal(signal.SIGCONT)
            self._signal(signal.SIGKILL)
            self._end()

    def restart(self) -> None:
        self.kill()
        self.start()

    def cli(self, *args: str) -> str:
        """What redis-cli answers; for what a test does behind georeg's back."""
        done = subprocess.run(
            ["redis-cli", "-p", str(self.port), *args], capture_output=True, check=True
        )
        return done.stdout.decode(errors="replace").strip()

    def _command_line(self) -> list[str]:
        where = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder)]
        if self._sentinel is not None:
            return [str(self._sentinel), *where, "--sentinel"]
        return [*where, *self._options]

    def _begin(self) -> bool:
        """Start the process. Its own log says whether it came up: at its port may be another."""
        command = tool("redis-server")
        assert command is not None, "tests that need it are skipped where it is missing"
        log = self.folder / "log"
        with log.open("ab") as said:
            begun_at = said.tell()
            self._process = subprocess.Popen(
                [command, *self._command_line()], stdout=said, stderr=said
            )
        end = time.monotonic() + START_S
        while self._process.poll() is None:
            if any(word in log.read_bytes()[begun_at:] for word in READY):
                return True
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.005)
        self._end()
        return False

    def _signal(self, number: int) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            os.kill(self._process.pid, number)

    def _end(self) -> None:
        assert self._process is not None
        self._process.wait(timeout=10)
        self._process = None


class RedisCluster:
    """Three masters, each with a third of the slots; each with a replica, where that is asked."""

    def __init__(
        self, folder: Path, *, with_replicas: bool = False, node_timeout_ms: int = 1_000
    ) -> None:
        """`node_timeout_ms`: so long a master is silent before it counts as down."""
        self.servers: list[RedisServer] = []
        """The masters, as it begins."""
        self.replicas: list[RedisServer] = []
        """In the order of their masters."""
        for number in range(6 if with_replicas else 3):
            home = folder / str(number)
            home.mkdir()
            (self.servers if number < 3 else self.replicas).append(
                RedisServer(
                    home, *NO_DISK, "--cluster-enabled", "yes", "--cluster-node-timeout",
                    str(node_timeout_ms), "--cluster-port", str(free_port()),
                )
            )  # fmt: skip

    @property
    def url(self) -> str:
        return "redis+cluster://" + ",".join(f"127.0.0.1:{s.port}" for s in self.servers)

    def start(self) -> "RedisCluster":
        """Start them, deal the slots, and wait until all agree."""
        step = -(-SLOTS // len(self.servers))
        for number, server in enumerate(self.servers):
            server.start()
            last = min(SLOTS, (number + 1) * step) - 1
            server.cli("CLUSTER", "ADDSLOTSRANGE", str(number * step), str(last))
            server.cli("CLUSTER", "SET-CONFIG-EPOCH", str(number + 1))
        for replica in self.replicas:
            replica.start()
        first, *others = *self.servers, *self.replicas
        for other in others:
            bus = other.option("--cluster-port")
            first.cli("CLUSTER", "MEET", "127.0.0.1", str(other.port), bus)
        wait_until(lambda: all(map(self._is_up, (first, *others))), "the cluster is up")
        for master, replica in zip(self.servers, self.replicas, strict=False):
            replica.cli("CLUSTER", "REPLICATE", master.cli("CLUSTER", "MYID"))
        for replica in self.replicas:
            wait_until(replica.is_in_step, "the replica has its master's data")
        return self

    def _is_up(self, server: RedisServer) -> bool:
        """Whether it knows all the others, and finds that all is well."""
        told = server.cli("CLUSTER", "INFO").split()
        known = f"cluster_known_nodes:{len(self.servers) + len(self.replicas)}"
        return "cluster_state:ok" in told and known in told

    def owner(self, slot: int) -> RedisServer:
        """The server that has the slot, as it says itself."""
        for server in self.running:
            for line in server.cli("CLUSTER", "NODES").splitlines():
                if "myself" in line and _covers(line.split()[8:], slot):
                    return server
        raise AssertionError(f"nobody has slot {slot}")

    def move(self, slot: int, target: RedisServer) -> None:
        """Move a slot with all its keys, as an operator would."""
        source = self.owner(slot)
        names = [server.cli("CLUSTER", "MYID") for server in (source, target)]
        target.cli("CLUSTER", "SETSLOT", str(slot), "IMPORTING", names[0])
        source.cli("CLUSTER", "SETSLOT", str(slot), "MIGRATING", names[1])
        while keys := source.cli("CLUSTER", "GETKEYSINSLOT", str(slot), "100").split():
            source.cli("MIGRATE", "127.0.0.1", str(target.port), "", "0", "5000", "KEYS", *keys)
        for server in (target, source, *self.servers):
            server.cli("CLUSTER", "SETSLOT", str(slot), "NODE", names[1])

    @property
    def running(self) -> list[RedisServer]:
        """Those that were not killed."""
        return [server for server in (*self.servers, *self.replicas) if server.is_running]

    def stop(self) -> None:
        for server in self.running:
            server.stop()


def wait_until(holds: Callable[[], bool], what: str) -> None:
    """Return as soon as it holds; fails when that takes too long."""
    end = time.monotonic() + START_S
    while not holds():
        assert time.monotonic() < end, f"waited {START_S:g} s in vain: {what}"
        time.sleep(0.02)


def _covers(ranges: list[str], slot: int) -> bool:
    for text in ranges:
        low, _, high = text.partition("-")
        if low.isdigit() and int(low) <= slot <= int(high or low):
            return True
    return False
