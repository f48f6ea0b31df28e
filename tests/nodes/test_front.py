"""Any node answers any call: here, by another node, or, where nobody can, with the truth."""

import asyncio
from collections.abc import AsyncIterator

import msgpack
import pytest

from crdt.dots import incarnation_of
from georeg.edge.app import EDGE
from georeg.nodes.front import STORE_PATH
from georeg.nodes.parts import ELSEWHERE
from georeg.nodes.passing import PASSED_ON
from tests.nodes.world import SLICES, World, account_in

ALL = [account_in(number) for number in range(SLICES)]


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr("georeg.nodes.front.OTHER_WAIT_S", 0.1)
    async with World() as world:
        yield world


@pytest.mark.parametrize("node", ["a", "b"])
async def test_every_node_answers_for_every_account(world: World, node: str) -> None:
    for account in ALL:
        status, body = await world.start(node, account)
        assert (status, body["decision"]["basis"]) == (201, "granted")
        assert world.region_of(account).sessions(account).sessions[0].account == account
        assert await world.heartbeat(node, body["token"]) == 200
        assert (await world.start(node, account, "phone"))[0] == 409
        path = f"/v1/accounts/{account}/sessions"
        assert len((await world.call(node, "GET", path))[1]["sessions"]) == 1
        kicked = await world.call(node, "DELETE", f"{path}/{body['session']['id']}")
        assert (kicked[0], kicked[1]["effect"]) == (200, "ended")
        assert await world.heartbeat(node, body["token"]) == 410


async def test_a_token_in_a_body_finds_its_node(world: World) -> None:
    for account in ALL:
        _, body = await world.start("a", account)
        form = {"token": body["token"]}
        active = await world.call("b", "POST", "/v1/introspect", data=form)
        assert (active[0], active[1]["active"]) == (200, True)
        headers = {"Content-Type": "text/plain"}
        stopped = await world.call(
            "b", "POST", "/v1/sessions/stop", data=body["token"], headers=headers
        )
        assert stopped[0] == 204
        assert world.region_of(account).sessions(account).sessions == ()


async def test_a_node_that_is_asked_by_mistake_says_so_and_the_right_one_is_found(
    world: World,
) -> None:
    account = account_in(3)
    path = f"/v1/accounts/{account}/sessions"
    status, _, headers = await world.call("a", "GET", path, headers={PASSED_ON: "b"})
    assert (status, headers[ELSEWHERE]) == (503, "3")
    world.give(0, "b")
    world.table.known[0] = "a"
    assert (await world.start("b", account_in(0)))[0] == 201
    world.table.known[3] = "c"
    assert (await world.start("a", account))[0] == 201


async def test_while_a_slice_changes_hands_its_calls_wait(world: World) -> None:
    account = account_in(0)
    world.take(0)
    starting = asyncio.ensure_future(world.start("a", account))
    looks = world.table.looks
    async with asyncio.timeout(5):
        while world.table.looks == looks:  # noqa: ASYNC110 - a counter
            await asyncio.sleep(0.001)
    world.give(0, "b")
    status, body = await starting
    assert (status, body["decision"]["basis"]) == (201, "granted")


async def test_a_start_that_nobody_can_decide_is_admitted_and_says_so(world: World) -> None:
    account = account_in(0)
    world.take(0)
    status, body = await world.start("b", account)
    assert (status, body["decision"]["basis"]) == (201, "unchecked")
    assert await world.heartbeat("a", body["token"]) == 200
    for path in (f"/v1/accounts/{account}/sessions", "/v1/sessions/events"):
        status, told, _ = await world.call("a", "GET", path, token=body["token"])
        assert status in (401, 503)
        if status == 503:
            assert told["type"] == "/problems/unavailable"


async def test_what_was_said_without_a_slice_is_told_to_it_when_it_runs(world: World) -> None:
    account, other = account_in(0), account_in(0, 1)
    _, kept = await world.start("b", other)
    world.take(0)
    _, body = await world.start("b", account)
    stopped = await world.call("b", "POST", "/v1/sessions/stop", token=kept["token"])
    assert stopped[0] == 204
    world.give(0, "a")
    telling = asyncio.ensure_future(world.nodes["b"].telling.run())
    try:
        async with asyncio.timeout(5):
            while world.nodes["b"].unchecked.untold:  # noqa: ASYNC110 - a table
                await asyncio.sleep(0.01)
    finally:
        telling.cancel()
    (adopted,) = world.region_of(account).sessions(account).sessions
    assert world.nodes["b"].app is not None
    assert body["session"]["id"].endswith(f"{adopted.session & ((1 << 36) - 1):x}")
    assert (await world.start("a", account, "phone"))[0] == 409, "it counts from now on"
    assert await world.heartbeat("a", kept["token"]) == 410


async def test_ids_that_are_given_without_a_slice_are_of_no_slice_and_no_other_node(
    world: World,
) -> None:
    for number in range(SLICES):
        world.take(number)
    seen = set()
    for node in ("a", "b", "a", "b"):
        for account in ALL:
            _, body = await world.start(node, account)
            seen.add(body["session"]["id"])
    assert len(seen) == 4 * SLICES
    renderer = world.nodes["a"].front._edge.render
    parsed = [renderer.parse_session_id(text) for text in seen]
    assert {incarnation_of(session) for session in parsed if session is not None} == {
        (1 << 20) - 2, (1 << 20) - 3,
    }  # fmt: skip


