"""Listening sockets: one port, several of them, so that new connections do not starve.

libuv, and so uvloop, accepts one connection per listening socket and turn of the loop. Where turns
are long because many connections are busy, a new one then waits for seconds behind all that came
before it; measured: 5 s at twice the capacity. After a region is lost all its devices come over new
connections. So the one socket is registered `ACCEPTS` times, by duplicates of its descriptor; each
accepts one. asyncio's own loop accepts a whole backlog at once and needs none of this.

Cost: a new connection wakes all of them, some 5 us.
"""

import asyncio
import socket
import ssl
from typing import Any, Final

from aiohttp import web

ACCEPTS: Final = 16
BACKLOG: Final = 1024


async def listen(
    runner: web.AppRunner, host: str, port: int, tls: ssl.SSLContext | None
) -> None:
    """Listen for the runner's app, which closes it all. Raises OSError for a taken address."""
    site = web.TCPSite(runner, host, port, ssl_context=tls, backlog=BACKLOG)
    await site.start()
    if not type(asyncio.get_running_loop()).__module__.startswith("uvloop"):
        return
    server: Any = site._server  # uvloop's is not derived from asyncio's
    for listening in server.sockets:
        for _ in range(ACCEPTS - 1):
            with socket.socket(fileno=listening.fileno()) as same:
                copy = same.dup()
                same.detach()
            await web.SockSite(runner, copy, ssl_context=tls, backlog=BACKLOG).start()
