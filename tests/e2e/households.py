"""Households whose devices start, zap, roam, stop, vanish, restart and kick one another."""

import asyncio
import time
from random import Random

from tests.e2e.client import Answer, Client, until
from tests.e2e.cluster import HEARTBEAT_S
from tests.e2e.truth import Life, Truth

LIMITS = {"basic": 1, "standard": 2, "premium": 4}
ROAMS = 0.1
"""Share of heartbeats that go to another region than the start."""


class Household:
    """One account with one device more than its plan allows, at least three."""

    def __init__(self, number: int, client: Client, truth: Truth, random: Random) -> None:
        self.account = f"home-{number}"
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
            region = random.choice(self._client.names)
            answer = await self._client.start(
                self.account, device, region=region, plan=self.plan, replace=replace
            )
            if answer.status == 409:
                self._truth.refused(self.account, device, answer)
                replace = answer.blockers[:1] if random.random() < 0.1 else []
                continue
            assert answer.status == 201, answer
            self._replaced(replace, answer)
            replace = []
            life = self._truth.admitted(self.account, device, answer)
            if await self._play(life, answer.token, region):
                await self._leave(life, answer.token, region)

    def _replaced(self, sessions: list[str], answer: Answer) -> None:
        for session in sessions:
            if session in self._truth.lives:
                self._truth.lives[session].close("replaced", answer.received_s)

    async def _play(self, life: Life, token: str, region: str) -> bool:
        """Heartbeats in time; whether it still lives at the end."""
        for _ in range(self._random.randint(1, 5)):
            await asyncio.sleep(HEARTBEAT_S * self._random.uniform(0.5, 1))
            if self._random.random() < ROAMS:
                region = self._random.choice(self._client.names)
            answer = await self._client.heartbeat(token, region=region)
            self._truth.beat(life, answer)
            if answer.status != 200:
                return False
        return True

    async def _leave(self, life: Life, token: str, region: str) -> None:
        """Stop, be kicked from anywhere, or just be gone: vanish, or start anew without a word."""
        fate = self._random.random()
        if fate < 0.5:
            answer = await self._client.stop(token, region=region)
            assert answer.status == 204, answer
            life.close("stopped", answer.received_s)
        elif fate < 0.65:
            other = self._random.choice(self._client.names)
            life.closed_by.add("kicked")
            answer = await until(
                lambda: self._client.kick(self.account, life.session, region=other),
                lambda answer: answer.status == 200,
                within_s=1,
            )
            life.close("kicked", answer.received_s)
            late = await self._client.heartbeat(token, region=other)
            assert (late.status, late.body["reason"]) == (410, "kicked")
