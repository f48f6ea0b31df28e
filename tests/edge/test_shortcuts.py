"""Starts past the router, from bodies that are here already, answered in one piece: whoever sends
them otherwise gets the same."""

import asyncio
import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from crdt.codec import ACCOUNT_BYTES_MAX
from georeg.edge.paths import SESSIONS
from georeg.edge.schemas import literal_account
from tests.edge.world import World

BODY = json.dumps({"device": {"id": "tv-1", "name": "TV", "kind": "tv"}, "plan": "basic"}).encode()
PATH = SESSIONS.format(account="acc-42")
ROUTER = web.UrlDispatcher()
Spoken = tuple[int, dict[str, str], Any]


def start_request(path: str = PATH, headers: str = "", body: bytes = BODY) -> bytes:
    """A start as bytes; with its length unless the headers say how it comes."""
    if "Transfer-Encoding" not in headers:
        headers += f"Content-Length: {len(body)}\r\n"
    if "Content-Type" not in headers:
        headers += "Content-Type: application/json\r\n"
    return f"POST {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n".encode() + body


async def say(world: World, *pieces: bytes, answers: int = 1) -> list[Spoken]:
    """Send pieces one after the other on one connection; so many answers to them."""
    reader, writer = await asyncio.open_connection("127.0.0.1", world.servers["us"].port)
    for piece in pieces:
        writer.write(piece)
        await writer.drain()
        for _ in range(10):  # turns of the loop, so that the server reads each by itself
            await asyncio.sleep(0)
    heard = []
    async with asyncio.timeout(10):
        for _ in range(answers):
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")[:-2]
            headers = dict(line.split(": ", 1) for line in lines[1:])
            body = await reader.readexactly(int(headers["Content-Length"]))
            heard.append((int(lines[0].split()[1]), headers, json.loads(body)))
    writer.close()
    await writer.wait_closed()
    return heard


@pytest.mark.parametrize(
    ("path", "account"),
    [
        (PATH, "acc-42"),
        ("/v1/accounts/%61cc%2D42/sessions", "acc-42"),
        ("/v1/accounts/a%2Fb/sessions", "a/b"),
        ("/v1/accounts/%E6%97%A5/sessions", "\u65e5"),
        (f"{PATH}?a=1", "acc-42"),
        (f"http://other.example{PATH}", "acc-42"),
        ("/v1/accounts/a..b_~/sessions", "a..b_~"),
        ("/v1/accounts/../sessions", ".."),
        ("/v1/accounts/a+b@c/sessions", "a+b@c"),
        (SESSIONS.format(account="x" * ACCOUNT_BYTES_MAX), "x" * ACCOUNT_BYTES_MAX),
    ],
)
async def test_a_path_means_the_same_account_however_it_is_spelt(path: str, account: str) -> None:
    async with World() as world:
        [(status, _, body)] = await say(world, start_request(path))
        assert (status, body["session"]["account"]) == (201, account)


@given(st.text("aZ09._~-/%2Ee\u00e9?#;:", max_size=12) | st.text("a", min_size=120, max_size=140))
def test_an_account_that_is_read_letter_by_letter_is_the_one_that_the_router_reads(
    text: str,
) -> None:
    path = SESSIONS.format(account=text)
    account = literal_account(path)
    if account is not None:
        assert account == asyncio.run(routed(path))
        assert 1 <= len(account.encode()) <= ACCOUNT_BYTES_MAX


async def handler(request: web.Request) -> web.Response:
    return web.Response()


ROUTER.add_post(SESSIONS, handler)


async def routed(path: str) -> str | None:
    """The account as the router reads it."""
    return (await ROUTER.resolve(make_mocked_request("POST", path))).get("account")


def test_the_path_of_a_plain_account_is_read_letter_by_letter() -> None:
    assert literal_account(PATH) == "acc-42"
    for path in (f"{PATH}/", f"{PATH}/us-1-1", "/v1/accounts/sessions", f"/{PATH}", f"{PATH}\n"):
        assert literal_account(path) is None


