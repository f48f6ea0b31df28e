"""The simulated world of one run: one scheduler, one network, regions as processes, viewers.

Invariant: everything that is drawn comes from streams that are derived from the seed by name
(network, workload, scheduler, faults, one per life of a region), so that another draw in one of
them leaves the others as they were.
"""

import base64
import gc
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from random import Random
from typing import Any

from crdt.dots import RegionId
from crdt.versions import NEWEST, OLDEST
from georeg.edge.backends import mint_backend_key
from georeg.region.settings import ElectionKind
from region_sim.damage import damage
from region_sim.history import History, Life, LifeEvent, Transfer
from region_sim.kernel.machine import Machine, new_machine
from region_sim.kernel.network import Network
from region_sim.kernel.scheduler import Scheduler
from region_sim.kernel.trace import Trace
from region_sim.plan.scenario import Scenario
from region_sim.world.ground import INSIDE, INSIDE_US, Chaos, Ground, Secrets, System
from region_sim.world.lock_line import LockHost, LockLine
from region_sim.world.slot import Disk, Slot
from region_sim.world.town import PLACE, SimTown, region_of

_PROBE_US = 1_000_000
_COLLECT_US = 30_000_000
"""Garbage is collected at fixed times: what runs then must not depend on memory."""


class World:
    """Everything of one run. Used within `logs.kept` and `entropy.seeded`."""

    def __init__(
        self, scenario: Scenario, seed: int, system: System, history: History, trace: Trace
    ) -> None:
        self.scenario, self.seed, self.system, self.history, self.trace = (
            scenario, seed, system, history, trace,
        )  # fmt: skip
        self._drawn = self.stream("world")
        self.scheduler = Scheduler(self.stream("scheduler"), trace)
        distances = scenario.distances_us()
        last_mile_us = round(scenario.last_mile_ms * 1000)

        def distance_us(source: str, target: str) -> int:
            a, b = region_of(source), region_of(target)
            mile_us = last_mile_us if PLACE in source + target else 0
            near_us = INSIDE_US if INSIDE in source + target else 0
            return mile_us + near_us + (distances[a, b] if a != b else 0)

        networking = self.stream("network")
        self.network = Network(
            self.scheduler, networking, distance_us=distance_us, jitter=scenario.jitter
        )
        self.chaos = Chaos(networking, {})
        self.members = scenario.regions
        """The regions of the cluster, as the configs say it or soon will."""
        self.changed_us = 0
        """When the last config has changed, or will have."""
        self._secrets = _draw_secrets(self.stream("keys"))
        self._directory = tempfile.TemporaryDirectory(prefix="region-sim-")
        self._slots = {
            name: Slot(name, number, Disk(Path(self._directory.name) / name))
            for number, name in enumerate(scenario.regions, start=1)
        }
        self.viewers = new_machine("viewers", self.scheduler, self.network, start_s=0.0)
        for name in scenario.regions:
            self.network.plug(PLACE + name, self.viewers)
        self._locks = self._lock_host() if scenario.election == ElectionKind.FENCED else None
        self._dead: list[Machine] = []
        self.town = SimTown(
            self.viewers, scenario.regions, self.stream("workload"), history, self._secrets
        )
        self._note_distances(distance_us)
        for slot in self._slots.values():
            slot.own_drift = self._drawn.uniform(-scenario.drift, scenario.drift)
            slot.protocol_max = OLDEST if slot.name in scenario.older else NEWEST
        self._every(_PROBE_US, self._probe)
        self._every(_COLLECT_US, lambda: gc.collect(1))

    def _lock_host(self) -> LockHost:
        """A machine apart from all regions, with a clock of its own."""
        random = self.stream("locks")
        rate = 1 + random.uniform(-self.scenario.drift, self.scenario.drift)
        machine = new_machine("locks", self.scheduler, self.network, start_s=50.0, rate=rate)
        return LockHost(machine, random)

    def _note_distances(self, distance_us: Callable[[str, str], int]) -> None:
        history, regions = self.history, self.scenario.regions
        pairs = [(a, b) for a in regions for b in regions if a != b]
        history.max_latency_us = max((distance_us(a, b) for a, b in pairs), default=0)
        for place in regions:
            for region in regions:
                usual_us = distance_us(PLACE + place, region) + distance_us(region, PLACE + place)
                history.round_trips_us[f"{place}>{region}"] = int(
                    usual_us * (1 + self.scenario.jitter)
                )

    # ---- time and chance ---------------------------------------------------------------------

    @property
    def now_us(self) -> int:
        """True time since the run began."""
        return self.scheduler.now_us

    def stream(self, name: str) -> Random:
        """The random stream of this name."""
        return Random(f"{self.seed}/{name}")

    def at(self, at_s: float, run: Callable[[], None]) -> None:
        """Do something at a true time, in seconds."""
        self.viewers.call_true(round(at_s * 1e6), run)

    def _every(self, period_us: int, run: Callable[[], Any]) -> None:
        def again() -> None:
            run()
            self.viewers.call_true(self.now_us + period_us, again)

        self.viewers.call_true(self.now_us + period_us, again)

    def run_until(self, end_s: float, is_done: Callable[[], bool] | None = None) -> None:
        """Let time pass."""
        self.scheduler.run_until(round(end_s * 1e6), is_done)

    def call(self, work: Coroutine[Any, Any, Any], limit_s: float = 60.0) -> Any:
        """Run a coroutine on the viewers' machine until it is done, and give its result."""
        task: list[Any] = []
        self.viewers.call_soon(lambda: task.append(self.viewers.create_task(work)))
        limit_us = self.now_us + round(limit_s * 1e6)
        self.scheduler.run_until(limit_us, lambda: bool(task) and task[0].done())
        assert task[0].done(), f"not done within {limit_s:g} simulated seconds"
        return task[0].result()

    # ---- regions -----------------------------------------------------------------------------

    def slot(self, region: str) -> Slot:
        """A region's place."""
        return self._slots[region]

    def slots(self) -> list[Slot]:
        """All regions, by number."""
        return list(self._slots.values())

    def tell(self, slot: Slot, what: Life, note: str = "") -> None:
        """Write down what became of a region's process."""
        self.history.lives.append(LifeEvent(self.now_us, slot.name, what, note))
        self.trace.change(self.now_us, f"{slot.name} {what.value} {note}")

    def boot(self, region: str) -> None:
        """Start a region's process."""
        slot = self._slots[region]
        assert not slot.is_running, f"{region} runs already"
        slot.boots += 1
        slot.is_ready = False
        machine = new_machine(
            region, self.scheduler, self.network, rate=1 + slot.drift(),
            start_s=self._drawn.uniform(100, 10_000),
        )  # fmt: skip
        machine.jump_ms = slot.jump_ms
        machine.disk_us, machine.disk_error = slot.disk.sync_us, slot.disk.error
        slot.machine = machine
        self.network.plug(region, machine)
        release = "" if slot.protocol_max == NEWEST else f", protocol {slot.protocol_max}"
        self.tell(slot, Life.BOOTED, f"boot {slot.boots}{release}")
        machine.call_soon(self._begin, slot, machine)

    def _begin(self, slot: Slot, machine: Machine) -> None:
        """On the new machine: make the process and let it start."""
        slot.disk.directory.mkdir(parents=True, exist_ok=True)
        ground = Ground(
            name=slot.name, number=RegionId(slot.number), regions=self.scenario.regions,
            members=tuple(r for r in self.scenario.regions if r in (*self.members, slot.name)),
            boot=slot.boots, protocol_max=slot.protocol_max, machine=machine,
            network=self.network, directory=slot.disk.directory,
            random=self.stream(f"region/{slot.name}/{slot.boots}"),
            secrets=self._secrets, scenario=self.scenario, history=self.history, chaos=self.chaos,
            locks=None if self._locks is None else LockLine(self._locks, machine, slot.lock_cut),
        )  # fmt: skip
        process = slot.process = self.system.process(ground)

        async def start() -> None:
            await process.start()
            slot.is_ready = True
            self.tell(slot, Life.READY)

        slot.starting = machine.create_task(start(), name="start")

    def kill(self, region: str, how: str = "crash") -> None:
        """A region's process dies at once; but for `crash` its host too, so that nobody is told.

        `wipe`: its disk is lost; `corrupt`: its disk is damaged.
        """
        slot = self._slots[region]
        slot.downs += 1
        if not slot.is_running:
            return
        assert slot.machine is not None
        slot.machine.kill()
        is_crash = how == "crash"
        self.network.unplug(region, power=not is_crash)
        self._bury(slot)
        if how == "wipe":
            slot.disk.wipe()
        elif how == "corrupt":
            damage(slot.disk.directory, self.stream(f"damage/{region}/{slot.boots}"))
        self.tell(slot, Life.KILLED, "crash" if is_crash else "power")

    def _bury(self, slot: Slot) -> None:
        if slot.process is not None:
            slot.process.killed()
            self._dead.append(slot.machine)  # type: ignore[arg-type]
        slot.process, slot.is_ready = None, False

    def revive(self, region: str) -> None:
        """One reason less for a region to be down; the last one gone, it starts again."""
        slot = self._slots[region]
        slot.downs = max(0, slot.downs - 1)
        if slot.downs == 0 and not slot.is_running:
            self.boot(region)

    def drain(self, region: str, *, for_s: float = 3.0) -> None:
        """An operator drains a region and, a little later, stops it in order."""
        slot = self._slots[region]
        slot.downs += 1
        machine, process = slot.machine, slot.process
        if machine is None or process is None or not slot.is_ready:
            return
        self.tell(slot, Life.DRAINING)
        machine.call_soon(process.drain)

        def stop() -> None:
            slot.stopping = machine.create_task(self._stop(slot, machine), name="stop")

        machine.call_later(for_s, stop)

    async def _stop(self, slot: Slot, machine: Machine) -> None:
        assert slot.process is not None
        slot.is_ready = False
        await slot.process.stop()
        if not machine.is_alive:
            return
        machine.kill()
        self.network.unplug(slot.name, power=False)
        self._dead.append(machine)
        slot.process = None
        self.tell(slot, Life.STOPPED)
        if slot.downs == 0:
            self.boot(slot.name)

    def pause(self, region: str) -> None:
        """A region's process stands still."""
        slot = self._slots[region]
        slot.pauses += 1
        if slot.machine is not None and slot.is_running and not slot.machine.is_paused:
            slot.machine.pause()
            self.tell(slot, Life.PAUSED)

    def resume(self, region: str) -> None:
        """One reason less to stand still."""
        slot = self._slots[region]
        slot.pauses -= 1
        if slot.machine is not None and slot.pauses == 0 and slot.machine.is_paused:
            slot.machine.resume()
            if slot.is_running:
                self.tell(slot, Life.RESUMED)

    def set_rate(self, region: str) -> None:
        """A region's drift has changed."""
        slot = self._slots[region]
        if slot.machine is not None:
            slot.machine.set_rate(1 + slot.drift())

    def jump(self, region: str, by_ms: int) -> None:
        """A region's wall clock jumps."""
        slot = self._slots[region]
        slot.jump_ms += by_ms
        if slot.machine is not None:
            slot.machine.jump_ms = slot.jump_ms

    def processes(self) -> dict[str, Any]:
        """The processes that serve, by region."""
        return {slot.name: slot.process for slot in self._slots.values() if slot.is_ready}

    # ---- watching ----------------------------------------------------------------------------

    def _probe(self) -> None:
        for process in self.processes().values():
            process.probe()

    def failures(self) -> list[str]:
        """What callbacks raised and nobody caught, on any machine: a bug, somewhere."""
        machines = [*self._dead, self.viewers, *(s.machine for s in self.slots() if s.machine)]
        return [
            f"{at_us / 1e6:.3f} s {machine.name}: {label}: {type(error).__name__}: {error}"
            for machine in machines
            for at_us, label, error in machine.failures
        ]

    def close(self) -> None:
        """Kill what runs, count what crossed the links, let go of everything."""
        for link in self.network.links():
            if PLACE not in link.source + link.target:
                self.history.transfers.append(
                    Transfer(link.source, link.target, link.bytes, link.chunks)
                )
        for slot in self.slots():
            if slot.is_running:
                assert slot.machine is not None
                slot.machine.kill()
                self._bury(slot)
        self.viewers.kill()
        for machine in (*self._dead, self.viewers):
            for let_go in machine.at_end:
                let_go()
        self._directory.cleanup()


def _draw_secrets(random: Random) -> Secrets:
    """Keys of one cluster."""

    def secret() -> str:
        return base64.urlsafe_b64encode(random.randbytes(32)).rstrip(b"=").decode()

    key, stored = mint_backend_key("sim", random.randbytes)
    return Secrets(secret(), secret(), secret(), key, stored)
