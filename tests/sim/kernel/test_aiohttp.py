"""aiohttp on the simulated network: its real client, server and WebSockets."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from email.utils import formatdate

import aiohttp
import pytest
from aiohttp import ClientTimeout, web

from region_sim.kernel import entropy
from region_sim.kernel.connector import SimConnector
from tests.sim.kernel.bench import TRIP_US, Bench

# What is left of a process complains when it is collected, in whatever test that happens.
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
WALL_S = 1_767_225_600


async def echo(request: web.Request) -> web.Response:
    return web.json_response({"said": await request.text()})


async def slow(request: web.Request) -> web.Response:
    await asyncio.sleep(5)
    return web.Response(text="at last")


async def large(request: web.Request) -> web.Response:
    return web.Response(body=bytes(1_000_000))


async def talk(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(heartbeat=10)
    await socket.prepare(request)
    async for message in socket:
        await socket.send_bytes(message.data[::-1])
    return socket


async def events(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    for number in range(3):
        await asyncio.sleep(1)
        await response.write(b"%d\n" % number)
    return response


async def serve(bench: Bench) -> web.AppRunner:
    app = web.Application()
    app.router.add_route("*", "/echo", echo)
    app.router.add_post("/slow", slow)
    for path, handler in (("/slow", slow), ("/large", large), ("/talk", talk), ("/events", events)):
        app.router.add_get(path, handler)
    runner = web.AppRunner(app, handle_signals=False, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "b", 80).start()
    return runner


@pytest.fixture
def served(bench: Bench) -> Iterator[Bench]:
    bench.call(serve(bench), bench.b)
    yield bench
    for machine in (bench.a, bench.b):
        machine.kill()


def ask(
    bench: Bench, work: Callable[[aiohttp.ClientSession], Awaitable[object]], limit_s: float = 100
) -> object:
    """Let a client on `a` do something."""

    async def session() -> object:
        async with aiohttp.ClientSession(connector=SimConnector(bench.a, "a")) as client:
            return await work(client)

    return bench.call(session(), limit_s=limit_s)


def test_a_request_takes_two_round_trips_and_the_next_one_only_one(served: Bench) -> None:
    async def work(client: aiohttp.ClientSession) -> list[int]:
        times_us = []
        for _ in range(2):
            begin_us = served.now_us
            async with client.post("http://b/echo", data="hello") as response:
                assert await response.json() == {"said": "hello"}
            times_us.append(served.now_us - begin_us)
        return times_us

    assert ask(served, work) == [4 * TRIP_US, 2 * TRIP_US]


def test_a_megabyte_passes_under_flow_control(served: Bench) -> None:
    async def work(client: aiohttp.ClientSession) -> int:
        async with client.get("http://b/large") as response:
            return len(await response.read())

    assert ask(served, work) == 1_000_000


def test_a_timeout_comes_at_its_time(served: Bench) -> None:
    async def work(client: aiohttp.ClientSession) -> int:
        begin_us = served.now_us
        with pytest.raises(TimeoutError):
            async with client.get("http://b/slow", timeout=ClientTimeout(total=2)):
                pass
        return served.now_us - begin_us

    assert ask(served, work) == pytest.approx(2_000_000, abs=10)


def test_who_listens_nowhere_is_refused(served: Bench) -> None:
    async def work(client: aiohttp.ClientSession) -> None:
        with pytest.raises(aiohttp.ClientConnectorError) as found:
            await client.get("http://b:81/")
        assert isinstance(found.value.os_error, ConnectionRefusedError)

    ask(served, work)


def test_a_cut_ends_a_request_by_its_timeout_and_a_reject_by_a_reset(served: Bench) -> None:
    async def work(client: aiohttp.ClientSession) -> None:
        await (await client.get("http://b/echo")).read()
        served.there.drops += 1
        with pytest.raises(TimeoutError):
            await client.get("http://b/echo", timeout=ClientTimeout(total=3))
        served.there.drops -= 1
        await (await client.get("http://b/echo")).read()
        served.there.rejects += 1
        with pytest.raises(aiohttp.ClientOSError):
            await client.post("http://b/echo", data=b"x")
        served.there.rejects -= 1

    ask(served, work)


def test_a_stream_of_events_comes_line_by_line(served: Bench) -> None:
    async def work(client: aiohttp.ClientSession) -> list[tuple[bytes, int]]:
        begin_us = served.now_us
        async with client.get("http://b/events") as response:
            return [(line, (served.now_us - begin_us) // 1000) async for line in response.content]

    assert ask(served, work) == [(b"0\n", 1040), (b"1\n", 2040), (b"2\n", 3040)]


def test_a_websocket_lives_by_its_heartbeats_and_ends_when_they_stay_away(served: Bench) -> None:
    async def work(client: aiohttp.ClientSession) -> tuple[str, int]:
        async with client.ws_connect("http://b/talk") as socket:
            await socket.send_bytes(b"abc")
            assert await socket.receive_bytes() == b"cba"
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(60):  # pings are answered while somebody receives
                    await socket.receive()
            await socket.send_bytes(b"still")
            assert await socket.receive_bytes() == b"llits"
            served.there.drops += 1  # its pongs are lost: the server gives it up
            begin_us = served.now_us
            message = await socket.receive()
            return message.type.name, (served.now_us - begin_us) // 1_000_000

    assert ask(served, work, limit_s=300) == ("CLOSED", 15)


def test_a_server_that_dies_ends_what_it_was_answering(served: Bench) -> None:
    async def work(client: aiohttp.ClientSession) -> int:
        begin_us = served.now_us
        with pytest.raises(aiohttp.ClientError):
            await client.post("http://b/slow")  # a GET would be tried once more
        return served.now_us - begin_us

    served.at(served.now_us + 1_000_000, served.b.kill)
    served.at(served.now_us + 1_000_000, lambda: served.network.unplug("b", power=False))
    assert ask(served, work) == 1_000_000 + TRIP_US


def test_a_server_that_stands_still_answers_when_it_goes_on(served: Bench) -> None:
    async def work(client: aiohttp.ClientSession) -> int:
        begin_us = served.now_us
        await (await client.get("http://b/echo")).read()
        return served.now_us - begin_us

    served.b.pause()
    served.at(served.now_us + 7_000_000, served.b.resume)
    assert ask(served, work) == 7_000_000 + TRIP_US


def test_a_server_that_stops_in_order_leaves_no_task_behind(bench: Bench) -> None:
    async def work() -> None:
        async with AsyncExitStack() as stack:
            runner = await serve(bench)
            stack.push_async_callback(runner.cleanup)
            await asyncio.sleep(1)

    bench.call(work(), bench.b)
    bench.run(10_000_000)
    assert bench.b.tasks() == []


def test_what_goes_over_the_wire_is_the_same_each_time() -> None:
    def trace(seed: int) -> list[str]:
        bench = Bench()
        with entropy.seeded(seed, lambda: WALL_S + bench.now_us / 1e6):
            bench.call(serve(bench), bench.b)

            async def work(client: aiohttp.ClientSession) -> str:
                async with client.ws_connect("http://b/talk") as socket:
                    await socket.send_bytes(b"masked")
                    await socket.receive_bytes()
                async with client.post("http://b/echo", data="x") as response:
                    return response.headers["Date"]

            assert ask(bench, work) == formatdate(WALL_S, usegmt=True)
        return bench.scheduler.trace.events or []

    assert trace(1) == trace(1)
    assert trace(1) != trace(2), "keys and masks are drawn"
