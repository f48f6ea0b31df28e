"""Key sets behind a URL: the last good one counts, and no request waits long for a new one."""

import asyncio
import json
from collections.abc import Awaitable, Callable

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from georeg.edge.errors import KeysUnavailableError, SettingsError
from georeg.edge.jwk import DOCUMENT_BYTES_MAX
from georeg.edge.keysets import RemoteKeys, fetch_document

URL = "https://issuer.example/jwks.json"


def key_set(*kids: str) -> bytes:
    keys = [
        jwt.algorithms.OKPAlgorithm.to_jwk(Ed25519PrivateKey.generate().public_key(), as_dict=True)
        | {"kid": kid}
        for kid in kids
    ]
    return json.dumps({"keys": keys}).encode()


class Issuer:
    """Serves a key set, counts how often it is asked, and can fail or hang."""

    def __init__(self, document: bytes) -> None:
        self.document = document
        self.asked = 0
        self.now_ms = 0
        self.trouble: Callable[[], Awaitable[None]] | None = None

    async def fetch(self, url: str) -> bytes:
        assert url == URL
        self.asked += 1
        if self.trouble is not None:
            await self.trouble()
        return self.document

    def keys(self) -> RemoteKeys:
        return RemoteKeys(URL, now_ms=lambda: self.now_ms, fetch=self.fetch, wait_ms=10)


async def fail() -> None:
    raise OSError("unreachable")


async def test_a_key_is_fetched_when_it_is_first_needed() -> None:
    issuer = Issuer(key_set("a"))
    keys = issuer.keys()
    assert [key.kid for key in await keys.find("EdDSA", "a")] == ["a"]
    assert await keys.find("EdDSA", "a")
    assert issuer.asked == 1


async def test_an_unknown_key_makes_it_ask_again_but_not_often() -> None:
    issuer = Issuer(key_set("a"))
    keys = issuer.keys()
    await keys.find("EdDSA", "a")
    issuer.document = key_set("b")
    for _ in range(5):
        assert not await keys.find("EdDSA", "b")
    assert issuer.asked == 1
    issuer.now_ms += 10_000
    assert await keys.find("EdDSA", "b")
    assert issuer.asked == 2
    assert keys.version == 2
    assert not await keys.find("EdDSA", "a")


async def test_the_last_good_set_is_kept_when_the_issuer_is_gone() -> None:
    issuer = Issuer(key_set("a"))
    keys = issuer.keys()
    await keys.find("EdDSA", "a")
    issuer.trouble = fail
    for _ in range(3):
        issuer.now_ms += 600_000
        assert await keys.find("EdDSA", "a")
        await asyncio.sleep(0)
    assert issuer.asked > 1


@pytest.mark.parametrize("document", [b"<html>", b'{"keys": []}', b"\xff"])
async def test_a_set_that_is_none_changes_nothing(document: bytes) -> None:
    issuer = Issuer(key_set("a"))
    keys = issuer.keys()
    await keys.find("EdDSA", "a")
    issuer.document = document
    issuer.now_ms += 600_000
    assert await keys.find("EdDSA", "a")
    await asyncio.sleep(0)
    assert await keys.find("EdDSA", "a")


async def test_a_key_that_cannot_be_looked_up_is_our_trouble_and_not_the_callers() -> None:
    issuer = Issuer(key_set("a"))
    issuer.trouble = fail
    keys = issuer.keys()
    with pytest.raises(KeysUnavailableError):
        await keys.find("EdDSA", "a")
    with pytest.raises(KeysUnavailableError):
        await keys.find("EdDSA", "a")
    assert issuer.asked == 1


async def test_a_hanging_issuer_holds_no_request_and_is_asked_once_at_a_time() -> None:
    issuer = Issuer(key_set("a"))
    gate = asyncio.Event()

    async def hang() -> None:
        await gate.wait()

    issuer.trouble = hang
    keys = issuer.keys()
    found = await asyncio.gather(
        *(keys.find("EdDSA", "a") for _ in range(5)), return_exceptions=True
    )
    assert [type(one) for one in found] == [KeysUnavailableError] * 5
    issuer.now_ms += 60_000
    gate.set()
    assert await keys.find("EdDSA", "a")
    assert issuer.asked == 1


async def test_closing_stops_a_fetch_that_hangs() -> None:
    issuer = Issuer(key_set("a"))
    issuer.trouble = asyncio.Event().wait  # type: ignore[assignment]  # never comes back
    keys = issuer.keys()
    keys.open()
    await asyncio.sleep(0)
    async with asyncio.timeout(2):
        await keys.close()


@pytest.mark.parametrize(
    "url", ["http://issuer.example/", "ftp://x/", "https://", "x", "file:///x"]
)
def test_a_url_that_others_could_answer_is_refused(url: str) -> None:
    with pytest.raises(SettingsError):
        RemoteKeys(url, now_ms=lambda: 0)


async def test_documents_are_fetched_without_redirects_and_up_to_a_size() -> None:
    async def good(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * DOCUMENT_BYTES_MAX)

    async def long(_: web.Request) -> web.Response:
        return web.Response(body=b"x" * (DOCUMENT_BYTES_MAX + 1))

    async def elsewhere(_: web.Request) -> web.Response:
        raise web.HTTPFound("/good")

    app = web.Application()
    app.router.add_get("/good", good)
    app.router.add_get("/long", long)
    app.router.add_get("/elsewhere", elsewhere)
    async with TestServer(app) as server:
        assert len(await fetch_document(str(server.make_url("/good")))) == DOCUMENT_BYTES_MAX
        for path in ("/long", "/elsewhere", "/none"):
            with pytest.raises(OSError):
                await fetch_document(str(server.make_url(path)))
