"""A real cluster: `georeg serve` processes on 127.0.0.1, which a test may kill and restart.

The configs are those of `georeg demo`, written by its code; only ports are any that are free. Each
process appends to its own log, and `troubles` reads there what no test may cause: a traceback, a
line of level error, or a line that is no log at all.
"""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType

from georeg.cli.demo.plan import RegionPlan, write_configs
from georeg.cli.demo.ports import free_ports
from tests.cli.processes import ROOT, call, eventually
from tests.redis_server import RedisServer

NAMES = ("us", "eu", "ap")
HEARTBEAT_S = 1.0
LEASE_S = 3.0
END_S = 30.0


class Node:
    """One process."""

    def __init__(self, plan: RegionPlan) -> None:
        self.plan = plan
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def name(self) -> str:
        return self.plan.name

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start the process; it is not ready yet when this returns."""
        assert not self.is_running, "it still runs"
        self.close()
        with self.plan.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "georeg.cli.main", "serve"]
                + ["--config", str(self.plan.config_file), "--until-stdin-closes"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )

    def is_ready(self) -> bool:
        """Whether it takes starts."""
        assert self.process is not None, "not started"
        assert self.process.poll() is None, f"{self.name} has ended:\n{self.log}"
        return call("GET", f"{self.plan.address}/readyz")[0] == 200

    def is_listening(self) -> bool:
        """Whether it answers devices at all."""
        return call("GET", f"{self.plan.address}/livez")[0] == 200

    def wait_until_ready(self) -> None:
        """Return as soon as it takes starts; fails when the process has ended."""
        eventually(self.is_ready, f"{self.name} is ready")

    def signal(self, number: signal.Signals) -> None:
        assert self.process is not None, "not started"
        self.process.send_signal(number)

    def ended(self) -> int:
        """Wait for the end of the process; its exit code."""
        assert self.process is not None, "not started"
        return self.process.wait(END_S)

    def kill(self) -> None:
        """End it as a crash does, and wait until it is gone."""
        self.signal(signal.SIGKILL)
        self.ended()

    def close(self) -> None:
        """Leave nothing running or paused, and no pipe open."""
        if self.process is None:
            return
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()

    @property
    def log(self) -> str:
        """All that its processes have printed so far."""
        return self.plan.log_file.read_text(encoding="utf-8")

    @property
    def troubles(self) -> list[str]:
        """Lines that it should never have printed; that a store which a test has killed refuses is
        told as an error, and rightly."""
        lines = [line for line in self.log.splitlines() if _is_trouble(line)]
        if self.plan.store:
            lines = [line for line in lines if '"event": "journal_refused"' not in line]
        return [f"{self.name}: {line}" for line in lines]


class Region:
    """One region: a process, or several nodes and their Redis. Tests call the first node."""

    def __init__(self, nodes: Sequence[Node], store: RedisServer | None = None) -> None:
        self.nodes = list(nodes)
        self.store = store

    @property
    def plan(self) -> RegionPlan:
        """Of the node that is called."""
        return self.nodes[0].plan

    @property
    def name(self) -> str:
        return self.plan.region_name

    def start(self) -> None:
        """Start all its processes."""
        for node in self.nodes:
            if not node.is_running:
                node.start()

    def wait_until_ready(self) -> None:
        """Return as soon as all its nodes take starts."""
        for node in self.nodes:
            node.wait_until_ready()

    def signal(self, number: signal.Signals) -> None:
        """To all its processes."""
        for node in self.nodes:
            node.signal(number)

    def ended(self) -> int:
        """Wait for the end of all its processes; the highest exit code."""
        return max(node.ended() for node in self.nodes)

    def kill(self) -> None:
        """End its processes as crashes do; its Redis, if it has one, lives."""
        for node in self.nodes:
            node.kill()

    def close(self) -> None:
        """Leave nothing running."""
        for node in self.nodes:
            node.close()
        if self.store is not None:
            self.store.stop()

    @property
    def log(self) -> str:
        """All that its processes have printed so far."""
        return "".join(node.log for node in self.nodes)

    @property
    def troubles(self) -> list[str]:
        """Lines that it should never have printed."""
        return [line for node in self.nodes for line in node.troubles]


def _is_trouble(line: str) -> bool:
    try:
        level = json.loads(line)["level"]
    except (ValueError, KeyError, TypeError):
        return re.fullmatch(r"georeg: region \w+ of cluster \w+ is ready: .*", line) is None
    return level not in ("debug", "info", "warning") or "Traceback" in line


class Cluster:
    """Regions that know one another."""

    def __init__(self, regions: Sequence[Region]) -> None:
        self.regions = {region.name: region for region in regions}
        self.names = list(self.regions)

    def __getitem__(self, name: str) -> Region:
        return self.regions[name]

    @property
    def addresses(self) -> dict[str, str]:
        """Where the edges answer, by region."""
        return {region.name: region.plan.address for region in self.regions.values()}

    def heal(self) -> None:
        """Let every region run and take starts, whatever a test that failed has left behind."""
        for region in self.regions.values():
            region.start()
            region.signal(signal.SIGCONT)
        for region in self.regions.values():
            region.wait_until_ready()

    @property
    def troubles(self) -> list[str]:
        """Of all regions."""
        return [line for region in self.regions.values() for line in region.troubles]


@contextmanager
def running(
    directory: Path,
    *,
    name: str = "demo",
    names: Sequence[str] = NAMES,
    heartbeat_s: float = HEARTBEAT_S,
    lease_s: float | None = LEASE_S,
    config: Sequence[tuple[str, str]] = (),
    nodes: int = 0,
    store_urls: Mapping[str, str] = MappingProxyType({}),
) -> Iterator[Cluster]:
    """A cluster that takes starts. `config`: text to replace in every region's config file.

    `nodes`: so many of each region, which share a Redis; 0: each is one process without.
    `store_urls`: where that is, for regions whose Redis the caller runs.
    """
    config = [('cluster = "demo"', f'cluster = "{name}"'), *config]
    ports = free_ports(3 * len(names) * max(1, nodes))
    stores = {name: _store(directory, name) for name in names if nodes and name not in store_urls}
    urls = {name: store.url for name, store in stores.items()} | store_urls
    plan = [
        RegionPlan(
            f"{region}.{node}" if nodes else region, number, ports.pop(), ports.pop(),
            directory / f"{region}.{node}", ports.pop(), region if nodes else "",
            urls.get(region, ""),
        )
        for number, region in enumerate(names, start=1)
        for node in range(1, max(1, nodes) + 1)
    ]  # fmt: skip
    write_configs(plan, heartbeat_s=heartbeat_s, lease_s=lease_s)
    for file in (region.config_file for region in plan):
        text = file.read_text(encoding="utf-8")
        for old, new in config:
            assert old in text, f"{old} is not in the config"
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")
    cluster = Cluster(
        [
            Region(
                [Node(each) for each in plan if each.region_name == name],
                stores.get(name),
            )
            for name in names
        ]
    )
    try:
        cluster.heal()
        yield cluster
    finally:
        for each in cluster.regions.values():
            each.close()


def _store(directory: Path, region: str) -> RedisServer:
    folder = directory / f"redis-{region}"
    folder.mkdir()
    return RedisServer(folder).start()
