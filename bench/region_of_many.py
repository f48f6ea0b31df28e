"""A region of many nodes for the benchmarks: real `georeg serve` processes that share a Redis.

The nodes share the servers' core. The region has no other regions beside it, so what it costs is
what its devices and its store cost; replication is measured in parts/wire.py and parts/apply.py.
"""

import asyncio
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgpack
from yarl import URL

from bench.machine import ROOT, SERVER_CPU, can_pin
from bench.processes import Server, end
from bench.stores import Store
from georeg.cli.demo.plan import RegionPlan, write_configs
from georeg.cli.demo.ports import free_ports
from georeg.nodes.registry import Registry
from georeg.store.redis import RedisClient, RedisSettings

REGION: Final = "us"
CLUSTER: Final = "demo"
"""As `write_configs` names it."""
_READY: Final = "is ready"
_SETTLE_S: Final = 20.0


@dataclass(frozen=True, slots=True)
class Many:
    """The nodes of a region, and who runs what."""

    nodes: Sequence[Server]
    store: Store
    owners: Sequence[int]
    """Slice -> the port of the node that runs it."""


@contextmanager
def region_of(
    count: int, store: Store, folder: Path, slices: int, heartbeat_s: float = 30.0
) -> Iterator[Many]:
    """Run so many nodes until the block ends."""
    ports = free_ports(3 * count)
    names = [f"{REGION}.{number}" for number in range(count)]
    plans = [
        RegionPlan(
            name, 1, ports.pop(), ports.pop(), folder / name, ports.pop(), REGION, store.url
        )
        for name in names
    ]  # fmt: skip
    write_configs(plans, heartbeat_s=heartbeat_s, lease_s=None)
    with ExitStack() as stack:
        processes = []
        for plan in plans:
            process = _started(plan, slices)
            stack.callback(end, process)
            processes.append(process)
        for plan, process in zip(plans, processes, strict=True):
            _await_ready(plan, process)
        nodes = [Server(p.pid, plan.edge_port) for p, plan in zip(processes, plans, strict=True)]
        yield Many(nodes, store, asyncio.run(_owners(store, slices)))


def _started(plan: RegionPlan, slices: int) -> subprocess.Popen[str]:
    config = plan.config_file.read_text(encoding="utf-8")
    config = config.replace("[store]\n", f"[store]\nslices = {slices}\n")
    plan.config_file.write_text(config, encoding="utf-8")
    with plan.log_file.open("ab") as log:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "georeg.cli.main", "serve"),
                *("--config", str(plan.config_file), "--until-stdin-closes"),
            ],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True,
            env=os.environ | {"PYTHONHASHSEED": "0"},
        )  # fmt: skip
    if can_pin():
        os.sched_setaffinity(process.pid, {SERVER_CPU})
    return process


def _await_ready(plan: RegionPlan, process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    if _READY not in process.stdout.readline():
        raise RuntimeError(f"node {plan.name} did not start: {plan.log_file.read_text()[-2000:]}")


async def _owners(store: Store, slices: int) -> list[int]:
    """The port of the node that runs each slice, as all nodes have told the store (registry.py)."""
    client = await RedisClient.connect(RedisSettings.parse(store.url))
    told = client.key(Registry(client, CLUSTER, REGION).tag, "node-entries")
    try:
        async with asyncio.timeout(_SETTLE_S):
            while len(found := _by_slice((await client.read([("HVALS", told)]))[0])) < slices:  # noqa: ASYNC110 - it changes with their beats
                await asyncio.sleep(0.05)
    finally:
        await client.close()
    return [found[number] for number in range(slices)]


def _by_slice(entries: Sequence[bytes]) -> dict[int, int]:
    """Slice -> the port of the node that says so with the latest fencing number."""
    latest = []
    for packed in entries:
        _, edge_url, _, _, _, fences, *_ = msgpack.unpackb(packed, strict_map_key=False)
        latest += [(number, fence, URL(edge_url).port or 0) for number, fence in fences.items()]
    return {number: port for number, _, port in sorted(latest)}
