"""What a player, a backend or a stranger sends to a cluster, over HTTP and nothing else.

Every answer is checked against the OpenAPI document that the region itself serves, so each test is
also a test of that document. Regions and tests share one machine, hence one wall clock.
"""

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, TypeVar

import aiohttp
import msgpack
from jsonschema import Draft202012Validator

from tests.e2e.cluster import Cluster

T = TypeVar("T")
ANSWER_S = 10.0
KEPT = "kept"
"""The account of the session that no garbage may move: the fixture `kept`."""
_POLL_S = 0.02
_PROBLEM = "application/problem+json"
_WITHOUT_TYPE = (400, 405, 408, 417)
"""Problems of HTTP itself: `about:blank`, in no operation of the document."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a region said."""

    status: int
    body: Any
    headers: Any
    sent_s: float
    """Monotonic."""
    received_s: float
    received_at_s: float
    """Wall clock, as the times that regions tell."""

    @property
    def took_s(self) -> float:
        return self.received_s - self.sent_s

    @property
    def sent_at_s(self) -> float:
        """Wall clock."""
        return self.received_at_s - self.took_s

    @property
    def id(self) -> str:
        """The id of the session that a 201 or a kick is about."""
        return str(self.body["session"]["id"])

    @property
    def token(self) -> str:
        return str(self.body["token"])

    @property
    def fields(self) -> list[str]:
        """The fields that a 422 names."""
        return [error["field"] for error in self.body["errors"]]

    @property
    def blockers(self) -> list[str]:
        """The sessions that a 409 names."""
        return [session["id"] for session in self.body["sessions"]]


def instant_s(text: str) -> float:
    """A time of an answer, as seconds since 1970."""
    return datetime.fromisoformat(text).timestamp()


def path_of(account: str) -> str:
    return f"/v1/accounts/{account}/sessions"


class Client:
    """Talks to all regions of a cluster; the first is meant where none is named."""

    def __init__(self, cluster: Cluster, http: aiohttp.ClientSession) -> None:
        self._addresses = cluster.addresses
        self._http = http
        self._document = ""
        self.names = cluster.names

    def url(self, path: str, region: str) -> str:
        return self._addresses[region] + path

    async def read_document(self) -> None:
        """Take the document from the first region; done once, before any call."""
        async with self._http.get(self.url("/openapi.json", self.names[0])) as response:
            self._document = await response.text()

    async def call(
        self, method: str, path: str, *, region: str = "us", token: str | None = None, **kwargs: Any
    ) -> Answer:
        """One request, its answer checked against the document."""
        headers = dict(kwargs.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        sent_s = time.monotonic()
        async with self._http.request(
            method,
            self.url(path, region),
            headers=headers,
            timeout=aiohttp.ClientTimeout(ANSWER_S),
            **kwargs,
        ) as response:
            raw = await response.read()
        received_s = time.monotonic()
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        body: Any = json.loads(raw) if kind.endswith("json") else raw
        if kind == "application/msgpack":
            body = msgpack.unpackb(raw)
        check_answer(self._document, method, path.partition("?")[0], response.status, kind, body)
        return Answer(response.status, body, response.headers, sent_s, received_s, time.time())

    async def start(
        self, account: str, device: str, *, region: str = "us", plan: str = "basic", **fields: Any
    ) -> Answer:
        """Start a stream on a device."""
        headers = fields.pop("headers", {})
        body = {
            "device": {"id": device, "name": f"Name of {device}", "kind": "tv"},
            "plan": plan,
            **fields,
        }
        return await self.call("POST", path_of(account), region=region, json=body, headers=headers)

    async def heartbeat(self, token: str, *, region: str = "us", **kwargs: Any) -> Answer:
        return await self.call(
            "POST", "/v1/sessions/heartbeat", region=region, token=token, **kwargs
        )

    async def stop(self, token: str, *, region: str = "us") -> Answer:
        return await self.call("POST", "/v1/sessions/stop", region=region, token=token)

    async def sessions(self, account: str, *, region: str = "us") -> Answer:
        return await self.call("GET", path_of(account), region=region)

    async def kick(self, account: str, session: str, *, region: str = "us") -> Answer:
        return await self.call("DELETE", f"{path_of(account)}/{session}", region=region)

    async def batch(self, tokens: Sequence[bytes], *, region: str = "us") -> Answer:
        """Heartbeats of many devices at once."""
        return await self.call(
            "POST",
            "/v1/sessions/heartbeats",
            region=region,
            data=msgpack.packb(list(tokens)),
            headers={"Content-Type": "application/msgpack"},
        )

    async def introspect(self, token: str, *, region: str = "us") -> Answer:
        return await self.call("POST", "/v1/introspect", region=region, data={"token": token})

    async def listed(self, account: str, *, region: str = "us") -> list[str]:
        """Ids of the account's sessions as one region sees them."""
        found = await self.sessions(account, region=region)
        assert found.status == 200, found
        return sorted(session["id"] for session in found.body["sessions"])

    async def all_list(self, account: str, sessions: Sequence[str], within_s: float = 5.0) -> None:
        """Wait until all regions list exactly these sessions."""

        async def views() -> list[list[str]]:
            return [await self.listed(account, region=region) for region in self.names]

        wanted = [sorted(sessions)] * len(self.names)
        await until(views, lambda found: found == wanted, within_s)

    @asynccontextmanager
    async def events(self, token: str, *, region: str = "us") -> AsyncIterator["Events"]:
        """The event stream of a session, open when this enters."""
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=ANSWER_S)
        async with self._http.get(
            self.url("/v1/sessions/events", region),
            headers={"Authorization": f"Bearer {token}"},
            timeout=timeout,
        ) as response:
            assert response.status == 200, await response.text()
            assert response.content_type == "text/event-stream"
            assert (await response.content.readline()).startswith(b":"), "opens with a comment"
            yield Events(response)


