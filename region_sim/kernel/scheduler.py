"""True time: one queue of everything that will happen, on all machines.

Invariants: time moves only here, and only when nothing is left to do at the present instant; events
of one instant run in the order in which they were asked for, except that the steps of tasks that
are ready next to one another run in an order drawn from the seed. asyncio promises the order of
`call_soon` callbacks, and aiohttp relies on it; it promises nothing about the order of tasks, and
that is where races hide (permuting everything produced orders that cannot happen).

Cost: about 3 us an event.
"""

import asyncio
import heapq
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from random import Random
from typing import TYPE_CHECKING, Any

from region_sim.kernel.trace import Trace

if TYPE_CHECKING:
    from region_sim.kernel.machine import Machine

_COMPACT_ABOVE = 4096


class Event:
    """A callback that is to run on a machine; asyncio's Handle and TimerHandle in one."""

    __slots__ = ("_args", "_callback", "_context", "_machine", "_when_s", "is_cancelled")

    def __init__(
        self,
        machine: "Machine",
        callback: Callable[..., Any],
        args: tuple[Any, ...],
        context: Context | None,
        when_s: float = 0.0,
    ) -> None:
        self._machine = machine
        self._callback = callback
        self._args = args
        self._context = context if context is not None else copy_context()
        self._when_s = when_s
        self.is_cancelled = False

    @property
    def machine(self) -> "Machine":
        """Where it runs."""
        return self._machine

    @property
    def task(self) -> "asyncio.Task[Any] | None":
        """The task whose step this is, if it is one."""
        owner = getattr(self._callback, "__self__", None)
        return owner if isinstance(owner, asyncio.Task) else None

    def cancel(self) -> None:
        """Do not run it."""
        if not self.is_cancelled:
            self.is_cancelled = True
            self._callback, self._args = _nothing, ()
            self._machine.scheduler.cancelled += 1

    def cancelled(self) -> bool:
        """Whether `cancel` was called."""
        return self.is_cancelled

    def when(self) -> float:
        """The machine's time at which it is due, in seconds."""
        return self._when_s

    def label(self) -> str:
        """Its name in the trace: the same in every run."""
        callback = self._callback
        owner = getattr(callback, "__self__", None)
        if isinstance(owner, asyncio.Task):
            return owner.get_name()
        return getattr(callback, "__qualname__", None) or type(callback).__name__


def _nothing() -> None:
    """What a cancelled event calls."""


class Scheduler:
    """Runs the events of all machines in the order of true time."""

    def __init__(self, random: Random, trace: Trace) -> None:
        """`random` orders the steps of tasks, and nothing else is drawn from it."""
        self.now_us = 0
        self.trace = trace
        self.cancelled = 0
        """Events that were cancelled and may still be in the queue."""
        self._random = random
        self._ready: deque[Event] = deque()
        self.soon: Callable[[Event], None] = self._ready.append
        """Run an event at the present instant, after what is ready already."""
        self._later: list[tuple[int, int, Event]] = []
        self._count = 0
        self._waking: list[Machine] = []
        self._running: Machine | None = None

    def at(self, true_us: int, event: Event) -> None:
        """Run it at this time, or now if that has passed."""
        self._count += 1
        heapq.heappush(self._later, (true_us, self._count, event))

    def wake_next(self, machine: "Machine") -> None:
        """What the machine has held back runs before everything that is not running already."""
        self._waking.append(machine)

    def retime(self, machine: "Machine") -> None:
        """The machine's clock has another rate from now on: its timers move."""
        moved = []
        for at_us, number, event in self._later:
            if event.machine is machine and event.when() > 0:
                moved.append((machine.true_us(event.when()), number, event))
            else:
                moved.append((at_us, number, event))
        self._later = moved
        heapq.heapify(self._later)

    def run_until(self, end_us: int, is_done: Callable[[], bool] | None = None) -> None:
        """Run everything up to and including this time, or until `is_done` after an instant."""
        try:
            while True:
                if self._ready or self._waking:
                    self._run_ready()
                elif is_done is not None and is_done():
                    return
                elif not self._advance(end_us):
                    self.now_us = max(self.now_us, end_us)
                    return
        finally:
            self._running = None
            asyncio._set_running_loop(None)

    def _advance(self, end_us: int) -> bool:
        """Move to the next instant at which something happens; False: none before the end."""
        later = self._later
        if self.cancelled > _COMPACT_ABOVE and self.cancelled > len(later) // 2:
            self._later = later = [item for item in later if not item[2].is_cancelled]
            heapq.heapify(later)
            self.cancelled = 0
        while later and later[0][2].is_cancelled:
            heapq.heappop(later)
            self.cancelled -= 1
        if not later or later[0][0] > end_us:
            return False
        now_us = self.now_us = max(self.now_us, later[0][0])
        while later and later[0][0] <= now_us:
            event = heapq.heappop(later)[2]
            if event.is_cancelled:
                self.cancelled -= 1
            else:
                self.soon(event)
        return True

    def _run_ready(self) -> None:
        """Run what is ready now; what becomes ready meanwhile comes after it."""
        ready = self._ready
        if self._waking:
            for machine in reversed(self._waking):
                ready.extendleft(reversed(machine.wake()))
            self._waking.clear()
        if len(ready) == 1:  # nearly always
            self._run(ready.popleft())
            return
        batch = list(ready)
        ready.clear()
        self._permute_tasks(batch)
        for event in batch:
            self._run(event)

    def _run(self, event: Event) -> None:
        """Run one event; what it raises goes to its machine."""
        machine = event._machine
        if event.is_cancelled or machine.holds_back(event):
            return
        label = event.label()
        self.trace.step(self.now_us, machine.name, label)
        if machine is not self._running:
            asyncio._set_running_loop(machine)
            self._running = machine
        try:
            event._context.run(event._callback, *event._args)
        except (SystemExit, KeyboardInterrupt):
            raise
        except BaseException as error:  # noqa: BLE001 - as every event loop does
            machine.failed(error, label)

    def _permute_tasks(self, batch: list[Event]) -> None:
        """Shuffle each run of neighbouring task steps; plain callbacks stay where they are."""
        begin = 0
        for index in range(len(batch) + 1):
            if index < len(batch) and batch[index].task is not None:
                continue
            if index - begin > 1:
                steps = batch[begin:index]
                self._random.shuffle(steps)
                batch[begin:index] = steps
            begin = index + 1