async def test_a_forged_token_is_refused_also_where_nobody_runs_its_slice(world: World) -> None:
    _, body = await world.start("a", account_in(0))
    world.take(0)
    forged = body["token"][:-4] + "AAAA"
    assert await world.heartbeat("a", forged) == 401
    assert await world.heartbeat("a", body["token"]) == 200


async def test_a_batch_goes_to_all_nodes_and_comes_back_in_order(world: World) -> None:
    tokens = [(await world.start("a", account))[1]["token"] for account in ALL]
    ended = (await world.start("a", account_in(2, 1)))[1]
    path = f"/v1/accounts/{account_in(2, 1)}/sessions/{ended['session']['id']}"
    assert (await world.call("a", "DELETE", path))[0] == 200
    batch = [tokens[3], "nonsense", tokens[0], ended["token"], tokens[2], tokens[1]]
    headers = {"Content-Type": "application/msgpack"}
    for node in ("a", "b"):
        status, body, _ = await world.call(
            node, "POST", "/v1/sessions/heartbeats", data=msgpack.packb(batch), headers=headers
        )
        assert (status, msgpack.unpackb(body)) == (200, [200, 401, 200, 410, 200, 200])
    world.take(0)
    forged = tokens[0][:-4] + "AAAA"
    status, body, _ = await world.call(
        "b", "POST", "/v1/sessions/heartbeats", data=msgpack.packb([forged, *tokens]),
        headers=headers,
    )  # fmt: skip
    assert (status, msgpack.unpackb(body)) == (200, [401, 200, 200, 200, 200])


async def test_a_part_of_a_batch_that_was_passed_on_is_passed_on_no_further(world: World) -> None:
    tokens = [(await world.start("a", account))[1]["token"] for account in ALL]
    status, body, _ = await world.call(
        "b", "POST", "/v1/sessions/heartbeats", data=msgpack.packb(tokens),
        headers={"Content-Type": "application/msgpack", PASSED_ON: "c"},
    )  # fmt: skip
    assert (status, msgpack.unpackb(body)) == (200, [503, 503, 200, 200])


@pytest.mark.parametrize("body", [b"", b"\xc0", msgpack.packb(["x"] * 1001), b"\x91"])
async def test_a_bad_batch_is_refused_as_ever(world: World, body: bytes) -> None:
    headers = {"Content-Type": "application/msgpack"}
    status, _, _ = await world.call(
        "b", "POST", "/v1/sessions/heartbeats", data=body, headers=headers
    )
    assert status in (413, 422)


async def test_a_node_that_is_gone_costs_its_callers_no_refusal(world: World) -> None:
    _, body = await world.start("a", account_in(3))
    await world.nodes["b"].door.stop()
    assert await world.heartbeat("a", body["token"]) == 200
    status, told = await world.start("a", account_in(2))
    assert (status, told["decision"]["basis"]) == (201, "unchecked")


async def test_a_call_whose_caller_left_while_its_node_stood_still_is_not_passed_on(
    world: World,
) -> None:
    _, body = await world.start("a", account_in(3))
    stalls = world.nodes["a"].app[EDGE].stalls
    stalls._until_s = asyncio.get_running_loop().time() + 5
    url = world.table.addresses["a"].edge_url
    reader, writer = await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    writer.write(
        b"POST /v1/sessions/stop HTTP/1.1\r\nHost: us\r\nContent-Length: 0\r\n"
        b"Authorization: Bearer %b\r\n\r\n" % body["token"].encode()
    )
    writer.close()
    assert await reader.read() == b""
    assert await world.heartbeat("a", body["token"]) == 200, "nobody stopped it"


async def test_only_other_nodes_are_told_whether_the_store_is_reached(world: World) -> None:
    for headers in ({}, {PASSED_ON: "b"}):
        assert (await world.call("a", "GET", f"{STORE_PATH}0", headers=headers))[0] == 404
    passing, address = world.nodes["b"].passing, world.table.addresses["a"]
    assert await passing.tell(address, "GET", f"{STORE_PATH}0") == 200
    for no_slice in (SLICES, "-1", "x", ""):
        assert await passing.tell(address, "GET", f"{STORE_PATH}{no_slice}") == 503
    world.table.has_store = False
    assert await passing.tell(address, "GET", f"{STORE_PATH}0") == 503


async def test_a_slice_that_is_here_without_the_right_to_decide_is_not_asked(world: World) -> None:
    """Another node may run it by now, which nobody here has heard of."""
    account = account_in(0)
    _, first = await world.start("a", account)
    owner = world.table.owner.pop(0)
    assert owner == "a"
    status, body = await world.start("a", account, "phone")
    assert (status, body["decision"]["basis"]) == (201, "unchecked"), "its memory refuses nobody"
    assert (await world.call("a", "POST", "/v1/sessions/stop", token=first["token"]))[0] == 204
    region = world.nodes["a"].parts.of_account(account).region
    assert [each.device.id for each in region.sessions(account).sessions] == ["tv"]
    stops = [each.claims.session for each in world.nodes["a"].unchecked.untold if each.is_stop]
    assert len(stops) == 1, "whoever runs the slice is told"
    world.table.owner[0] = owner


async def test_too_large_a_body_is_refused_by_the_node_that_gets_it(world: World) -> None:
    path = f"/v1/accounts/{account_in(3)}/sessions"
    status, _, _ = await world.call("a", "POST", path, data=b"x" * 20_000)
    assert status == 413
