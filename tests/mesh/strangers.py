"""Bare WebSocket ends that do what no node would: knock at a listener, or stand in for one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from aiohttp import ClientSession, ClientWebSocketResponse, WSMsgType, web

from crdt.dots import RegionId
from georeg.mesh.handshake import Credentials, Dialler
from georeg.mesh.settings import Identity
from tests.mesh.nodes import KEY, SOON_S, counted_bytes, url

Socket = ClientWebSocketResponse | web.WebSocketResponse


@asynccontextmanager
async def knock(port: int, *offered: str) -> AsyncIterator[ClientWebSocketResponse]:
    """A WebSocket to the listener, before any handshake, that offers these subprotocols."""
    async with (
        ClientSession() as session,
        session.ws_connect(url(port) + "/mesh", autoping=False, protocols=offered) as socket,
    ):
        yield socket


def dialler(me: RegionId, peer: RegionId, *, key: bytes = KEY, cluster: str = "test") -> Dialler:
    """The dialling half of a handshake."""
    credentials = Credentials(Identity(cluster, me, "stranger"), (key,), counted_bytes(77))
    return Dialler(credentials, peer)


async def enter(socket: ClientWebSocketResponse, me: RegionId, peer: RegionId) -> bytes:
    """Prove the key as a node would; returns the hello that did it."""
    handshake = dialler(me, peer)
    hello = handshake.receive(await frame(socket))
    assert hello is not None
    await socket.send_bytes(hello)
    handshake.receive(await frame(socket))
    assert handshake.proven
    return hello


async def frame(socket: Socket) -> bytes:
    """The next binary message."""
    message = await socket.receive(SOON_S)
    assert message.type is WSMsgType.BINARY, message
    data: bytes = message.data
    return data


async def farewell(socket: Socket) -> tuple[int, str]:
    """With what the other side closes; (0, "") when it just hangs up."""
    while True:
        message = await socket.receive(SOON_S)
        if message.type is WSMsgType.CLOSE:
            return message.data, message.extra or ""
        if message.type in (WSMsgType.CLOSED, WSMsgType.ERROR):
            return 0, ""


@asynccontextmanager
async def impostor(
    behave: Callable[[web.WebSocketResponse], Awaitable[None]],
) -> AsyncIterator[int]:
    """A WebSocket server that behaves as it is told; yields its port."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await behave(socket)
        return socket

    server = web.Server(handle)
    loop = asyncio.get_running_loop()
    listening = await loop.create_server(server, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        await server.shutdown(0.01)
        await asyncio.sleep(0)
