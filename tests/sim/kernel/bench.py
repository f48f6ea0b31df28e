"""A small laboratory: two hosts a fixed distance apart, and protocols that write down all."""

import asyncio
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from region_sim.kernel.links import Link
from region_sim.kernel.machine import Machine, new_machine
from region_sim.kernel.network import Network
from region_sim.kernel.scheduler import Scheduler
from region_sim.kernel.trace import Trace
from region_sim.kernel.transport import Transport

TRIP_US = 10_000


class Bench:
    """Machines `a` and `b` on hosts of their names, 10 ms apart, without jitter."""

    def __init__(self, seed: int = 0, *, jitter: float = 0.0) -> None:
        self.scheduler = Scheduler(Random(f"{seed}/scheduler"), Trace(keep=True))
        self.network = Network(
            self.scheduler, Random(f"{seed}/network"),
            distance_us=lambda source, target: TRIP_US, jitter=jitter,
        )  # fmt: skip
        self.a, self.b = self.machine("a"), self.machine("b")
        self.there, self.back = self.network.link("a", "b"), self.network.link("b", "a")

    def machine(self, name: str, *, rate: float = 1.0) -> Machine:
        """A process begins on a host of this name."""
        machine = new_machine(name, self.scheduler, self.network, start_s=50.0, rate=rate)
        self.network.plug(name, machine)
        return machine

    @property
    def now_us(self) -> int:
        return self.scheduler.now_us

    def at(self, at_us: int, act: Callable[[], Any]) -> None:
        """Do something at a true time, from outside of all machines that are tested."""
        if not hasattr(self, "_outside"):
            self._outside = new_machine("outside", self.scheduler, self.network, start_s=0.0)
        self._outside.call_true(at_us, act)

    def run(self, for_us: int) -> None:
        """Let time pass."""
        self.scheduler.run_until(self.now_us + for_us)

    def task(self, work: Coroutine[Any, Any, Any], machine: Machine | None = None) -> Any:
        """Begin a task on a machine (`a`); it runs as time passes."""
        on, made = machine or self.a, []
        on.call_soon(lambda: made.append(on.create_task(work)))
        self.scheduler.run_until(self.now_us)
        return made[0]

    def call(
        self, work: Coroutine[Any, Any, Any], machine: Machine | None = None, limit_s: float = 100
    ) -> Any:
        """Run a coroutine on a machine until it is done."""
        task = self.task(work, machine)
        self.scheduler.run_until(self.now_us + round(limit_s * 1e6), task.done)
        assert task.done(), f"not done within {limit_s:g} s"
        return task.result()

    def connected(self) -> tuple["Heard", "Heard"]:
        """The two ends of a connection that `a` has opened to `b`."""
        theirs: list[Heard] = []

        def accept() -> Heard:
            theirs.append(Heard(self))
            return theirs[-1]

        self.network.listen(self.b, accept, "b", 80)
        _, ours = self.call(self.a.create_connection(lambda: Heard(self), "b", 80))
        return ours, theirs[0]

    def cut(self, link: Link, how: str, from_us: int, to_us: int) -> None:
        """`drops`, `rejects` or `stalls` between two times from now."""

        def change(by: int) -> None:
            if how == "stalls" and by < 0:
                link.unstall()
            else:
                setattr(link, how, getattr(link, how) + by)

        self.at(self.now_us + from_us, lambda: change(1))
        self.at(self.now_us + to_us, lambda: change(-1))


class Heard(asyncio.Protocol):
    """Writes down what it hears, and when."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self.transport: Transport
        self.data: list[tuple[int, bytes]] = []
        self.events: list[tuple[int, str]] = []

    def _note(self, what: str) -> None:
        self.events.append((self._bench.now_us, what))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        self._note("made")

    def data_received(self, data: bytes) -> None:
        self.data.append((self._bench.now_us, data))

    def eof_received(self) -> None:
        self._note("eof")

    def connection_lost(self, error: Exception | None) -> None:
        self._note("lost" if error is None else f"lost: {error}")

    def pause_writing(self) -> None:
        self._note("pause")

    def resume_writing(self) -> None:
        self._note("resume")

    @property
    def said(self) -> list[str]:
        """What happened besides data, without times."""
        return [what for _, what in self.events]

    @property
    def bytes(self) -> bytes:
        """Everything that was heard."""
        return b"".join(data for _, data in self.data)
