"""Over HTTP: one server on one core, the load generator on another, all servers in turns.

Compared is the rate per second of the server's CPU: what other work on the machine takes away does
not count. Each round loads every server once, one after the other, and its ratios are made of
figures that were measured within seconds of each other.
"""

from contextlib import ExitStack
from statistics import median
from typing import Any, Final

from bench.figures import Figure, at_least, at_most, figure
from bench.loader import loading
from bench.processes import Missing, redis_serving, serving
from bench.progress import say
from bench.scale import Scale

SERVERS: Final = "bench.servers"


def run(scale: Scale) -> list[Figure]:
    """georeg beside an empty handler: heartbeats, batches, starts."""
    with (
        loading(scale) as loader,
        serving(SERVERS, "georeg") as ours,
        serving(SERVERS, "edge") as edge,
        serving(SERVERS, "empty") as empty,
    ):
        loader.prepare(ours)
        beats, nothing, batches, starts, alone = [], [], [], [], []
        plans, borrows, half = [], [], []
        for number in range(scale.rounds):
            say(f"http: heartbeats and batches, round {number + 1} of {scale.rounds}")
            beats.append(loader.run(ours, "heartbeat"))
            nothing.append(loader.run(empty, "heartbeat", tokens_of=ours.port))
            batches.append(loader.run(ours, "batch", connections=scale.batch_connections))
        for number in range(scale.rounds):
            say(f"http: starts, round {number + 1} of {scale.rounds}")
            starts.append(loader.run(ours, "start"))
            alone.append(loader.run(edge, "start"))
            plans.append(loader.run(ours, "plan"))
            borrows.append(loader.run(ours, "borrow"))
        half_hz = median(r["rate_hz"] for r in starts) / 2
        for number in range(scale.rounds):
            say(f"http: starts at half load, round {number + 1} of {scale.rounds}")
            half.append(loader.run(ours, "start", rate_hz=half_hz))
    shares = [a["per_cpu_s"] / b["per_cpu_s"] * 100 for a, b in zip(beats, nothing, strict=True)]
    per_token = [r["per_cpu_s"] * scale.batch_tokens for r in batches]
    return [
        _rate("empty handler", nothing),
        _rate("heartbeat over HTTP", beats),
        figure("heartbeat over HTTP, of an empty handler", shares, "%", target=at_least(80)),
        _p99("heartbeat over HTTP, full load, p99", beats),
        figure(
            f"heartbeats in batches of {scale.batch_tokens}", per_token, "/CPU-s",
            target=at_least(400_000), note="tokens as text; one core",
        ),
        _rate("start over HTTP, home here", starts),
        _rate("start over HTTP, the edge alone", alone),
        _rate("start over HTTP, plan told for the first time", plans),
        _rate("start over HTTP, slot borrowed first", borrows),
        figure(
            "start over HTTP, half load, p99", [r["p99_ms"] for r in half], "ms",
            target=at_most(10), note=f"open loop, {half_hz:,.0f} starts/s",
        ),
    ]  # fmt: skip


def run_peers(scale: Scale) -> list[Figure]:
    """georeg beside the canonical service, plain and tuned. Raises Missing without Redis."""
    with ExitStack() as stack:
        redis = stack.enter_context(redis_serving())
        loader = stack.enter_context(loading(scale))
        servers = {"georeg": stack.enter_context(serving(SERVERS, "georeg"))}
        for name in ("canonical", "tuned"):
            option = f"--redis-port={redis.port}"
            servers[name] = stack.enter_context(serving(SERVERS, name, option))
        for server in servers.values():
            loader.prepare(server)
        figures = []
        for kind in ("heartbeat", "start"):
            rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in servers}
            for number in range(scale.rounds):
                say(f"peers: {kind}s, round {number + 1} of {scale.rounds}")
                for name, server in servers.items():
                    rounds[name].append(loader.run(server, kind))
            figures += _compared(kind, rounds)
        return figures


def _compared(kind: str, rounds: dict[str, list[dict[str, Any]]]) -> list[Figure]:
    ours = rounds["georeg"]
    figures = [_rate(f"{kind}, {name}", results) for name, results in rounds.items()]
    for name, target in (("canonical", at_least(2.5)), ("tuned", None)):
        ratios = [a["per_cpu_s"] / b["per_cpu_s"] for a, b in zip(ours, rounds[name], strict=True)]
        figures.append(figure(f"{kind}, georeg to {name}", ratios, "x", target=target))
    return figures


def _rate(name: str, results: list[dict[str, Any]]) -> Figure:
    per_cpu_s = [r["per_cpu_s"] for r in results]
    wall_hz = median(r["rate_hz"] for r in results)
    busy = median(r["server_cpu"] for r in results)
    note = f"{wall_hz:,.0f}/s at {busy:.0%} of the core"
    return figure(name, per_cpu_s, "/CPU-s", note=note)


def _p99(name: str, results: list[dict[str, Any]]) -> Figure:
    return figure(name, [r["p99_ms"] for r in results], "ms")


__all__ = ["Missing", "run", "run_peers"]
