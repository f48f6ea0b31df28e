"""Households whose devices start, zap, roam, stop, vanish, restart and kick one another.

They behave as the docs ask of players: when a region does not answer, or says 503, the next one is
asked; only 409 and 410 end anything.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from random import Random

import aiohttp

from tests.e2e.client import Answer, Client, until
from tests.e2e.cluster import HEARTBEAT_S
from tests.e2e.truth import Life, Truth

LIMITS = {"basic": 1, "standard": 2, "premium": 4}
ROAMS = 0.1
"""Share of heartbeats that go to another region than the start."""
RETRY_S = 0.05
ANSWERED_S = 5.0
"""With two regions alive nobody may be without an answer for so long."""


class Household:
    """One account with one device more than its plan allows, at least three."""

    def __init__(
        self, street: str, number: int, client: Client, truth: Truth, random: Random
    ) -> None:
        self.account = f"{street}-{number}"
        self.plan = list(LIMITS)[number % 3]
        self._client = client
        self._truth = truth
        self._random = random
        self._devices = max(3, LIMITS[self.plan] + 1)

    async def live(self, end_s: float) -> None:
        """All its devices, until the time is over."""
        async with asyncio.TaskGroup() as group:
            for number in range(self._devices):
                group.create_task(self._use(f"device-{number}", end_s))

    async def _use(self, device: str, end_s: float) -> None:
        random = self._random
        replace: list[str] = []
        while time.monotonic() < end_s:
            await asyncio.sleep(random.uniform(0, 1))
            for session in replace:
                self._truth.may_end(session, "replaced")
            answer, region = await self._start(device, replace)
            if answer.status == 409:
                self._truth.refused(self.account, device, answer)
                replace = answer.blockers[:1] if random.random() < 0.1 else []
                continue
            assert answer.status == 201, answer
            self._replaced(replace, answer)
            replace = []
            life = self._truth.admitted(self.account, device, answer)
            if await self._play(life, answer.token, region, end_s):
                await self._leave(life, answer.token, region)

    async def _start(self, device: str, replace: list[str]) -> tuple[Answer, str]:
        async def start(region: str) -> Answer:
            sent_s = time.monotonic()
            try:
                return await self._client.start(
                    self.account, device, region=region, plan=self.plan, replace=replace
                )
            except aiohttp.ClientConnectorError:
                raise
            except aiohttp.ClientError:
                self._truth.lost(self.account, device, sent_s)
                raise

        return await self._ask(start, self._random.choice(self._client.names))

    async def _ask(
        self, call: Callable[[str], Awaitable[Answer]], region: str
    ) -> tuple[Answer, str]:
        """The answer, and the region that gave it: this one, or the next that answers."""
        give_up_s = time.monotonic() + ANSWERED_S
        names = self._client.names
        while time.monotonic() < give_up_s:
            try:
                answer = await call(region)
            except aiohttp.ClientError:
                pass
            else:
                if answer.status != 503:
                    return answer, region
            region = names[(names.index(region) + 1) % len(names)]
            await asyncio.sleep(RETRY_S)
        raise AssertionError(f"{self.account} had no answer for {ANSWERED_S:g} s")

    def _replaced(self, sessions: list[str], answer: Answer) -> None:
        for session in sessions:
            if session in self._truth.lives:
                self._truth.lives[session].close("replaced", answer.received_s)

    async def _play(self, life: Life, token: str, region: str, end_s: float) -> bool:
        """Heartbeats in time; whether it still lives at the end."""
        for _ in range(self._random.randint(1, 5)):
            if time.monotonic() > end_s:
                break
            await asyncio.sleep(HEARTBEAT_S * self._random.uniform(0.5, 1))
            if self._random.random() < ROAMS:
                region = self._random.choice(self._client.names)
            answer, region = await self._ask(
                lambda region: self._client.heartbeat(token, region=region), region
            )
            self._truth.beat(life, answer)
            if answer.status != 200:
                return False
        return True

    async def _leave(self, life: Life, token: str, region: str) -> None:
        """Stop, be kicked from anywhere, or just be gone: vanish, or start anew without a word."""
        fate = self._random.random()
        if fate < 0.5:
            life.closed_by.add("stopped")
            answer, _ = await self._ask(
                lambda region: self._client.stop(token, region=region), region
            )
            assert answer.status == 204, answer
            life.close("stopped", answer.received_s)
        elif fate < 0.65:
            life.closed_by.add("kicked")
            (answer, other) = await until(
                lambda: self._ask(
                    lambda region: self._client.kick(self.account, life.session, region=region),
                    self._random.choice(self._client.names),
                ),
                lambda found: found[0].status == 200,
                within_s=2,
            )
            life.close("kicked", answer.received_s)
            late, told_by = await self._ask(
                lambda region: self._client.heartbeat(token, region=region), other
            )
            if told_by == other:
                assert late.status == 410, late
