"""The canonical answer to stream limits: aiohttp, redis.asyncio, a Lua script on a sorted set.

One sorted set per account holds its devices by the time at which their lease ends; a hash beside
it says what to show of them. A start drops what has lapsed, counts, and adds or refuses, in one
script; a heartbeat moves the end if the device is still there; a stop removes it. So it keeps what
georeg promises inside one region: the limit holds, refusals name the devices, the same device never
blocks itself, leases lapse, a token is verified without a look-up. It gives up what georeg is
about: other regions, kicks that last, reasons for ends.

Made as fast as it can be: hiredis, scripts by hash, georeg's own tokens (2 us), answers put
together as bytes. `is_tuned`: the scripts of all requests of one loop turn go out as one pipeline.
"""

import asyncio
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web
from redis.asyncio import Redis

from crdt.dots import RegionId, SessionId
from georeg.edge.errors import TokenError
from georeg.edge.tokens import KeyRing
from georeg.region.model import Claims

LEASE_MS: Final = 90_000
SESSION_S: Final = 86_400
LIMITS: Final = {"basic": 1, "standard": 2, "premium": 4}
_KEEP_S: Final = 2 * LEASE_MS // 1000

START: Final = """
local gone = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
if #gone > 0 then
  redis.call('ZREM', KEYS[1], unpack(gone))
  redis.call('HDEL', KEYS[2], unpack(gone))
end
if not redis.call('ZSCORE', KEYS[1], ARGV[4])
    and redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[3]) then
  return {0, redis.call('HVALS', KEYS[2])}
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[4])
redis.call('HSET', KEYS[2], ARGV[4], ARGV[5])
redis.call('EXPIRE', KEYS[1], ARGV[6])
redis.call('EXPIRE', KEYS[2], ARGV[6])
return {1, redis.call('HVALS', KEYS[2])}
"""
HEARTBEAT: Final = """
local ends = redis.call('ZSCORE', KEYS[1], ARGV[3])
if not ends or tonumber(ends) <= tonumber(ARGV[1]) then return 0 end
redis.call('ZADD', KEYS[1], 'XX', ARGV[2], ARGV[3])
redis.call('EXPIRE', KEYS[1], ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[4])
return 1
"""
STOP: Final = """
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
return 1
"""


class Scripts:
    """Runs scripts one by one, each in a round trip of its own."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._hashes: dict[str, str] = {}

    async def load(self) -> None:
        """Store the scripts, so that a call names them by hash."""
        for text in (START, HEARTBEAT, STOP):
            self._hashes[text] = str(await self._redis.script_load(text))

    async def run(self, text: str, account: str, *arguments: str | int | bytes) -> Any:
        """One script on the keys of one account."""
        keys = (f"{{{account}}}s", f"{{{account}}}d")
        return await self._redis.evalsha(self._hashes[text], 2, *keys, *arguments)


class PipelinedScripts(Scripts):
    """Collects the scripts of one turn of the loop and sends them together."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(redis)
        self._calls: list[tuple[tuple[Any, ...], asyncio.Future[Any]]] = []
        self._flushes: set[asyncio.Task[None]] = set()

    async def run(self, text: str, account: str, *arguments: str | int | bytes) -> Any:
        """One script on the keys of one account."""
        loop = asyncio.get_running_loop()
        if not self._calls:
            loop.call_soon(self._flush_soon)
        answer = loop.create_future()
        keys = (f"{{{account}}}s", f"{{{account}}}d")
        self._calls.append(((self._hashes[text], 2, *keys, *arguments), answer))
        return await answer

    def _flush_soon(self) -> None:
        task = asyncio.get_running_loop().create_task(self._flush())
        self._flushes.add(task)
        task.add_done_callback(self._flushes.discard)

    async def _flush(self) -> None:
        calls, self._calls = self._calls, []
        pipeline = self._redis.pipeline(transaction=False)
        for arguments, _ in calls:
            pipeline.evalsha(*arguments)  # type: ignore[unused-awaitable]  # only queued
        answers = await pipeline.execute(raise_on_error=False)
        for (_, future), answer in zip(calls, answers, strict=True):
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)


class Service:
    """The three calls."""

    def __init__(self, scripts: Scripts, keys: KeyRing) -> None:
        self._scripts = scripts
        self._keys = keys

    async def start(self, request: web.Request) -> web.Response:
        """201 with a token, or 409 with the devices that play."""
        account = request.match_info["account"]
        body = json.loads(await request.read())
        device, now_ms = body["device"], time.time_ns() // 1_000_000
        session, limit = SessionId(secrets.randbits(63)), LIMITS[body.get("plan", "premium")]
        shown = json.dumps(
            {"session": f"{session:x}", "device": device, "started_ms": now_ms},
            separators=(",", ":"),
        )
        is_admitted, sessions = await self._scripts.run(
            START, account, now_ms, now_ms + LEASE_MS, limit, device["id"], shown,
            _KEEP_S,
        )  # fmt: skip
        listed = b",".join(sessions)
        if not is_admitted:
            answer = b'{"status":409,"sessions":[%b]}' % listed
            return web.Response(body=answer, status=409, content_type="application/problem+json")
        deadline_s = now_ms // 1000 + SESSION_S
        claims = Claims(session, account, device["id"], RegionId(1), now_ms, deadline_s)
        answer = (
            b'{"session":%b,"token":"%b","heartbeat_interval_s":30,"lease_s":90,"sessions":[%b]}'
        ) % (shown.encode(), self._keys.sign(claims).encode(), listed)
        return web.Response(body=answer, status=201, content_type="application/json")

    async def heartbeat(self, request: web.Request) -> web.Response:
        """200, or 410 when the session is over."""
        claims = self._claims(request)
        now_ms = time.time_ns() // 1_000_000
        lives = await self._scripts.run(
            HEARTBEAT, claims.account, now_ms, now_ms + LEASE_MS, claims.device, _KEEP_S
        )
        if not lives:
            answer = b'{"status":410,"reason":"lapsed"}'
            return web.Response(body=answer, status=410, content_type="application/problem+json")
        answer = b'{"session":"%x","next_heartbeat_s":30,"lease_s":90}' % claims.session
        return web.Response(body=answer, content_type="application/json")

    async def stop(self, request: web.Request) -> web.Response:
        """204, also when repeated."""
        claims = self._claims(request)
        await self._scripts.run(STOP, claims.account, claims.device)
        return web.Response(status=204)

    def _claims(self, request: web.Request) -> Claims:
        try:
            return self._keys.verify(request.headers.get("Authorization", "")[7:])
        except TokenError:
            raise web.HTTPUnauthorized from None


@asynccontextmanager
async def serve_canonical(
    redis_port: int, key: bytes, *, is_tuned: bool
) -> AsyncIterator[web.Application]:
    """The service as an app, with its connections to Redis."""
    redis = Redis(host="127.0.0.1", port=redis_port)
    scripts = PipelinedScripts(redis) if is_tuned else Scripts(redis)
    await scripts.load()
    service = Service(scripts, KeyRing([key], cluster="canonical"))
    app = web.Application()
    app.router.add_post("/v1/accounts/{account}/sessions", service.start)
    app.router.add_post("/v1/sessions/heartbeat", service.heartbeat)
    app.router.add_post("/v1/sessions/stop", service.stop)
    try:
        yield app
    finally:
        await redis.aclose()
