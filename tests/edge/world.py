"""A cluster of real regions on a clock that only moves when a test says so, behind real sockets.

`World.call` checks every answer against the OpenAPI document that the server itself serves, so that
each test of the edge is a test of the document too.
"""

import asyncio
import heapq
import json
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from random import Random
from typing import Any, Self, TypeVar

import aiohttp
from jsonschema import Draft202012Validator

from crdt.dots import RegionId
from georeg.edge.app import EDGE, create_app
from georeg.edge.backends import BackendKeys, mint_backend_key
from georeg.edge.context import Edge
from georeg.edge.entitlements import EntitlementVerifier
from georeg.edge.openapi import build_document
from georeg.edge.routes import ROUTES
from georeg.edge.server import EdgeServer
from georeg.edge.settings import EdgeSettings
from georeg.edge.tokens import KeyRing
from georeg.region.region import Region
from georeg.region.settings import Settings
from georeg.store import NoJournal

T = TypeVar("T")
KEY = bytes(range(32))
BACKEND, STORED = mint_backend_key("billing", Random(1).randbytes)
DOCUMENT: dict[str, Any] = json.loads(build_document(ROUTES))


class Call:
    """A timer of the clock below."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class ManualClock:
    """Time that a test moves by hand."""

    def __init__(self) -> None:
        self.time_ms = 1_000_000
        self.wall_base_ms = 1_767_268_800_000 - self.time_ms
        self._calls: list[tuple[int, int, Call]] = []
        self._count = 0

    def now_ms(self) -> int:
        return self.time_ms

    def wall_ms(self) -> int:
        return self.wall_base_ms + self.time_ms

    def call_later(self, delay_ms: int, callback: Callable[[], None]) -> Call:
        self._count += 1
        call = Call(callback)
        heapq.heappush(self._calls, (self.time_ms + max(0, delay_ms), self._count, call))
        return call

    def advance(self, by_ms: int) -> None:
        end_ms = self.time_ms + by_ms
        while self._calls and self._calls[0][0] <= end_ms:
            self.time_ms, _, call = heapq.heappop(self._calls)
            if call.callback is not None:
                call.callback()
        self.time_ms = end_ms


class BreakableJournal(NoJournal):
    """A disk that may refuse."""

    def __init__(self) -> None:
        self.broken: OSError | None = None

    def sync(self, then: Callable[[OSError | None], None]) -> None:
        then(self.broken)


class Links:
    """Messages between the regions arrive after a millisecond, unless the link is cut."""

    def __init__(self, world: "World", sender: RegionId) -> None:
        self.world = world
        self.sender = sender

    def send(self, peer: RegionId, payload: bytes) -> None:
        world = self.world

        def deliver() -> None:
            if not {self.sender, peer} & world.cut:
                world.regions[peer].receive(self.sender, payload)

        world.clock.call_later(1, deliver)


@dataclass
class Answer:
    status: int
    body: Any
    headers: Any


@dataclass
class World:
    """`async with World() as world`: one region `us`, or as many as are named."""

    names: tuple[str, ...] = ("us",)
    settings: Settings = field(default_factory=Settings)
    edge_settings: EdgeSettings = field(default_factory=lambda: EdgeSettings(dev=True))
    entitlements: EntitlementVerifier | None = None
    clock: ManualClock = field(default_factory=ManualClock)
    cut: set[RegionId] = field(default_factory=set)
    regions: dict[RegionId, Region] = field(default_factory=dict)
    journals: dict[RegionId, BreakableJournal] = field(default_factory=dict)
    servers: dict[str, EdgeServer] = field(default_factory=dict)
    edges: dict[str, Edge] = field(default_factory=dict)
    responses: list[aiohttp.ClientResponse] = field(default_factory=list)
    """Streams that are still open; closed at the end."""
    keys: KeyRing = field(default_factory=lambda: KeyRing([KEY], cluster="test"))

    async def __aenter__(self) -> Self:
        names = {RegionId(number): name for number, name in enumerate(self.names, start=1)}
        for number in names:
            self.journals[number] = BreakableJournal()
            self.regions[number] = Region(
                number,
                names,
                self.settings,
                self.clock,
                Links(self, number),
                self.journals[number],
                Random(number),
            )
        for region in self.regions.values():
            region.open()
        self.clock.advance(3 * self.settings.join_ms)
        for number, name in names.items():
            app = create_app(
                self.regions[number],
                self.keys,
                self.edge_settings,
                clock=self.clock,
                entitlements=self.entitlements,
                backends=BackendKeys({"billing": STORED}),
                addresses={n: f"https://{other}.example" for n, other in self.addressed(number)},
            )
            self.edges[name] = app[EDGE]
            self.servers[name] = EdgeServer(app, "127.0.0.1", 0)
            await self.servers[name].start()
        self.session = aiohttp.ClientSession()
        return self

    async def __aexit__(self, *_: object) -> None:
        for response in self.responses:
            response.close()
        await self.session.close()
        for server in self.servers.values():
            await server.stop()

    def addressed(self, number: RegionId) -> Iterator[tuple[RegionId, str]]:
        """The other regions whose public address is configured: all but `ap`."""
        for other, name in enumerate(self.names, start=1):
            if other != number and name != "ap":
                yield RegionId(other), name

    @property
    def region(self) -> Region:
        return self.regions[RegionId(1)]

    def url(self, path: str, region: str = "us") -> str:
        return f"http://127.0.0.1:{self.servers[region].port}{path}"

    async def while_time_passes(self, work: Awaitable[T]) -> T:
        """Await something that needs messages between regions."""
        task = asyncio.ensure_future(work)
        while not task.done():
            self.clock.advance(1)
            await asyncio.sleep(0)
        return task.result()

    async def call(
        self,
        method: str,
        path: str,
        *,
        region: str = "us",
        token: str | None = None,
        headers: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> Answer:
        """One request, its answer checked against the document."""
        sent = dict(headers or {})
        if token is not None:
            sent["Authorization"] = f"Bearer {token}"
        async with self.session.request(
            method, self.url(path, region), headers=sent, **kwargs
        ) as response:
            raw = await response.read()
            kind = response.headers.get("Content-Type", "").partition(";")[0]
            body: Any = json.loads(raw) if kind.endswith("json") else raw
            check_answer(method, path.partition("?")[0], response.status, kind, body)
            return Answer(response.status, body, response.headers)

    async def start(
        self, account: str = "acc-42", device: str = "tv-1", *, region: str = "us", **fields: Any
    ) -> Answer:
        """Start under the basic plan unless told otherwise."""
        headers, token = fields.pop("headers", None), fields.pop("token", None)
        body = {"device": {"id": device, "name": f"Name of {device}", "kind": "tv"}} | fields
        if token is None or token == BACKEND:
            body.setdefault("plan", "basic")
        path = f"/v1/accounts/{account}/sessions"
        return await self.call("POST", path, region=region, token=token, headers=headers, json=body)

    async def heartbeat(self, token: str | None, *, region: str = "us", **kwargs: Any) -> Answer:
        return await self.call(
            "POST", "/v1/sessions/heartbeat", region=region, token=token, **kwargs
        )


def check_answer(method: str, path: str, status: int, kind: str, body: Any) -> None:
    """The answer is one that the document promises."""
    if status in (400, 405, 408, 417, 500):
        assert kind == "application/problem+json"
        assert body["type"] == "about:blank"
        assert body["status"] == status
        return
    operation = next(_operations(method, path), None)
    if operation is None:
        assert (status, kind) in ((404, "application/problem+json"), (204, ""))
        return
    promised = DOCUMENT["paths"][operation][method.lower()]["responses"]
    assert str(status) in promised, f"{method} {operation} does not promise {status}"
    content = promised[str(status)].get("content")
    if content is None:
        assert body == b""
        return
    assert kind in content
    if kind.endswith("json"):
        _validator(operation, method.lower(), str(status), kind).validate(body)


def _operations(method: str, path: str) -> Iterator[str]:
    for template, operations in DOCUMENT["paths"].items():
        pattern = re.sub(r"{\w+}", "[^/]+", template)
        if method.lower() in operations and re.fullmatch(pattern, path):
            yield template


@cache
def _validator(operation: str, method: str, status: str, kind: str) -> Draft202012Validator:
    content = DOCUMENT["paths"][operation][method]["responses"][status]["content"]
    schema = content[kind]["schema"] | {"components": DOCUMENT["components"]}
    return Draft202012Validator(schema)
