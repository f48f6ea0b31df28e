"""Listening, draining, CORS, and the heartbeat's answer in one piece."""

import asyncio
import io
import json
import logging
from collections.abc import Iterator

import aiohttp
import pytest
import structlog
from aiohttp import web

from georeg.edge.app import create_app
from georeg.edge.errors import SettingsError
from georeg.edge.limits import StartRate
from georeg.edge.logs import configure_logs
from georeg.edge.server import EdgeServer
from georeg.edge.settings import EdgeSettings
from tests.edge.world import World

PLAYER = "https://player.example"


@pytest.fixture
def logs_restored() -> Iterator[None]:
    handlers, level = logging.getLogger().handlers[:], logging.getLogger().level
    yield
    structlog.reset_defaults()
    logging.getLogger().handlers[:] = handlers
    logging.getLogger().setLevel(level)


async def test_a_heartbeats_answer_is_what_the_framework_would_have_sent() -> None:
    """Apart from the Server header; other callers get the framework's own answer."""
    async with World() as world:
        token = (await world.start()).body["token"]
        whole = await world.heartbeat(token)
        usual = await world.heartbeat(token, headers={"Connection": "close"})
        assert whole.body == usual.body
        names = set(whole.headers) - {"Date"}
        assert names == {"Content-Type", "Content-Length"}
        assert {name: whole.headers[name] for name in names} == {
            name: usual.headers[name] for name in names
        }
        assert whole.headers["Date"] == "Thu, 01 Jan 2026 12:00:09 GMT"


async def test_heartbeats_share_a_connection_and_are_answered_in_order() -> None:
    async with World() as world:
        tokens = [(await world.start(f"acc-{n}")).body["token"] for n in range(20)]
        requests = b"".join(
            f"POST /v1/sessions/heartbeat HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
            for token in tokens
        )
        reader, writer = await asyncio.open_connection("127.0.0.1", world.servers["us"].port)
        writer.write(requests)
        for token in tokens:
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
            body = json.loads(await reader.readexactly(length))
            claims = world.keys.verify(token)
            assert body["session"] == world.edges["us"].render.session_id(claims.session)
        writer.close()
        await writer.wait_closed()


async def test_a_page_of_an_allowed_origin_may_call_and_read_the_answer() -> None:
    settings = EdgeSettings(dev=True, cors_origins=(PLAYER,))
    async with World(edge_settings=settings) as world:
        path = "/v1/sessions/heartbeat"
        asked = {"Origin": PLAYER, "Access-Control-Request-Method": "POST"}
        preflight = await world.call("OPTIONS", path, headers=asked)
        assert preflight.status == 204
        assert preflight.headers["Access-Control-Allow-Origin"] == PLAYER
        assert "POST" in preflight.headers["Access-Control-Allow-Methods"]
        assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]
        token = (await world.start()).body["token"]
        for sent in (token, "wrong"):
            answer = await world.heartbeat(sent, headers={"Origin": PLAYER})
            assert answer.headers["Access-Control-Allow-Origin"] == PLAYER
        request = world.session.get(
            world.url("/v1/sessions/events"),
            headers={"Origin": PLAYER, "Authorization": f"Bearer {token}"},
        )
        async with request as stream:
            assert stream.headers["Access-Control-Allow-Origin"] == PLAYER


@pytest.mark.parametrize("origins", [(), (PLAYER,)])
async def test_a_page_of_another_origin_may_not(origins: tuple[str, ...]) -> None:
    settings = EdgeSettings(dev=True, cors_origins=origins)
    async with World(edge_settings=settings) as world:
        token = (await world.start()).body["token"]
        for method, path in (("OPTIONS", "/v1/introspect"), ("POST", "/v1/sessions/heartbeat")):
            answer = await world.call(
                method, path, token=token, headers={"Origin": "https://evil.example"}
            )
            assert not [name for name in answer.headers if name.startswith("Access-Control")]


async def test_any_origin_may_call_where_the_settings_say_so() -> None:
    async with World(edge_settings=EdgeSettings(dev=True, cors_origins=("*",))) as world:
        answer = await world.call("GET", "/livez", headers={"Origin": "https://any.example"})
        assert answer.headers["Access-Control-Allow-Origin"] == "https://any.example"


@pytest.mark.parametrize(
    "wrong",
    [
        {"cors_origins": ("player.example",)},
        {"cors_origins": ("https://player.example/",)},
        {"cors_origins": ("https://Player.example",)},
        {"cors_origins": ("*", PLAYER)},
        {"body_max": 0},
        {"start_burst": 0},
        {"start_rate_hz": 0.0},
    ],
)
def test_settings_that_cannot_work_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(SettingsError):
        EdgeSettings(**wrong)  # type: ignore[arg-type]  # wrong on purpose


async def test_an_address_that_is_taken_is_an_error_and_leaves_nothing_running() -> None:
    async with World() as world:
        port = world.servers["us"].port
        server = EdgeServer(web_app(world), "127.0.0.1", port)
        with pytest.raises(OSError):
            await server.start()
        await server.stop()
        assert (await world.call("GET", "/livez")).status == 200


def web_app(world: World) -> web.Application:
    """Another app of the same region."""
    return create_app(world.region, world.keys, EdgeSettings(dev=True), clock=world.clock)


async def test_a_stopped_server_has_drained_and_can_be_stopped_again() -> None:
    async with World() as world:
        server = world.servers["us"]
        url = world.url("/livez")
        await server.stop()
        await server.stop()
        assert not world.region.ready
        with pytest.raises(aiohttp.ClientConnectorError):
            await world.session.get(url)


def test_a_bucket_empties_fills_again_and_forgets_the_quietest() -> None:
    rate = StartRate(burst=2, rate_hz=1, accounts_max=2)
    assert [rate.admit("a", 0) for _ in range(3)] == [0, 0, 1.0]
    assert rate.admit("a", 999) > 0
    assert rate.admit("a", 1000) == 0
    rate.admit("b", 1000)
    rate.admit("a", 1000)
    rate.admit("c", 1000)
    assert len(rate) == 2
    assert rate.admit("a", 1000) > 0


@pytest.mark.usefixtures("logs_restored")
def test_every_line_of_the_log_is_one_json_object_with_its_region() -> None:
    stream = io.StringIO()
    configure_logs("info", stream=stream, region="us")
    structlog.get_logger("georeg.edge").info("hello", port=7401)
    structlog.get_logger("georeg.edge").debug("not this")
    logging.getLogger("asyncio").warning("from %s", "below")
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(line["event"], line["level"]) for line in lines] == [
        ("hello", "info"),
        ("from below", "warning"),
    ]
    assert all(line["region"] == "us" and line["timestamp"].endswith("Z") for line in lines)
