"""Tells slices what was said without them (unchecked.py), as soon as a node runs them.

By the session's own token, as its device would, and with how long ago that was: a heartbeat renews
or adopts the session, a stop ends it. Told together, one call for up to TOLD_MAX of them.
Invariant: what is not told is kept until it is, or this node ends; told twice is as once. Each
token is checked by the node that is told, so who pretends to be a node can do no more with a token
than its owner.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import msgpack
from aiohttp import web

from georeg.edge.bodies import array_in
from georeg.edge.errors import TokenError
from georeg.edge.tokens import TOKEN_BYTES_MAX, KeyRing, raw_of
from georeg.mesh.slices import slice_of_account
from georeg.nodes.front import UNTOLD_PATH, Front, Routes
from georeg.nodes.parts import Parts
from georeg.nodes.passing import Address, Passing
from georeg.nodes.unchecked import Unchecked, Untold
from georeg.region.model import Claims
from georeg.region.ports import Clock

PAUSE_S: Final = 0.5
TOLD_MAX: Final = 100
"""At once: to adopt so many takes some 10 ms, in which the node does nothing else."""
_YES: Final = 1
_NO: Final = 0


class Telling:
    """Both sides: tells other nodes, and is told by them."""

    def __init__(
        self,
        front: Front,
        unchecked: Unchecked,
        parts: Parts,
        routes: Routes,
        passing: Passing,
        keys: KeyRing,
        clock: Clock,
    ) -> None:
        self._unchecked = unchecked
        self._parts = parts
        self._routes = routes
        self._passing = passing
        self._keys = keys
        self._clock = clock
        front.telling = self

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(PAUSE_S)
            await self.tell()

    async def tell(self) -> None:
        """Whatever can be told now."""
        here: list[Untold] = []
        by_node: dict[Address, list[Untold]] = {}
        for untold in self._unchecked.untold:
            number = slice_of_account(untold.claims.account, self._parts.count)
            if self._routes.runs(number):
                here.append(untold)
            elif (node := self._routes.node_of(number)) is not None:
                by_node.setdefault(node, []).append(untold)
        for some in _pieces(here):
            for untold in some:
                if self._take(untold.claims, is_stop=untold.is_stop, silent_ms=self._age(untold)):
                    self._unchecked.told(untold)
            await asyncio.sleep(0)
        await asyncio.gather(*(self._tell(node, each) for node, each in by_node.items()))

    async def _tell(self, node: Address, untold: list[Untold]) -> None:
        """Tell a node until it answers no more."""
        for some in _pieces(untold):
            said = await self._passing.post(
                node,
                UNTOLD_PATH,
                msgpack.packb([[self._token(u), u.is_stop, self._age(u)] for u in some]),
            )
            if said is None or len(said) != len(some):
                return
            for each, known in zip(some, said, strict=True):
                if known == _YES:
                    self._unchecked.told(each)

    def _token(self, untold: Untold) -> bytes:
        return raw_of(self._keys.sign(untold.claims).encode())

    def _age(self, untold: Untold) -> int:
        return self._clock.now_ms() - untold.at_ms

    def _take(self, claims: Claims, *, is_stop: bool, silent_ms: int) -> bool:
        """Let the slice know what a device has said; False: this node does not run it."""
        if not self._routes.runs(slice_of_account(claims.account, self._parts.count)):
            return False
        region = self._parts.of_account(claims.account).region
        if is_stop:
            region.stop(claims)
        elif silent_ms <= region.settings.client_lease_ms:  # else its session has lapsed by now
            region.heartbeat(claims, silent_ms)
        return True

    def answer(self, body: bytes) -> web.Response:
        """To another node: one byte for each of what it tells."""
        found = array_in(body, TOLD_MAX, bytes_max=TOKEN_BYTES_MAX)
        if found is None:
            return web.Response(status=400)
        return web.Response(body=bytes(map(self._told, found)))

    def _told(self, told: object) -> int:
        match told:
            case [bytes(raw), bool(is_stop), int(silent_ms)] if silent_ms >= 0:
                try:
                    claims = self._keys.open(raw)
                except TokenError:
                    return _NO
                return _YES if self._take(claims, is_stop=is_stop, silent_ms=silent_ms) else _NO
        return _NO


def _pieces(untold: Sequence[Untold]) -> list[Sequence[Untold]]:
    return [untold[at : at + TOLD_MAX] for at in range(0, len(untold), TOLD_MAX)]
