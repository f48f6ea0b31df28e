"""The operators' API in the simulated world: it has neither time nor threads of its own."""

from random import Random

import aiohttp
import pytest

from crdt.dots import RegionId
from georeg.cli.runtime import LoopClock
from georeg.ops.app import create_ops_app
from georeg.ops.audit import Audit
from georeg.ops.context import Ops
from georeg.ops.drains import DRAIN_ROUTES
from georeg.ops.keys import May, OperatorKey, OperatorKeys, mint_operator_key
from georeg.ops.server import OpsServer
from georeg.region.region import Region
from georeg.region.settings import Settings
from georeg.store import NoJournal
from region_sim.kernel.connector import SimConnector
from tests.sim.kernel.bench import Bench

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

KEY, HASH = mint_operator_key("ann", Random(1).randbytes)
KEYS = (OperatorKey("ann", HASH, May.OPERATE),)


class NoMesh:
    """A region alone in its world."""

    def send(self, peer: RegionId, payload: bytes) -> None:
        raise AssertionError("there is nobody")


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_an_operator_looks_and_drains_under_virtual_time(bench: Bench) -> None:
    lines: list[str] = []

    async def serve() -> None:
        clock = LoopClock(bench.b, bench.b.wall_ms)
        names = {RegionId(1): "us"}
        journal, random = NoJournal(), Random(1)
        region = Region(RegionId(1), names, Settings(), clock, NoMesh(), journal, random)
        region.open()
        audit = Audit(lines.append, clock.wall_ms, region="us", cluster="sim")
        ops = Ops(region, clock, OperatorKeys(KEYS), audit, "sim")
        await OpsServer(create_ops_app(ops, DRAIN_ROUTES), "b", 7601).start()

    async def work() -> list[object]:
        headers = {"Authorization": f"Bearer {KEY}"}
        connector = SimConnector(bench.a, "a")
        found: list[object] = []
        async with aiohttp.ClientSession(connector=connector, headers=headers) as client:
            for method, path, body in (
                ("GET", "/v1/status", None),
                ("PUT", "/v1/drain", {"for_s": 60}),
                ("PUT", "/v1/drain", {"for_s": 60, "force": "yes"}),
                ("GET", "/v1/quota", None),
            ):
                async with client.request(method, f"http://b:7601{path}", json=body) as answer:
                    found.append((answer.status, (await answer.json()).get("view_of")))
        return found

    bench.call(serve(), bench.b)
    assert bench.call(work()) == [(200, "us"), (409, None), (200, "us"), (200, "us")]
    assert len(lines) == 5
    for machine in (bench.a, bench.b):
        machine.kill()
