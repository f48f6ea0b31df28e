"""One slice that this node runs, from its lock to its end.

Invariant: this node decides for the slice only while it holds the lock by its own clock, or while
the store is out of reach and nobody will take the slice over (*adrift*): it goes on from memory,
and says so in its answers. Nobody will where no other node that answers reaches the store, where
those that do leave the slice to this one for a while, or where only that part of a cluster is lost
which holds the slice. It is asked as soon as the lock cannot be renewed, since where Redis hangs
all of that takes nearly as long as a lock; and the answer counts for as long as a lock.

A node that was paused finds its time over at its first look at the clock, asks the store before it
decides anything, and drops what another node runs by now; what it had not committed is fenced off
there.

A lock that was lost while nobody else had it (a paused node, a store that lost its data) is taken
again, and the slice goes on from memory, which is the latest there is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from georeg.nodes.neighbours import Neighbours
from georeg.nodes.registry import TTL_MS
from georeg.store.redis import Holding, RedisLock, RedisTrouble

FINISH_S: Final = 1.0
"""So long calls that are being decided hold up a slice that is handed over."""
_POLL_S: Final = 0.002
log = structlog.get_logger("georeg.nodes")


class Runner(Protocol):
    """Runs slices: what duties decide about."""

    async def open(self, number: int, fence: int) -> None:
        """Run the slice; returns when it has joined and knows what the store holds."""

    async def close(self, number: int, *, is_graceful: bool) -> None:
        """Run it no longer. Graceful: returns when all of it is committed."""

    def fenced(self, number: int, fence: int) -> None:
        """Go on under a later fencing number: nobody else has run the slice meanwhile."""

    def adrift(self, number: int, is_adrift: bool) -> None:
        """The store is out of reach, or is back."""

    def busy(self, number: int) -> int:
        """Calls of the slice that are being decided."""


@dataclass(frozen=True, slots=True)
class Means:
    """What all duties of a node share."""

    runner: Runner
    neighbours: Neighbours
    may_be_taken: Callable[[int], Awaitable[bool]]
    """Whether another node may take a slice whose lock cannot be renewed."""
    now_ms: Callable[[], int]
    """Monotonic and never cached: it is what shows that this process was paused."""


class Duty:
    """A slice whose lock this node has, or had last."""

    def __init__(self, number: int, holding: Holding, lock: RedisLock, means: Means) -> None:
        self.number = number
        self.is_open = False
        self.is_over = False
        self.is_adrift = False
        self._adrift_until_ms = 0
        self._holding = holding
        self._lock = lock
        self._means = means
        self._renewing: asyncio.Future[None] | None = None
        self._leaving: asyncio.Future[None] | None = None

    @property
    def fence(self) -> int:
        """The fencing number under which it is run."""
        return self._holding.fence

    @property
    def is_kept(self) -> bool:
        """Whether it is run and not being given away."""
        return self.is_open and self._leaving is None

    @property
    def may_decide(self) -> bool:
        """Whether this node may decide for it now."""
        until_ms = max(self._holding.until_ms, self._adrift_until_ms if self.is_adrift else 0)
        return self._means.now_ms() < until_ms and self.is_kept

    async def open(self) -> bool:
        """Begin to run it; whether that went well. Else it is over."""
        try:
            await self._means.runner.open(self.number, self.fence)
        except Exception as error:
            log.exception("slice_not_opened", slice=self.number, reason=str(error))
            await self.drop()
            return False
        if self.is_over:
            await self._means.runner.close(self.number, is_graceful=False)
            return False
        self.is_open = True
        log.info("slice_taken", slice=self.number, fence=self.fence)
        return True

    async def renew(self) -> None:
        """Hold the lock for longer, or find out that it is lost; those who ask meanwhile wait for
        the same answer."""
        if self.is_over:
            return
        if self._renewing is None:
            self._renewing = asyncio.ensure_future(self._renew())
        await asyncio.wait((self._renewing,))

    async def _renew(self) -> None:
        try:
            holding = await self._lock.renew(self._holding, TTL_MS)
            if holding is None:
                await self._lost()
                return
            self._holding = holding
            self._set_adrift(is_adrift=False)
        except RedisTrouble:
            until_ms = self._means.now_ms() + TTL_MS
            self._set_adrift(is_adrift=not await self._means.may_be_taken(self.number))
            self._adrift_until_ms = until_ms
        except Exception:  # a bug there must not end the renewals
            log.exception("slice_not_renewed", slice=self.number)
        finally:
            self._renewing = None

    async def _lost(self) -> None:
        """The lock is not held any more: taken again if nobody had it meanwhile, else dropped; one
        that is being given away is not taken again."""
        if self.is_over or self._leaving is not None:
            return
        before, neighbours = self.fence, self._means.neighbours
        least = max(before, neighbours.highest(self.number))
        held = await self._lock.acquire(TTL_MS, least)
        if self._has_ended():
            if isinstance(held, Holding):
                self._holding = held
                await self._release()
            return
        if isinstance(held, Holding):
            neighbours.saw(self.number, held.fence)
            self._holding = held
            if held.fence == before + 1 and self.is_open:
                self._means.runner.fenced(self.number, held.fence)
                self._set_adrift(is_adrift=False)
                log.info("slice_regained", slice=self.number, fence=held.fence)
                return
        log.warning("slice_lost", slice=self.number, fence=before)
        await self.drop()

    def _has_ended(self) -> bool:
        """Whether it was dropped meanwhile."""
        return self.is_over

    def _set_adrift(self, *, is_adrift: bool) -> None:
        if self.is_adrift != is_adrift and self.is_open:
            self.is_adrift = is_adrift
            self._means.runner.adrift(self.number, is_adrift)

    async def drop(self) -> None:
        """Run it no longer, at once; nothing more of it is committed."""
        if not self.is_over:
            self.is_over, self.is_open = True, False
            await self._means.runner.close(self.number, is_graceful=False)
            await self._release()

    async def hand_over(self) -> None:
        """Give the slice away; begun once, and whoever asks again waits for its end."""
        if self._leaving is None and self.is_open:
            self._leaving = asyncio.ensure_future(self._finish())
        if self._leaving is not None:
            await asyncio.wait((self._leaving,))

    async def _finish(self) -> None:
        """Finish, commit, release."""
        loop, runner = asyncio.get_running_loop(), self._means.runner
        until_s = loop.time() + FINISH_S
        while runner.busy(self.number) and loop.time() < until_s:  # noqa: ASYNC110 - a count
            await asyncio.sleep(_POLL_S)
        try:
            await runner.close(self.number, is_graceful=True)
        except Exception:  # a bug there must not leave a slice that nobody runs and nobody may take
            log.exception("slice_not_closed", slice=self.number)
        self.is_over, self.is_open = True, False
        if self._renewing is not None:
            await asyncio.wait((self._renewing,))
        await self._release()
        log.info("slice_handed_over", slice=self.number, fence=self.fence)

    async def _release(self) -> None:
        try:
            await self._lock.release(self._holding)
        except RedisTrouble:
            log.info("lock_not_released", slice=self.number)
