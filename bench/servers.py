"""The servers under load, each a process of its own on one core: `python -m bench.servers NAME`.

`georeg` is the real edge over a real region, whose neighbours answer inside the process (its own
share of replication is done, their sockets are not); `edge` is the same with a region that admits
every start without deciding anything; `empty` is an aiohttp handler that reads nothing and answers
as many bytes as a heartbeat; the peers are in bench/peers.
All run on uvloop, without access log, behind aiohttp's C parser.
"""

import argparse
import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Final

import uvloop
from aiohttp import web

from bench.machine import SERVER_CPU, pin
from bench.peers.canonical import serve_canonical
from bench.regions import Undecided, make_region
from georeg.cli.runtime import LoopClock
from georeg.edge.app import create_app
from georeg.edge.logs import configure_logs
from georeg.edge.server import EdgeServer
from georeg.edge.settings import EdgeSettings
from georeg.edge.tokens import KeyRing
from georeg.region.region import Region

KEY: Final = bytes(range(32))
_ANSWER: Final = b'{"session":"us-1-1a2b3","next_heartbeat_s":30,"lease_s":90}'


def wall_ms() -> int:
    """Milliseconds since 1970."""
    return time.time_ns() // 1_000_000


@asynccontextmanager
async def georeg(kind: type[Region] = Region) -> AsyncIterator[int]:
    """The real thing; yields its port."""
    clock = LoopClock(asyncio.get_running_loop(), wall_ms)
    region, _ = make_region(clock, kind=kind)
    region.open()
    while not region.joined:  # noqa: ASYNC110 - the rules know no asyncio events
        await asyncio.sleep(0.01)
    settings = EdgeSettings(dev=True)
    app = create_app(region, KeyRing([KEY], cluster="bench"), settings, clock=clock)
    server = EdgeServer(app, "127.0.0.1", 0)
    await server.start()
    try:
        yield server.port
    finally:
        region.close()
        await server.stop()


@asynccontextmanager
async def empty() -> AsyncIterator[int]:
    """The least that aiohttp can do for a request; yields its port."""

    async def handle(_request: web.Request) -> web.Response:
        return web.Response(body=_ANSWER, content_type="application/json")

    app = web.Application()
    app.router.add_post("/v1/sessions/heartbeat", handle)
    async with serving(app) as port:
        yield port


@asynccontextmanager
async def serving(app: web.Application) -> AsyncIterator[int]:
    """An aiohttp app on a free port, which it yields."""
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, backlog=1024)
    await site.start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def _server(name: str, redis_port: int) -> AbstractAsyncContextManager[int]:
    makers: dict[str, Callable[[], AbstractAsyncContextManager[int]]] = {
        "georeg": georeg,
        "edge": lambda: georeg(Undecided),
        "empty": empty,
        "canonical": lambda: canonical(redis_port, is_tuned=False),
        "tuned": lambda: canonical(redis_port, is_tuned=True),
    }
    return makers[name]()


@asynccontextmanager
async def canonical(redis_port: int, *, is_tuned: bool) -> AsyncIterator[int]:
    """The peer service; yields its port."""
    async with (
        serve_canonical(redis_port, KEY, is_tuned=is_tuned) as app,
        serving(app) as port,
    ):
        yield port


async def _run(name: str, redis_port: int) -> None:
    is_over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def read() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            is_over.set()

    loop.add_reader(sys.stdin.fileno(), read)
    async with _server(name, redis_port) as port:
        print(f"ready {port}", flush=True)
        await is_over.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("georeg", "edge", "empty", "canonical", "tuned"))
    parser.add_argument("--redis-port", type=int, default=0)
    options = parser.parse_args()
    pin(SERVER_CPU)
    configure_logs("error")  # standard output is for the port
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_run(options.name, options.redis_port))
