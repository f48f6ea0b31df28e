"""Event streams: a device learns at once that its session has ended."""

import asyncio
import json
from typing import Any

import aiohttp

from georeg.edge.settings import EdgeSettings
from tests.edge.world import World


class Listener:
    """Reads an event stream."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.response = response

    async def event(self) -> tuple[str, Any]:
        """The next event; comments come as ("", text)."""
        name = ""
        async with asyncio.timeout(5):
            while line := (await self.response.content.readline()).decode().rstrip("\n"):
                if line.startswith(":"):
                    await self.response.content.readline()
                    return "", line
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    data = json.loads(line.removeprefix("data: "))
        return name, data

    async def closed(self) -> bool:
        async with asyncio.timeout(5):
            return await self.response.content.read() == b""


async def listen(world: World, token: str, region: str = "us") -> Listener:
    response = await world.session.get(
        world.url("/v1/sessions/events", region), headers={"Authorization": f"Bearer {token}"}
    )
    world.responses.append(response)
    assert response.status == 200
    assert response.headers["Content-Type"] == "text/event-stream"
    listener = Listener(response)
    assert (await listener.event())[0] == ""
    return listener


async def test_a_kicked_device_is_told_what_its_next_heartbeat_would_tell() -> None:
    async with World() as world:
        started = await world.start()
        token = started.body["token"]
        listener = await listen(world, token)
        await world.call("DELETE", f"/v1/accounts/acc-42/sessions/{started.body['session']['id']}")
        name, data = await listener.event()
        assert name == "ended"
        assert data == (await world.heartbeat(token)).body
        assert await listener.closed()
        assert len(world.edges["us"].streams) == 0


async def test_a_kick_in_another_region_reaches_the_stream() -> None:
    async with World(names=("us", "eu")) as world:
        started = await world.while_time_passes(world.start(region="eu"))
        listener = await listen(world, started.body["token"], "eu")
        world.clock.advance(2_000)
        path = f"/v1/accounts/acc-42/sessions/{started.body['session']['id']}"
        kicked = await world.while_time_passes(world.call("DELETE", path))
        assert kicked.body["effect"] == "ended"
        name, data = await listener.event()
        assert (name, data["reason"]) == ("ended", "kicked")


async def test_the_stream_of_an_ended_session_is_its_410() -> None:
    async with World() as world:
        token = (await world.start()).body["token"]
        await world.call("POST", "/v1/sessions/stop", token=token)
        answer = await world.call("GET", "/v1/sessions/events", token=token)
        assert (answer.status, answer.body["reason"]) == (410, "stopped")
        assert len(world.edges["us"].streams) == 0


async def test_a_silent_stream_carries_comments() -> None:
    async with World(edge_settings=EdgeSettings(dev=True, comment_ms=10)) as world:
        listener = await listen(world, (await world.start()).body["token"])
        assert (await listener.event())[0] == ""
        assert (await listener.event())[0] == ""


async def test_a_draining_region_sends_its_devices_elsewhere() -> None:
    async with World() as world:
        token = (await world.start()).body["token"]
        listener = await listen(world, token)
        world.edges["us"].drain()
        name, data = await listener.event()
        assert name == "drain"
        assert 0 <= data["reconnect_in_s"] <= 5
        assert await listener.closed()
        assert (await world.call("GET", "/v1/sessions/events", token=token)).status == 503


async def test_where_others_go_on_a_process_that_stops_sends_nobody_to_another_region() -> None:
    async with World(names=("us", "eu")) as world:
        world.edges["us"].is_replaced = True
        await world.servers["us"].stop()
        assert not world.edges["us"].region.drain.is_forced, "its last starts were declined"
        await world.servers["eu"].stop()
        assert world.edges["eu"].region.drain.is_forced


async def test_a_device_that_connects_again_takes_the_place_of_its_dead_stream() -> None:
    async with World(edge_settings=EdgeSettings(dev=True, event_streams_max=1)) as world:
        token = (await world.start("acc-1")).body["token"]
        other = (await world.start("acc-2")).body["token"]
        first = await listen(world, token)
        second = await listen(world, token)
        assert (await first.event())[0] == ""
        assert await first.closed()
        assert (await world.call("GET", "/v1/sessions/events", token=other)).status == 503
        await world.call("POST", "/v1/sessions/stop", token=token)
        assert (await second.event())[0] == "ended"


async def test_a_device_that_went_away_frees_its_place_at_the_next_comment() -> None:
    async with World(edge_settings=EdgeSettings(dev=True, comment_ms=5)) as world:
        listener = await listen(world, (await world.start()).body["token"])
        listener.response.close()
        async with asyncio.timeout(5):
            while len(world.edges["us"].streams):  # noqa: ASYNC110 - nothing tells of a dead socket
                await asyncio.sleep(0)


async def test_stopping_the_server_does_not_wait_for_open_streams() -> None:
    async with World() as world:
        listener = await listen(world, (await world.start()).body["token"])
        async with asyncio.timeout(2):
            await world.servers["us"].stop()
        assert (await listener.event())[0] == "drain"
