"""What a node asks the others when it does not reach the store, which would know.

Each answers for itself (front.py). Invariant: what they say is a hint for passing calls on and a
reason not to decide, never a right to decide.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Final

from georeg.edge.bodies import array_in
from georeg.nodes.front import RUNS_PATH, STORE_PATH
from georeg.nodes.passing import Address, Passing

ANSWER_S: Final = 0.5
"""A node that takes longer to say what it runs runs nothing, for now."""


class Others:
    """The other nodes, as far as they are known."""

    def __init__(
        self, passing: Passing, slices: int, addresses: Callable[[], Sequence[Address]]
    ) -> None:
        self._passing = passing
        self._slices = slices
        self._addresses = addresses

    async def can_take(self, number: int) -> bool:
        """Whether one of them says that it can take a slice."""
        path = f"{STORE_PATH}{number}"
        asked = (self._passing.tell(other, "GET", path) for other in self._addresses())
        return 200 in await asyncio.gather(*asked)

    async def who_runs(self) -> dict[int, Address]:
        """Slice -> who says that it may decide for it now."""
        others = self._addresses()
        found: dict[int, Address] = {}
        for other, said in zip(others, await asyncio.gather(*map(self._runs, others)), strict=True):
            found |= dict.fromkeys(said, other)
        return found

    async def _runs(self, other: Address) -> list[int]:
        said = None
        with suppress(TimeoutError):
            async with asyncio.timeout(ANSWER_S):
                said = await self._passing.post(other, RUNS_PATH, b"")
        numbers = array_in(said or b"", self._slices) or []
        are_numbers = all(isinstance(n, int) for n in numbers)
        return [n for n in numbers if 0 <= n < self._slices] if are_numbers else []
