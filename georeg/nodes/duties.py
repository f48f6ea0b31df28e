"""Which slices this node runs: takes those that are its share, gives away those that are not.

Twice a second the node says that it lives, renews the locks of its slices, and compares what it
runs with what it should run (sharing.py). A slice that should be another's is handed over: its
calls wait, what is being decided here is finished and committed, its lock is released, and the
other node takes it, some milliseconds later. A dead node's locks expire, and those whose share its
slices are by then take them.

Invariant: this node decides for a slice only while it holds its lock by its own clock, or while the
store is out of reach of every node of the region that answers (*adrift*): then nobody can take the
slice over, and its node goes on from memory and says so in its answers. A node that was paused
finds its time over at its first look at the clock, asks the store before it decides anything, and
drops what another node runs by now; what it had not committed is fenced off there.

A lock that was lost while nobody else had it (a paused node, a store that lost its data) is taken
again, and the slice goes on from memory, which is the latest there is.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

import structlog

from georeg.nodes.neighbours import Neighbours
from georeg.nodes.passing import Address
from georeg.nodes.registry import TTL_MS, NodeEntry, Registry
from georeg.nodes.sharing import shares
from georeg.store.redis import Held, Holding, RedisLock, RedisTrouble

BEAT_S: Final = 0.5
GRASP_S: Final = 0.025
"""Between two tries to take a slice that is to be this node's and still another's."""
FINISH_S: Final = 1.0
"""So long calls that are being decided hold up a slice that is handed over."""
SETTLE_S: Final = 5.0
"""So long a new node waits for its slices before it takes calls without them."""
PAUSE_MS: Final = 1_000
"""Before a slice that could not be opened is tried again."""
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


@dataclass(eq=False, slots=True)
class _Duty:
    """One slice whose lock this node has, or had last."""

    number: int
    holding: Holding
    is_open: bool = False
    is_leaving: bool = False
    is_adrift: bool = False
    renewing: "asyncio.Future[None] | None" = None


class Duties:
    """The duties of one node."""

    def __init__(
        self,
        me: Address,
        slices: int,
        registry: Registry,
        lock_of: Callable[[int], RedisLock],
        runner: Runner,
        can_others: Callable[[], Awaitable[bool]],
        now_ms: Callable[[], int],
    ) -> None:
        """`can_others`: whether any other node says that it reaches the store. `now_ms`: monotonic,
        never cached: it is what shows that this process was paused."""
        self._me = me
        self._slices = slices
        self._locks = {number: lock_of(number) for number in range(slices)}
        self._runner = runner
        self._can_others = can_others
        self._now_ms = now_ms
        self._duties: dict[int, _Duty] = {}
        self._not_before_ms: dict[int, int] = {}
        """Slices that could not be opened, or were lost, and when to try again."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_leaving = False
        self._loop_task: asyncio.Task[None] | None = None
        self.neighbours: Final = Neighbours(me.name, registry, self._entry)

    # ---- what others ask ---------------------------------------------------------------------

    def runs(self, number: int) -> bool:
        """Whether this node runs the slice and may decide for it now."""
        duty = self._duties.get(number)
        if duty is None or not duty.is_open or duty.is_leaving:
            return False
        return duty.is_adrift or self._now_ms() < duty.holding.until_ms

    async def may_run(self, number: int) -> bool:
        """The same, after a look into the store where the time of the lock is over."""
        duty = self._duties.get(number)
        if duty is not None and duty.is_open and not duty.is_leaving and not self.runs(number):
            await self._renew_once(duty)
        return self.runs(number)

    def is_adrift(self, number: int) -> bool:
        """Whether the slice is run here from memory alone."""
        duty = self._duties.get(number)
        return duty is not None and duty.is_adrift

    @property
    def running(self) -> list[int]:
        """The slices that this node runs."""
        return sorted(number for number, duty in self._duties.items() if duty.is_open)

    @property
    def has_store(self) -> bool:
        """Whether the store was reached when it was last asked."""
        return not self.neighbours.trouble

    def node_of(self, number: int) -> Address | None:
        """The other node that runs the slice; None: nobody that is known."""
        return self.neighbours.node_of(number)

    async def look_again(self) -> None:
        """Learn anew who runs what."""
        await self.neighbours.look_again()

    @property
    def has_successor(self) -> bool:
        """Whether another node can take what this one runs."""
        return any(not entry.is_leaving for entry in self.neighbours.others)

    async def renew_now(self, number: int) -> None:
        """See to the lock of a slice at once."""
        duty = self._duties.get(number)
        if duty is not None:
            await self._renew_once(duty)

    # ---- life --------------------------------------------------------------------------------

    async def open(self) -> None:
        """Make the node known and begin to take slices. Raises RedisTrouble."""
        await self.neighbours.begin()
        self._loop_task = asyncio.get_running_loop().create_task(self._go_on(), name="duties")

    async def until_settled(self) -> None:
        """Return when this node runs all that it should, or after a while at any rate."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + SETTLE_S
        while loop.time() < until_s:
            wanted = self._wanted()
            if all(self.runs(number) for number in wanted):
                return
            await asyncio.sleep(GRASP_S)

    async def leave(self) -> None:
        """Hand everything over that another node can take; returns when it is done."""
        self._is_leaving = True
        await self.neighbours.look_again()
        if any(not entry.is_leaving for entry in self.neighbours.others):
            await asyncio.gather(*(self._hand_over(duty) for duty in list(self._duties.values())))

    async def close(self) -> None:
        """Stop; what is still run here is committed and released."""
        self._is_leaving = True
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.wait((self._loop_task,))
        if self._tasks:
            await asyncio.wait(self._tasks)
        await asyncio.gather(*(self._hand_over(duty) for duty in list(self._duties.values())))
        await self.neighbours.leave()

    async def _go_on(self) -> None:
        loop = asyncio.get_running_loop()
        next_s = loop.time()
        while True:
            if loop.time() >= next_s:
                next_s = loop.time() + BEAT_S
                try:
                    await self._round()
                except Exception:  # a node that renews no more would lose all that it runs
                    log.exception("duties_failed")
            is_grasping = await self._take() if not self.neighbours.trouble else False
            left_s = max(0.0, next_s - loop.time())
            await asyncio.sleep(min(GRASP_S, left_s) if is_grasping else left_s)

    async def _round(self) -> None:
        """One beat: say, renew, compare."""
        await self.neighbours.look_again()
        await asyncio.gather(*(self._renew_once(duty) for duty in list(self._duties.values())))
        if self.neighbours.trouble:
            return
        mine = self._wanted()
        for duty in list(self._duties.values()):
            if duty.is_open and not duty.is_leaving and duty.number not in mine:
                self._start(self._hand_over(duty))

    def _entry(self) -> NodeEntry:
        fences = {
            number: duty.holding.fence
            for number, duty in sorted(self._duties.items())
            if duty.is_open and not duty.is_leaving
        }
        return NodeEntry(self._me, self._is_leaving, fences)

    def _wanted(self) -> set[int]:
        """The slices that should be run here; a node that leaves keeps what nobody else takes."""
        shared = shares(self._slices, self.neighbours.staying())
        return {number for number, name in shared.items() if name == self._me.name}

    # ---- taking ------------------------------------------------------------------------------

    async def _take(self) -> bool:
        """Take what should be run here; True: there is more that is still another's."""
        if self._is_leaving:
            return False
        now_ms = self._now_ms()
        missing = [
            number
            for number in sorted(self._wanted())
            if number not in self._duties and self._not_before_ms.get(number, 0) <= now_ms
        ]
        taken = await asyncio.gather(*(self._try_to_take(number) for number in missing))
        return not all(taken)

    async def _try_to_take(self, number: int) -> bool:
        try:
            held = await self._locks[number].acquire(TTL_MS, self.neighbours.highest(number))
        except RedisTrouble:
            return True  # the next beat says so
        if isinstance(held, Held):
            return False
        self.neighbours.saw(number, held.fence)
        duty = self._duties[number] = _Duty(number, held)
        self._start(self._open(duty))
        return True

    async def _open(self, duty: _Duty) -> None:
        try:
            await self._runner.open(duty.number, duty.holding.fence)
        except Exception as error:
            log.exception("slice_not_opened", slice=duty.number, reason=str(error))
            self._not_before_ms[duty.number] = self._now_ms() + PAUSE_MS
            await self._drop(duty)
            return
        if self._duties.get(duty.number) is not duty:
            await self._runner.close(duty.number, is_graceful=False)
            return
        duty.is_open = True
        log.info("slice_taken", slice=duty.number, fence=duty.holding.fence)
        await self.neighbours.look_again()

    # ---- keeping -----------------------------------------------------------------------------

    async def _renew_once(self, duty: _Duty) -> None:
        """Renew the lock; those who ask meanwhile wait for the same answer."""
        if duty.renewing is None:
            duty.renewing = asyncio.ensure_future(self._renew(duty))
        await asyncio.wait((duty.renewing,))

    async def _renew(self, duty: _Duty) -> None:
        try:
            holding = await self._locks[duty.number].renew(duty.holding, TTL_MS)
            if holding is None:
                await self._lost(duty)
                return
            duty.holding = holding
            self._set_adrift(duty, is_adrift=False)
        except RedisTrouble:
            if self._now_ms() >= duty.holding.until_ms:
                self._set_adrift(duty, is_adrift=not await self._can_others())
        finally:
            duty.renewing = None

    async def _lost(self, duty: _Duty) -> None:
        """The lock is not held any more: taken again if nobody had it meanwhile, else dropped."""
        before = duty.holding.fence
        held = await self._locks[duty.number].acquire(
            TTL_MS, max(before, self.neighbours.highest(duty.number))
        )
        if isinstance(held, Holding) and held.fence == before + 1 and duty.is_open:
            self.neighbours.saw(duty.number, held.fence)
            duty.holding = held
            self._runner.fenced(duty.number, held.fence)
            self._set_adrift(duty, is_adrift=False)
            log.info("slice_regained", slice=duty.number, fence=held.fence)
            return
        log.warning("slice_lost", slice=duty.number, fence=before)
        if isinstance(held, Holding):
            duty.holding = held
        await self._drop(duty)

    def _set_adrift(self, duty: _Duty, *, is_adrift: bool) -> None:
        if duty.is_adrift != is_adrift and duty.is_open:
            duty.is_adrift = is_adrift
            self._runner.adrift(duty.number, is_adrift)

    # ---- giving up ---------------------------------------------------------------------------

    async def superseded(self, number: int) -> None:
        """Another region has heard a later owner of the slice: this node runs it no longer."""
        duty = self._duties.get(number)
        if duty is not None:
            log.warning("slice_superseded", slice=number)
            self._not_before_ms[number] = self._now_ms() + PAUSE_MS
            await self._drop(duty)

    async def _drop(self, duty: _Duty) -> None:
        """Run it no longer, at once; nothing more of it is committed."""
        if self._duties.pop(duty.number, None) is duty:
            await self._runner.close(duty.number, is_graceful=False)
        await self._release(duty)

    async def _hand_over(self, duty: _Duty) -> None:
        """Finish, commit, release."""
        if duty.is_leaving or not duty.is_open:
            return
        duty.is_leaving = True
        loop = asyncio.get_running_loop()
        until_s = loop.time() + FINISH_S
        while self._runner.busy(duty.number) and loop.time() < until_s:  # noqa: ASYNC110 - a count
            await asyncio.sleep(_POLL_S)
        await self._runner.close(duty.number, is_graceful=True)
        await self._release(duty)
        if self._duties.get(duty.number) is duty:
            del self._duties[duty.number]
        log.info("slice_handed_over", slice=duty.number, fence=duty.holding.fence)

    async def _release(self, duty: _Duty) -> None:
        try:
            await self._locks[duty.number].release(duty.holding)
        except RedisTrouble:
            log.info("lock_not_released", slice=duty.number)

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
