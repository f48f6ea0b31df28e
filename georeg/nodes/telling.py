"""Tells slices what was said without them (unchecked.py), as soon as a node runs them.

By the session's own token, as its device would: a heartbeat adopts the session, a stop ends it.
Invariant: what is not told is kept until it is, or this node ends; told twice is as once.
"""

import asyncio
from typing import Final

import structlog

from georeg.edge import paths
from georeg.edge.tokens import KeyRing
from georeg.mesh.slices import slice_of_account
from georeg.nodes.front import STORE_PATH, Routes
from georeg.nodes.neighbours import Neighbours
from georeg.nodes.parts import Parts
from georeg.nodes.passing import Passing
from georeg.nodes.unchecked import Unchecked, Untold

PAUSE_S: Final = 0.5
log = structlog.get_logger("georeg.nodes")


class Telling:
    """One node's calls of its own to the others."""

    def __init__(
        self, unchecked: Unchecked, parts: Parts, routes: Routes, passing: Passing, keys: KeyRing
    ) -> None:
        self._unchecked = unchecked
        self._parts = parts
        self._routes = routes
        self._passing = passing
        self._keys = keys

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            await asyncio.sleep(PAUSE_S)
            for untold in self._unchecked.untold:
                if await self._tell(untold):
                    self._unchecked.told(untold.claims)

    async def _tell(self, untold: Untold) -> bool:
        """Whether the slice knows by now."""
        claims = untold.claims
        number = slice_of_account(claims.account, self._parts.count)
        if self._routes.runs(number):
            region = self._parts.of_account(claims.account).region
            if untold.is_stop:
                region.stop(claims)
            else:
                region.heartbeat(claims)
            return True
        node = self._routes.node_of(number)
        if node is None or self._passing.is_silent(node.name):
            return False
        path = paths.STOP if untold.is_stop else paths.HEARTBEAT
        status = await self._passing.tell(node, "POST", path, self._keys.sign(claims))
        return 200 <= status < 500


async def can_take(number: int, neighbours: Neighbours, passing: Passing) -> bool:
    """Whether any other node says that it could take a slice over."""
    path = f"{STORE_PATH}{number}"
    asked = (passing.tell(other.address, "GET", path) for other in neighbours.others)
    return 200 in await asyncio.gather(*asked)
