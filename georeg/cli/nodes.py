"""One node of a region of many: slices, duties and forwarding, put together from a config.

What `runtime.py` is for a region in one piece. Invariant: devices reach the node only when it knows
who runs which slice; peers reach it from the start. A node that stops hands its slices over first,
and goes on passing calls on until its time is over.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Final

import structlog

from georeg.cli import parts as made_of
from georeg.cli.parts import StartError
from georeg.cli.reload import ReloadError
from georeg.cli.runtime import LoopClock, port_error, try_to_listen
from georeg.cli.slices import make_slice
from georeg.cli.surroundings import NodeSurroundings
from georeg.config import Config
from georeg.edge.app import EDGE, FRONT, create_app
from georeg.edge.backends import BackendKeys
from georeg.edge.server import EdgeServer
from georeg.edge.streams import Message
from georeg.edge.tokens import KeyRing
from georeg.mesh import MeshSettings, open_session
from georeg.mesh.door import Door
from georeg.mesh.slices import Slice
from georeg.mesh.versions import Versions
from georeg.nodes.batch import Batches
from georeg.nodes.calls import Calls
from georeg.nodes.carrying import Carrying
from georeg.nodes.duties import Duties
from georeg.nodes.front import Front
from georeg.nodes.operators import Operators
from georeg.nodes.others import Others
from georeg.nodes.parts import Part, Parts
from georeg.nodes.passing import CALLS_PATH, Address, Passing
from georeg.nodes.proof import Proof
from georeg.nodes.registry import Registry
from georeg.nodes.relay import Relay
from georeg.nodes.renewals import Renewals
from georeg.nodes.runner import Made, SliceJournal, SliceRunner
from georeg.nodes.sliced import SlicedRegion
from georeg.nodes.telling import Telling
from georeg.nodes.unchecked import Unchecked, incarnation_of_node
from georeg.ops.app import create_ops_app
from georeg.ops.audit import Audit, to_file, to_stderr
from georeg.ops.context import Ops
from georeg.ops.drains import DRAIN_ROUTES
from georeg.ops.keys import OperatorKeys
from georeg.ops.server import OpsServer
from georeg.region.ports import Journal
from georeg.region.region import Region
from georeg.store.redis import (
    Gatherer,
    RedisJournal,
    RedisLock,
    RedisTrouble,
    renewals_of,
)

HEARD_POLL_S: Final = 0.05
MOVED: Final = Message(b"retry: 100\n: another node answers from now on\n\n", is_last=True)
log = structlog.get_logger("georeg")


class StoreNode:
    """One process of a region of many. `start`, then `stop`, on one loop, once each."""

    def __init__(self, config: Config, surroundings: NodeSurroundings) -> None:
        """Must be called on the running loop. Raises StartError for TLS files that do not fit."""
        assert config.store is not None
        self._config = config
        self._store = config.store
        self._surroundings = surroundings
        self._clock = LoopClock(asyncio.get_running_loop(), surroundings.wall_ms)
        tls = config.mesh.tls
        self._server_tls = None if tls is None else made_of.tls(tls, ssl.PROTOCOL_TLS_SERVER)
        self._client_tls = None if tls is None else made_of.tls(tls, ssl.PROTOCOL_TLS_CLIENT)
        self._relay_tls = (
            None if tls is None else made_of.tls(tls, ssl.PROTOCOL_TLS_CLIENT, checks_host=False)
        )
        self._mesh_settings = MeshSettings(versions=Versions(newest=config.mesh.protocol_max))
        unique = surroundings.token_bytes(4).hex()
        name = f"{self._store.node or socket.gethostname()}-{unique}"
        store = self._store
        self._me = Address(name, store.edge_url, store.mesh_url, store.ops_url)
        self._parts = Parts(store.slices)
        self.region = SlicedRegion(
            config.number, made_of.names(config) | config.former, config.settings, self._clock,
            self._parts,
        )  # fmt: skip
        self.region.report.decisions.keeping = config.explain
        self._ring = KeyRing(config.keys.session, cluster=config.cluster)
        self._proof = Proof(
            config.cluster, config.name, config.keys.cluster, surroundings.token_bytes
        )
        self._passing = Passing(
            name, self._proof, self._relay_tls, connector=surroundings.connector
        )
        self._carrying = Carrying(name, surroundings.connector)
        self._client = surroundings.client(store.redis)
        self._gatherer = Gatherer(self._client)
        self._lock_renewals = renewals_of(self._client)
        self._edge = self._make_edge()
        self._make_duties()
        self._ops = self._make_ops()
        self._telling: asyncio.Task[None] | None = None
        self._leaving: asyncio.Task[None] | None = None

    # ---- parts -------------------------------------------------------------------------------

    def _make_edge(self) -> EdgeServer:
        config = self._config
        self._app = create_app(
            self.region,
            self._ring,
            made_of.edge_settings(config),
            clock=self._clock,
            entitlements=made_of.verifier(config, self._clock),
            backends=BackendKeys(config.keys.backends),
            addresses=made_of.places(config),
            public_url=config.edge.public_url,
        )
        return EdgeServer(self._app, config.edge.host, config.edge.port)

    def _make_duties(self) -> None:
        """Who runs what, and what stands in front of the edge for it."""
        config, slices = self._config, self._store.slices
        registry = self._registry = Registry(self._client, config.cluster, config.name)
        runner = SliceRunner(
            self._parts, self._open_journal, self._make_slice, lambda n: self._front.busy[n]
        )
        self._runner = runner
        others = Others(
            self._passing, slices, lambda: [e.address for e in self._duties.neighbours.others]
        )
        self._duties = Duties(
            self._me, slices, registry, self._lock_of, runner, others, self._surroundings.now_ms
        )
        self._duties.sessions = self.region.drain.sessions_left
        self._front = Front(
            self._app[EDGE], self._duties, self._passing, self._carrying, slices
        )
        Batches(self._front, self._app[EDGE], self._duties, self._passing, slices)
        Renewals(self._front, self._app[EDGE], self._duties, self._passing, slices)
        self._app[FRONT] = self._front.before
        runner.on_opened = self._opened
        runner.on_closed = self._closed
        runner.on_superseded = self._duties.superseded
        runner.on_retelling = self._duties.renew_now
        self.region.drain.node = self._me.name
        self._duties.drain = lambda: self.region.drain.word
        self._duties.neighbours.on_nodes = self._heard
        self.region.may_decide = self._duties.runs
        self.region.store_trouble = lambda: self._duties.neighbours.trouble
        self._relay = Relay(
            self._me.name, self._mesh_settings, self._duties.node_of,
            partial(open_session, self._surroundings.connector), self._relay_tls,
        )  # fmt: skip
        self._door = self._relay.door = Door(
            self._mesh_settings, self._server_tls, slices=slices, elsewhere=self._relay.pass_on
        )
        self._door.paths[CALLS_PATH] = Calls(self._front, self._proof, self._door).handle

    def _heard(self) -> None:
        """The other nodes have said something."""
        others = self._duties.neighbours.others
        self._passing.keep(entry.address for entry in others)
        for entry in others:
            self.region.drain.hear(entry.drain)

    def _tag(self, number: int) -> str:
        """The hash tag of all keys of a slice."""
        return f"{self._registry.tag}:{number}"

    def _lock_of(self, number: int) -> RedisLock:
        return RedisLock(
            self._client, self._tag(number), "run", self._me.name, self._surroundings.now_ms,
            self._lock_renewals,
        )  # fmt: skip

    async def _open_journal(
        self, number: int, fence: int, on_fenced: Callable[[], None], on_lost: Callable[[], None]
    ) -> SliceJournal:
        return await RedisJournal.open(
            self._client, self._gatherer, self._tag(number), fence, on_fenced=on_fenced,
            on_lost=on_lost, now_ms=self._surroundings.now_ms,
        )  # fmt: skip

    def _make_slice(self, number: int, journal: Journal) -> Made:
        return make_slice(
            self._config, Slice(number, self._store.slices), journal, self._clock,
            self._surroundings, settings=self._mesh_settings, tls=self._client_tls, door=self._door,
        )  # fmt: skip

    def _make_ops(self) -> OpsServer | None:
        config, ops = self._config, self._config.ops
        if ops is None:
            return None
        write = to_stderr if ops.audit_file is None else to_file(ops.audit_file)
        operators = Ops(
            self.region,
            self._clock,
            OperatorKeys(config.keys.operators),
            Audit(write, self._clock.wall_ms, region=config.name, cluster=config.cluster),
            config.cluster,
            ops_urls=made_of.ops_urls(config),
            rings=made_of.rings(config, self._ring),
        )
        app = create_ops_app(operators, DRAIN_ROUTES)
        region = Operators(
            self._duties, self._duties.neighbours, self._carrying, self.region.report,
            self._store.slices,
        )  # fmt: skip
        app.middlewares.append(region.middleware())
        return OpsServer(app, ops.host, ops.port)

    def _opened(self, part: Part) -> None:
        self.region.drain.joined(part.region)

    def _closed(self, number: int) -> None:
        """Event streams of the slice end, so that their devices come again to its next node."""
        self._app[EDGE].streams.end(
            lambda session: MOVED, lambda session: self._parts.number_of(session) == number
        )

    # ---- life --------------------------------------------------------------------------------

    async def start(self) -> None:
        """Join the region, then take calls. Raises StartError: a port is not to be had, or Redis.
        """
        config = self._config
        edge, mesh, ops = config.edge, config.mesh, config.ops
        try:
            await try_to_listen(edge.host, edge.port)
        except OSError as error:
            raise port_error("edge", edge.host, edge.port, error) from None
        try:
            await self._client.check()
            number = await self._registry.number()
        except RedisTrouble as error:
            raise StartError(f"[store] {error}") from None
        self._passing.open()
        self._carrying.open()
        try:
            await self._door.start(mesh.host, mesh.port)
        except OSError as error:
            raise port_error("mesh", mesh.host, mesh.port, error) from None
        if self._ops is not None and ops is not None:
            try:
                await self._ops.start()
            except OSError as error:
                raise port_error("ops", ops.host, ops.port, error) from None
        self._answer_unchecked(incarnation_of_node(number))
        try:
            await self._duties.open()
        except RedisTrouble as error:
            raise StartError(f"[store] {error}") from None
        await self._duties.until_settled()
        await self._until_heard()
        self.region.is_open = True
        try:
            await self._edge.start()
        except OSError as error:
            raise port_error("edge", edge.host, edge.port, error) from None

    async def _until_heard(self) -> None:
        """Return when every other region answers every slice, or after `join_ms`: where all nodes
        begin at once, starts would else find nobody who confirms what plays elsewhere."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._config.settings.join_ms / 1000
        while loop.time() < until_s and not all(map(_is_heard, self._parts.regions)):  # noqa: ASYNC110 - it changes with each beacon
            await asyncio.sleep(HEARD_POLL_S)

    def _answer_unchecked(self, incarnation: int) -> None:
        unchecked = Unchecked(
            self._config.number, incarnation, lambda: self.region.settings, self._clock
        )
        self.region.unchecked = unchecked
        telling = Telling(
            self._front, unchecked, self._parts, self._duties, self._passing, self._ring,
            self._clock,
        )  # fmt: skip
        loop = asyncio.get_running_loop()
        self._telling = loop.create_task(telling.run(), name="telling")

    @property
    def config(self) -> Config:
        """What it runs by."""
        return self._config

    def reload(self, config: Config) -> list[str]:
        """Raises ReloadError: a node takes another config by being started anew, its slices go on
        elsewhere meanwhile."""
        raise ReloadError(
            f"a node of a region with [store] does not read {config.file} again; nothing was"
            " changed. Restart the nodes one after the other: their devices notice nothing"
        )

    def drain(self) -> None:
        """This process stops soon. The last node of a region tells devices where to go; another
        one hands over what it runs."""
        self._app[EDGE].is_leaving = True
        self._leaving = asyncio.get_running_loop().create_task(self._leave(), name="leaving")

    async def _leave(self) -> None:
        if not await self._duties.leave():
            self._app[EDGE].drain(round(self._config.edge.drain_s * 1000))

    @property
    def is_evacuated(self) -> bool:
        """Whether nobody needs this process any more; while there are other nodes, or sessions in
        their slices, its balancer may still send it calls, which it passes on."""
        is_decided = self._leaving is not None and self._leaving.done()
        is_last = not self._duties.has_successor and self._duties.are_others_evacuated
        return is_decided and is_last and self.region.drain.sessions_left() == 0

    async def stop(self) -> None:
        """Let running requests end, then leave. Harmless when `start` failed half way."""
        if self._leaving is not None:
            self._leaving.cancel()
        if self._duties.has_successor:
            self._app[EDGE].is_replaced = await self._duties.leave(within_s=0)
        self._carrying.end_streams()
        await self._edge.stop()
        if self._telling is not None:
            self._telling.cancel()
        await self._duties.close()
        await self._runner.stop()
        if self._ops is not None:
            await self._ops.stop()
        await self._door.stop()
        await self._relay.close()
        await self._passing.close()
        await self._carrying.close()
        await self._gatherer.close()
        await self._client.close()
        await asyncio.sleep(0)


def _is_heard(region: Region) -> bool:
    """Whether the region has word of every other one, in answer to its own."""
    return all(peer.beacon_age_ms is not None for peer in region.status().peers)
