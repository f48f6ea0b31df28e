"""What operators hear of a region of many nodes when some of them do not answer."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from georeg.edge.problems import to_json
from georeg.nodes.carrying import Carrying
from georeg.nodes.operators import Operators
from georeg.nodes.passing import PASSED_ON, Address
from georeg.nodes.registry import NodeEntry
from tests.nodes.test_sums import REPORT

KEY = {"Authorization": "Bearer ann.secret"}


class Others:
    """The other nodes, as a node knows them."""

    def __init__(self) -> None:
        self.others: list[NodeEntry] = []
        self.trouble = ""

    def add(self, name: str, ops_url: str, *, is_leaving: bool = False) -> None:
        self.others.append(NodeEntry(Address(name, "", "", ops_url), is_leaving))


class NoSlices:
    """Routes of a node that knows of no slice."""

    has_store = True

    def runs(self, number: int) -> bool:
        return False

    async def may_run(self, number: int) -> bool:
        return False

    def node_of(self, number: int) -> Address | None:
        return None

    async def look_again(self) -> None:
        pass


class OwnReport:
    def status(self) -> Any:
        return REPORT


async def api(request: web.Request) -> web.StreamResponse:
    """An operators' API that knows one key, and says who asked."""
    if request.headers.get("Authorization") != KEY["Authorization"]:
        return web.Response(status=401)
    document = {"view_of": "us", "problems": [], "sessions": 1, "grants_held": 2}
    return web.Response(body=to_json(document), content_type="application/json")


@asynccontextmanager
async def serving(neighbours: Others, name: str) -> AsyncIterator[str]:
    carrying = Carrying(name)
    carrying.open()
    front = Operators(NoSlices(), neighbours, carrying, OwnReport(), 4)  # type: ignore[arg-type]
    app = web.Application(middlewares=[front.middleware()])
    app.router.add_route("*", "/{path:.*}", api)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()
        await carrying.close()


async def call(url: str, method: str = "GET", **options: Any) -> tuple[int, Any]:
    async with (
        aiohttp.ClientSession() as http,
        http.request(method, url, **{"headers": KEY} | options) as response,
    ):
        text = await response.text()
        return response.status, json.loads(text) if text.startswith("{") else text


async def test_a_node_that_does_not_answer_is_named_as_a_problem() -> None:
    mine = Others()
    async with serving(Others(), "other") as other, serving(mine, "one") as one:
        mine.add("other", other)
        assert (await call(f"{one}/v1/status"))[1]["nodes_missing"] == []
        mine.add("lost", "http://127.0.0.1:1")
        mine.add("going", "http://127.0.0.1:1", is_leaving=True)
        status, told = await call(f"{one}/v1/status")
    assert (status, told["nodes_missing"]) == (200, ["lost"])
    (problem,) = told["problems"]
    assert (problem["kind"], problem["region"]) == ("nodes_missing", "us")
    assert "lost" in problem["detail"]


async def test_a_store_out_of_reach_is_a_problem_that_says_what_it_means() -> None:
    mine = Others()
    async with serving(mine, "one") as one:
        assert (await call(f"{one}/v1/status"))[1]["problems"] == []
        mine.trouble = "Redis at h:6379 did not answer within 500 ms"
        (problem,) = (await call(f"{one}/v1/status"))[1]["problems"]
    assert (problem["kind"], problem["severity"]) == ("store", "critical")
    assert problem["detail"].startswith(mine.trouble)


async def test_other_nodes_are_asked_only_for_those_who_may_ask_this_one() -> None:
    mine, asked = Others(), list[str]()

    async def other(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        return web.Response(status=401)

    runner = web.ServerRunner(web.Server(other))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    mine.add("other", f"http://127.0.0.1:{runner.addresses[0][1]}")
    async with serving(mine, "one") as one:
        assert (await call(f"{one}/v1/status", headers={}))[0] == 401
        assert asked == []
        assert (await call(f"{one}/v1/status"))[1]["nodes_missing"] == ["other"]
        assert asked == ["/v1/status"]
    await runner.cleanup()


async def test_a_drain_that_a_node_did_not_hear_of_says_so() -> None:
    mine = Others()
    async with serving(Others(), "other") as other, serving(mine, "one") as one:
        mine.add("other", other)
        status, told = await call(f"{one}/v1/drain", "PUT", json={})
        assert (status, told["sessions"], told["grants_held"]) == (200, 2, 4)
        mine.add("lost", "http://127.0.0.1:1")
        status, told = await call(f"{one}/v1/drain", "PUT", json={})
        assert status == 503
        assert "lost" in told["detail"]
        assert (await call(f"{one}/v1/drain"))[1]["nodes_missing"] == ["lost"]


async def test_an_account_whose_slice_nobody_runs_is_503_and_passed_on_no_further() -> None:
    async with serving(Others(), "one") as one:
        url = f"{one}/v1/accounts/anna"
        assert (await call(url))[0] == 503
        async with (
            aiohttp.ClientSession() as http,
            http.get(url, headers=KEY | {PASSED_ON: "other"}) as response,
        ):
            assert response.headers["Georeg-Elsewhere"]


@pytest.mark.parametrize("path", ["/v1/peers", "/v1/keys"])
async def test_what_is_a_nodes_own_is_answered_by_it_alone(path: str) -> None:
    mine = Others()
    async with serving(mine, "one") as one:
        mine.add("lost", "http://127.0.0.1:1")
        status, told = await call(one + path)
    assert (status, "nodes_missing" in told) == (200, False)
