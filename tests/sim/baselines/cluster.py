"""Three regions of a baseline on this machine, with a clock that only moves when a test says so.

Every answer is checked against georeg's OpenAPI document: the baselines speak the same API. A cut
refuses what one region sends to another.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any, Self

import aiohttp

from crdt.dots import RegionId
from georeg.edge.tokens import KeyRing
from georeg.region.settings import Settings
from region_sim.baselines.make import make
from region_sim.baselines.records import Clock
from region_sim.baselines.setup import Baseline, Disk, Setup
from tests.edge.world import KEY, Answer, ManualClock, check_answer

NAMES = ("us", "eu", "ap")
POLL_S = 0.02
TRIES = 250


class Regions:
    """`async with Regions("gossip", free_ports(3)) as regions`; the home is `us`."""

    def __init__(self, kind: str, ports: list[int]) -> None:
        self.kind = kind
        self.ports = dict(zip(NAMES, ports, strict=True))
        self.clock = ManualClock()
        self.disks = {name: Disk() for name in NAMES}
        self.cut: set[frozenset[str]] = set()
        self.crossings: list[tuple[str, str]] = []
        """(source, target) of every request from region to region."""
        self.living: dict[str, Baseline] = {}

    async def __aenter__(self) -> Self:
        self.http = aiohttp.ClientSession()
        for name in NAMES:
            await self.boot(name)
        return self

    async def __aexit__(self, *_: object) -> None:
        for name in NAMES:
            await self.kill(name)
        await self.http.close()

    def setup(self, name: str) -> Setup:
        """What a region is given."""
        urls = {n: f"http://127.0.0.1:{port}" for n, port in self.ports.items()}
        return Setup(
            name=name,
            numbers={n: RegionId(number) for number, n in enumerate(NAMES, start=1)},
            peers={n: url for n, url in urls.items() if n != name},
            host="127.0.0.1",
            port=self.ports[name],
            home="us",
            settings=Settings(),
            keys=KeyRing([KEY], cluster="test"),
            clock=Clock(self.clock.now_ms, self.clock.wall_ms),
            random=Random(name),
            session=lambda: aiohttp.ClientSession(middlewares=(self._lines_of(name),)),
            is_dev=True,
            disk=self.disks[name],
        )

    def _lines_of(self, source: str) -> Any:
        async def pass_on(
            request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
        ) -> aiohttp.ClientResponse:
            target = next(n for n, port in self.ports.items() if port == request.url.port)
            self.crossings.append((source, target))
            if frozenset({source, target}) in self.cut:
                raise aiohttp.ClientConnectionError("cut")
            return await handler(request)

        return pass_on

    async def boot(self, name: str) -> None:
        """Begin a life of a region."""
        self.living[name] = make(self.kind, self.setup(name))
        await self.living[name].start()

    async def kill(self, name: str) -> None:
        """End it."""
        region = self.living.pop(name, None)
        if region is not None:
            await region.stop()

    def part(self, *sides: tuple[str, ...]) -> None:
        """Cut every link between two sides."""
        for at, left in enumerate(sides):
            for right in sides[at + 1 :]:
                self.cut |= {frozenset({a, b}) for a in left for b in right}

    # ---- what devices and people send --------------------------------------------------------

    async def call(self, method: str, path: str, region: str, **kwargs: Any) -> Answer:
        """One request, its answer checked against georeg's document."""
        url = f"http://127.0.0.1:{self.ports[region]}{path}"
        async with self.http.request(method, url, **kwargs) as response:
            kind = response.headers.get("Content-Type", "").partition(";")[0]
            body: Any = await response.json(content_type=None) if kind else await response.read()
            if not path.endswith("/events"):
                check_answer(method, path.partition("?")[0], response.status, kind, body)
            return Answer(response.status, body, response.headers)

    async def start(
        self, region: str, device: str = "tv-1", account: str = "a", **fields: Any
    ) -> Answer:
        headers = fields.pop("headers", {})
        named = {"id": device, "name": f"Name of {device}", "kind": "tv"}
        body = {"device": named, "plan": "basic"} | fields
        path = f"/v1/accounts/{account}/sessions"
        return await self.call("POST", path, region, json=body, headers=headers)

    async def heartbeat(self, region: str, started: Answer) -> Answer:
        return await self.call("POST", "/v1/sessions/heartbeat", region, headers=bearer(started))

    async def stop(self, region: str, started: Answer) -> Answer:
        return await self.call("POST", "/v1/sessions/stop", region, headers=bearer(started))

    async def kick(self, region: str, session: str, account: str = "a") -> Answer:
        return await self.call("DELETE", f"/v1/accounts/{account}/sessions/{session}", region)

    async def listed(self, region: str, account: str = "a") -> list[str]:
        found = await self.call("GET", f"/v1/accounts/{account}/sessions", region)
        assert found.status == 200, found
        return [session["id"] for session in found.body["sessions"]]

    async def until(self, look: Callable[[], Any], wanted: Any) -> None:
        """Wait until a coroutine function answers this."""
        found = None
        for _ in range(TRIES):
            found = await look()
            if found == wanted:
                return
            await asyncio.sleep(POLL_S)
        raise AssertionError(f"still {found}, not {wanted}")


def bearer(started: Answer) -> dict[str, str]:
    return {"Authorization": f"Bearer {started.body['token']}"}


def id_of(started: Answer) -> str:
    return str(started.body["session"]["id"])
