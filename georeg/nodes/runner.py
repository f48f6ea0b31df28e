"""Runs the slices that duties.py decides about: rules, mesh and journal of each, begun and ended.

Invariant: a slice is in the table of `Parts`, and so asked, only after its region has joined and
has read what the store holds of it; and no longer once it is being closed. A slice whose journal
was fenced off, or of which a peer has heard a later owner, is given up at once.

Why joining is short here, but for the very first time: a region asks its peers what they hold of
it, mainly for what its journal does not know. The journal of a slice has it all, and its
incarnation is above every earlier one by the fencing number; so nobody waits long for a peer that
is cut off.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, Protocol

import structlog

from georeg.mesh import MeshNode
from georeg.nodes.parts import Part, Parts, Then
from georeg.region.ports import Journal
from georeg.region.region import Region
from georeg.store.redis import RedisTrouble

JOIN_MS: Final = 250
"""Longest wait for peers when a slice begins; `join_ms` of a region in one piece is longer."""
RECALL_S: Final = 3.0
"""So long a slice reads its sessions before it takes calls without the rest of them."""
RETRY_S: Final = 0.25
"""Before a store that has lost its data, and cannot be told, is told again."""
_POLL_S: Final = 0.002
log = structlog.get_logger("georeg.nodes")


class SliceJournal(Journal, Protocol):
    """What a journal of a slice has beside that of a region."""

    @property
    def is_lost(self) -> bool:
        """Whether the store has lost what it confirmed, and nothing is written any more."""

    def committed(self, then: Then) -> None:
        """Call back when all that was stored so far is durable."""

    async def begin_again(self, fence: int) -> None:
        """Write anew, under this fence, into a store that has lost everything."""

    async def close(self) -> None:
        """Commit what waits, and write no more."""


@dataclass(eq=False, slots=True)
class Made:
    """One slice, made and not begun."""

    region: Region
    mesh: MeshNode


@dataclass(eq=False, slots=True)
class _Running:
    made: Made
    journal: SliceJournal
    fence: int
    is_adrift: bool = False
    is_retelling: bool = False
    untold: Iterator[None] = field(default_factory=lambda: iter(()))
    """Steps of what is being told again to a store that has lost it."""


class SliceRunner:
    """The slices of one node."""

    def __init__(
        self,
        parts: Parts,
        open_journal: Callable[[int, int, Callable[[], None], Callable[[], None]],
                               Awaitable[SliceJournal]],
        make: Callable[[int, Journal], Made],
        busy: Callable[[int], int],
    ) -> None:  # fmt: skip
        """`open_journal(number, fence, on_fenced, on_lost)`; `make(number, journal)`."""
        self._parts = parts
        self._open_journal = open_journal
        self._make = make
        self.busy = busy
        self._running: dict[int, _Running] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self.on_opened: Callable[[Part], None] = lambda part: None
        """Set by the node: a slice is about to be asked."""
        self.on_closed: Callable[[int], None] = lambda number: None
        """Set by the node: a slice is asked no longer; whoever listens to it is to come again."""
        self.on_superseded: Callable[[int, int], Awaitable[None]]
        """Set by the node: another one runs the slice; ends in `close`."""
        self.on_retelling: Callable[[int], Awaitable[None]]
        """Set by the node: the store has lost the slice's lock with its data; see to it."""

    async def open(self, number: int, fence: int) -> None:
        """Begin the slice, and return when it can be asked."""
        journal = await self._open_journal(
            number, fence, lambda: self._give_up(number), lambda: self._retell(number)
        )
        made = self._make(number, journal)
        running = self._running[number] = _Running(made, journal, fence)
        made.region.tenure.on_superseded(lambda heard: self._give_up(number, heard))
        await made.mesh.start()
        made.region.open()
        await _until(lambda: made.region.joined, made.region.settings.join_ms / 1000 + RECALL_S)
        await _until(lambda: _has_read(made.region), RECALL_S)
        if not made.region.joined or self._running.get(number) is not running:
            raise RuntimeError("the slice was closed, or did not join")
        part = Part(number, made.region, journal.committed, lambda: running.is_adrift)
        self.on_opened(part)
        self._parts.put(part)

    async def close(self, number: int, *, is_graceful: bool) -> None:
        """Ask it no longer; commit what it has decided, where that counts."""
        self._parts.take(number)
        running = self._running.pop(number, None)
        if running is None:
            return
        self.on_closed(number)
        if is_graceful:
            deque(running.untold, 0)
        running.made.region.close()
        self._start(running.made.mesh.stop())
        if is_graceful:
            await running.journal.close()
        else:
            self._start(running.journal.close())

    async def stop(self) -> None:
        """Wait for what is still being closed."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def fenced(self, number: int, fence: int) -> None:
        """The slice goes on under a later number."""
        running = self._running.get(number)
        if running is not None:
            running.fence = fence
            if running.journal.is_lost:
                self._start(self._begin_again(number, running))

    def adrift(self, number: int, is_adrift: bool) -> None:
        """The store is out of reach, or is back."""
        running = self._running.get(number)
        if running is not None:
            log.warning("slice_adrift" if is_adrift else "slice_not_adrift", slice=number)
            running.is_adrift = is_adrift
            running.made.region.tenure.set_adrift(is_adrift)

    def _give_up(self, number: int, incarnation: int = 0) -> None:
        self._start(self.on_superseded(number, incarnation))

    def _retell(self, number: int) -> None:
        """The store has lost everything, the lock included."""
        self._start(self._retelling(number))

    async def _retelling(self, number: int) -> None:
        await self.on_retelling(number)
        running = self._running.get(number)
        if running is not None and running.journal.is_lost:
            await self._begin_again(number, running)

    async def _begin_again(self, number: int, running: _Running) -> None:
        """Tell the store again what it has lost, until it has all of it or the slice is closed."""
        if running.is_retelling:
            return
        running.is_retelling = True
        try:
            while running.journal.is_lost and self._running.get(number) is running:
                try:
                    await running.journal.begin_again(running.fence)
                except RedisTrouble as trouble:
                    log.warning("journal_not_begun_again", reason=str(trouble))
                    await asyncio.sleep(RETRY_S)
                    continue
                log.warning("journal_begun_again", slice=number, fence=running.fence)
                running.untold = running.made.region.tenure.retell()
                for _ in running.untold:
                    await asyncio.sleep(0)
                    if running.journal.is_lost:  # once more: all of it is to be told again
                        break
        finally:
            running.is_retelling = False

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _has_read(region: Region) -> bool:
    begun = region.begun
    return begun is not None and not begun.is_recalling


async def _until(holds: Callable[[], bool], within_s: float) -> None:
    """Wait for what the rules tell nobody, since they know no asyncio; not for longer than that."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + within_s
    while not holds() and loop.time() < until_s:  # noqa: ASYNC110 - see above
        await asyncio.sleep(_POLL_S)
