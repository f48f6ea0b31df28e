"""Strangers who send much, or slowly, or take nothing: the others are served as before."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from georeg.edge.settings import EdgeSettings
from tests.edge.world import World

SOON_S = 10.0
"""Far more than anything here takes."""


@asynccontextmanager
async def stranger(
    world: World, data: bytes
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection on which these bytes were sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.servers["us"].port)
    writer.write(data)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0)


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Whether the region closes the connection, whatever it says before."""
    try:
        async with asyncio.timeout(SOON_S):
            await reader.read()
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


async def is_served(world: World, token: str) -> bool:
    """Whether a device gets its answer."""
    async with asyncio.timeout(SOON_S):
        return (await world.heartbeat(token)).status == 200


async def test_connections_beyond_the_limit_are_turned_away_and_counted() -> None:
    async with World(edge_settings=EdgeSettings(dev=True, connections_max=3)) as world:
        token = (await world.start()).body["token"]
        async with stranger(world, b"GET"), stranger(world, b""):
            while world.edges["us"].metrics.connections < 3:  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            async with stranger(world, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n") as (reader, _):
                assert await is_closed(reader)
            assert await is_served(world, token)
            assert world.edges["us"].metrics.turned_away == 1
        while world.edges["us"].metrics.connections > 1:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        async with stranger(world, b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n") as (reader, _):
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")


async def test_slow_heads_are_given_up_and_others_are_served_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("georeg.edge.server.FIRST_REQUEST_S", 0.2)
    async with World() as world:
        token = (await world.start()).body["token"]
        slow = [stranger(world, b"POST /v1/sessions/heartbeat HT") for _ in range(50)]
        readers = [(await one.__aenter__())[0] for one in slow]
        assert await is_served(world, token)
        assert all([await is_closed(reader) for reader in readers])


@pytest.mark.parametrize("kind", ["heartbeats", "metrics"])
async def test_who_takes_no_answers_is_not_served_on_and_is_cut_off(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """However much it sends, what is kept for it is bounded by one buffer."""
    monkeypatch.setattr("georeg.edge.server.ANSWER_S", 0.3)
    async with World() as world:
        token = (await world.start()).body["token"]
        asked = {
            "heartbeats": f"POST /v1/sessions/heartbeat HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: 0\r\n\r\n",
            "metrics": "GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        }[kind].encode()
        async with stranger(world, b"") as (reader, writer):
            reader._transport.pause_reading()  # type: ignore[attr-defined]  # a greedy peer
            (protocol,) = [
                p for p in world.servers["us"]._runner.server.connections  # type: ignore[union-attr]
                if not p._request_count
            ]  # fmt: skip
            for end, option in (
                (protocol.transport, socket.SO_SNDBUF), (writer.transport, socket.SO_RCVBUF),
            ):  # fmt: skip
                end.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, option, 4_096)
            largest = 0
            try:
                async with asyncio.timeout(SOON_S):
                    while protocol.transport is not None and not protocol.transport.is_closing():
                        writer.write(asked * 100)
                        largest = max(largest, protocol.transport.get_write_buffer_size())
                        await asyncio.sleep(0)
            except ConnectionError:
                pass
            assert await is_served(world, token)
        assert 0 < largest < 1_000_000


async def test_a_flood_of_bad_tokens_is_refused_and_remembered_nowhere() -> None:
    async with World() as world:
        token = (await world.start()).body["token"]
        bad = token[:-4] + "AAAA"
        request = (
            f"POST /v1/sessions/heartbeat HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {bad}\r\nContent-Length: 0\r\n\r\n"
        ).encode()
        async with stranger(world, request * 2_000) as (reader, _):
            assert await is_served(world, token)
            for _ in range(2_000):
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 401")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
        assert world.region.status().sessions == 1


async def test_a_flood_of_starts_for_one_account_leaves_the_others_alone() -> None:
    settings = replace(EdgeSettings(dev=True), start_burst=5, start_rate_hz=1.0)
    async with World(edge_settings=settings) as world:
        flooded = [(await world.start("acc-1", f"tv-{n}")).status for n in range(30)]
        assert flooded.count(429) == 25
        assert (await world.start("acc-2")).status == 201
