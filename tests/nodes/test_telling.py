"""What was said while nobody ran a slice is told to it, as what it was and when it was said."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgpack
import pytest

from crdt.events import ActorKind
from georeg.edge.tokens import raw_of
from georeg.nodes.front import UNTOLD_PATH
from georeg.nodes.passing import PASSED_ON
from tests.nodes.world import World, account_in

ACCOUNT = account_in(0)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    monkeypatch.setattr("georeg.nodes.front.HEARTBEAT_WAIT_S", 0.05)
    monkeypatch.setattr("georeg.nodes.batch.HEARTBEAT_WAIT_S", 0.05)
    async with World() as world:
        yield world


def silent_ms(world: World, account: str = ACCOUNT) -> int:
    """How long the only session of an account looks silent to its slice."""
    (info,) = world.region_of(account).sessions(account).sessions
    return world.clock.wall_ms() - info.last_seen_ms


async def batch(world: World, node: str, *tokens: str) -> bytes:
    body = msgpack.packb([token.encode() for token in tokens])
    headers = {"Content-Type": "application/msgpack"}
    _, said, _ = await world.call(
        node, "POST", "/v1/sessions/heartbeats", data=body, headers=headers
    )
    return bytes(said)


@pytest.mark.parametrize("way", ["alone", "together"])
@pytest.mark.parametrize("later", ["a", "b"], ids=["to another node", "to itself"])
async def test_a_heartbeat_without_its_slice_is_told_to_it_with_its_age(
    world: World, way: str, later: str
) -> None:
    """It was not: two takeovers in a row, and a stream that beat all along had to yield."""
    _, body = await world.start("a", ACCOUNT)
    world.clock.advance(30_000)
    region = world.region_of(ACCOUNT)
    world.take(0)
    if way == "alone":
        assert await world.heartbeat("b", body["token"]) == 200
    else:
        assert msgpack.unpackb(await batch(world, "b", body["token"])) == [200]
    world.clock.advance(2_000)
    world.bring(0, later, region)
    assert silent_ms(world) == 32_000
    await world.nodes["b"].telling.tell()
    assert silent_ms(world) == 2_000
    assert world.nodes["b"].unchecked.untold == []


async def test_a_slice_that_has_come_meanwhile_decides_about_a_batch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the last look for its node and the last resort."""
    _, body = await world.start("a", ACCOUNT)
    region = world.region_of(ACCOUNT)
    region.kick(ACCOUNT, region.sessions(ACCOUNT).sessions[0].session, ActorKind.OPERATOR)
    world.take(0)
    front = world.nodes["b"].front

    async def look_again() -> None:
        if world.table.looks > 2:
            monkeypatch.setattr(front._routes, "may_run", nobody)
            world.bring(0, "b", region)
        world.table.looks += 1

    async def nobody(_number: int) -> bool:
        return False

    monkeypatch.setattr(front._routes, "look_again", look_again)
    assert msgpack.unpackb(await batch(world, "b", body["token"])) == [410]


async def test_what_another_node_has_renewed_is_not_told_again(world: World) -> None:
    _, body = await world.start("a", ACCOUNT)
    assert await world.heartbeat("b", body["token"]) == 200
    assert world.nodes["b"].unchecked.untold == []


async def test_an_old_heartbeat_does_not_make_a_device_look_silent(world: World) -> None:
    _, body = await world.start("a", ACCOUNT)
    region = world.region_of(ACCOUNT)
    world.take(0)
    assert await world.heartbeat("b", body["token"]) == 200
    world.bring(0, "a", region)
    world.clock.advance(30_000)
    assert await world.heartbeat("a", body["token"]) == 200
    world.clock.advance(1_000)
    await world.nodes["b"].telling.tell()
    assert silent_ms(world) == 1_000


async def test_a_start_counts_from_when_it_was_made(world: World) -> None:
    world.take(0)
    assert (await world.start("b", ACCOUNT))[1]["decision"]["basis"] == "unchecked"
    world.clock.advance(2_499)  # and 1 when the slice is given
    world.give(0, "a")
    await world.nodes["b"].telling.tell()
    assert silent_ms(world) == 2_500


