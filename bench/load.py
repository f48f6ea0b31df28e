"""The load generator: HTTP/1.1 on raw protocols, one request at a time on each connection.

Runs as a process of its own: a job comes in as one line of JSON, its result goes out as one. It
does as little per request as Python can (write the bytes, read the status, find the length), about
10 us, so that it can drive an aiohttp server on another core to its limit with the same code for
every server. Requests are made beforehand but for starts, which must each be of a new account.

With `rate_hz` requests come when they are due, whatever the server does (an open loop), and waiting
for a free connection counts; without it each connection sends as soon as it has its answer.

A server may be several processes (the nodes of a region): connections are dealt to their ports.
With `owners`, who runs which slice, each call goes to the node that decides it; without, to any.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import cycle, islice
from typing import Any, Final, cast

import msgpack
import uvloop

from bench.figures import quantile
from bench.machine import LOAD_CPU, cpu_s, pin
from bench.population import HERE, accounts_at, watchers
from georeg.mesh.slices import slice_of_account
from georeg.nodes.addressing import slice_of_token

_TICK_S: Final = 0.001
_DRAIN_S: Final = 10.0
_LENGTH: Final = b"Content-Length: "
Source = Iterator[bytes]


@dataclass
class Run:
    """One job while it runs."""

    is_open_loop: bool
    latencies_s: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    is_counting: bool = False
    is_over: bool = False
    idle: list["Connection"] = field(default_factory=list)
    due: list[float] = field(default_factory=list)
    """Open loop: requests that found no free connection, by when they were due."""
    on_body: Callable[[bytes], None] | None = None


class Connection(asyncio.Protocol):
    """One connection with at most one request on its way."""

    def __init__(self, run: Run, source: Source) -> None:
        self._run = run
        self._source = source
        self._since_s = 0.0
        self._buffer = b""
        self.is_busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is not derived from it

    def send(self, since_s: float) -> None:
        """Send the next request; `since_s`: when it was due."""
        request = next(self._source, None)
        if request is None:
            self._run.is_over = True
            self._run.idle.append(self)
            return
        self.is_busy = True
        self._since_s = since_s
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if self._buffer:
            data = self._buffer + data
        head = data.find(b"\r\n\r\n")
        if head < 0 or len(data) < head + 4 + _length(data, head):
            self._buffer = data
            return
        self._buffer = b""
        self.is_busy = False
        run, now_s = self._run, time.perf_counter()
        if run.is_counting:
            run.latencies_s.append(now_s - self._since_s)
            run.statuses[int(data[9:12])] += 1
        if run.on_body is not None:
            run.on_body(data[head + 4 :])
        if run.is_over:
            run.idle.append(self)
        elif not run.is_open_loop:
            self.send(now_s)
        elif run.due:
            self.send(run.due.pop(0))
        else:
            run.idle.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        if self.is_busy:
            raise RuntimeError(f"the server closed a connection: {exc}")


def _length(data: bytes, head: int) -> int:
    """Of the body; an answer without one, a 204, does not say."""
    at = data.find(_LENGTH, 0, head)
    return 0 if at < 0 else int(data[at + 16 : data.find(b"\r", at)])


async def drive(run: Run, sources: Sequence[Source], job: dict[str, Any]) -> dict[str, Any]:
    """Load the server, each of its ports with its source, and say what came of it."""
    loop = asyncio.get_running_loop()
    opened, ports, rate_hz = [], job["ports"], job.get("rate_hz", 0)
    for number in range(job["connections"]):
        at = number % len(ports)
        make = partial(Connection, run, sources[at])
        opened.append((await loop.create_connection(make, "127.0.0.1", ports[at]))[1])
    pacer = None
    if run.is_open_loop:
        run.idle += opened
        pacer = loop.create_task(_pace(run, rate_hz))
    else:
        for connection in opened:
            connection.send(time.perf_counter())
    await asyncio.sleep(job["warm_s"])
    run.is_counting = True
    began_s, own_began_s = time.perf_counter(), time.process_time()
    cpu_began_s, store_began_s = _used_s(job["pids"]), _used_s(job["store_pids"])
    while not run.is_over and time.perf_counter() - began_s < job["round_s"]:  # noqa: ASYNC110
        # Looked at now and then: an event would cost the connections time at each answer.
        await asyncio.sleep(min(0.05, job["round_s"]))
    run.is_counting = False
    took_s, used_s = time.perf_counter() - began_s, _used_s(job["pids"]) - cpu_began_s
    store_s = _used_s(job["store_pids"]) - store_began_s
    own_s = time.process_time() - own_began_s
    run.is_over = True
    if pacer is not None:
        await pacer
    until_s = time.perf_counter() + _DRAIN_S
    while any(c.is_busy for c in opened) and time.perf_counter() < until_s:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    for connection in opened:
        connection.is_busy = False
        connection.transport.abort()
    return _result(run, took_s, used_s, store_s, own_s)


def _used_s(pids: Sequence[int]) -> float:
    """CPU seconds of all these processes."""
    return sum(map(cpu_s, pids))


async def _pace(run: Run, rate_hz: float) -> None:
    began_s, sent = time.perf_counter(), 0
    while not run.is_over:
        await asyncio.sleep(_TICK_S)
        owed = int((time.perf_counter() - began_s) * rate_hz)
        for number in range(sent, owed):
            due_s = began_s + number / rate_hz
            if run.idle:
                run.idle.pop().send(due_s)
            else:
                run.due.append(due_s)
        sent = owed


def _result(
    run: Run, took_s: float, used_s: float, store_s: float, own_s: float
) -> dict[str, Any]:
    ordered = sorted(run.latencies_s)
    count = len(ordered)
    return {
        "rate_hz": count / took_s,
        "per_cpu_s": count / used_s if used_s > 0 else 0.0,
        "per_store_cpu_s": count / store_s if store_s > 0 else 0.0,
        "p50_ms": quantile(ordered, 0.50) * 1000 if ordered else 0.0,
        "p99_ms": quantile(ordered, 0.99) * 1000 if ordered else 0.0,
        "count": count,
        "server_cpu": used_s / took_s,
        "load_cpu": own_s / took_s,
        "statuses": {str(status): n for status, n in sorted(run.statuses.items())},
    }


# ---- requests ------------------------------------------------------------------------------------


def _request(method: str, path: str, headers: str, body: bytes) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def starts(accounts: Iterable[str], plan: str) -> Source:
    """One start each, of a device and an account that were never seen before.

    Without a plan they are what most starts are: a region is told an account's plan once an hour.
    """
    for account, watcher in zip(accounts, watchers(seed=9), strict=False):
        device = {
            "id": watcher.device.id, "name": watcher.device.name, "kind": watcher.device.kind,
        }  # fmt: skip
        body = json.dumps({"device": device} | ({"plan": plan} if plan else {})).encode()
        path = f"/v1/accounts/{account}/sessions"
        yield _request("POST", path, "Content-Type: application/json\r\n", body)


def heartbeat(token: str) -> bytes:
    """The heartbeat of one session."""
    return _request("POST", "/v1/sessions/heartbeat", f"Authorization: Bearer {token}\r\n", b"")


def stop(token: str) -> bytes:
    """The end of one session."""
    return _request("POST", "/v1/sessions/stop", f"Authorization: Bearer {token}\r\n", b"")


def batch(tokens: list[str]) -> bytes:
    """Many heartbeats in one request, tokens as devices send them."""
    body = msgpack.packb([token.encode() for token in tokens])
    headers = "Content-Type: application/msgpack\r\n"
    return _request("POST", "/v1/sessions/heartbeats", headers, body)


class Generator:
    """Does jobs; keeps the tokens of the sessions that it started, by server."""

    def __init__(self) -> None:
        self._tokens: dict[int, list[str]] = {}
        self._accounts: dict[str, Iterator[str]] = {}

    async def do(self, job: dict[str, Any]) -> dict[str, Any]:
        """One job: `start`, `plan`, `borrow`, `heartbeat`, `batch`, `stop`; `prepare` starts too.
        """
        kind = job["kind"]
        run = Run(job.get("rate_hz", 0) > 0)
        if kind == "prepare":
            tokens = self._tokens.setdefault(job["ports"][0], [])
            run.on_body = lambda body: tokens.append(json.loads(body)["token"])
        return await drive(run, self._sources(job), job)

    def _sources(self, job: dict[str, Any]) -> list[Source]:
        """What is sent to each port."""
        ports, kind, owners = job["ports"], job["kind"], job["owners"]
        if kind in ("start", "plan", "borrow", "prepare"):
            home = None if kind == "borrow" else HERE
            names = self._accounts.setdefault(f"{kind}-{ports[0]}", accounts_at(home, kind))
            plan = "standard" if kind == "plan" else ""
            by_port = _dealt(
                list(islice(names, job["requests"])), ports, owners, slice_of_account
            )
            return _shared(by_port, ports, lambda accounts: iter(list(starts(accounts, plan))))
        tokens = self._tokens[job.get("tokens_of", ports[0])]
        if kind == "stop":
            kept, tokens = tokens, tokens[: job["requests"]]
            del kept[: len(tokens)]
        by_port = _dealt(tokens, ports, owners, slice_of_token)
        if kind == "heartbeat":
            return _shared(by_port, ports, lambda own: cycle([heartbeat(token) for token in own]))
        if kind == "stop":
            return _shared(by_port, ports, lambda own: iter([stop(token) for token in own]))
        size = job["batch_tokens"]
        return _shared(by_port, ports, lambda own: _batches(own, size))


def _batches(tokens: Sequence[str], size: int) -> Source:
    source, count = cycle(tokens), max(1, len(tokens) // size)
    return cycle([batch(list(islice(source, size))) for _ in range(count)])


def _dealt(
    items: list[str], ports: Sequence[int], owners: Sequence[int],
    slice_of: Callable[[str, int], object],
) -> list[list[str]]:
    """Accounts or tokens by the place of the port whose node runs their slice; without owners
    all in one."""
    if not owners:
        return [items]
    by_port: list[list[str]] = [[] for _ in ports]
    place = [ports.index(port) for port in owners]
    for item in items:
        number = slice_of(item, len(owners))
        assert isinstance(number, int), "these tokens are ours"
        by_port[place[number]].append(item)
    return by_port


def _shared(
    by_port: list[list[str]], ports: Sequence[int], made: Callable[[list[str]], Source]
) -> list[Source]:
    """A source for each port; all have the same where nothing was dealt."""
    sources = [made(items) for items in by_port]
    return sources if len(sources) == len(ports) else sources * len(ports)


async def _serve() -> None:
    generator = Generator()
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await generator.do(json.loads(line))), flush=True)


if __name__ == "__main__":
    pin(LOAD_CPU)
    print("ready 0", flush=True)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
