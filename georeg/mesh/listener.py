"""Where the other regions' connections arrive: proof first, then their messages, in order.

Invariants: `on_message` is called only for a peer that has proven itself on that connection, in the
order in which the peer sent, and from one connection per peer at a time: a newer one replaces the
older as soon as it is proven, and nothing of the older is delivered after that. A message that the
region refuses (crdt.PeerError) costs the connection that it came on and nothing else. What
strangers do is logged at most once a second in the long run.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NoReturn

import structlog
from aiohttp import WSMsgType, hdrs, web

from crdt.dots import RegionId
from crdt.errors import PeerError as MessageError
from georeg.mesh.door import Door
from georeg.mesh.errors import Closing, Gone, PeerError
from georeg.mesh.handshake import Acceptor, Credentials
from georeg.mesh.limits import TokenBucket
from georeg.mesh.settings import MeshSettings, Peer
from georeg.mesh.status import Inbound
from georeg.mesh.versions import Versions, name_of
from georeg.mesh.wire import Wire

log = structlog.get_logger("georeg.mesh")

_YIELD_FRAMES: Final = 64
_LOG_BURST: Final = 10.0


@dataclass(eq=False, slots=True)
class _Connection:
    """A proven connection and the task that reads it."""

    peer: RegionId
    version: int
    wire: Wire
    task: "asyncio.Task[object]"


class Listener:
    """The listening side of one region."""

    def __init__(
        self,
        credentials: Credentials,
        peers: Mapping[RegionId, Peer],
        settings: MeshSettings,
        on_message: Callable[[RegionId, bytes, int], None],
        door: Door,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.credentials = credentials
        """Those of the next connections: keys rotate while regions are connected."""
        self._peers: Mapping[RegionId, Peer] = {}
        self._settings = settings
        self._on_message = on_message
        self._door = door
        self._current: dict[RegionId, _Connection] = {}
        self._tasks: dict[asyncio.Task[object], None] = {}
        self._log_bucket = TokenBucket(1.0, _LOG_BURST, self._loop.time())
        self._unlogged = 0
        self.inbound: dict[RegionId, Inbound] = {}
        self.refusals: Counter[Closing] = Counter()
        """Connections that were closed here for what the other side did, by reason."""
        self.set_peers(peers)

    def set_peers(self, peers: Mapping[RegionId, Peer]) -> None:
        """These are let in from now on; who is no more among them is told so and hung up on."""
        self._peers = peers
        self.inbound = {peer: self.inbound.get(peer) or Inbound() for peer in peers}
        for peer, connection in list(self._current.items()):
            if peer not in peers:
                connection.wire.farewell = (Closing.REGION, f"region {peer} is not known here")
                connection.task.cancel()

    async def stop(self) -> None:
        """Close all connections, each within `close_ms`."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """One HTTP request: the life of a connection when it is an upgrade, else an error."""
        settings = self._settings
        offered = _offered(request)
        socket = web.WebSocketResponse(
            protocols=_answer(offered, settings.versions),
            autoping=False,
            compress=False,
            max_msg_size=settings.frame_bytes_max + 1,  # aiohttp refuses at this size already
            timeout=settings.close_ms / 1000,
        )
        await socket.prepare(request)
        task = asyncio.current_task()
        assert task is not None
        self._tasks[task] = None
        try:
            wire = Wire.accepted(socket, request, settings)
            await self._live(wire, task, request.remote, offered)
        except Gone:
            log.debug("mesh_lost_before_proof", remote=request.remote)
        finally:
            del self._tasks[task]
        return socket

    async def _live(
        self,
        wire: Wire,
        task: "asyncio.Task[object]",
        remote: str | None,
        offered: Sequence[str],
    ) -> None:
        """One connection from its upgrade to its end."""
        peer: RegionId | None = None
        try:
            version = self._settings.versions.agree(offered)
            peer = await self._prove(wire, version)
            await self._carry(_Connection(peer, version, wire, task))
        except PeerError as error:
            self._refused(error, peer, remote)
            wire.farewell = (error.closing, str(error))
        except Gone as gone:
            # Strangers come and go; only whom we know is worth a line.
            say = log.debug if peer is None else log.info
            say("mesh_peer_gone", peer=peer, remote=remote, reason=str(gone))
        except Exception:
            # A bug behind on_message costs this connection; the others go on.
            log.exception("mesh_handler_failed", peer=peer)
            wire.farewell = (Closing.INTERNAL, "internal error")
        finally:
            await wire.close()

    def _refused(self, error: PeerError, peer: RegionId | None, remote: str | None) -> None:
        self.refusals[error.closing] += 1
        if not self._log_bucket.take(1.0, self._loop.time()):
            self._unlogged += 1
            return
        log.warning(
            "mesh_refused",
            peer=peer,
            remote=remote,
            code=error.closing.value,
            reason=str(error),
            unlogged=self._unlogged,
        )
        self._unlogged = 0

    async def _prove(self, wire: Wire, version: int) -> RegionId:
        handshake = Acceptor(self.credentials, self._peers, version)
        limit_ms = self._settings.handshake_ms
        try:
            async with asyncio.timeout(limit_ms / 1000):
                await wire.send(handshake.challenge())
                await wire.send(handshake.receive(await wire.receive_frame()))
        except TimeoutError:
            raise PeerError(Closing.SILENT, f"no handshake within {limit_ms} ms") from None
        except PeerError as error:
            if handshake.claimed in self.inbound:
                self.inbound[handshake.claimed].last_refusal = f"{error.closing.value} {error}"
            raise
        assert handshake.peer is not None
        return handshake.peer

    async def _carry(self, connection: _Connection) -> NoReturn:
        """Deliver until the connection is over; never returns, always raises."""
        peer = connection.peer
        if peer not in self._peers:
            raise PeerError(Closing.REGION, f"region {peer} is not known here")
        replaced = self._current.get(peer)
        self._current[peer] = connection
        if replaced is not None:
            replaced.wire.farewell = (Closing.REPLACED, "replaced by a newer connection")
            replaced.task.cancel()
            log.warning("mesh_peer_replaced", peer=peer, peer_name=self._peers[peer].name)
        inbound = self.inbound[peer]
        inbound.accepted = True
        inbound.version = connection.version
        connection.wire.watch()
        log.info(
            "mesh_peer_accepted",
            peer=peer,
            peer_name=self._peers[peer].name,
            version=connection.version,
        )
        self._door.proven += 1
        try:
            await self._deliver(connection, inbound)
        finally:
            self._door.proven -= 1
            if self._current.get(peer) is connection:
                del self._current[peer]
                inbound.accepted = False

    async def _deliver(self, connection: _Connection, inbound: Inbound) -> NoReturn:
        wire = connection.wire
        since_yield = 0
        while True:
            message = await wire.receive()
            if message.type is WSMsgType.BINARY:
                self._hand_over(connection, message.data, inbound)
            elif message.type is WSMsgType.PING:
                await wire.pong(message.data)
            since_yield += 1
            if since_yield == _YIELD_FRAMES:
                since_yield = 0
                await asyncio.sleep(0)

    def _hand_over(self, connection: _Connection, payload: bytes, inbound: Inbound) -> None:
        inbound.frames += 1
        inbound.bytes += len(payload)
        try:
            self._on_message(connection.peer, payload, connection.version)
        except MessageError as error:
            inbound.bad_messages += 1
            raise PeerError(Closing.BAD_MESSAGE, str(error)) from error


def _offered(request: web.BaseRequest) -> tuple[str, ...]:
    """The subprotocols that a dialler offers; a region of the first version offers none."""
    header = request.headers.get(hdrs.SEC_WEBSOCKET_PROTOCOL)
    return () if header is None else tuple(name.strip() for name in header.split(","))


def _answer(offered: Sequence[str], versions: Versions) -> tuple[str, ...]:
    """The subprotocol that is picked, as aiohttp wants it.

    Where there is none in common the first is taken up, to say over it why not: aiohttp would log
    each such request, and so would let strangers fill the log.
    """
    name = name_of(versions.pick(offered) or 0)
    return (name,) if name in offered else tuple(offered[:1])