async def test_nothing_is_told_of_a_session_that_has_lapsed_meanwhile(world: World) -> None:
    world.take(0)
    await world.start("b", ACCOUNT)
    world.clock.advance(world.settings.client_lease_ms + 1)
    world.give(0, "a")
    await world.nodes["b"].telling.tell()
    assert world.region_of(ACCOUNT).sessions(ACCOUNT).sessions == ()
    assert world.nodes["b"].unchecked.untold == []


async def test_many_are_told_in_a_few_calls_and_none_before_its_slice_runs(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("georeg.nodes.telling.TOLD_MAX", 3)
    accounts = [account_in(0, at) for at in range(7)]
    world.take(0)
    for account in accounts:
        await world.start("b", account)
    passing = world.nodes["b"].passing
    post, calls = passing.post, []

    async def counted(node: Any, path: str, body: bytes) -> bytes | None:
        calls.append(len(msgpack.unpackb(body, raw=True)))
        return await post(node, path, body)

    monkeypatch.setattr(passing, "post", counted)
    world.table.known[0] = "a"
    await world.nodes["b"].telling.tell()
    assert len(world.nodes["b"].unchecked.untold) == 7, "the other node does not run it yet"
    world.give(0, "a")
    calls.clear()
    await world.nodes["b"].telling.tell()
    assert calls == [3, 3, 1]
    assert [len(world.region_of(each).sessions(each).sessions) for each in accounts] == [1] * 7


async def test_only_tokens_that_are_good_and_belong_here_are_taken(world: World) -> None:
    (_, here), (_, of_b) = await world.start("a", ACCOUNT), await world.start("b", account_in(2))
    good, other = raw_of(here["token"].encode()), raw_of(of_b["token"].encode())
    forged = good[:-1] + bytes([good[-1] ^ 1])
    told: list[object] = [
        [forged, True, 0], [other, True, 0], [good, True, -1], [good, 1, 0], [good, True],
        [b"", True, 0], [good, True, "0"], good, 7,
    ]  # fmt: skip
    passing, address = world.nodes["b"].passing, world.table.addresses["a"]
    body = msgpack.packb(told)
    assert await passing.post(address, UNTOLD_PATH, body) == bytes(len(told))
    assert await world.heartbeat("a", here["token"]) == 200, "nothing has stopped it"
    assert await passing.post(address, UNTOLD_PATH, msgpack.packb([[good, True, 0]])) == b"\x01"
    assert await world.heartbeat("a", here["token"]) == 410


@pytest.mark.parametrize("body", [b"", b"\xc1", b"\x07", msgpack.packb([[b"", True, 0]] * 101)])
async def test_what_is_no_list_is_refused(world: World, body: bytes) -> None:
    passing, address = world.nodes["b"].passing, world.table.addresses["a"]
    assert await passing.post(address, UNTOLD_PATH, body) is None
    assert await passing.post(address, UNTOLD_PATH, b"\x90") == b""


async def test_nobody_but_a_node_tells(world: World) -> None:
    for headers in ({}, {PASSED_ON: "b"}):
        assert (await world.call("a", "POST", UNTOLD_PATH, headers=headers))[0] == 404


async def test_an_event_stream_whose_device_has_hung_up_is_not_asked_for_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each try counted as a heartbeat: two such in two regions took a session to and fro."""
    monkeypatch.setattr("georeg.nodes.front.OTHER_WAIT_S", 60.0)
    _, body = await world.start("a", ACCOUNT)
    world.take(0)
    listening = asyncio.ensure_future(
        world.call("b", "GET", "/v1/sessions/events", token=body["token"])
    )
    looks = world.table.looks
    async with asyncio.timeout(5):
        while world.table.looks < looks + 3:  # noqa: ASYNC110 - a counter
            await asyncio.sleep(0.001)
    listening.cancel()
    await asyncio.wait((listening,))
    async with asyncio.timeout(5):
        while world.table.looks > looks:
            looks = world.table.looks
            await asyncio.sleep(0.3)  # some six tries
