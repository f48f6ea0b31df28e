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
from georeg.cli import parts
from georeg.cli.parts import StartError
from georeg.cli.reload import ReloadError, check
from georeg.config import Config
from georeg.edge.app import EDGE, create_app
from georeg.edge.backends import BackendKeys
from georeg.edge.entitlements import EntitlementVerifier
from georeg.edge.server import EdgeServer
from georeg.edge.tokens import KeyRing
from georeg.mesh import Identity, LinkStatus, MeshNode, MeshSettings
from georeg.mesh.node import open_session
from georeg.mesh.versions import Versions
from georeg.ops.app import create_ops_app
from georeg.ops.audit import Audit, to_file, to_stderr
from georeg.ops.context import Ops
from georeg.ops.drains import DRAIN_ROUTES
from georeg.ops.keys import OperatorKeys
from georeg.ops.server import OpsServer
from georeg.region.ports import Clock, Journal, Locks, Timer
from georeg.region.region import Region

_JOIN_POLL_S = 0.01
log = structlog.get_logger("georeg")


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
    locks: Locks | None = None
    """For a fenced election of homes."""


class Node:
    """One process of a region. `start`, then `stop`, on one loop, once each."""

    def __init__(self, config: Config, surroundings: Surroundings) -> None:
        """Must be called on the running loop. Raises StartError for TLS files that do not fit."""
        self._config = config
        clock = LoopClock(asyncio.get_running_loop(), surroundings.wall_ms)
        self._mesh = self._make_mesh(surroundings)
        self.region = Region(
            config.number,
            parts.names(config),
            config.settings,
            clock,
            self._mesh,
            surroundings.journal,
            surroundings.random,
            former=config.former,
            locks=surroundings.locks,
        )
        self._watch_by(config)
        self._clock = clock
        self._ring = KeyRing(config.keys.session, cluster=config.cluster)
        self._edge = self._make_edge(clock)
        self._ops = self._make_ops(clock)
        self._closing: set[asyncio.Task[None]] = set()

    def _make_mesh(self, surroundings: Surroundings) -> MeshNode:
        config = self._config
        tls = config.mesh.tls
        return MeshNode(
            identity=Identity(config.cluster, config.number, config.name),
            keys=config.keys.cluster,
            peers=parts.peers(config),
            listen_host=config.mesh.host,
            listen_port=config.mesh.port,
            settings=MeshSettings(versions=Versions(newest=config.mesh.protocol_max)),
            on_message=self._on_message,
            on_up=self._on_up,
            on_down=self._on_down,
            random=surroundings.random,
            token_bytes=surroundings.token_bytes,
            server_tls=None if tls is None else parts.tls(tls, ssl.PROTOCOL_TLS_SERVER),
            client_tls=None if tls is None else parts.tls(tls, ssl.PROTOCOL_TLS_CLIENT),
            session_factory=surroundings.session_factory,
        )

    def _make_edge(self, clock: Clock) -> EdgeServer:
        config, keys = self._config, self._config.keys
        self._app = create_app(
            self.region,
            self._ring,
            parts.edge_settings(config),
            clock=clock,
            entitlements=parts.verifier(config, clock),
            backends=BackendKeys(keys.backends),
            addresses=parts.places(config),
            public_url=config.edge.public_url,
        )
        return EdgeServer(self._app, config.edge.host, config.edge.port)

    def _make_ops(self, clock: Clock) -> OpsServer | None:
        config, ops = self._config, self._config.ops
        self._operators: Ops | None = None
        if ops is None:
            return None
        write = to_stderr if ops.audit_file is None else to_file(ops.audit_file)
        self._operators = Ops(
            self.region,
            clock,
            OperatorKeys(config.keys.operators),
            Audit(write, clock.wall_ms, region=config.name, cluster=config.cluster),
            config.cluster,
            ops_urls=parts.ops_urls(config),
            rings=parts.rings(config, self._ring),
            links=self.links,
        )
        return OpsServer(create_ops_app(self._operators, DRAIN_ROUTES), ops.host, ops.port)

    def _watch_by(self, config: Config) -> None:
        """What is remembered and tried without effect."""
        self.region.report.decisions.configure(config.explain)
        self.region.report.shadow.configure(config.shadow)

    def _on_message(self, peer: RegionId, payload: bytes, version: int) -> None:
        self.region.receive(peer, payload, version)

    def _on_up(self, peer: RegionId, version: int) -> None:
        self.region.peer_up(peer, version)

    def _on_down(self, peer: RegionId) -> None:
        self.region.peer_down(peer)

    async def start(self) -> None:
        """Join the cluster, then take calls. Raises StartError when a port is not to be had.

        Operators are answered before the region has joined, so that they see why it does not.
        """
        edge, mesh = self._config.edge, self._config.mesh
        try:
            await try_to_listen(edge.host, edge.port)
        except OSError as error:
            raise port_error("edge", edge.host, edge.port, error) from None
        try:
            await self._mesh.start()
        except OSError as error:
            raise port_error("mesh", mesh.host, mesh.port, error) from None
        if self._ops is not None:
            await self._listen_for_operators(self._ops)
        self.region.open()
        while not self.region.joined:  # noqa: ASYNC110 - the rules know no asyncio events
            await asyncio.sleep(_JOIN_POLL_S)
        self._tell_begun()
        try:
            await self._edge.start()
        except OSError as error:
            raise port_error("edge", edge.host, edge.port, error) from None

    async def _listen_for_operators(self, server: OpsServer) -> None:
        assert self._config.ops is not None
        try:
            await server.start()
        except OSError as error:
            raise port_error("ops", self._config.ops.host, self._config.ops.port, error) from None

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

    @property
    def config(self) -> Config:
        """What it runs by now."""
        return self._config

    def reload(self, config: Config) -> list[str]:
        """Run by another config from now on; returns in words what has changed.

        Raises ReloadError, and nothing has changed, when a part of it needs a restart.
        """
        if not self.region.joined:
            raise ReloadError("the region is still joining; nothing was changed. Try again soon")
        now, edge = self._config, self._app[EDGE]
        changed = check(now, config)
        backends, peers = BackendKeys(config.keys.backends), parts.peers(config)
        operators = OperatorKeys(config.keys.operators)
        verifier = edge.entitlements
        if parts.verified_by(now) != parts.verified_by(config):
            verifier = parts.verifier(config, self._clock)
        KeyRing(config.keys.session, cluster=config.cluster)  # all that may fail, before all else
        self._mesh.set_keys(config.keys.cluster)
        self._mesh.set_peers(peers)
        self.region.set_settings(config.settings)
        if parts.names(now).keys() != parts.names(config).keys():
            self.region.set_regions(parts.names(config))
        self.region.names |= config.former
        self._watch_by(config)
        if verifier is not edge.entitlements:
            verifier.open()
            self._end(edge.entitlements)
        edge.reload(
            parts.edge_settings(config),
            verifier,
            backends,
            config.keys.session,
            parts.places(config),
        )
        if self._operators is not None:
            rings = parts.rings(config, self._ring)
            self._operators.reload(operators, parts.ops_urls(config), rings)
        self._config = config
        return changed

    def _end(self, verifier: EntitlementVerifier) -> None:
        """Let the keys that were fetched for it go, when no call waits for them any more."""
        task = asyncio.get_running_loop().create_task(verifier.close(), name="close-verifier")
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)

    def drain(self) -> None:
        """This process stops soon: take no more starts and tell devices where to go."""
        self._app[EDGE].drain(round(self._config.edge.drain_s * 1000))

    @property
    def is_evacuated(self) -> bool:
        """Whether no session is left here."""
        return self.region.drain.sessions_left() == 0

    async def stop(self) -> None:
        """Let running requests end, then leave. Harmless when `start` failed half way."""
        await self._edge.stop()
        self.region.close()
        if self._ops is not None:
            await self._ops.stop()
        await self._mesh.stop()


async def try_to_listen(host: str, port: int) -> None:
    """Raise OSError when the address is taken, before anything else has begun."""
    server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
    server.close()
    await server.wait_closed()


def port_error(what: str, host: str, port: int, error: OSError) -> StartError:
    """Why a part cannot listen, and what to do."""
    return StartError(
        f"the {what} cannot listen on {host}:{port}: {error.strerror or error}. "
        f"Stop what listens there (ss -ltnp 'sport = :{port}' shows it), or change [{what}] port"
    )
