"""Two nodes of one region in this process, behind real sockets, without a store.

Who runs which slice stands in a table that the test writes (`Table`): the part of duties.py, which
has tests of its own. The rules are real, and so are the edge and all that stands in front of it.
"""

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any, Self

import aiohttp

from crdt.dots import RegionId
from georeg.edge.app import EDGE, FRONT, create_app
from georeg.edge.backends import BackendKeys
from georeg.edge.server import EdgeServer
from georeg.edge.settings import EdgeSettings
from georeg.edge.tokens import KeyRing
from georeg.mesh import MeshSettings
from georeg.mesh.door import Door
from georeg.mesh.slices import slice_of_account
from georeg.nodes.batch import Batches
from georeg.nodes.calls import Calls
from georeg.nodes.carrying import Carrying
from georeg.nodes.front import Front
from georeg.nodes.parts import Part, Parts
from georeg.nodes.passing import CALLS_PATH, Address, Passing
from georeg.nodes.proof import Proof
from georeg.nodes.renewals import Renewals
from georeg.nodes.sliced import SlicedRegion
from georeg.nodes.telling import Telling
from georeg.nodes.unchecked import Unchecked, incarnation_of_node
from georeg.region.region import Region
from georeg.region.settings import Settings
from georeg.store import NoJournal
from tests.edge.world import ManualClock

US = RegionId(1)
SLICES = 4
KEY = bytes(range(32))
ANSWER_S = 5.0


class NoLinks:
    """The mesh of a region alone in its cluster."""

    def send(self, peer: RegionId, payload: bytes) -> None:
        raise AssertionError("there are no peers")


class Table:
    """Who runs which slice."""

    def __init__(self) -> None:
        self.owner: dict[int, str] = {}
        self.known: dict[int, str] = {}
        """What nodes believe, where that differs."""
        self.addresses: dict[str, Address] = {}
        self.looks = 0
        self.has_store = True


class RoutesOf:
    """The table as one node sees it."""

    def __init__(self, table: Table, me: str) -> None:
        self.table = table
        self.me = me

    def runs(self, number: int) -> bool:
        return self.table.owner.get(number) == self.me

    async def may_run(self, number: int) -> bool:
        return self.runs(number)

    def node_of(self, number: int) -> Address | None:
        known = self.table.known.get(number) or self.table.owner.get(number)
        return None if known is None or known == self.me else self.table.addresses.get(known)

    async def look_again(self) -> None:
        self.table.looks += 1
        self.table.known.clear()

    async def can_take(self, number: int) -> bool:
        return self.table.has_store


class Node:
    """One node."""

    def __init__(self, world: "World", name: str, number: int) -> None:
        self.name = name
        self.parts = Parts(SLICES)
        self.region = SlicedRegion(US, {US: "us"}, world.settings, world.clock, self.parts)
        self.region.is_open = True
        proof = Proof("test", "us", [KEY])
        self.passing = Passing(name, proof)
        self.carrying = Carrying(name)
        self.keys = KeyRing([KEY], cluster="test")
        self.app = create_app(
            self.region, self.keys, EdgeSettings(dev=True), clock=world.clock,
            backends=BackendKeys({}),
        )  # fmt: skip
        routes = RoutesOf(world.table, name)
        self.region.may_decide = routes.runs
        self.front = Front(self.app[EDGE], routes, self.passing, self.carrying, SLICES)
        Batches(self.front, self.app[EDGE], routes, self.passing, SLICES)
        Renewals(self.front, self.app[EDGE], routes, self.passing, SLICES)
        self.app[FRONT] = self.front.before
        self.unchecked = self.region.unchecked = Unchecked(
            US, incarnation_of_node(number), lambda: world.settings, world.clock
        )
        self.telling = Telling(
            self.front, self.unchecked, self.parts, routes, self.passing, self.keys, world.clock
        )
        self.server = EdgeServer(self.app, "127.0.0.1", 0)
        self.door = Door(MeshSettings(), None)
        self.door.paths[CALLS_PATH] = Calls(self.front, proof, self.door).handle

    async def start(self, table: Table) -> None:
        self.passing.open()
        self.carrying.open()
        await self.door.start("127.0.0.1", 0)
        await self.server.start()
        url, mesh_url = (f"127.0.0.1:{port}" for port in (self.server.port, self.door.port))
        table.addresses[self.name] = Address(self.name, f"http://{url}", f"ws://{mesh_url}", "")

    async def stop(self) -> None:
        await self.server.stop()
        await self.door.stop()
        await self.passing.close()
        await self.carrying.close()


@dataclass
class World:
    """`async with World() as world`: nodes a and b; a runs slices 0 and 1, b the others."""

    settings: Settings = field(default_factory=Settings)
    clock: ManualClock = field(default_factory=ManualClock)
    table: Table = field(default_factory=Table)
    nodes: dict[str, Node] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        self.session = aiohttp.ClientSession()
        for number, name in enumerate("ab", start=1):
            self.nodes[name] = Node(self, name, number)
            await self.nodes[name].start(self.table)
        for number in range(SLICES):
            self.give(number, "ab"[number // 2])
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        for node in self.nodes.values():
            await node.stop()

    def give(self, number: int, name: str) -> None:
        """Begin a slice at a node; what another one knows of it is lost."""
        region = Region(
            US, {US: "us"}, self.settings, self.clock, NoLinks(), NoJournal(), Random(number)
        )
        region.open()
        self.clock.advance(1)
        self.bring(number, name, region)

    def bring(self, number: int, name: str, region: Region) -> None:
        """Let a node run a slice as it was."""
        self.take(number)
        self.nodes[name].parts.put(Part(number, region))
        self.table.owner[number] = name

    def take(self, number: int) -> None:
        """Nobody runs the slice any more."""
        for node in self.nodes.values():
            node.parts.take(number)
        self.table.owner.pop(number, None)

    def region_of(self, account: str) -> Region:
        """The rules that decide about an account."""
        number = slice_of_account(account, SLICES)
        return self.nodes[self.table.owner[number]].parts.of_account(account).region

    async def call(
        self, node: str, method: str, path: str, *, token: str = "", **options: Any
    ) -> tuple[int, Any, Any]:
        """Status, body and headers of a call to a node."""
        headers = dict(options.pop("headers", {}))
        if token:
            headers["Authorization"] = f"Bearer {token}"
        url = self.table.addresses[node].edge_url + path
        async with (
            asyncio.timeout(ANSWER_S),
            self.session.request(method, url, headers=headers, **options) as response,
        ):
            raw = await response.read()
            is_json = response.content_type.endswith("json")
            return response.status, await response.json(content_type=None) if is_json else raw, (
                response.headers
            )

    async def start(self, node: str, account: str, device: str = "tv") -> tuple[int, Any]:
        body = {"device": {"id": device}, "plan": "basic"}
        status, told, _ = await self.call(
            node, "POST", f"/v1/accounts/{account}/sessions", json=body
        )
        return status, told

    async def heartbeat(self, node: str, token: str) -> int:
        return (await self.call(node, "POST", "/v1/sessions/heartbeat", token=token))[0]


def account_in(number: int, at: int = 0) -> str:
    """An account of a slice; different ones for different `at`."""
    found = (f"account-{each}" for each in range(10_000))
    return [account for account in found if slice_of_account(account, SLICES) == number][at]
