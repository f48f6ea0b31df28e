"""One port for all that other regions dial: by its path each goes to the listener of its slice.

Invariant: strangers can hold at most `unproven_max` sockets for `handshake_ms` each, however many
slices there are; a dialler that knows another number of slices hears so before it proves anything.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from ssl import SSLContext
from typing import Final, cast

import structlog
from aiohttp import hdrs, web

from georeg.mesh.errors import Closing
from georeg.mesh.limits import TokenBucket
from georeg.mesh.settings import MeshSettings
from georeg.mesh.slices import PATH, Slice, slice_at

log = structlog.get_logger("georeg.mesh")

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
_LOG_BURST: Final = 10.0
_MUTE: Final = logging.Logger("georeg.mesh.http", level=logging.CRITICAL + 1)
"""aiohttp answers malformed HTTP with 400, and would log each with a traceback: strangers could
fill the log. What goes wrong behind the upgrade is logged by the listeners."""


class _TurnedAway(asyncio.Protocol):
    """A connection beyond the limit: dropped before a byte is read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


class Door:
    """The port of one process."""

    def __init__(
        self,
        settings: MeshSettings,
        tls: SSLContext | None,
        *,
        slices: int = 1,
        elsewhere: Callable[[Slice, web.BaseRequest], Awaitable[web.StreamResponse]] | None = None,
    ) -> None:
        """`elsewhere` takes the connections of slices that have no listener here."""
        self._loop = asyncio.get_running_loop()
        self._settings = settings
        self._tls = tls
        self._slices = slices
        self._elsewhere = elsewhere
        self._log_bucket = TokenBucket(1.0, _LOG_BURST, self._loop.time())
        self._listening: asyncio.Server | None = None
        self._server = web.Server(
            self._handle,
            access_log=None,
            logger=_MUTE,
            keepalive_timeout=settings.handshake_ms / 1000,
            lingering_time=0,
        )
        self.listeners: dict[int, Handler] = {}
        """Who takes the connections of a slice."""
        self.paths: dict[str, Handler] = {}
        """Who takes what is dialled beside slices; it judges for itself whom to let in."""
        self.proven = 0
        """Open connections that have proven themselves, or are another node's to judge."""
        self.port = 0
        """The port that is listened on, also when it was asked for as 0."""

    async def start(self, host: str, port: int) -> None:
        """Listen. Raises OSError when the address cannot be bound."""
        handshake_s = self._settings.handshake_ms / 1000
        self._listening = await self._loop.create_server(
            self._protocol,
            host,
            port,
            ssl=self._tls,
            ssl_handshake_timeout=handshake_s if self._tls is not None else None,
        )
        sockets = self._listening.sockets
        self.port = sockets[0].getsockname()[1] if sockets else port
        log.info("mesh_listening", host=host, port=self.port)

    def shut(self) -> None:
        """Take no more connections; those that are open go on."""
        if self._listening is not None:
            self._listening.close()

    async def stop(self) -> None:
        """Give up the port, and what is still open within `close_ms`. Harmless when not started."""
        listening, self._listening = self._listening, None
        if listening is None:
            return
        listening.close()
        self._server.pre_shutdown()
        await self._server.shutdown(self._settings.close_ms / 1000)
        await listening.wait_closed()

    def _protocol(self) -> asyncio.Protocol:
        unproven = len(self._server.connections) - self.proven
        return _TurnedAway() if unproven >= self._settings.unproven_max else self._server()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One HTTP request: the life of a connection when it is an upgrade, else an error."""
        if (handler := self.paths.get(request.path)) is not None:
            return await handler(request)
        dialled = slice_at(request.path)
        if dialled is None:
            raise web.HTTPNotFound(text=f"regions talk at {PATH}\n")
        if dialled.count != self._slices:
            reason = f"{self._slices} slices here, {dialled.count} there"
            return await self.refuse(request, Closing.SLICES, reason)
        listener = self.listeners.get(dialled.number)
        if listener is not None:
            return await listener(request)
        if self._elsewhere is not None:
            return await self._elsewhere(dialled, request)
        return await self.refuse(request, Closing.ELSEWHERE, f"slice {dialled} is not run here")

    async def refuse(
        self, request: web.BaseRequest, closing: Closing, reason: str
    ) -> web.StreamResponse:
        """Take the connection up to say why it is closed, so that both sides can log it."""
        header = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL)
        offered = () if header is None else (header.split(",")[0].strip(),)
        socket = web.WebSocketResponse(
            protocols=offered, autoping=False, compress=False,
            timeout=self._settings.close_ms / 1000,
        )  # fmt: skip
        await socket.prepare(request)
        if self._log_bucket.take(1.0, self._loop.time()):
            log.warning(
                "mesh_refused", peer=None, remote=request.remote, code=closing.value, reason=reason
            )
        await socket.close(code=closing, message=reason.encode())
        return socket
