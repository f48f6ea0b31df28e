"""Every region decides on its own replica of all sessions; what changes is gossiped to the others.

Each region sends each peer what that peer has not acknowledged, every `PERIOD_MS`, and so learns of
a heal by itself. What it missed while it was down it fetches when it starts; a peer that forgot is
told everything (its `boot` number is another). Merging is in `replica.py`, the rules in `store.py`.

A session of another region lives in the replica for one lease after its last heartbeat that
arrived: a cut longer than that hides it, and until then a dead one blocks. A missing heartbeat of
another region's session is never taken as a reason to end it.

What the design gives: every call is answered at once on local knowledge, usually right. What it
gives up: between check and act lies the gossip, so starts that meet within its delay all get in (P
x L at worst), without any fault, and nobody corrects it afterwards; and a refusal may rest on a
session whose end is still on its way, or cannot come through a cut.
"""

import asyncio
import contextlib
from typing import Any, Final

import msgpack
from aiohttp import ClientError, ClientSession, ClientTimeout, web

from georeg.edge.bodies import read_body
from region_sim.baselines.replica import Message, Replica
from region_sim.baselines.service import Service, listen
from region_sim.baselines.setup import Setup

PERIOD_MS: Final = 200
"""Between two messages to a peer while there is news. Shorter: smaller race, more bytes."""
QUIET_MS: Final = 1_000
"""Between two messages to a peer without news, so that silence means something."""
JITTER: Final = 0.2
"""Share of a period that is drawn, so that regions do not send in step."""
TIMEOUT_S: Final = 1.0
MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024
_PATH: Final = "/gossip"


class Gossip:
    """One region with its replica."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._replica = Replica(setup)
        self._service = Service(setup, self._replica.store)
        self._boot = setup.random.getrandbits(48)
        self._boots: dict[str, int] = {}
        """Of the peers, as they last said."""
        self._runner: web.AppRunner | None = None
        self._http: ClientSession | None = None
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Fetch what the peers know, then listen. Raises OSError when the address is taken."""
        self._http = self._setup.session()
        peers = sorted(self._setup.peers)
        await asyncio.gather(*(self._fetch(peer) for peer in peers))
        routes = [*self._service.routes(), web.post(_PATH, self._receive)]
        self._runner = await listen(routes, self._setup.host, self._setup.port)
        self._tasks = [asyncio.create_task(self._gossip(peer), name=f"to {peer}") for peer in peers]

    async def stop(self) -> None:
        """Let running requests end, then leave. Harmless when not started."""
        tasks, self._tasks = self._tasks, []
        runner, self._runner = self._runner, None
        http, self._http = self._http, None
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if runner is not None:
            await runner.cleanup()
        if http is not None:
            await http.close()

    def drain(self, *, is_on: bool = True) -> None:
        """Take no more starts."""
        self._service.is_draining = is_on

    async def _gossip(self, peer: str) -> None:
        """Tell one peer what is new, for ever."""
        quiet_ms = 0.0
        while True:
            period_ms = PERIOD_MS * (1 - JITTER * self._setup.random.random())
            await asyncio.sleep(period_ms / 1000)
            quiet_ms += period_ms
            if self._replica.has_news(peer) or quiet_ms >= QUIET_MS:
                quiet_ms = 0.0
                with contextlib.suppress(ClientError, asyncio.TimeoutError):
                    await self._tell(peer)

    async def _tell(self, peer: str) -> None:
        sessions, plans = self._replica.news(peer)
        answer = await self._post(peer, self._replica.message(sessions, plans))
        self._replica.acknowledged(peer, sessions, plans)
        if self._boots.setdefault(peer, answer["boot"]) != answer["boot"]:
            self._boots[peer] = answer["boot"]
            self._replica.tell_all(peer)

    async def _fetch(self, peer: str) -> None:
        """What a peer knows, at the start; a peer that does not answer will tell later."""
        with contextlib.suppress(ClientError, asyncio.TimeoutError):
            message = self._replica.message((), ())
            answer = await self._post(peer, message | {"wants_all": True})
            self._replica.merge(answer["all"])

    async def _post(self, peer: str, message: Message) -> dict[str, Any]:
        assert self._http is not None, "not started"
        async with self._http.post(
            self._setup.peers[peer] + _PATH,
            data=msgpack.packb(message),
            headers={"Content-Type": "application/msgpack"},
            timeout=ClientTimeout(total=TIMEOUT_S),
            raise_for_status=True,
        ) as response:
            answer: dict[str, Any] = msgpack.unpackb(await response.read())
        return answer

    async def _receive(self, request: web.Request) -> web.Response:
        message = msgpack.unpackb(await read_body(request, MESSAGE_BYTES_MAX))
        self._replica.merge(message)
        answer: dict[str, Any] = {"boot": self._boot}
        if message.get("wants_all"):
            answer["all"] = self._replica.everything()
        return web.Response(body=msgpack.packb(answer), content_type="application/msgpack")
