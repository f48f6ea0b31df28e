"""Which slices this node runs: takes those that are its share, gives away those that are not.

Twice a second the node says that it lives, renews the locks of its slices (duty.py), and compares
what it runs with what it should run (sharing.py). A slice that should be another's is handed over:
its calls wait, what is being decided here is finished and committed, its lock is released, and the
other node takes it, some milliseconds later. A dead node's locks expire, and those whose share its
slices are by then take them.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

import structlog

from georeg.nodes.drains import Word
from georeg.nodes.duty import Duty, Means, Runner
from georeg.nodes.neighbours import Neighbours
from georeg.nodes.passing import Address
from georeg.nodes.registry import TTL_MS, NodeEntry, Registry
from georeg.nodes.sharing import shares
from georeg.store.redis import Held, RedisLock, RedisTrouble

BEAT_S: Final = 0.5
GRASP_S: Final = 0.025
"""Between two tries to take a slice that is to be this node's and still another's."""
TOGETHER_S: Final = 0.3
"""Nodes that are started together wait so long for one another before they take slices: those that
are taken and handed over at once would begin twice."""
SETTLE_S: Final = 8.0
"""So long a new node waits for its slices before it takes calls without them."""
PAUSE_MS: Final = 1_000
"""Before a slice that could not be opened is tried again."""
log = structlog.get_logger("georeg.nodes")


class Others(Protocol):
    """The other nodes, asked without the store (others.py)."""

    async def can_take(self, number: int) -> bool:
        """Whether one of them says that it can take a slice."""

    async def who_runs(self) -> Mapping[int, Address]:
        """Slice -> who says that it runs it."""


class Duties:
    """The duties of one node."""

    def __init__(
        self,
        me: Address,
        slices: int,
        registry: Registry,
        lock_of: Callable[[int], RedisLock],
        runner: Runner,
        others: Others,
        now_ms: Callable[[], int],
    ) -> None:
        """`now_ms`: see `Means`."""
        self._me = me
        self._slices = slices
        self._locks = {number: lock_of(number) for number in range(slices)}
        self._now_ms = now_ms
        self._duties: dict[int, Duty] = {}
        self._not_before_ms: dict[int, int] = {}
        """Slices that could not be opened, or were lost, and when to try again."""
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_leaving = False
        self._is_undecided = False
        """Whether it leaves, and does not know yet whether another node stays."""
        self._beats = 0
        self._loop_task: asyncio.Task[None] | None = None
        self.neighbours: Final = Neighbours(me.name, registry, self._entry, now_ms)
        self._others = others
        self.sessions: Callable[[], int] = lambda: 0
        """Set by the node: how many live in the slices that it runs."""
        self.drain: Callable[[], Word] = Word
        """Set by the node: what it has heard of a drain of the region."""
        self._means = Means(runner, self.neighbours, self._may_be_taken, now_ms)

    # ---- what others ask ---------------------------------------------------------------------

    def runs(self, number: int) -> bool:
        """Whether this node runs the slice and may decide for it now."""
        duty = self._duties.get(number)
        return duty is not None and duty.may_decide

    async def may_run(self, number: int) -> bool:
        """The same, after a look into the store where the time of the lock is over."""
        duty = self._duties.get(number)
        if duty is not None and duty.is_kept and not duty.may_decide:
            await duty.renew()
        return self.runs(number)

    @property
    def has_store(self) -> bool:
        """Whether the store was reached when it was last asked."""
        return not self.neighbours.trouble

    async def can_take(self, number: int) -> bool:
        """Whether this node would take the slice, were it to run it: it reaches the store, and does
        not leave the slice to the node that ran it before the store was away. Who asks has just
        lost the store, and what this node knows is up to a beat old: so it looks again."""
        if self.has_store:
            await self.neighbours.look_again()
        return self.has_store and self.neighbours.is_free(number)

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

    @property
    def are_others_evacuated(self) -> bool:
        """Whether no session is left in the slices of other nodes, as far as they have said."""
        return not any(entry.sessions for entry in self.neighbours.others)

    async def renew_now(self, number: int) -> None:
        """See to the lock of a slice at once."""
        duty = self._duties.get(number)
        if duty is not None:
            await duty.renew()

    async def superseded(self, number: int, incarnation: int = 0) -> None:
        """Somebody has heard a later owner of the slice: this node runs it no longer.

        `incarnation`: of that one, 0: not known. Whoever takes the slice next begins above it, also
        where the store has lost its numbers, which would else be counted up to it one by one.
        """
        self.neighbours.saw(number, incarnation)
        duty = self._duties.get(number)
        if duty is not None:
            log.warning("slice_superseded", slice=number)
            self._not_before_ms[number] = self._now_ms() + PAUSE_MS
            await duty.drop()

    # ---- life --------------------------------------------------------------------------------

    async def open(self) -> None:
        """Make the node known and begin to take slices. Raises RedisTrouble."""
        await self.neighbours.begin()
        await asyncio.sleep(TOGETHER_S)
        await self.neighbours.look_again()
        self._loop_task = asyncio.get_running_loop().create_task(self._go_on(), name="duties")

    async def until_settled(self) -> None:
        """Return when this node runs all that it should, or after a while at any rate."""
        loop = asyncio.get_running_loop()
        until_s = loop.time() + SETTLE_S
        while loop.time() < until_s and not all(map(self.runs, self._wanted())):  # noqa: ASYNC110 - it changes with each beat
            await asyncio.sleep(GRASP_S)

    async def leave(self, *, within_s: float = 2 * BEAT_S) -> bool:
        """Hand everything over and take nothing more; False: no other node stays, so that what is
        run here goes on. `within_s`: nodes that are told to leave together hear so of one another.
        """
        self._is_leaving = self._is_undecided = True
        try:
            await self.neighbours.look_again()
            if within_s and self.has_successor:
                await asyncio.sleep(within_s)
                await self.neighbours.look_again()
        finally:
            self._is_undecided = False
        if not self.has_successor:
            return False
        await self._hand_all_over()
        return True

    async def close(self) -> None:
        """Stop; what is still run here is committed and released."""
        self._is_leaving = True
        if self._loop_task is not None:
            self._loop_task.cancel()
            await asyncio.wait((self._loop_task,))
        if self._tasks:
            await asyncio.wait(self._tasks)
        await self._hand_all_over()
        await self.neighbours.look_again()  # the last word: it leaves, and runs nothing

    async def _hand_all_over(self) -> None:
        await asyncio.gather(*(duty.hand_over() for duty in list(self._duties.values())))

    # ---- the rounds --------------------------------------------------------------------------

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
            is_grasping = self.has_store and await self._take()
            left_s = max(0.0, next_s - loop.time())
            await asyncio.sleep(min(GRASP_S, left_s) if is_grasping else left_s)

    async def _round(self) -> None:
        """One beat: say, renew, compare."""
        self._beats += 1
        await self.neighbours.look_again()
        await asyncio.gather(*(duty.renew() for duty in list(self._duties.values())))
        if not self.has_store:
            self.neighbours.owners = await self._others.who_runs()
            return
        if self._is_undecided:
            return
        mine = self._wanted()
        for duty in list(self._duties.values()):
            if duty.is_kept and duty.number not in mine:
                self._start(duty.hand_over())

    def _entry(self) -> NodeEntry:
        fences = {n: duty.fence for n, duty in sorted(self._duties.items()) if duty.is_kept}
        said = self.sessions(), self.drain()
        return NodeEntry(self._me, self._is_leaving, fences, self._beats, *said)

    async def _may_be_taken(self, number: int) -> bool:
        """Whether another node may take a slice whose lock cannot be renewed. Not while all nodes
        are told that this one lives, and so that the slice is its share: then it is only that part
        of a cluster that is lost where the lock is."""
        if self.has_store:  # so it was with the last beat
            await self.neighbours.look_again()
        if self.has_store and number in self._wanted():
            return False
        return await self._others.can_take(number)

    def _wanted(self) -> set[int]:
        """The slices that should be run here; a node that leaves keeps what nobody else takes."""
        shared = shares(self._slices, self.neighbours.staying())
        return {number for number, name in shared.items() if name == self._me.name}

    # ---- taking ------------------------------------------------------------------------------

    async def _take(self) -> bool:
        """Take what should be run here; True: there is more that is still another's."""
        self._duties = {n: duty for n, duty in self._duties.items() if not duty.is_over}
        if self._is_leaving:
            return False
        now_ms = self._now_ms()
        missing = [
            number
            for number in sorted(self._wanted())
            if number not in self._duties
            and self._not_before_ms.get(number, 0) <= now_ms
            and self.neighbours.is_free(number)
        ]
        taken = await asyncio.gather(*(self._try_to_take(number) for number in missing))
        return not all(taken)

    async def _try_to_take(self, number: int) -> bool:
        lock, neighbours = self._locks[number], self.neighbours
        try:
            held = await lock.acquire(TTL_MS, neighbours.highest(number))
        except RedisTrouble:
            return True  # the next beat says so
        if isinstance(held, Held):
            return False
        neighbours.saw(number, held.fence)
        duty = self._duties[number] = Duty(number, held, lock, self._means)
        self._start(self._open(duty))
        return True

    async def _open(self, duty: Duty) -> None:
        if await duty.open():
            await self.neighbours.look_again()  # so that the others hear of it at once
        else:
            self._not_before_ms[duty.number] = self._now_ms() + PAUSE_MS

    def _start(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
