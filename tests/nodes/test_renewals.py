"""Heartbeats for another node go to it together, and none is said to be renewed that is not."""

import asyncio
from collections.abc import AsyncIterator

import msgpack
import pytest

from georeg.edge.tokens import raw_of
from georeg.nodes.front import RENEWALS_PATH
from georeg.nodes.passing import PASSED_ON, Address
from tests.nodes.world import World, account_in

OF_B = [account_in(2 + at % 2, at) for at in range(12)]
"""Accounts whose slices node b runs."""
HEARTBEAT = "/v1/sessions/heartbeat"


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as world:
        yield world


@pytest.fixture
def posts(world: World, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many tokens each call of node a to another one carried."""
    found, post = [], world.nodes["a"].passing.post

    async def counted(node: Address, path: str, body: bytes) -> bytes | None:
        found.append(len(msgpack.unpackb(body, raw=True)))
        return await post(node, path, body)

    monkeypatch.setattr(world.nodes["a"].passing, "post", counted)
    return found


async def tokens_of(world: World, accounts: list[str]) -> list[str]:
    return [(await world.start("b", account))[1]["token"] for account in accounts]


async def test_heartbeats_at_the_wrong_node_renew_their_sessions_in_few_calls(
    world: World, posts: list[int]
) -> None:
    tokens = await tokens_of(world, OF_B)
    for _ in range(4):
        world.clock.advance(30_000)
        heartbeats = [world.heartbeat("a", token) for token in tokens]
        assert set(await asyncio.gather(*heartbeats)) == {200}
    assert sum(posts) == 4 * len(tokens)
    assert len(posts) < len(tokens), "those that came together went together"
    for account in OF_B:
        assert (await world.start("b", account, "phone"))[0] == 409, "it lives"


async def test_a_call_carries_no_more_than_its_most(
    world: World, posts: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("georeg.nodes.renewals.TOKENS_MAX", 3)
    tokens = await tokens_of(world, OF_B)
    heartbeats = [world.heartbeat("a", token) for token in tokens]
    assert set(await asyncio.gather(*heartbeats)) == {200}
    assert (sum(posts), max(posts)) == (len(tokens), 3)


async def test_the_answer_is_what_the_right_node_would_have_said(
    world: World, posts: list[int]
) -> None:
    (token,) = await tokens_of(world, OF_B[:1])
    here = (await world.call("b", "POST", HEARTBEAT, token=token))[1]
    there = (await world.call("a", "POST", HEARTBEAT, token=token))[1]
    assert posts == [1]
    assert there == here
    assert set(here) == {"session", "next_heartbeat_s", "lease_s"}
    bad = {"data": b'{"state": 7}', "headers": {"Content-Type": "application/json"}}
    assert (await world.call("a", "POST", HEARTBEAT, token=token, **bad))[0] == 422


async def test_a_session_that_has_ended_is_told_so_in_full(world: World, posts: list[int]) -> None:
    account = OF_B[0]
    _, body = await world.start("b", account)
    path = f"/v1/accounts/{account}/sessions/{body['session']['id']}"
    assert (await world.call("b", "DELETE", path))[0] == 200
    status, told, _ = await world.call("a", "POST", HEARTBEAT, token=body["token"])
    assert (status, told["reason"], posts) == (410, "kicked", [1])


async def test_while_either_node_drains_each_heartbeat_gets_the_whole_answer(
    world: World, posts: list[int]
) -> None:
    """It says where to go, which a yes does not."""
    (token,) = await tokens_of(world, OF_B[:1])
    world.nodes["a"].region.drain.begin(force=True)
    assert await world.heartbeat("a", token) == 200
    assert posts == []
    world.nodes["a"].region.drain.end()
    world.nodes["b"].region.drain.begin(force=True)
    assert await world.heartbeat("a", token) == 200
    body = msgpack.packb([raw_of(token.encode())])
    passing, address = world.nodes["a"].passing, world.table.addresses["b"]
    assert await passing.post(address, RENEWALS_PATH, body) == bytes([0])


@pytest.mark.parametrize("said", [b"", b"\x01", None, RuntimeError("a bug")])
async def test_an_answer_that_is_none_is_no_yes(
    world: World, monkeypatch: pytest.MonkeyPatch, said: bytes | None | RuntimeError
) -> None:
    tokens = await tokens_of(world, OF_B[:2])

    async def post(_node: Address, _path: str, _body: bytes) -> bytes | None:
        await asyncio.sleep(0)
        if isinstance(said, RuntimeError):
            raise said
        return said if len(_body) > 100 else None

    monkeypatch.setattr(world.nodes["a"].passing, "post", post)
    for _ in range(4):
        world.clock.advance(30_000)
        beats = await asyncio.gather(*(world.heartbeat("a", token) for token in tokens))
        assert beats == [200, 200]
    for account in OF_B[:2]:
        assert (await world.start("b", account, "phone"))[0] == 409, "it was passed on"


async def test_only_tokens_that_are_good_and_belong_here_are_renewed(world: World) -> None:
    tokens = await tokens_of(world, [account_in(2), account_in(0), account_in(3)])
    good, of_a, ended = (raw_of(token.encode()) for token in tokens)
    world.region_of(account_in(3)).stop(world.nodes["b"].keys.open(ended))
    forged = good[:-1] + bytes([good[-1] ^ 1])
    body = msgpack.packb([forged, good, of_a, b"", b"x" * 90, 7, "text", ended])
    passing, address = world.nodes["a"].passing, world.table.addresses["b"]
    assert await passing.post(address, RENEWALS_PATH, body) == bytes([0, 1, 0, 0, 0, 0, 0, 0])


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x07", msgpack.packb([b""] * 501)])
async def test_what_is_no_list_of_tokens_is_refused(world: World, body: bytes) -> None:
    passing, address = world.nodes["a"].passing, world.table.addresses["b"]
    assert await passing.post(address, RENEWALS_PATH, body) is None
    assert await passing.post(address, RENEWALS_PATH, b"\x90") == b""


@pytest.mark.parametrize("headers", [{}, {PASSED_ON: "a"}])
async def test_the_call_is_not_there_for_anybody_else(
    world: World, headers: dict[str, str]
) -> None:
    told = await world.call("b", "POST", RENEWALS_PATH, data=b"\x90", headers=headers)
    assert told[0] == 404
