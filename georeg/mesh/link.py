"""The connection that this region dials to one peer: it carries this region's messages there.

Invariants: messages leave in the order of `send`, each at most once, and only after both sides have
proven the cluster key; `on_up` and `on_down` alternate, `on_up` first. The peer sends nothing back
on this connection but pongs. A message costs two loop turns when the link is idle, none when it is
busy; the loop is given back every few messages, so that a full outbox does not stop the rest.
"""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random
from ssl import SSLContext
from struct import Struct
from typing import Final, NoReturn

import structlog
from aiohttp import ClientError, ClientSession, ClientWSTimeout, WSMsgType

from crdt.dots import RegionId
from georeg.mesh.backoff import Backoff
from georeg.mesh.errors import Closing, Gone, PeerError
from georeg.mesh.handshake import Credentials, Dialler
from georeg.mesh.limits import Pace
from georeg.mesh.outbox import Outbox
from georeg.mesh.settings import MeshSettings, Peer
from georeg.mesh.status import Inbound, LinkState, LinkStatus
from georeg.mesh.versions import UNNAMED, version_of
from georeg.mesh.wire import Wire

log = structlog.get_logger("georeg.mesh")

_YIELD_FRAMES: Final = 64
_STAMP: Final = Struct("!Q")
"""A ping carries this side's loop time in microseconds; the pong brings it back."""


@dataclass(slots=True)
class Dialling:
    """What all links of a region share."""

    credentials: Credentials
    """Those of the next connections: keys rotate while links are up."""
    settings: MeshSettings
    session: ClientSession
    tls: SSLContext | None
    random: Random
    on_up: Callable[[RegionId, int], None]
    on_down: Callable[[RegionId], None]