async def test_a_body_counts_however_it_comes() -> None:
    chunked = b"%x\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (9, BODY[:9], len(BODY) - 9, BODY[9:])
    whole = start_request(headers="Transfer-Encoding: chunked\r\n", body=chunked)
    plain = start_request()
    at = plain.index(BODY)
    ways = [
        [plain],
        [plain[:at], plain[at:]],
        [plain[: at + 7], plain[at + 7 : -1], plain[-1:]],
        [plain[:20], plain[20:]],
        [whole],
        [whole[: whole.index(chunked)], chunked[:20], chunked[20:]],
    ]
    async with World() as world:
        for pieces in ways:
            [(status, _, body)] = await say(world, *pieces)
            assert (status, body["session"]["device"]["id"]) == (201, "tv-1")


@pytest.mark.parametrize(
    ("headers", "status", "field"),
    [
        ("Content-Type: application/json; charset=utf-8\r\n", 201, ""),
        ("Content-Type: Application/JSON\r\n", 201, ""),
        ("Content-Type: application/jsonx\r\n", 422, "Content-Type"),
        ("Content-Encoding: identity\r\n", 201, ""),
        ("Content-Encoding: gzip\r\n", 422, "Content-Encoding"),
        ("Content-Encoding: Identity\r\nContent-Encoding: gzip\r\n", 201, ""),
        ("Idempotency-Key: a b\r\n", 422, "Idempotency-Key"),
        ("Idempotency-Key: a\r\nIdempotency-Key: a b\r\n", 201, ""),
        ("Prefer: wait=9\r\n", 422, "Prefer"),
        ("Prefer: respond-async\r\nPrefer: wait=9\r\n", 422, "Prefer"),
    ],
)
async def test_headers_count_as_they_are_and_the_first_of_two(
    headers: str, status: int, field: str
) -> None:
    async with World() as world:
        [(answered, _, body)] = await say(world, start_request(headers=headers))
        assert answered == status
        assert [error["field"] for error in body.get("errors", [])] == ([field] if field else [])


@pytest.mark.parametrize("name", ["Content-Length: 3", "Content-Type: application/json"])
async def test_what_describes_a_body_may_be_said_once(name: str) -> None:
    async with World() as world:
        request = start_request().replace(b"Content-", f"{name}\r\nContent-".encode(), 1)
        [(status, _, _)] = await say(world, request)
        assert status == 400


async def test_starts_of_one_connection_are_answered_in_their_order() -> None:
    async with World() as world:
        names = [f"acc-{number}" for number in range(20)]
        paths = [SESSIONS.format(account=name) for name in names]
        heard = await say(world, b"".join(map(start_request, paths)), answers=len(names))
        assert [body["session"]["account"] for _, _, body in heard] == names


async def test_a_start_that_expects_to_continue_is_told_to_before_its_body() -> None:
    async with World() as world:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.servers["us"].port)
        request = start_request(headers="Expect: 100-continue\r\n")
        writer.write(request[: -len(BODY)])
        async with asyncio.timeout(10):
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(request[-len(BODY) :])
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 201 Created\r\n")
        writer.close()
        await writer.wait_closed()


async def test_the_answer_to_a_start_is_what_the_framework_would_have_sent() -> None:
    """Apart from the Server header; other callers get the framework's own answer."""
    key = 'Idempotency-Key: "one"\r\nPrefer: wait=0.5\r\n'
    async with World() as world:
        [(status, whole, body)] = await say(world, start_request(headers=key))
        [usual] = await say(world, start_request(headers=f"{key}Connection: close\r\n"))
        assert (status, body) == (201, usual[2])
        names = {"Content-Type", "Content-Length", "Cache-Control", "Preference-Applied"}
        assert set(whole) == names | {"Date"}
        assert {name: whole[name] for name in names} == {name: usual[1][name] for name in names}
        assert whole["Cache-Control"] == "no-store"
