"""Listening: the app on a TCP port, with the limits of HTTP itself.

aiohttp answers malformed HTTP on its own, with text and a traceback in the log. Here such a request
gets problem+json like any other, and the log stays quiet: strangers send garbage all day.
Invariants: under --dev nothing but a loopback address is ever listened on; whoever is slow, in
sending a request or in taking an answer, holds its connection for a bounded time and a bounded
number of bytes, and nothing else.
"""

import asyncio
import ssl
from typing import Any, Final, cast

import structlog
from aiohttp import web

from georeg.edge.app import EDGE, FRONT
from georeg.edge.auth import is_loopback
from georeg.edge.context import Edge
from georeg.edge.errors import SettingsError
from georeg.edge.listening import listen
from georeg.edge.problems import plain
from georeg.edge.shortcuts import hottest_first

LINE_BYTES_MAX: Final = 8_190
HEADER_BYTES_MAX: Final = 8_190
HEADERS_MAX: Final = 64
KEEPALIVE_S: Final = 75.0
"""Longer than two heartbeats, so that a device keeps its connection."""
FIRST_REQUEST_S: Final = 10.0
"""A new connection has so long for the head of its first request."""
ANSWER_S: Final = 10.0
"""A peer that takes nothing of its answers for so long is cut off."""
LINGER_S: Final = 2.0
SHUTDOWN_S: Final = 5.0
log: Final = structlog.get_logger("georeg.edge")


class EdgeServer:
    """One region's edge on one address."""

    def __init__(
        self,
        app: web.Application,
        host: str,
        port: int,
        *,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """Raises SettingsError for a dev app on an address that others can reach."""
        if app[EDGE].settings.dev and not is_loopback(host):
            raise SettingsError(
                f"dev mode lets anybody in: listen on 127.0.0.1 instead of {host!r}, or turn it off"
            )
        self._app = app
        self._host = host
        self._port = port
        self._tls = tls
        self._runner: web.AppRunner | None = None

    async def start(self) -> None:
        """Listen. Raises OSError when the address is taken."""
        runner = EdgeRunner(self._app)
        await runner.setup()
        try:
            await listen(runner, self._host, self._port, self._tls)
        except OSError:
            await runner.cleanup()
            raise
        self._runner = runner

    @property
    def port(self) -> int:
        """The port that is listened on; the real one where 0 was asked for."""
        assert self._runner is not None, "not started"
        return int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Drain, let running requests end, close. Harmless when not started or stopped."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()


class EdgeRunner(web.AppRunner):
    """Runs an app with the edge's own protocol; for sites of any kind."""

    def __init__(self, app: web.Application) -> None:
        super().__init__(
            app,
            access_log=None,
            shutdown_timeout=SHUTDOWN_S,
            keepalive_timeout=KEEPALIVE_S,
            lingering_time=LINGER_S,
            auto_decompress=False,
            max_line_size=LINE_BYTES_MAX,
            max_field_size=HEADER_BYTES_MAX,
            max_headers=HEADERS_MAX,
        )

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        kwargs = {name: value for name, value in self._kwargs.items() if name != "access_log_class"}
        handler = hottest_first(self._app, server.request_handler)
        if (front := self._app.get(FRONT)) is not None:
            handler = front(handler)
        made = _Server(handler, request_factory=server.request_factory, **kwargs)
        made.edge = self._app[EDGE]
        return made


class _TurnedAway(asyncio.Protocol):
    """A connection beyond the limit: closed before a byte is read."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast(asyncio.Transport, transport).abort()


class _Server(web.Server):
    """Makes the edge's protocol for each connection."""

    edge: Edge

    def __init__(self, handler: Any, **kwargs: Any) -> None:
        super().__init__(handler, **kwargs)
        self._protocol_kwargs = dict(self._kwargs)

    def __call__(self) -> web.RequestHandler:
        metrics = self.edge.metrics
        if metrics.connections >= self.edge.settings.connections_max:
            metrics.turned_away += 1
            return cast(web.RequestHandler, _TurnedAway())
        return _Protocol(self, loop=asyncio.get_running_loop(), **self._protocol_kwargs)


class _Protocol(web.RequestHandler):
    """One connection."""

    __slots__ = ("_counted", "_cut_off_call", "_give_up_call")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Close the connection again if no request comes; aiohttp's timeouts begin after one."""
        super().connection_made(transport)
        self._counted = cast(_Server, self._manager).edge.metrics
        self._counted.connections += 1
        self._cut_off_call: asyncio.TimerHandle | None = None
        self._give_up_call = asyncio.get_running_loop().call_later(FIRST_REQUEST_S, self._give_up)

    def connection_lost(self, exc: BaseException | None) -> None:
        """The peer has gone."""
        self._counted.connections -= 1
        self._give_up_call.cancel()
        self._stop_waiting()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The peer does not take its answers: no further request of its is served meanwhile."""
        super().pause_writing()
        transport = self.transport
        if transport is not None:
            loop = asyncio.get_running_loop()
            self._cut_off_call = loop.call_later(ANSWER_S, transport.abort)

    def resume_writing(self) -> None:
        """It has taken them."""
        self._stop_waiting()
        super().resume_writing()

    def _stop_waiting(self) -> None:
        if self._cut_off_call is not None:
            self._cut_off_call.cancel()
            self._cut_off_call = None

    def _give_up(self) -> None:
        if self._request_count == 0:
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - repeats the caller's bytes
    ) -> web.StreamResponse:
        """400 for what is no HTTP, 500 for what escaped the app; closes the connection.

        A caller that went away gets no answer and no line: raising says so to the protocol.
        """
        if isinstance(exc, ConnectionError):
            raise exc
        if status == 400:
            log.debug("malformed request", error=type(exc).__name__)
        else:
            log.error("request failed", route="protocol", error=type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun; it cannot become another one")
        detail = "not a valid HTTP request" if status == 400 else "an error of the service"
        response = plain(status, detail).response()
        response.force_close()
        return response
