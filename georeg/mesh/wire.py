"""One WebSocket, dialled or accepted, with limits and a hard end.

Invariants: no frame is handed out that came too fast or is no binary message, ping or pong; a
connection on which nothing was heard for `silence_ms` is aborted, not closed, since a close waits
for buffers that a cut link never empties; after `close` the socket is gone within `close_ms`,
whatever the other side does. Watching costs one timer per connection, not one per frame.
"""

import asyncio
from typing import Final

from aiohttp import ClientWebSocketResponse, WSMessage, WSMsgType, web

from georeg.mesh.errors import Closing, Gone, PeerError
from georeg.mesh.limits import Pace
from georeg.mesh.settings import MeshSettings

_REASON_BYTES_MAX: Final = 123
"""What a WebSocket close frame can hold besides its code."""


def _printable(text: str) -> str:
    """Words of the other side, fit for a log."""
    return "".join(char if char.isprintable() else "?" for char in text)


class Wire:
    """Frames of one connection. One task receives; any may send."""

    def __init__(
        self,
        socket: ClientWebSocketResponse | web.WebSocketResponse,
        transport: asyncio.Transport,
        settings: MeshSettings,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._socket = socket
        self._transport = transport
        self._silence_s = settings.silence_ms / 1000
        self._close_s = settings.close_ms / 1000
        self._pace = Pace.of_receiver(settings, self._loop.time())
        self._heard_s = self._loop.time()
        self._timer: asyncio.TimerHandle | None = None
        self._why_aborted = ""
        self.farewell = (Closing.GOING_AWAY, "this region stops")
        """What `close` will say."""

    @classmethod
    def dialled(cls, socket: ClientWebSocketResponse, settings: MeshSettings) -> "Wire":
        """The dialling side. Raises Gone when it is over already."""
        # aiohttp offers no public way to abort a dialled WebSocket, only one to close it, and
        # closing leaves the socket open for as long as a cut link holds unsent bytes.
        connection = socket._response.connection
        transport = connection.transport if connection is not None else None
        if transport is None:
            raise Gone("connection lost")
        return cls(socket, transport, settings)

    @classmethod
    def accepted(
        cls, socket: web.WebSocketResponse, request: web.BaseRequest, settings: MeshSettings
    ) -> "Wire":
        """The listening side. Raises Gone when it is over already."""
        transport = request.transport
        if transport is None:
            raise Gone("connection lost")
        return cls(socket, transport, settings)

    def watch(self) -> None:
        """From now on abort when nothing is heard for `silence_ms`."""
        self._heard_s = self._loop.time()
        self._check()

    def _check(self) -> None:
        due_s = self._heard_s + self._silence_s
        if self._loop.time() >= due_s:
            self.abort(f"nothing heard for {round(self._silence_s * 1000)} ms")
        else:
            self._timer = self._loop.call_at(due_s, self._check)

    async def receive(self) -> WSMessage:
        """The next binary message, ping or pong. Raises PeerError: close; Gone: it is over."""
        message = await self._socket.receive()
        self._heard_s = self._loop.time()
        kind = message.type
        if kind is WSMsgType.BINARY or kind is WSMsgType.PING or kind is WSMsgType.PONG:
            if not self._pace.take(len(message.data), self._heard_s):
                raise PeerError(Closing.TOO_FAST, "too many frames or bytes a second")
            return message
        if kind is WSMsgType.TEXT:
            raise PeerError(Closing.UNEXPECTED, "a text frame: only binary frames are spoken here")
        raise Gone(self._why_gone(message))

    def _why_gone(self, message: WSMessage) -> str:
        if message.type is WSMsgType.CLOSE:
            code, said = message.data, _printable(message.extra or "")
            return f"closed by the peer: {code} {said}".rstrip()
        if message.type is WSMsgType.ERROR and not self._why_aborted:
            return f"broken: {_printable(str(message.data))}"
        return str(self._lost())

    def _lost(self) -> Gone:
        return Gone(self._why_aborted or "connection lost")

    async def receive_frame(self) -> bytes:
        """The next message of the handshake: nothing but binary is taken."""
        message = await self.receive()
        if message.type is not WSMsgType.BINARY:
            raise PeerError(Closing.MALFORMED, "only the handshake may come before the proof")
        frame: bytes = message.data
        return frame

    async def send(self, frame: bytes) -> None:
        """Send one binary message; waits while the transport is full. Raises Gone."""
        try:
            await self._socket.send_bytes(frame)
        except ConnectionError:
            raise self._lost() from None

    async def ping(self, payload: bytes) -> None:
        """Send a ping with up to 125 bytes, past what waits in an outbox. Raises Gone."""
        try:
            await self._socket.ping(payload)
        except ConnectionError:
            raise self._lost() from None

    async def pong(self, payload: bytes) -> None:
        """Answer a ping. Raises Gone."""
        try:
            await self._socket.pong(payload)
        except ConnectionError:
            raise self._lost() from None

    def abort(self, why: str) -> None:
        """Drop the socket with all that is buffered, now; `receive` then raises Gone."""
        if not self._why_aborted:
            self._why_aborted = why
        self._transport.abort()

    async def close(self) -> None:
        """Say the farewell, wait at most `close_ms` for the answer, then drop the socket."""
        closing, reason = self.farewell
        if self._timer is not None:
            self._timer.cancel()
        said = reason.encode()[:_REASON_BYTES_MAX].decode(errors="ignore").encode()
        try:
            async with asyncio.timeout(self._close_s):
                await self._socket.close(code=closing, message=said)
        except (TimeoutError, ConnectionError):
            pass
        finally:
            self._transport.abort()
