"""One region as a running whole: clock, mesh, rules, journal and edge, put together from a config.

This is the only place that knows all the packages. What differs between a process and a simulation
(wall clock, randomness, journal) comes in as parameters; time is the loop's.

Invariant: devices reach the region only after it has joined, since a heartbeat that came earlier
would be adopted under an incarnation that does not exist yet. Peers reach it from the start.
"""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import structlog
from aiohttp import ClientSession

from crdt.dots import RegionId
from georeg.config import Config, TlsFiles
from georeg.edge.app import EDGE, create_app
from georeg.edge.backends import BackendKeys
from georeg.edge.entitlements import EntitlementVerifier
from georeg.edge.keysets import KeySource, RemoteKeys, StaticKeys
from georeg.edge.server import EdgeServer
from georeg.edge.settings import EdgeSettings
from georeg.edge.tokens import KeyRing
from georeg.mesh import Identity, LinkStatus, MeshNode, MeshSettings, Peer
from georeg.mesh.node import open_session
from georeg.region.ports import Clock, Journal, Timer
from georeg.region.region import Region

_JOIN_POLL_S = 0.01
log = structlog.get_logger("georeg")


class StartError(Exception):
    """The region cannot run here; the message says why and what to do."""


class LoopClock:
    """The region's clock on an asyncio loop: monotonic time is `loop.time()`."""

    def __init__(self, loop: asyncio.AbstractEventLoop, wall_ms: Callable[[], int]) -> None:
        self._loop = loop
        self.wall_ms = wall_ms

    def now_ms(self) -> int:
        """Monotonic milliseconds; only differences mean anything."""
        return int(self._loop.time() * 1000)

    def call_later(self, delay_ms: int, callback: Callable[[], None]) -> Timer:
        """Run the callback once, after the delay."""
        return self._loop.call_later(delay_ms / 1000, callback)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a region takes from outside that is neither config nor loop."""

    wall_ms: Callable[[], int]
    random: Random
    """For jitter and times; need not be secret."""
    token_bytes: Callable[[int], bytes]
    """For proofs between regions; must be secret outside of simulations."""
    journal: Journal
    session_factory: Callable[[], ClientSession] = open_session
    """Opens the lines to the other regions."""


class Node:
    """One process of a region. `start`, then `stop`, on one loop, once each."""

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        """Must be called on the running loop. Raises StartError for TLS files that do not fit."""
        self._config = config
        clock = LoopClock(asyncio.get_running_loop(), surroundings.wall_ms)
        self._mesh = self._make_mesh(surroundings)
        self.region = Region(
            config.number,
            {config.number: config.name} | {peer.number: peer.name for peer in config.peers},
            config.settings,
            clock,
            self._mesh,
            surroundings.journal,
            surroundings.random,
        )
        self._edge = self._make_edge(clock)

    def _make_mesh(self, surroundings: Surroundings) -> MeshNode:
        config = self._config
        tls = config.mesh.tls
        return MeshNode(
            identity=Identity(config.cluster, config.number, config.name),
            keys=config.keys.cluster,
            peers={peer.number: Peer(peer.name, peer.url) for peer in config.peers},
            listen_host=config.mesh.host,
            listen_port=config.mesh.port,
            settings=MeshSettings(),
            on_message=self._on_message,
            on_up=self._on_up,
            random=surroundings.random,
            token_bytes=surroundings.token_bytes,
            server_tls=None if tls is None else _tls(tls, ssl.PROTOCOL_TLS_SERVER),
            client_tls=None if tls is None else _tls(tls, ssl.PROTOCOL_TLS_CLIENT),
            session_factory=surroundings.session_factory,
        )

    def _make_edge(self, clock: Clock) -> EdgeServer:
        config, keys = self._config, self._config.keys
        sources: list[KeySource] = [RemoteKeys(url, now_ms=clock.now_ms) for url in keys.jwks_urls]
        if keys.entitlements:
            sources.insert(0, StaticKeys(keys.entitlements))
        self._app = create_app(
            self.region,
            KeyRing(keys.session, cluster=config.cluster),
            EdgeSettings(dev=config.edge.dev, cors_origins=config.edge.cors_origins),
            clock=clock,
            entitlements=EntitlementVerifier(
                sources,
                audience=keys.audience,
                age_ms_max=config.settings.plan_memory_s * 1000,
            ),
            backends=BackendKeys(keys.backends),
        )
        return EdgeServer(self._app, config.edge.host, config.edge.port)

    def _on_message(self, peer: RegionId, payload: bytes) -> None:
        self.region.receive(peer, payload)

    def _on_up(self, peer: RegionId) -> None:
        self.region.peer_up(peer)

    async def start(self) -> None:
        """Join the cluster, then take calls. Raises StartError when a port is not to be had."""
        edge, mesh = self._config.edge, self._config.mesh
        try:
            await _try_to_listen(edge.host, edge.port)
        except OSError as error:
            raise _port_error("edge", edge.host, edge.port, error) from None
        try:
            await self._mesh.start()
        except OSError as error:
            raise _port_error("mesh", mesh.host, mesh.port, error) from None
        self.region.open()
        while not self.region.joined:  # noqa: ASYNC110 - the rules know no asyncio events
            await asyncio.sleep(_JOIN_POLL_S)
        self._tell_begun()
        try:
            await self._edge.start()
        except OSError as error:
            raise _port_error("edge", edge.host, edge.port, error) from None

    def _tell_begun(self) -> None:
        """Say with what the region has begun, and what it has lost, as soon as it knows."""
        begun, names = self.region.begun, self.region.names
        assert begun is not None, "it has joined"
        if begun.is_recalling:
            asyncio.get_running_loop().call_later(_JOIN_POLL_S, self._tell_begun)
            return
        peers = [names[peer] for peer in begun.peers]
        told = begun._asdict() | {"peers": peers}
        del told["is_recalling"]
        log.info("begun", **told)
        if begun.lost:
            silent = sorted(set(names.values()) - {self.region.name, *peers})
            log.warning("begun_with_a_loss", lost=begun.lost, peers_silent=silent)

    def links(self) -> dict[RegionId, LinkStatus]:
        """The links to all peers, by the number of the peer."""
        return self._mesh.links()

    def drain(self) -> None:
        """Take no more starts and tell event streams; everything else goes on."""
        self._app[EDGE].drain()

    async def stop(self) -> None:
        """Let running requests end, then leave. Harmless when `start` failed half way."""
        await self._edge.stop()
        self.region.close()
        await self._mesh.stop()


async def _try_to_listen(host: str, port: int) -> None:
    """Raise OSError when the address is taken, before anything else has begun."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
    server.close()
    await server.wait_closed()


def _port_error(what: str, host: str, port: int, error: OSError) -> StartError:
    return StartError(
        f"the {what} cannot listen on {host}:{port}: {error.strerror or error}. "
        f"Stop what listens there (ss -ltnp 'sport = :{port}' shows it), or change [{what}] port"
    )


def _tls(files: TlsFiles, protocol: int) -> ssl.SSLContext:
    """Both ends show a certificate that the cluster's CA has signed, and check the other's."""
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    try:
        context.load_cert_chain(files.cert, files.key)
        context.load_verify_locations(files.ca)
    except (ssl.SSLError, OSError) as error:
        raise StartError(
            f"[mesh] tls: {files.cert}, {files.key}, {files.ca} do not fit together: {error}. "
            "Give the certificate, its own private key and the CA that signed it, as PEM"
        ) from None
    return context
