"""Heartbeats for another node, gathered: one call for all that came while the last was under way.

Most calls of a region are heartbeats, and with n nodes behind a balancer that knows no slices
(n - 1)/n of them come to the wrong one. Passed on one by one each costs five times what a
heartbeat costs where it belongs. So a node sends the tokens alone; the one that runs their slices
checks and renews them, and says yes or no for each. A yes is answered by the node that got the
call, with the handler of every heartbeat, which also rolls the token. A no, of whatever kind
(ended, unknown, draining, not its slice), is said by passing the call on as it came, which gets
the whole answer.

Invariant: no heartbeat is answered as renewed that its slice has not renewed: each token is
checked by the node that renews it, so who pretends to be a node can do no more with a token than
its owner.
Cost: what a call between nodes costs (passing.py), shared by the heartbeats in it.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Final

import msgpack
from aiohttp import web

from georeg.edge.bodies import array_in
from georeg.edge.context import Edge
from georeg.edge.errors import TokenError
from georeg.edge.tokens import TOKEN_BYTES_MAX, lineage_of, mark_of, raw_of, session_and_account
from georeg.nodes.addressing import slice_of_raw
from georeg.nodes.front import RENEWALS_PATH, Front, Routes
from georeg.nodes.passing import Address, Passing

TOKENS_MAX: Final = 500
"""In one call: some 5 ms for which the other node does nothing else."""
_YES: Final = 1
_NO: Final = 0


_Asked = list[tuple[bytes, "asyncio.Future[bool]"]]


@dataclass(slots=True)
class _Lane:
    """What waits for one node."""

    waiting: _Asked = field(default_factory=list)
    task: asyncio.Task[None] | None = None


class Renewals:
    """Both sides: asks other nodes, and answers them."""

    def __init__(
        self, front: Front, edge: Edge, routes: Routes, passing: Passing, slices: int
    ) -> None:
        self._edge = edge
        self._routes = routes
        self._passing = passing
        self._slices = slices
        self._lanes: dict[str, _Lane] = {}
        front.renewals = self

    async def renewed(self, node: Address, request: web.Request) -> bool:
        """Whether the node has renewed the session of a heartbeat. False: pass the call on."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme != "Bearer" or self._edge.region.drain.has_effect:
            return False
        try:
            raw = raw_of(token.encode("ascii"))
        except (TokenError, UnicodeEncodeError):
            return False
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[bool] = loop.create_future()
        lane = self._lanes.setdefault(node.name, _Lane())
        lane.waiting.append((raw, answer))
        if lane.task is None:
            lane.task = loop.create_task(self._serve(node, lane))
        return await answer

    async def _serve(self, node: Address, lane: _Lane) -> None:
        """Make calls to a node for as long as there are heartbeats for it."""
        try:
            while lane.waiting:
                asked, lane.waiting = lane.waiting[:TOKENS_MAX], lane.waiting[TOKENS_MAX:]
                said = b""
                try:
                    body = msgpack.packb([raw for raw, _ in asked])
                    said = await self._passing.post(node, RENEWALS_PATH, body) or b""
                finally:
                    _settle(asked, said)
        finally:
            del self._lanes[node.name]
            _settle(lane.waiting, b"")

    def answer(self, body: bytes) -> web.Response:
        """To another node: one byte for each token."""
        tokens = array_in(body, TOKENS_MAX, bytes_max=TOKEN_BYTES_MAX)
        if tokens is None:
            return web.Response(status=400)
        runs = [self._routes.runs(number) for number in range(self._slices)]
        if self._edge.region.drain.has_effect:
            runs = [False] * self._slices  # its answers say more than yes
        return web.Response(body=bytes([self._renew(raw, runs) for raw in tokens]))

    def _renew(self, raw: object, runs: list[bool]) -> int:
        if not isinstance(raw, bytes):
            return _NO
        number = slice_of_raw(raw, self._slices)
        if not isinstance(number, int) or not runs[number]:
            return _NO
        try:
            self._edge.keys.check(raw)
        except TokenError:
            return _NO
        session, account = session_and_account(raw)
        rolled_ms, parent = lineage_of(raw)
        is_here = self._edge.region.renew(session, account.decode(), mark_of(rolled_ms), parent)
        return _YES if is_here else _NO


def _settle(asked: _Asked, said: bytes) -> None:
    """Tell all who asked; an answer that is missing is a no to each."""
    if len(said) != len(asked):
        said = bytes(len(asked))
    for (_, answer), each in zip(asked, said, strict=True):
        if not answer.done():
            answer.set_result(each == _YES)
