"""A region of many nodes on Redis: what heartbeats, starts and ends cost its nodes and its Redis.

Real `georeg serve` processes on real redis-servers (region_of_many.py, stores.py). One node stands
beside the canonical service, which has a Redis of its own, in turns; then come more nodes, and a
Redis Cluster, with calls spread evenly over the nodes, so that all but one in `count` are passed
on, and sent straight to the node that decides them, as a balancer does that knows the account.
All nodes share one core: their CPU time counts, not the clock. Each has as many connections as the
one of the other parts. Sessions are weighed in Redis last.
"""

import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.figures import Figure, at_least, at_most, figure
from bench.loader import Loader, loading
from bench.machine import cpu_s, resident_bytes_of
from bench.parts.http import SERVERS
from bench.processes import Server, redis_serving, serving
from bench.progress import say
from bench.region_of_many import Many, region_of
from bench.scale import Scale
from bench.stores import Store, cluster, single

SLICES: Final = 4
"""As a config has it that does not say: enough for four nodes."""
CLUSTER_SLICES: Final = 16
"""So that each of three masters has some."""
KINDS: Final = ("heartbeat", "start", "stop")
_STARTS_HZ: Final = 10_000
"""As many as any server here takes; the last ones of a round may be missing."""
_LONG_S: Final = 300.0
"""Heartbeat interval while sessions are weighed: nothing lapses meanwhile."""
Rounds = list[dict[str, Any]]


def run(scale: Scale) -> list[Figure]:
    """All of it. Raises Missing without redis-server."""
    scale = replace(scale, round_s=scale.node_round_s)
    with tempfile.TemporaryDirectory() as name, loading(scale) as loader:
        bench = _Bench(scale, loader, Path(name))
        figures = bench.one_node()
        for count in scale.node_counts:
            figures += bench.more_nodes(count, "", single, SLICES)
        for count in scale.cluster_node_counts:
            of_cluster = partial(cluster, bench.folder(f"cluster-{count}"))
            figures += bench.more_nodes(count, ", three masters", of_cluster, CLUSTER_SLICES)
        return figures + bench.weighed()


