"""Accounts on the nodes of one region, whose devices play, zap and are kicked, and miss nothing.

They call the nodes in turn, and wait for nobody: a heartbeat that is not 200, a start that is not
201 and a call that is not answered at all are written down as *missed*. What they were promised is
asked for at the end: `check`.
"""

import asyncio
import time
from collections import Counter
from typing import Any, Final

import aiohttp

from tests.e2e.cluster import Node

HEARTBEAT_S: Final = 1.0
ZAP_S: Final = 0.25
"""A zapper watches one title for so long."""
ANSWER_S: Final = 10.0


class Crowd:
    """`name` is in front of its accounts."""

    def __init__(self, http: aiohttp.ClientSession, nodes: list[Node], name: str) -> None:
        self._http = http
        self.nodes = nodes
        self._name = name
        self.playing: dict[str, str] = {}
        """Account -> the token of the stream that runs there."""
        self._accounts: set[str] = set()
        self.kicked: list[str] = []
        """Tokens of sessions whose kick was acknowledged."""
        self.counts: Counter[str] = Counter()
        self.missed: list[str] = []
        self.starts_s: list[float] = []
        self.heartbeats_s: list[float] = []
        self.is_over = False

    async def call(self, method: str, path: str, at: int, **options: Any) -> tuple[int, Any]:
        """What a node answers; 0: nothing."""
        url = self.nodes[at % len(self.nodes)].plan.address + path
        timeout = aiohttp.ClientTimeout(total=ANSWER_S)
        try:
            async with self._http.request(method, url, timeout=timeout, **options) as response:
                return response.status, await response.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError) as error:
            return 0, repr(error)

    async def start(self, account: str, device: str, at: int) -> tuple[int, Any]:
        """Start a stream on a Basic account."""
        body = {"device": {"id": device}, "plan": "basic"}
        return await self.call("POST", f"/v1/accounts/{account}/sessions", at, json=body)

    async def with_token(self, call: str, token: str, at: int) -> tuple[int, Any]:
        """A heartbeat or a stop."""
        headers = {"Authorization": f"Bearer {token}"}
        return await self.call("POST", f"/v1/sessions/{call}", at, headers=headers)

    async def live(self, *, players: int, zappers: int, kicked: int, intruders: int) -> None:
        """All of them, until `is_over` is set."""
        async with asyncio.TaskGroup() as group:
            for number in range(players):
                group.create_task(self._play(number))
            for number in range(zappers):
                group.create_task(self._zap(number))
            for number in range(kicked):
                group.create_task(self._be_kicked(number))
            for number in range(intruders):
                group.create_task(self._intrude(number))

    async def _started(self, account: str, at: int) -> Any:
        self._accounts.add(account)
        began_s = time.monotonic()
        status, body = await self.start(account, "tv", at)
        self.starts_s.append(time.monotonic() - began_s)
        basis = body["decision"]["basis"] if status == 201 else ""
        self._note(f"start {status} {basis}".strip(), body, is_right=status == 201)
        return body if status == 201 else None

    def _note(self, what: str, body: Any, *, is_right: bool) -> None:
        self.counts[what] += 1
        if not is_right:
            self.missed.append(f"{time.monotonic():.2f} {what}: {body}")

    async def _play(self, number: int) -> None:
        """Start and heartbeat."""
        account = f"{self._name}-plays-{number}"
        started = await self._started(account, number)
        assert started is not None
        self.playing[account] = started["token"]
        at = number
        while not self.is_over:
            await asyncio.sleep(HEARTBEAT_S * (0.8 + number % 8 / 40))
            at += 1
            began_s = time.monotonic()
            status, body = await self.with_token("heartbeat", self.playing[account], at)
            self.heartbeats_s.append(time.monotonic() - began_s)
            self._note(f"heartbeat {status}", body, is_right=status == 200)
            if status == 200:
                self.playing[account] = body.get("token", self.playing[account])

    async def _zap(self, number: int) -> None:
        """Start and stop, again and again on one account: each start needs the slot of the last."""
        account = f"{self._name}-zaps-{number}"
        at = number
        while not self.is_over:
            started = await self._started(account, at)
            await asyncio.sleep(ZAP_S)
            if started is not None:
                status, body = await self.with_token("stop", started["token"], at + 1)
                self._note(f"stop {status}", body, is_right=status == 204)
            at += 1

    async def _be_kicked(self, number: int) -> None:
        """Start and be kicked; a kick that answers 503 was not made, or will be heard of."""
        account = f"{self._name}-kicked-{number}"
        at = number
        while not self.is_over:
            started = await self._started(account, at)
            await asyncio.sleep(ZAP_S)
            at += 1
            if started is None:
                continue
            path = f"/v1/accounts/{account}/sessions/{started['session']['id']}"
            status, body = await self.call("DELETE", path, at)
            while status == 503 and not self.is_over:
                self.counts["kick 503"] += 1
                await asyncio.sleep(ZAP_S)
                status, body = await self.call("DELETE", path, at)
            self._note(f"kick {status}", body, is_right=status in (200, 503))
            if status == 200:
                self.kicked.append(started["token"])
            else:
                await self.with_token("stop", started["token"], at)

    async def _intrude(self, number: int) -> None:
        """Another device, again and again where a stream runs: the account is full."""
        at = number
        while not self.is_over:
            await asyncio.sleep(ZAP_S)
            if not self.playing:
                continue
            at += 1
            status, body = await self.start(list(self.playing)[at % len(self.playing)], "other", at)
            self._note(f"intruder {status}", body, is_right=status == 409)

    # ---- afterwards --------------------------------------------------------------------------

    async def is_normal(self) -> bool:
        """Whether the store takes what every slice has to say: starts and kicks are as always."""
        for at in range(16):
            account = f"{self._name}-normal-{at}"
            status, body = await self.start(account, "tv", at)
            if status != 201 or body["decision"]["basis"] == "unchecked":
                return False
            path = f"/v1/accounts/{account}/sessions/{body['session']['id']}"
            if (await self.call("DELETE", path, at))[0] != 200:
                return False
        return True

    async def check(self) -> None:
        """No stream was forgotten, no slot leaked, and each kick that was acknowledged holds."""
        for at, token in enumerate(self.playing.values()):
            status, body = await self.with_token("heartbeat", token, at)
            assert status == 200, f"a stream was ended: {status} {body}"
        for at, token in enumerate(self.kicked):
            status, body = await self.with_token("heartbeat", token, at)
            assert status == 410, f"a kick was undone: {status} {body}"
        for at, account in enumerate(self.playing):
            status, body = await self.start(account, "another", at)
            assert status == 409, f"a stream was forgotten: {status} {body}"
        for at, token in enumerate(self.playing.values()):
            assert (await self.with_token("stop", token, at))[0] == 204
        for at, account in enumerate(sorted(self._accounts)):
            status, body = await self.start(account, "another", at)
            assert status == 201, f"a slot leaked: {status} {body}"