class Link:
    """Dials one peer for as long as `run` is not cancelled."""

    def __init__(self, dialling: Dialling, peer_id: RegionId, peer: Peer) -> None:
        settings = dialling.settings
        self._loop = asyncio.get_running_loop()
        self._dialling = dialling
        self._settings = settings
        self._peer_id = peer_id
        self._peer = peer
        self._log = log.bind(peer=peer_id, peer_name=peer.name)
        self._backoff = Backoff(settings.backoff_first_ms, settings.backoff_max_ms, dialling.random)
        self._state = LinkState.STOPPED
        self._since_s = self._loop.time()
        self._round_trip_ms: float | None = None
        self._frames_out = 0
        self._bytes_out = 0
        self._connects = 0
        self._version = 0
        self._attempts = 0
        self._last_error = ""
        self._lived_ms = 0.0
        """How long the newest connection was up, 0: it never was."""
        self.outbox = Outbox(settings.outbox_frames_max, settings.outbox_bytes_max)

    def status(self, inbound: Inbound) -> LinkStatus:
        """The link now, with what the listening side counted of the same peer."""
        return LinkStatus(
            name=self._peer.name,
            state=self._state,
            state_for_ms=round((self._loop.time() - self._since_s) * 1000),
            round_trip_ms=self._round_trip_ms,
            queued_frames=len(self.outbox),
            queued_bytes=self.outbox.queued_bytes,
            frames_out=self._frames_out,
            bytes_out=self._bytes_out,
            dropped=self.outbox.dropped,
            connects=self._connects,
            version_out=self._version,
            version_in=inbound.version,
            last_error=self._last_error,
            accepted=inbound.accepted,
            frames_in=inbound.frames,
            bytes_in=inbound.bytes,
            bad_messages=inbound.bad_messages,
            last_refusal=inbound.last_refusal,
        )

    async def run(self) -> None:
        """Dial, carry, pause, again; ends only by cancellation."""
        try:
            while True:
                self._become(LinkState.CONNECTING)
                self._lived_ms = 0.0
                self._failed(await self._live())
                self._become(LinkState.WAITING)
                await asyncio.sleep(self._backoff.next_ms(self._lived_ms) / 1000)
        finally:
            self._become(LinkState.STOPPED)

    def _become(self, state: LinkState) -> None:
        self._state = state
        self._since_s = self._loop.time()

    def _failed(self, why: str) -> None:
        # A peer that stays away fails in the same words every second: said once is enough.
        say = self._log.debug if why == self._last_error else self._log.warning
        say("mesh_link_not_up", reason=why)
        self._last_error = why

    async def _live(self) -> str:
        """One connection from dialling to its end; returns why it ended."""
        try:
            await self._connect()
        except PeerError as error:
            return f"closed here: {error.closing.value} {error}"
        except (Gone, ClientError, OSError) as error:
            return str(error) or type(error).__name__
        except Exception as error:  # noqa: BLE001
            # A link that stopped dialling would be a cut that never heals: it outlives any bug.
            self._log.exception("mesh_link_failed")
            return f"unexpected {type(error).__name__}"

    async def _connect(self) -> NoReturn:
        """Dial, prove, carry; never returns, always raises."""
        wire, version = await self._dial()
        try:
            await self._prove(wire, version)
            await self._carry(wire, version)
        except PeerError as error:
            wire.farewell = (error.closing, str(error))
            raise
        finally:
            await wire.close()

    async def _dial(self) -> tuple[Wire, int]:
        """The connection and the version that the peer has picked for it."""
        settings = self._settings
        slice_ = self._dialling.credentials.identity.slice
        address = self._peer.address(self._attempts, slice_)
        self._attempts += 1
        try:
            async with asyncio.timeout(settings.connect_ms / 1000):
                socket = await self._dialling.session.ws_connect(
                    address,
                    protocols=settings.versions.offered(),
                    autoping=False,
                    compress=0,
                    max_msg_size=settings.frame_bytes_max + 1,
                    ssl=self._dialling.tls or True,
                    timeout=ClientWSTimeout(ws_close=settings.close_ms / 1000),
                )
        except TimeoutError:
            raise Gone(f"no connection within {settings.connect_ms} ms") from None
        return Wire.dialled(socket, settings), version_of(socket.protocol) or UNNAMED

    async def _prove(self, wire: Wire, version: int) -> None:
        handshake = Dialler(self._dialling.credentials, self._peer_id, version)
        limit_ms = self._settings.handshake_ms
        try:
            async with asyncio.timeout(limit_ms / 1000):
                while not handshake.proven:
                    frame = await wire.receive_frame()
                    # Only now: a peer that refuses for the version has said so instead.
                    self._settings.versions.check(version)
                    answer = handshake.receive(frame)
                    if answer is not None:
                        await wire.send(answer)
        except TimeoutError:
            raise PeerError(Closing.SILENT, f"no handshake within {limit_ms} ms") from None

    async def _carry(self, wire: Wire, version: int) -> NoReturn:
        """Send, ping and listen until the connection is over; never returns, always raises."""
        wire.watch()
        self._connects += 1
        self._version = version
        self._become(LinkState.UP)
        self.outbox.open()
        self._log.info("mesh_link_up", version=version)
        senders = (self._start(self._write(wire), wire), self._start(self._ping(wire), wire))
        try:
            self._dialling.on_up(self._peer_id, version)
            await self._listen(wire)
        finally:
            for sender in senders:
                sender.cancel()
            self.outbox.close()
            self._round_trip_ms = None
            self._version = 0
            self._lived_ms = (self._loop.time() - self._since_s) * 1000
            self._become(LinkState.WAITING)
            self._dialling.on_down(self._peer_id)

    def _start(self, sending: Coroutine[None, None, None], wire: Wire) -> asyncio.Task[None]:
        """Run a sender beside the listener; a link that cannot send may not seem to be up."""

        def ended(task: asyncio.Task[None]) -> None:
            error = None if task.cancelled() else task.exception()
            if error is not None and not isinstance(error, Gone):
                self._log.error("mesh_sender_failed", exc_info=error)
                wire.abort(f"sending failed: {error}")

        task = self._loop.create_task(sending, name=f"mesh-send-{self._peer_id}")
        task.add_done_callback(ended)
        return task

    async def _write(self, wire: Wire) -> None:
        pace = Pace.of_sender(self._settings, self._loop.time())
        since_yield = 0
        while True:
            await self.outbox.wait()
            while (frame := self.outbox.pop()) is not None:
                size = len(frame)
                if (wait_s := pace.wait_s(size, self._loop.time())) > 0.0:
                    await asyncio.sleep(wait_s)
                pace.spend(size)
                await wire.send(frame)
                self._frames_out += 1
                self._bytes_out += size
                since_yield += 1
                if since_yield == _YIELD_FRAMES:
                    since_yield = 0
                    await asyncio.sleep(0)

    async def _ping(self, wire: Wire) -> None:
        while True:
            await wire.ping(_STAMP.pack(self._now_us()))
            await asyncio.sleep(self._settings.ping_ms / 1000)

    async def _listen(self, wire: Wire) -> NoReturn:
        while True:
            message = await wire.receive()
            if message.type is WSMsgType.PONG:
                self._measure(message.data)
            elif message.type is WSMsgType.PING:
                await wire.pong(message.data)
            else:
                raise PeerError(Closing.UNEXPECTED, "messages come on your own connection only")

    def _measure(self, payload: bytes) -> None:
        """Take the round trip from a pong; one that echoes no ping of ours says nothing."""
        if len(payload) == _STAMP.size:
            round_trip_us = self._now_us() - _STAMP.unpack(payload)[0]
            if 0 <= round_trip_us <= 1000 * self._settings.silence_ms:
                self._round_trip_ms = round_trip_us / 1000

    def _now_us(self) -> int:
        return round(self._loop.time() * 1_000_000)
