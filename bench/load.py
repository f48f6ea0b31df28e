"""The load generator: HTTP/1.1 on raw protocols, one request at a time on each connection.

Runs as a process of its own: a job comes in as one line of JSON, its result goes out as one. It
does as little per request as Python can (write the bytes, read the status, find the length), about
10 us, so that it can drive an aiohttp server on another core to its limit with the same code for
every server. Requests are made beforehand but for starts, which must each be of a new account.

With `rate_hz` requests come when they are due, whatever the server does (an open loop), and waiting
for a free connection counts; without it each connection sends as soon as it has its answer.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import Any, Final, cast

import msgpack
import uvloop

from bench.figures import quantile
from bench.machine import LOAD_CPU, cpu_s, pin
from bench.population import HERE, accounts_at, watchers

_TICK_S: Final = 0.001
_DRAIN_S: Final = 10.0
_LENGTH: Final = b"Content-Length: "
Source = Iterator[bytes]


@dataclass
class Run:
    """One job while it runs."""

    port: int
    source: Source
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

    def __init__(self, run: Run) -> None:
        self._run = run
        self._since_s = 0.0
        self._buffer = b""
        self.is_busy = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's is not derived from it

    def send(self, since_s: float) -> None:
        """Send the next request; `since_s`: when it was due."""
        request = next(self._run.source, None)
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
        at = data.find(_LENGTH, 0, head) if head >= 0 else -1
        if head < 0 or len(data) < head + 4 + int(data[at + 16 : data.find(b"\r", at)]):
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


async def drive(
    run: Run, connections: int, warm_s: float, round_s: float, rate_hz: float, pid: int
) -> dict[str, Any]:
    """Load the server and say what came of it."""
    loop = asyncio.get_running_loop()
    opened = [
        (await loop.create_connection(lambda: Connection(run), "127.0.0.1", run.port))[1]
        for _ in range(connections)
    ]
    pacer = None
    if run.is_open_loop:
        run.idle += opened
        pacer = loop.create_task(_pace(run, rate_hz))
    else:
        for connection in opened:
            connection.send(time.perf_counter())
    await asyncio.sleep(warm_s)
    run.is_counting = True
    began_s, cpu_began_s, own_began_s = time.perf_counter(), cpu_s(pid), time.process_time()
    while not run.is_over and time.perf_counter() - began_s < round_s:  # noqa: ASYNC110
        # Looked at now and then: an event would cost the connections time at each answer.
        await asyncio.sleep(min(0.05, round_s))
    run.is_counting = False
    took_s, used_s = time.perf_counter() - began_s, cpu_s(pid) - cpu_began_s
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
    return _result(run, took_s, used_s, own_s)


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


def _result(run: Run, took_s: float, used_s: float, own_s: float) -> dict[str, Any]:
    ordered = sorted(run.latencies_s)
    count = len(ordered)
    return {
        "rate_hz": count / took_s,
        "per_cpu_s": count / used_s if used_s > 0 else 0.0,
        "p50_ms": quantile(ordered, 0.50) * 1000 if ordered else 0.0,
        "p99_ms": quantile(ordered, 0.99) * 1000 if ordered else 0.0,
        "server_cpu": used_s / took_s,
        "load_cpu": own_s / took_s,
        "statuses": {str(status): n for status, n in sorted(run.statuses.items())},
    }


# ---- requests ------------------------------------------------------------------------------------


def _request(method: str, path: str, headers: str, body: bytes) -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{headers}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def starts(accounts: Iterator[str], plan: str) -> Source:
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
        """One job: `start`, `plan`, `borrow`, `heartbeat`, `batch`, or `prepare` some sessions."""
        port, kind = job["port"], job["kind"]
        run = Run(port, self._source(job, port), job.get("rate_hz", 0) > 0)
        if kind == "prepare":
            tokens = self._tokens.setdefault(port, [])
            run.on_body = lambda body: tokens.append(json.loads(body)["token"])
        return await drive(
            run, job["connections"], job["warm_s"], job["round_s"], job.get("rate_hz", 0),
            job["pid"],
        )  # fmt: skip

    def _source(self, job: dict[str, Any], port: int) -> Source:
        kind = job["kind"]
        if kind in ("start", "plan", "borrow", "prepare"):
            home = None if kind == "borrow" else HERE
            names = self._accounts.setdefault(f"{kind}-{port}", accounts_at(home, kind))
            made = starts(names, "standard" if kind == "plan" else "")
            return iter(list(islice(made, job["requests"])))
        tokens = self._tokens[job.get("tokens_of", port)]
        if kind == "heartbeat":
            return cycle([heartbeat(token) for token in tokens])
        size = job["batch_tokens"]
        source, count = cycle(tokens), max(1, len(tokens) // size)
        return cycle([batch(list(islice(source, size))) for _ in range(count)])


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
