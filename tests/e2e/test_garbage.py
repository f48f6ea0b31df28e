"""What strangers and broken players send: the documented answer, and nothing gained or lost.

Each test leaves the sessions of one account as they were, in all regions; the cluster's fixture
reads the logs at the end of the module: no traceback, no line of level error.
"""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.e2e.client import KEPT, Answer, Client, path_of, until
from tests.e2e.cluster import Cluster

JSON = {"Content-Type": "application/json"}
GZIP = {"Content-Encoding": "gzip"}
DEVICE = {"id": "tv-9", "name": "TV", "kind": "tv"}


@pytest.fixture(scope="module")
def cluster_options() -> dict[str, Any]:
    return {"heartbeat_s": 30.0, "lease_s": 90.0}


async def raw(cluster: Cluster, data: bytes, *, region: str = "us", closes: bool = True) -> bytes:
    """What a region says to these bytes until it closes; or send them and hang up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", cluster[region].plan.edge_port)
    writer.write(data)
    try:
        async with asyncio.timeout(5):
            await writer.drain()
            return await reader.read() if closes else b""
    except ConnectionError:
        return b""
    finally:
        writer.close()


def statuses(answers: bytes) -> list[int]:
    """Of all answers on one connection, in order."""
    return [int(status) for status in re.findall(rb"HTTP/1\.[01] (\d{3}) ", answers)]


def deep(depth: int) -> bytes:
    return b'{"device":' * depth + b"{}" + b"}" * depth


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"\x00\xff\xfe", "body"),
        (b"[" * 16_000, "body"),
        (deep(1_400), "body"),
        (deep(100), "device.device"),
        (b'{"device": {"id": "a", "id": "b"}}', "body"),
        (b'{"device": {"id": NaN}}', "body"),
        (b"null", "body"),
        (b"{}", "device"),
        (b'{"device": {"id": ""}}', "device.id"),
        (json.dumps({"device": {"id": "a" * 129}}).encode(), "device.id"),
        (json.dumps({"device": {**DEVICE, "name": "a\x00b"}}).encode(), "device.name"),
        (json.dumps({"device": {**DEVICE, "name": "a\r\nb"}}).encode(), "device.name"),
        (json.dumps({"device": {**DEVICE, "name": "a\x1b[31m"}}).encode(), "device.name"),
        (json.dumps({"device": {**DEVICE, "name": "\ud800"}}).encode(), "device.name"),
        (json.dumps({"device": DEVICE, "title": "\u2028"}).encode(), "title"),
        (json.dumps({"device": DEVICE, "plan": "gold"}).encode(), "plan"),
        (json.dumps({"device": DEVICE, "replace": ["x"] * 100}).encode(), "replace"),
        (json.dumps({"device": DEVICE, "admin": True}).encode(), "admin"),
    ],
)
async def test_each_mistake_in_a_start_is_named_and_starts_nothing(
    client: Client, kept: Answer, body: bytes, field: str
) -> None:
    answer = await client.call("POST", path_of(KEPT), data=body, headers=JSON)
    assert answer.status == 422
    assert field in answer.fields


async def test_a_wrong_content_type_is_named(client: Client, kept: Answer) -> None:
    body = json.dumps({"device": DEVICE}).encode()
    for kind in ("text/plain", "application/x-www-form-urlencoded", "application/jsonp", ""):
        headers = {"Content-Type": kind}
        for method, path in (
            ("POST", path_of(KEPT)),
            ("PUT", f"/v1/accounts/{KEPT}/plan"),
            ("POST", "/v1/sessions/heartbeats"),
        ):
            answer = await client.call(method, path, data=body, headers=headers)
            assert (answer.status, answer.fields) == (422, ["Content-Type"]), (path, kind)
        beat = await client.heartbeat(kept.token, data=b'{"state":"playing"}', headers=headers)
        assert (beat.status, beat.fields) == (422, ["Content-Type"])
    packed = await client.call("POST", path_of(KEPT), data=b"\x1f\x8b", headers=JSON | GZIP)
    assert (packed.status, packed.fields) == (422, ["Content-Encoding"])


async def chunks() -> AsyncIterator[bytes]:
    """A megabyte whose size nobody announces."""
    for _ in range(256):
        yield b" " * 4096


async def test_a_body_of_a_megabyte_is_413_announced_or_not(client: Client, kept: Answer) -> None:
    calls = [
        ("POST", path_of(KEPT), None),
        ("PUT", f"/v1/accounts/{KEPT}/plan", None),
        ("POST", "/v1/introspect", None),
        ("POST", "/v1/sessions/heartbeat", kept.token),
        ("POST", "/v1/sessions/stop", kept.token),
    ]
    for region in client.names:
        for method, path, token in calls:
            for data in (b" " * 1_048_576, chunks()):
                answer = await client.call(
                    method, path, region=region, token=token, data=data, headers=JSON
                )
                assert answer.status == 413, (path, answer)


@pytest.mark.parametrize("account", ["%00", "a%0Ab", "x" * 129, "%E2%80%A8", "%1B%5B2J"])
async def test_an_account_with_control_characters_is_422_in_every_call(
    client: Client, kept: Answer, account: str
) -> None:
    body = {"device": DEVICE}
    assert (await client.sessions(account)).status == 422
    assert (await client.kick(account, kept.id)).status == 422
    assert (await client.call("POST", path_of(account), json=body)).status == 422


async def test_unknown_paths_and_methods_are_problems_too(client: Client, kept: Answer) -> None:
    for path in ("/", "/v1", "/v2/sessions", "/v1/accounts//sessions", "/%2e%2e/etc/passwd"):
        assert (await client.call("GET", path)).status == 404, path
    for method in ("PUT", "PATCH", "DELETE", "TRACE"):
        answer = await client.call(method, "/v1/sessions/heartbeat", token=kept.token)
        assert answer.status == 405
        assert answer.headers["Allow"] == "OPTIONS, POST"


REQUEST = b"POST /v1/sessions/heartbeat HTTP/1.1\r\nHost: x\r\n"
RAW = {
    "no http": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 300,
    "a huge header": REQUEST + b"X-Big: " + b"a" * 1_000_000 + b"\r\n\r\n",
    "many headers": REQUEST + b"".join(b"X-%d: 1\r\n" % at for at in range(5_000)) + b"\r\n",
    "a huge path": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header without a colon": REQUEST + b"no colon\r\n\r\n",
    "an escape in a header": REQUEST + b"X-A: \x1b[31m\x00\r\n\r\n",
    "two lengths": REQUEST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
    "a length and chunks": REQUEST
    + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a negative length": REQUEST + b"Content-Length: -1\r\n\r\n",
    "a broken chunk": REQUEST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
    "garbage after a request": b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
    + b"\xff\x00garbage\r\n" * 99,
}


@pytest.mark.parametrize("data", RAW.values(), ids=RAW)
async def test_bytes_that_are_no_http_get_400_and_the_connection_closes(
    cluster: Cluster, kept: Answer, data: bytes
) -> None:
    for region in cluster.names:
        answer = await raw(cluster, data, region=region)
        assert not answer or statuses(answer)[-1] in (400, 401), answer
        assert b"Traceback" not in answer
        assert b".py" not in answer


async def test_pipelined_requests_are_answered_in_order_up_to_the_garbage(
    cluster: Cluster, kept: Answer
) -> None:
    good = REQUEST + b"Authorization: Bearer %b\r\n\r\n" % kept.token.encode()
    bad = REQUEST + b"Authorization: Bearer nonsense\r\n\r\n"
    answer = await raw(cluster, good + bad + good + b"\x00\x01\x02\r\n\r\n" + good)
    assert statuses(answer) in ([200, 401, 200, 400], [400]), answer


async def test_slow_connections_and_clients_that_hang_up_keep_nobody_from_being_served(
    client: Client, cluster: Cluster, kept: Answer
) -> None:
    port = cluster["us"].plan.edge_port
    start = f"POST {path_of(KEPT)} HTTP/1.1\r\nHost: x\r\n".encode()
    body = json.dumps({"device": DEVICE, "plan": "standard"}).encode()
    head = start + b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (len(body) + 1)
    slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(60)]
    for number, (_, writer) in enumerate(slow):
        writer.write((start[:30], head, head + body)[number % 3])
        await writer.drain()
    beats = await asyncio.gather(*(client.heartbeat(kept.token) for _ in range(30)))
    assert {beat.status for beat in beats} == {200}
    assert max(beat.took_s for beat in beats) < 2
    for _, writer in slow:
        writer.transport.abort()
    for data in (start[:9], head, head + body[:9]):
        await raw(cluster, data, closes=False)


async def test_event_streams_that_are_dropped_do_not_pile_up(client: Client, kept: Answer) -> None:
    """A newer stream takes the older one's place; only the last is found by its next comment."""
    for _ in range(20):
        async with client.events(kept.token):
            pass

    async def streams() -> float:
        page = (await client.call("GET", "/metrics")).body.decode()
        found = re.search(r"^georeg_event_streams (\S+)$", page, re.MULTILINE)
        assert found is not None
        return float(found[1])

    await until(streams, lambda count: count <= 1, within_s=2)
