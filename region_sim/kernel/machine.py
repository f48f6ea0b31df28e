"""One simulated process: an asyncio loop with a clock of its own, that can be paused or killed.

Real code runs on it unchanged: aiohttp, georeg's edge and mesh. What makes it a process:
- its monotonic clock has a rate and an offset, so that leases meet drift;
- paused, it runs nothing; what was due meanwhile runs when it goes on, in its order (SIGSTOP);
- killed, it runs nothing ever again, not even `finally` (SIGKILL). Its tasks are kept until the run
  is over: collected earlier, their coroutines would be closed and run code of a dead process.

Invariant: nothing here reads the system's clock or starts a thread; an executor's work runs on the
machine itself after `disk_us`, and is lost with it.
"""

import asyncio
import math
import socket
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import TYPE_CHECKING, Any

from region_sim.kernel.scheduler import Event, Scheduler

if TYPE_CHECKING:
    from region_sim.kernel.network import Network

EPOCH_MS = 1_767_225_600_000
"""Wall time at the beginning of every run: 2026-01-01 00:00 UTC."""


class Machine(asyncio.AbstractEventLoop):
    """The event loop of one simulated process."""

    def __init__(
        self,
        name: str,
        scheduler: Scheduler,
        network: "Network",
        *,
        rate: float = 1.0,
        start_s: float = 1000.0,
    ) -> None:
        """`name` is that of its host. `start_s`: what its monotonic clock shows now."""
        self.name = name
        self.scheduler = scheduler
        self.network = network
        self.is_alive = True
        self.is_paused = False
        self._is_waking = False
        """Goes on as soon as what runs at this moment is through."""
        self.jump_ms = 0
        """How far its wall clock is off, apart from drift."""
        self.disk_us: Callable[[], int] = lambda: 300
        """How long the next sync of its disk takes."""
        self.disk_error: Callable[[], BaseException | None] = lambda: None
        """What the disk answers instead of working."""
        self.at_end: list[Callable[[], None]] = []
        """What to let go of when the run is over."""
        self.failures: list[tuple[int, str, BaseException]] = []
        """What callbacks raised: time, callback, error. No run should have any."""
        self._rate = rate
        self._base_us = scheduler.now_us
        self._base_s = start_s
        self._held: list[Event] = []
        self._disk_free_us = 0
        self._tasks: dict[asyncio.Task[Any], None] = {}
        self._task_count = 0

    # ---- a process ---------------------------------------------------------------------------

    def holds_back(self, event: Event) -> bool:
        """Whether the event must not run now; a paused machine keeps it for later."""
        if self.is_alive and not self.is_paused and not self._is_waking:
            return False
        if self.is_alive:
            self._held.append(event)
        return True

    def pause(self) -> None:
        """Stand still."""
        self.is_paused, self._is_waking = True, False

    def resume(self) -> None:
        """Go on, with everything that was due meanwhile, before anything that comes later."""
        if self.is_paused:
            self.is_paused, self._is_waking = False, True
            self.scheduler.wake_next(self)

    def wake(self) -> list[Event]:
        """For the scheduler, between two events: what was held back, in its order."""
        if not self._is_waking:
            return []
        self._is_waking = False
        held, self._held = self._held, []
        return held

    def kill(self) -> None:
        """Never run again."""
        self.is_alive = False
        self._held.clear()
        for task in self._tasks:
            task._log_destroy_pending = False  # type: ignore[attr-defined]  # it is no mistake

    def failed(self, error: BaseException, label: str) -> None:
        """A callback raised."""
        self.failures.append((self.scheduler.now_us, label, error))

    # ---- time --------------------------------------------------------------------------------

    def time(self) -> float:
        """Monotonic seconds on this machine's clock."""
        return self._base_s + (self.scheduler.now_us - self._base_us) * self._rate / 1e6

    def wall_ms(self) -> int:
        """Milliseconds since 1970: true time, its drift since the rate was last set, its jump."""
        elapsed_ms = (self.time() - self._base_s) * 1000 + self._base_us / 1000
        return EPOCH_MS + self.jump_ms + int(elapsed_ms)

    def true_us(self, when_s: float) -> int:
        """True time at which this machine's clock will show `when_s`, never earlier."""
        after_us = math.ceil((when_s - self._base_s) * 1e6 / self._rate)
        # aiohttp asks again at once when its clock shows less than what it waited for.
        while self._base_s + after_us * self._rate / 1e6 < when_s:
            after_us += 1
        return self._base_us + after_us

    def set_rate(self, rate: float) -> None:
        """Let the clock run at another rate from now on."""
        now_s = self.time()
        self._base_s, self._base_us, self._rate = now_s, self.scheduler.now_us, rate
        self.scheduler.retime(self)

    # ---- callbacks ---------------------------------------------------------------------------

    def call_soon(  # type: ignore[override]  # our Event is both of asyncio's handles
        self, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Event:
        event = Event(self, callback, args, context)
        self.scheduler.soon(event)
        return event

    call_soon_threadsafe = call_soon  # type: ignore[assignment]

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Event:
        event = Event(self, callback, args, context, when)
        self.scheduler.at(self.true_us(when), event)
        return event

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., Any], *args: Any, context: Context | None = None
    ) -> Event:
        return self.call_at(self.time() + delay, callback, *args, context=context)

    def call_true(self, true_us: int, callback: Callable[..., Any], *args: Any) -> Event:
        """For the network: run at a true time, whatever this machine's clock shows."""
        event = Event(self, callback, args, None)
        self.scheduler.at(true_us, event)
        return event

    # ---- tasks and futures -------------------------------------------------------------------

    def create_future(self) -> "asyncio.Future[Any]":
        return asyncio.Future(loop=self)

    def create_task(  # type: ignore[override]
        self,
        coro: Coroutine[Any, Any, Any],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> "asyncio.Task[Any]":
        self._task_count += 1
        # asyncio numbers tasks over the whole process, which would differ from run to run.
        label = name or getattr(coro, "__qualname__", "task")
        task = asyncio.Task(coro, loop=self, name=f"{label}#{self._task_count}", context=context)
        self._tasks[task] = None
        task.add_done_callback(self._forget)
        return task

    def _forget(self, task: "asyncio.Task[Any]") -> None:
        self._tasks.pop(task, None)

    def get_task_factory(self) -> None:
        return None

    def tasks(self) -> list["asyncio.Task[Any]"]:
        """What has not ended, oldest first."""
        return list(self._tasks)

    # ---- the rest of the loop's interface that is used ---------------------------------------

    def run_in_executor(  # type: ignore[override]
        self, _executor: object, func: Callable[..., Any], *args: Any
    ) -> "asyncio.Future[Any]":
        """Do the work on this machine once its disk is through, one piece after the other."""
        future = self.create_future()

        def work() -> None:
            refused = self.disk_error()
            try:
                if refused is not None:
                    raise refused
                result = func(*args)
            except Exception as error:  # noqa: BLE001 - the caller gets it, as from a thread
                if not future.done():
                    future.set_exception(error)
            else:
                if not future.done():
                    future.set_result(result)

        # A worker that is slow with one piece of work begins the next one later.
        begins_us = max(self.scheduler.now_us, self._disk_free_us)
        self._disk_free_us = begins_us + self.disk_us()
        self.call_true(self._disk_free_us, work)
        return future

    async def create_server(  # type: ignore[override]
        self, protocol_factory: Any, host: str, port: int, **_options: Any
    ) -> asyncio.AbstractServer:
        return self.network.listen(self, protocol_factory, host, port)

    async def create_connection(  # type: ignore[override]
        self, protocol_factory: Any, host: str, port: int, *, source: str | None = None, **_o: Any
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        return await self.network.connect(self, protocol_factory, source or self.name, host, port)

    async def getaddrinfo(  # type: ignore[override]
        self, host: str, port: int, **_options: Any
    ) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port))]

    def is_running(self) -> bool:
        return self.is_alive

    def is_closed(self) -> bool:
        return not self.is_alive

    def get_debug(self) -> bool:
        return False

    def get_exception_handler(self) -> None:
        return None

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """asyncio and aiohttp report here what nobody caught."""
        if self.is_alive:
            error = context.get("exception") or RuntimeError(context.get("message", "unknown"))
            self.failed(error, str(context.get("message", "")))

    def default_exception_handler(self, context: dict[str, Any]) -> None:
        self.call_exception_handler(context)


def new_machine(
    name: str, scheduler: Scheduler, network: "Network", *, start_s: float, rate: float = 1.0
) -> Machine:
    """A process begins. What the loop's interface has besides is not used by anything here."""
    return Machine(name, scheduler, network, rate=rate, start_s=start_s)  # type: ignore[abstract]