class Events:
    """Server-sent events of one stream."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._lines = response.content

    async def next(self, within_s: float = ANSWER_S) -> tuple[str, Any] | None:
        """Name and data of the next event; None when the stream has ended."""
        name, data = "", ""
        async with asyncio.timeout(within_s):
            while line := (await self._lines.readline()).decode():
                field, _, value = line.rstrip("\n").partition(": ")
                if field == "event":
                    name = value
                elif field == "data":
                    data = value
                elif not field and name:
                    return name, json.loads(data)
        return None


async def until(
    look: Callable[[], Awaitable[T]], is_right: Callable[[T], bool], within_s: float
) -> T:
    """What `look` finds, as soon as it is right; fails with what it found last."""
    give_up_s = time.monotonic() + within_s
    while True:
        found = await look()
        if is_right(found):
            return found
        assert time.monotonic() < give_up_s, f"still wrong after {within_s:g} s: {found}"
        await asyncio.sleep(_POLL_S)


def check_answer(
    document: str, method: str, path: str, status: int, kind: str, body: object
) -> None:
    """Fail unless the document promises such an answer."""
    if status in _WITHOUT_TYPE:
        assert kind == _PROBLEM, (status, kind, body)
        assert isinstance(body, dict)
        assert (body["type"], body["status"]) == ("about:blank", status)
        return
    operation = _operation(document, method.lower(), path)
    if operation is None:
        assert (status, kind) == (404, _PROBLEM), (method, path, status, body)
        return
    promised = _document(document)["paths"][operation][method.lower()]["responses"]
    assert str(status) in promised, f"{method} {operation} does not promise {status}: {body!r}"
    content = promised[str(status)].get("content")
    if content is None:
        assert body == b"", f"{method} {operation} promises no body"
        return
    assert kind in content, f"{method} {operation} {status} does not promise {kind}"
    if not kind.startswith("text/"):
        _validator(document, operation, method.lower(), str(status), kind).validate(body)


@cache
def _document(text: str) -> Any:
    return json.loads(text)


def _operation(document: str, method: str, path: str) -> str | None:
    for template, operations in _document(document)["paths"].items():
        if method in operations and re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), path):
            return str(template)
    return None


@cache
def _validator(
    document: str, operation: str, method: str, status: str, kind: str
) -> Draft202012Validator:
    parsed = _document(document)
    content = parsed["paths"][operation][method]["responses"][status]["content"]
    return Draft202012Validator(content[kind]["schema"] | {"components": parsed["components"]})
