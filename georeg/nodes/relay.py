"""Connections of other regions to slices that another node of this region runs: passed through.

Frames go both ways as they are, pings and pongs too, so the proof and the watch over silence are
those of the two ends; here nothing is believed and nothing kept. Invariant: a connection is passed
on once; at the second node it is refused, and its dialler tries again.
"""

import asyncio
from collections.abc import Callable
from ssl import SSLContext
from typing import Final

import structlog
from aiohttp import (
    ClientError,
    ClientSession,
    ClientWebSocketResponse,
    ClientWSTimeout,
    WSMessage,
    WSMsgType,
    hdrs,
    web,
)
from yarl import URL

from georeg.mesh import Closing, MeshSettings
from georeg.mesh.door import Door
from georeg.mesh.slices import Slice
from georeg.nodes.passing import PASSED_ON, Address

RELAYED_MAX: Final = 2_048
"""Connections passed through at once: 64 slices of 32 regions."""
log = structlog.get_logger("georeg.nodes")
_Socket = ClientWebSocketResponse | web.WebSocketResponse


class Relay:
    """Passes connections on to the nodes that run their slices."""

    def __init__(
        self,
        me: str,
        settings: MeshSettings,
        node_of: Callable[[int], Address | None],
        session: Callable[[], ClientSession],
        tls: SSLContext | None,
    ) -> None:
        self._me = me
        self._settings = settings
        self._node_of = node_of
        self._make_session = session
        self._tls = tls
        self._session: ClientSession | None = None
        self._count = 0
        self.door: Door | None = None
        """Set by the node: where connections come in."""

    async def close(self) -> None:
        """End all that is passed through."""
        if self._session is not None:
            await self._session.close()

    async def pass_on(self, dialled: Slice, request: web.BaseRequest) -> web.StreamResponse:
        """The life of one connection."""
        assert self.door is not None
        node = self._node_of(dialled.number)
        if node is None or PASSED_ON in request.headers or self._count >= RELAYED_MAX:
            reason = f"slice {dialled} is not run here just now"
            return await self.door.refuse(request, Closing.ELSEWHERE, reason)
        header = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL)
        offered = () if header is None else tuple(name.strip() for name in header.split(","))
        try:
            there = await self._dial(node, dialled, offered)
        except (ClientError, OSError, TimeoutError):
            reason = f"slice {dialled}: its node cannot be reached"
            return await self.door.refuse(request, Closing.ELSEWHERE, reason)
        here = web.WebSocketResponse(
            protocols=(there.protocol,) if there.protocol else (),
            autoping=False,
            compress=False,
            max_msg_size=self._settings.frame_bytes_max + 1,
            timeout=self._settings.close_ms / 1000,
        )
        self._count += 1
        self.door.proven += 1
        try:
            await here.prepare(request)
            await self._carry(here, there)
        finally:
            self.door.proven -= 1
            self._count -= 1
            await there.close()
        return here

    async def _dial(
        self, node: Address, dialled: Slice, offered: tuple[str, ...]
    ) -> ClientWebSocketResponse:
        if self._session is None:
            self._session = self._make_session()
        async with asyncio.timeout(self._settings.connect_ms / 1000):
            return await self._session.ws_connect(
                URL(node.mesh_url).with_path(dialled.path),
                protocols=offered,
                headers={PASSED_ON: self._me},
                autoping=False,
                compress=0,
                max_msg_size=self._settings.frame_bytes_max + 1,
                ssl=self._tls or True,
                timeout=ClientWSTimeout(ws_close=self._settings.close_ms / 1000),
            )

    async def _carry(self, here: web.WebSocketResponse, there: ClientWebSocketResponse) -> None:
        """Both directions, until one of them ends."""
        ways = [
            asyncio.ensure_future(_pump(here, there)),
            asyncio.ensure_future(_pump(there, here)),
        ]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)


async def _pump(source: _Socket, target: _Socket) -> None:
    """One direction; its end is told to the other side in the same words."""
    try:
        while True:
            message: WSMessage = await source.receive()
            if message.type is WSMsgType.BINARY:
                await target.send_bytes(message.data)
            elif message.type is WSMsgType.PING:
                await target.ping(message.data)
            elif message.type is WSMsgType.PONG:
                await target.pong(message.data)
            else:
                code = message.data if message.type is WSMsgType.CLOSE else Closing.GOING_AWAY
                said = message.extra if message.type is WSMsgType.CLOSE else "connection lost"
                await target.close(code=code, message=(said or "").encode())
                return
    except ConnectionError:
        await target.close(code=Closing.GOING_AWAY, message=b"connection lost")
