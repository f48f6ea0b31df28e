"""A region's end of the mesh: one link to each peer, one listener for all of them.

Invariant: messages from A to B travel only on the connection that A dialled, so each direction has
its own connection, its own proof and its own failures, and a one-way cut stops one direction only.
Delivery is best effort: a message arrives once and in order, or not at all; the region's beacons
repair the rest. Works on any asyncio loop: time is `loop.time()`, jitter and nonces are injected,
and so is the HTTP session, which holds everything that touches the network when dialling.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from random import Random
from ssl import SSLContext
from typing import Final

from aiohttp import BaseConnector, ClientSession, DummyCookieJar, TCPConnector

from crdt.dots import RegionId
from georeg.mesh.door import Door
from georeg.mesh.errors import Closing, LocalError
from georeg.mesh.handshake import Credentials
from georeg.mesh.link import Dialling, Link
from georeg.mesh.listener import Listener
from georeg.mesh.settings import Identity, MeshSettings, Peer
from georeg.mesh.status import LinkStatus

dial_tcp: Final = partial(TCPConnector, limit=0)
"""Dials over real sockets, without a limit on connections. Host names are resolved by aiohttp in a
thread; addresses are not."""


def open_session(connector: Callable[[], BaseConnector] = dial_tcp) -> ClientSession:
    """A session without cookies, which dials by this."""
    return ClientSession(connector=connector(), cookie_jar=DummyCookieJar())


def _ignore(_peer: RegionId, _version: int = 0) -> None:
    """For callers who do not watch links."""


class MeshNode:
    """Sends to and receives from the other regions; `start` it on the loop it shall run on.

    `on_message(peer, payload, version)` gets each message, in that version of the protocol, and may
    raise `crdt.errors.PeerError` to end the connection that it came on. `on_up(peer, version)`
    tells that `send` reaches the peer from now on, in that version; `on_down(peer)` that it no
    longer does; they alternate. All three are called on the loop and must not block. `keys` are the
    cluster's, the first signs, each verifies. `random` makes the jitter, `token_bytes` the nonces.
    `door`: the port that several slices share, opened by whoever has made it; None: an own one.
    Raises LocalError when anything does not fit together.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        keys: tuple[bytes, ...],
        peers: Mapping[RegionId, Peer],
        listen_host: str,
        listen_port: int,
        settings: MeshSettings,
        on_message: Callable[[RegionId, bytes, int], None],
        on_up: Callable[[RegionId, int], None] = _ignore,
        on_down: Callable[[RegionId], None] = _ignore,
        random: Random,
        token_bytes: Callable[[int], bytes],
        server_tls: SSLContext | None = None,
        client_tls: SSLContext | None = None,
        session_factory: Callable[[], ClientSession] = open_session,
        door: Door | None = None,
    ) -> None:
        self._credentials = Credentials(identity, keys, token_bytes)
        self._peers = dict[RegionId, Peer]()
        self._check_peers(peers)
        self._peers = {peer: peers[peer] for peer in sorted(peers)}
        self._listen_host = listen_host
        self._listen_port = listen_port
        self._settings = settings
        self._on_message = on_message
        self._on_up = on_up
        self._on_down = on_down
        self._random = random
        self._server_tls = server_tls
        self._shared_door = door
        self._door: Door | None = None
        self._client_tls = client_tls
        self._session_factory = session_factory
        self._session: ClientSession | None = None
        self._listener: Listener | None = None
        self._dialling: Dialling | None = None
        self._links: dict[RegionId, Link] = {}
        self._tasks: dict[RegionId, asyncio.Task[None]] = {}
        self._ending: set[asyncio.Task[None]] = set()
        """Of links that were taken away."""

    @property
    def port(self) -> int:
        """The port that is listened on; the configured one before the start."""
        return self._door.port if self._door is not None else self._listen_port

    @property
    def refusals(self) -> dict[Closing, int]:
        """Connections closed here for what the other side did, by reason, since the start."""
        counts = self._listener.refusals if self._listener is not None else {}
        return {closing: counts[closing] for closing in sorted(counts)}

    async def start(self) -> None:
        """Listen, then dial every peer until `stop`. Raises OSError: the port is not to be had."""
        if self._listener is not None:
            raise LocalError("a mesh node starts once")
        slice_ = self._credentials.identity.slice
        self._door = self._shared_door or Door(
            self._settings, self._server_tls, slices=slice_.count
        )
        self._listener = Listener(
            self._credentials, self._peers, self._settings, self._on_message, self._door
        )
        self._door.listeners[slice_.number] = self._listener.handle
        if self._shared_door is None:
            await self._door.start(self._listen_host, self._listen_port)
        self._session = self._session_factory()
        self._dialling = Dialling(
            credentials=self._credentials,
            settings=self._settings,
            session=self._session,
            tls=self._client_tls,
            random=self._random,
            on_up=self._on_up,
            on_down=self._on_down,
        )
        for peer in self._peers:
            self._dial(peer, self._dialling)

    def _dial(self, peer: RegionId, dialling: Dialling) -> None:
        link = self._links[peer] = Link(dialling, peer, self._peers[peer])
        task = asyncio.get_running_loop().create_task(link.run(), name=f"mesh-link-{peer}")
        self._tasks[peer] = task

    def set_peers(self, peers: Mapping[RegionId, Peer]) -> None:
        """These are all peers from now on: added ones are dialled, removed ones hung up on, and
        those whose address has changed are dialled there. Raises LocalError: nothing has changed.
        """
        self._check_peers(peers)
        before, self._peers = self._peers, {peer: peers[peer] for peer in sorted(peers)}
        if self._listener is None or self._dialling is None:
            return
        self._listener.set_peers(self._peers)
        for peer in before:
            if before[peer] != self._peers.get(peer):
                self._hang_up(peer)
        for peer in self._peers:
            if peer not in self._links:
                self._dial(peer, self._dialling)
        self._links = {peer: self._links[peer] for peer in self._peers}

    def _check_peers(self, peers: Mapping[RegionId, Peer]) -> None:
        me = self._credentials.identity.region_id
        if me in peers:
            raise LocalError(f"region {me} is this region: it is no peer of its own")

    def _hang_up(self, peer: RegionId) -> None:
        del self._links[peer]
        task = self._tasks.pop(peer)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        task.cancel()

    def set_keys(self, keys: tuple[bytes, ...]) -> None:
        """The cluster keys of the next connections; open ones go on. Raises LocalError."""
        self._credentials = replace(self._credentials, keys=keys)
        if self._listener is not None and self._dialling is not None:
            self._listener.credentials = self._dialling.credentials = self._credentials

    async def stop(self) -> None:
        """Close everything within a few `close_ms`; `on_down` is called for links that were up."""
        tasks = [*self._tasks.values(), *self._ending]
        for task in tasks:
            task.cancel()
        if self._door is not None:
            self._door.listeners.pop(self._credentials.identity.slice.number, None)
        if self._door is not None and self._shared_door is None:
            self._door.shut()
        listening = [self._listener.stop()] if self._listener is not None else []
        await asyncio.gather(*tasks, *listening, return_exceptions=True)
        if self._door is not None and self._shared_door is None:
            await self._door.stop()
        self._tasks.clear()
        if self._session is not None:
            await self._session.close()
        # Aborted transports say so in the next turn of the loop, which may be its last.
        await asyncio.sleep(0)

    def send(self, peer: RegionId, payload: bytes) -> None:
        """Queue one message; dropped and counted when the link is down or its outbox full.

        Raises LocalError for a region that is no peer and a payload above `frame_bytes_max`.
        """
        if len(payload) > self._settings.frame_bytes_max:
            raise LocalError(
                f"a message of {len(payload)} bytes: at most {self._settings.frame_bytes_max}"
            )
        link = self._links.get(peer)
        if link is not None:
            link.outbox.put(payload)
        elif peer not in self._peers:
            raise LocalError(f"region {peer} is no peer of this region")

    def links(self) -> dict[RegionId, LinkStatus]:
        """The links to all peers, in the order of their numbers; empty before the start."""
        if self._listener is None:
            return {}
        inbound = self._listener.inbound
        return {peer: link.status(inbound[peer]) for peer, link in self._links.items()}