class _Bench:
    """What all measurements share."""

    def __init__(self, scale: Scale, loader: Loader, root: Path) -> None:
        self._scale = scale
        self._loader = loader
        self._root = root

    def folder(self, name: str) -> Path:
        """A new directory."""
        path = self._root / name
        path.mkdir()
        return path

    def one_node(self) -> list[Figure]:
        """One node beside the canonical service, and how long its starts take at half load."""
        with ExitStack() as stack:
            store = stack.enter_context(single())
            node = stack.enter_context(region_of(1, store, self.folder("one"), SLICES))
            their_redis = stack.enter_context(redis_serving())
            option = f"--redis-port={their_redis.port}"
            theirs = {
                name: stack.enter_context(serving(SERVERS, name, option))
                for name in ("canonical", "tuned")
            }
            self._loader.prepare(node.nodes)
            for server in theirs.values():
                self._loader.prepare(server)
            figures = [*_idle(node)]
            for kind in KINDS:
                rounds: dict[str, Rounds] = {"1 node": [], **{name: [] for name in theirs}}
                for number in range(self._scale.node_rounds):
                    say(f"nodes: one, {kind}s, round {number + 1} of {self._scale.node_rounds}")
                    rounds["1 node"].append(self._counted(node, kind, ()))
                    for name, server in theirs.items():
                        rounds[name].append(self._run(server, kind, store=[their_redis]))
                figures += _compared(kind, rounds)
                if kind == "start":
                    figures.append(self._at_half_load(node, rounds["1 node"]))
            return figures

    def _at_half_load(self, node: Many, full: Rounds) -> Figure:
        half_hz = median(each["rate_hz"] for each in full) / 2
        found = []
        for number in range(self._scale.node_rounds):
            say(f"nodes: starts at half load, round {number + 1} of {self._scale.node_rounds}")
            found.append(self._loader.run(node.nodes, "start", rate_hz=half_hz)["p99_ms"])
        note = f"open loop, {half_hz:,.0f} starts/s"
        return figure("start, 1 node, half load, p99", found, "ms", target=at_most(20), note=note)

    def more_nodes(
        self, count: int, on: str, store: Callable[[], AbstractContextManager[Store]], slices: int
    ) -> list[Figure]:
        """So many nodes of one region, with both ways to spread the load."""
        name = f"{count} node{'s' * (count > 1)}{on}"
        figures = []
        with ExitStack() as stack:
            kept = stack.enter_context(store())
            folder = self.folder(f"region-{name.replace(' ', '-')}")
            many = stack.enter_context(region_of(count, kept, folder, slices))
            self._loader.prepare(many.nodes)
            for kind in KINDS[:2]:
                ways: dict[str, Sequence[int]] = {"": many.owners}
                if count > 1:
                    ways = {", spread": (), ", to its node": many.owners}
                rounds: dict[str, Rounds] = {name + way: [] for way in ways}
                for number in range(self._scale.node_rounds):
                    say(f"nodes: {name}, {kind}s, round {number + 1} of {self._scale.node_rounds}")
                    for way, owners in ways.items():
                        rounds[name + way].append(self._counted(many, kind, owners))
                figures += _rates(kind, rounds)
        return figures

    def _counted(self, many: Many, kind: str, owners: Sequence[int]) -> dict[str, Any]:
        """One round, and how many scripts Redis ran meanwhile."""
        before = many.store.scripts()
        found = self._run(many.nodes, kind, store=many.store.servers, owners=owners)
        return found | {"scripts": (many.store.scripts() - before) / max(1, found["count"])}

    def _run(self, servers: Server | Sequence[Server], kind: str, **more: Any) -> dict[str, Any]:
        scale = self._scale
        if kind == "stop":
            more |= {"requests": scale.http_sessions // scale.node_rounds, "warm_s": 0.0}
        elif kind == "start":
            more |= {"requests": int(_STARTS_HZ * (scale.warm_s + scale.round_s))}
        if not isinstance(servers, Server):
            more["connections"] = len(servers) * scale.connections
        return self._loader.run(servers, kind, **more)

    def weighed(self) -> list[Figure]:
        """Sessions in Redis and in the node: the growth of both, and what Redis says of keys."""
        count = self._scale.stored_sessions
        with ExitStack() as stack:
            store = stack.enter_context(single())
            folder = self.folder("weighed")
            node = stack.enter_context(region_of(1, store, folder, SLICES, _LONG_S))
            pid = node.nodes[0].pid
            say(f"nodes: {count:,} sessions are started and weighed")
            before, own_before = store.memory_bytes(), resident_bytes_of(pid)
            self._loader.prepare(node.nodes, count)
            time.sleep(self._scale.stored_settle_s)
            grown, own = store.memory_bytes() - before, resident_bytes_of(pid) - own_before
            keys = store.key_bytes()
        sessions, times = keys["sessions"] / count, keys.get("heard", 0) / count
        target, of = at_most(200), f"of {count:,}"
        told = f"{sessions:.0f} B, and {times:.0f} B of when it was heard"
        return [
            figure("a session in Redis, used_memory", [grown / count], "B", target=target, note=of),
            figure(
                "a session in Redis, MEMORY USAGE", [sessions + times], "B", target=target,
                note=told,
            ),
            figure("a session in its node, resident", [own / count], "B"),
        ]  # fmt: skip


def _idle(node: Many) -> list[Figure]:
    """What a region costs to which nobody talks."""
    pids = [node.nodes[0].pid, node.store.servers[0].pid]
    before_s, began_s = [cpu_s(pid) for pid in pids], time.monotonic()
    time.sleep(2.0)
    took_s = time.monotonic() - began_s
    used = [(cpu_s(pid) - was) / took_s * 100 for pid, was in zip(pids, before_s, strict=True)]
    return [
        figure("idle, 1 node", used[:1], "% CPU"),
        figure("idle, its Redis", used[1:], "% CPU"),
    ]


def _rates(kind: str, rounds: dict[str, Rounds]) -> list[Figure]:
    """Of each server, per second of its own CPU and of its Redis'."""
    figures = []
    for name, results in rounds.items():
        wall_hz, busy = (median(r[key] for r in results) for key in ("rate_hz", "server_cpu"))
        note = f"{wall_hz:,.0f}/s at {busy:.0%} of the core"
        if "scripts" in results[0]:
            note += f"; {median(r['scripts'] for r in results):.2g} scripts each"
        figures += [
            figure(f"{kind}, {name}", [r["per_cpu_s"] for r in results], "/CPU-s", note=note),
            figure(
                f"{kind}, {name}, its Redis", [r["per_store_cpu_s"] for r in results], "/CPU-s"
            ),
        ]
    return figures


def _compared(kind: str, rounds: dict[str, Rounds]) -> list[Figure]:
    figures = _rates(kind, rounds)
    ours = rounds["1 node"]
    for name in ("canonical", "tuned"):
        target = at_least(2) if name == "canonical" and kind != "stop" else None
        ratios = [a["per_cpu_s"] / b["per_cpu_s"] for a, b in zip(ours, rounds[name], strict=True)]
        figures.append(figure(f"{kind}, 1 node to {name}", ratios, "x", target=target))
    return figures
