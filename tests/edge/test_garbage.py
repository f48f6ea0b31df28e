"""What strangers send: the documented answer, nothing changed, no traceback, nothing leaked."""

import asyncio
import json
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from georeg.edge.jsons import parse_json
from georeg.edge.problems import Problem
from georeg.edge.schemas import START
from tests.edge.world import World

JSON = {"Content-Type": "application/json"}
PATH = "/v1/accounts/acc-42/sessions"
DEVICE = {"id": "tv-1", "name": "TV", "kind": "tv"}


async def raw(world: World, data: bytes, *, waits: bool = True) -> bytes:
    """What the server says to these bytes until it closes; or send them and go away."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.servers["us"].port)
    writer.write(data)
    async with asyncio.timeout(10):
        answer = await reader.read() if waits else b""
    writer.close()
    await writer.wait_closed()
    return answer


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "device"),
        ({"device": {}}, "device.id"),
        ({"device": []}, "device"),
        ({"device": {"id": ""}}, "device.id"),
        ({"device": {"id": "x" * 129}}, "device.id"),
        ({"device": {"id": "\u00e9" * 65}}, "device.id"),
        ({"device": {"id": 7}}, "device.id"),
        ({"device": {"id": "x", "name": "a\x00b"}}, "device.name"),
        ({"device": {"id": "x", "name": "a\u2028b"}}, "device.name"),
        ({"device": {"id": "x", "name": "\ud800"}}, "device.name"),
        ({"device": {"id": "x", "kind": "x" * 33}}, "device.kind"),
        ({"device": {"id": "x", "nam": "y"}}, "device.nam"),
        ({"device": DEVICE, "extra": 1}, "extra"),
        ({"device": DEVICE, "title": "x" * 513}, "title"),
        ({"device": DEVICE, "replace": "us-1-1"}, "replace"),
        ({"device": DEVICE, "replace": [1]}, "replace[0]"),
        ({"device": DEVICE, "replace": ["x"] * 17}, "replace"),
        ({"device": DEVICE, "plan": ""}, "plan"),
        ([], "body"),
        (None, "body"),
    ],
)
async def test_each_mistake_in_a_start_is_named(body: Any, field: str) -> None:
    async with World() as world:
        answer = await world.call("POST", PATH, data=json.dumps(body), headers=JSON)
        assert answer.status == 422
        assert field in [error["field"] for error in answer.body["errors"]]
        assert (await world.call("GET", PATH)).body["sessions"] == []


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"device": NaN}',
        b'{"device": {"id": "a"}, "device": {"id": "b"}}',
        b"[" * 16_000,
        b'{"device": ' + b"1" * 5_000 + b"}",
    ],
)
async def test_a_body_that_is_not_strict_json_is_refused(body: bytes) -> None:
    async with World() as world:
        answer = await world.call("POST", PATH, data=body, headers=JSON)
        assert answer.status == 422
        assert answer.body["errors"][0]["field"] in ("body", "device")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_a_wrong_content_type_is_named(kind: str) -> None:
    async with World() as world:
        body = json.dumps({"device": DEVICE})
        answer = await world.call("POST", PATH, data=body, headers={"Content-Type": kind})
        assert answer.status == 422
        assert answer.body["errors"] == [
            {"field": "Content-Type", "message": "must be application/json"}
        ]


async def test_a_compressed_body_is_named_and_not_unpacked() -> None:
    async with World() as world:
        answer = await world.call(
            "POST", PATH, data=b"\x1f\x8b", headers=JSON | {"Content-Encoding": "gzip"}
        )
        assert answer.status == 422
        assert answer.body["errors"][0]["field"] == "Content-Encoding"


@pytest.mark.parametrize("path", [PATH, "/v1/sessions/heartbeat", "/v1/introspect"])
async def test_a_body_over_the_limit_is_too_large_whether_announced_or_not(path: str) -> None:
    async with World() as world:
        token = (await world.start("acc-9")).body["token"] if "heartbeat" in path else None

        async def pieces() -> Any:
            for _ in range(300):
                yield b" " * 4096

        for data in (b" " * 1_000_000, pieces()):
            answer = await world.call("POST", path, data=data, headers=JSON, token=token)
            assert answer.status == 413


@pytest.mark.parametrize(
    "account", ["%00", "a%0Ab", "x" * 129, "%E2%80%A8", "%C3%A9" * 65, "%20%7F"]
)
async def test_an_account_that_cannot_be_is_an_invalid_request(account: str) -> None:
    async with World() as world:
        answer = await world.call("GET", f"/v1/accounts/{account}/sessions")
        assert answer.status == 422


async def test_accounts_of_any_script_are_accounts() -> None:
    async with World() as world:
        assert (await world.start("\u65e5\u672c-a%2Fb")).status == 201


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/accounts//sessions", "/v2/x", "/%00", "/a/../b"])
async def test_an_unknown_path_is_not_found(path: str) -> None:
    async with World() as world:
        assert (await world.call("GET", path)).status == 404


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "PROPFIND"])
async def test_a_wrong_method_is_told_the_right_ones(method: str) -> None:
    async with World() as world:
        answer = await world.call(method, "/v1/sessions/heartbeat")
        assert answer.status == 405
        assert answer.headers["Allow"] == "OPTIONS, POST"


@pytest.mark.parametrize(
    "data",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"A: b\r\n" * 100 + b"\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header: y\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n",
    ],
)
async def test_what_is_no_http_gets_a_problem_and_no_traceback(
    data: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with World() as world:
        with structlog.testing.capture_logs() as lines:
            answer = await raw(world, data)
        assert b"400 Bad Request" in answer
        assert b"application/problem+json" in answer
        assert b"Traceback" not in answer
        assert not [line for line in lines if line["log_level"] != "debug"]
        assert not caplog.records


async def test_a_body_that_breaks_off_leaves_nothing_behind() -> None:
    async with World() as world:
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        with structlog.testing.capture_logs() as lines:
            await raw(world, head.encode() + b"Content-Length: 100\r\n\r\n{", waits=False)
            chunked = await raw(
                world, head.encode() + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{\r\n"
            )
        assert b" 500 " not in chunked
        assert not [line for line in lines if line["log_level"] == "error"]
        assert (await world.call("GET", PATH)).body["sessions"] == []


async def test_nobody_holds_a_connection_by_sending_slowly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("georeg.edge.bodies.BODY_S", 0.02)
    monkeypatch.setattr("georeg.edge.server.FIRST_REQUEST_S", 0.02)
    monkeypatch.setattr("georeg.edge.server.LINGER_S", 0.02)
    async with World() as world:
        assert await raw(world, b"GET /livez HT") == b""
        head = f"POST {PATH} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        answer = await raw(world, head.encode() + b"Content-Length: 100\r\n\r\n{")
        assert b" 408 " in answer


async def test_expecting_to_continue_is_answered_before_the_body() -> None:
    async with World() as world:
        token = (await world.start()).body["token"]
        head = (
            "POST /v1/sessions/heartbeat HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
            f"Authorization: Bearer {token}\r\nContent-Length: 0\r\nExpect: "
        )
        answer = await raw(world, f"{head}100-continue\r\n\r\n".encode())
        assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
        assert b" 417 " in await raw(world, f"{head}miracles\r\n\r\n".encode())


async def test_a_bug_of_ours_is_one_line_in_the_log_and_no_refusal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(account: str) -> None:
        raise RuntimeError(f"no row for {account}")

    async with World() as world:
        monkeypatch.setattr(world.region, "sessions", broken)
        with structlog.testing.capture_logs() as lines:
            answer = await world.call("GET", PATH)
        assert answer.status == 500
        assert "acc-42" not in json.dumps(answer.body)
        errors = [line for line in lines if line["log_level"] == "error"]
        assert [(line["route"], line["error"]) for line in errors] == [("list", "RuntimeError")]
        assert "acc-42" not in str(errors)


@given(st.binary(max_size=200))
def test_any_bytes_are_json_or_a_problem(data: bytes) -> None:
    try:
        parsed = parse_json(data)
    except Problem:
        return
    assert parsed == json.loads(data.decode())


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["device", "id", "name", "kind", "title", "replace", "plan", "x"]),
            inner,
        )
    ),
    max_leaves=12,
)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(VALUES)
def test_any_value_is_of_a_shape_or_has_its_mistakes_named(value: object) -> None:
    errors: list[tuple[str, str]] = []
    checked = START.check(value, "", errors)
    if not errors:
        assert isinstance(checked, dict)
        assert checked["device"]["id"]
    for _, message in errors:
        json.dumps(message).encode()
