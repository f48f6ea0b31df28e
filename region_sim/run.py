"""One simulated run from its first to its last moment.

Phases: the regions boot; viewers act under the faults (safety); everything is healed and nobody
starts any more, while what plays goes on (convergence); then all devices vanish, and when every
lease is over nothing may be left. What happened is in the history; judging it is the oracle's part.
"""

import gc
import sys
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Final

from georeg.mesh import MeshSettings
from georeg.region.settings import Settings
from region_sim.history import Convergence, History, LogLine
from region_sim.kernel import entropy
from region_sim.kernel.machine import EPOCH_MS
from region_sim.kernel.trace import Trace
from region_sim.plan.draw import draw
from region_sim.plan.faults import FaultKind
from region_sim.plan.scenario import Scenario
from region_sim.viewers import Viewers
from region_sim.world import logs
from region_sim.world.config import settings_of
from region_sim.world.georeg import Georeg
from region_sim.world.ground import System
from region_sim.world.nemesis import Nemesis
from region_sim.world.world import World

BOOT_LIMIT_S: Final = 30.0
SETTLE_LIMIT_S: Final = 30.0
"""How long after healing a run waits for the regions to agree, at most."""
TAKEOVER_S: Final = 3.0
"""Within it somebody runs each slice of a region of many nodes again (docs/nodes.md)."""
POLL_S: Final = 0.1
BURIALS_MAX: Final = 8
PROGRESS_S: Final = 1.0

Progress = Callable[[float, float], None]
"""Called with simulated seconds done, and to do."""


@dataclass(slots=True)
class Run:
    """One run and how it went."""

    scenario: Scenario
    """With everything that was drawn."""
    seed: int
    history: History
    trace: Trace
    real_s: float
    simulated_s: float

    @property
    def digest(self) -> str:
        """The run's fingerprint."""
        return self.trace.digest()


class SimulatorError(Exception):
    """The simulator itself went wrong: nothing is proved."""


def run(
    scenario: Scenario,
    seed: int,
    *,
    make_system: Callable[[], System] = Georeg,
    keep_trace: bool = False,
    keep_frames: bool = False,
    on_progress: Progress = lambda done_s, all_s: None,
) -> Run:
    """Run a scenario. Raises PlanError, SimulatorError."""
    drawn = draw(scenario, seed)
    gc.freeze()  # what was there before is not looked through at each collection of the run
    trace = Trace(keep=keep_trace)
    system = make_system()
    history = History(seed, scenario.name, system.name, scenario.regions)
    history.election, history.nodes = scenario.election, scenario.nodes
    world_time = _WorldTime()
    began_s = perf_counter()
    had_gc = gc.isenabled()
    world: World | None = None
    gc.disable()
    try:
        with logs.kept(history), entropy.seeded(seed, world_time.wall_s):
            world = World(drawn, seed, system, history, trace)
            world_time.world = world
            world.chaos.keeps_frames = keep_frames
            try:
                _Phases(world, on_progress).run()
            finally:
                world.close()
        history.end_us = world.now_us
    finally:
        del world, world_time, system
        with logs.kept(history):  # what the dead say while they are buried is no news
            _bury()
        gc.unfreeze()
        if had_gc:
            gc.enable()
    real_s = perf_counter() - began_s
    return Run(drawn, seed, history, trace, real_s, history.end_us / 1e6)


def _bury() -> None:
    """Collect the dead processes. Python closes their coroutines, which then run their `finally`
    and complain that nobody listens: that is over, and no news."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda unraisable: None
    try:
        for _ in range(BURIALS_MAX):  # what is closed may keep others alive until the next time
            if not gc.collect():
                break
    finally:
        sys.unraisablehook = hook


class _WorldTime:
    """True wall time, for what is set up before the world is."""

    world: World | None = None

    def wall_s(self) -> float:
        now_us = self.world.now_us if self.world is not None else 0
        return EPOCH_MS / 1000 + now_us / 1e6


class _Phases:
    """What happens when."""

    def __init__(self, world: World, on_progress: Progress) -> None:
        self._world = world
        self._on_progress = on_progress
        self._settings = note_settings(world)
        lease_s = self._settings.client_lease_ms / 1000
        self._quiet_s = 3.0 + 2 * self._settings.beacon_ms / 1000
        idle_s = self._settings.idle_grant_ms / 1000
        self._empty_s = lease_s * 1.05 + idle_s + 25
        self._end_s = world.scenario.duration_s + SETTLE_LIMIT_S + self._empty_s

    def run(self) -> None:
        """All of them, one after another."""
        world, scenario = self._world, self._world.scenario
        nemesis = Nemesis(world)
        self._boot()
        nemesis.plan(scenario.faults)
        viewers = Viewers(world.town, scenario)
        world.viewers.call_soon(viewers.begin)
        self._go_to(scenario.duration_s)
        nemesis.heal()
        for slot in world.slots():
            while slot.downs:
                world.revive(slot.name)
        viewers.quiet()
        world.history.healed_us = world.now_us
        self._converge()
        world.viewers.call_soon(viewers.leave)
        self._go_to(world.now_us / 1e6 + self._empty_s)
        self._check_empty()
        for failure in world.failures():
            world.history.logs.append(LogLine(world.now_us, "", "uncaught", failure))

    def _boot(self) -> None:
        world = self._world
        for slot in world.slots():
            world.boot(slot.name)
        world.run_until(BOOT_LIMIT_S, lambda: len(world.processes()) == len(world.slots()))
        if len(world.processes()) < len(world.slots()):
            failures = "; ".join(world.failures()) or "no error was raised"
            raise SimulatorError(f"the regions did not come up: {failures}")

    def _go_to(self, until_s: float) -> None:
        """Let time pass, and tell whoever watches."""
        world = self._world
        now_s = world.now_us / 1e6
        while now_s < until_s:
            now_s = min(until_s, now_s + PROGRESS_S)
            world.run_until(now_s)
            self._on_progress(now_s, self._end_s)

    def _limit_s(self) -> float:
        """How long the regions may take to agree once everything works.

        Two beacon rounds by DESIGN, P7; before them the links must come up again (the longest pause
        between two attempts, then dialling and the proofs: five trips) and a region that was down
        must have joined.
        """
        world, mesh = self._world, MeshSettings()
        trip_s = world.history.max_latency_us / 1e6 * (1 + world.scenario.jitter)
        redial_s = mesh.backoff_max_ms / 1000 + 10 * trip_s
        booted = any(not slot.is_ready for slot in world.slots())
        join_s = self._settings.join_ms / 1000 + 0.5 if booted else 0.0
        join_s += max(0.0, (world.changed_us - world.now_us) / 1e6)  # configs are still changing
        join_s += TAKEOVER_S if world.scenario.nodes > 1 else 0.0
        return 2 * self._settings.beacon_ms / 1000 * 1.03 + redial_s + join_s + 4 * trip_s

    def _converge(self) -> None:
        """Wait until the regions agree, and until those that play have been heard again."""
        world, system = self._world, self._world.system
        healed_us = world.now_us
        limit_us = healed_us + round(self._limit_s() * 1e6)
        agreed_us: int | None = None
        problems: list[str] = ["P7 not every region serves"]
        heads = system.heads(world.processes())
        while world.now_us < healed_us + SETTLE_LIMIT_S * 1e6:
            self._go_to(world.now_us / 1e6 + POLL_S)
            if len(world.processes()) == len(world.slots()):
                problems = system.behind(heads, world.processes())
            if not problems:
                agreed_us = world.now_us
                break
        world.history.convergence.append(
            Convergence(world.now_us, healed_us, limit_us, tuple(problems), agreed_us)
        )
        self._go_to(world.now_us / 1e6 + self._quiet_s)

    def _check_empty(self) -> None:
        world = self._world
        problems = world.system.leftovers(world.processes())
        problems += world.system.disagreements(world.processes())
        now_us = world.now_us
        world.history.convergence.append(
            Convergence(now_us, world.history.healed_us, now_us, tuple(problems),
                        None if problems else now_us)
        )  # fmt: skip


def note_settings(world: World) -> Settings:
    """The settings that the regions will have, written into the history. Raises PlanError."""
    settings = settings_of(world.scenario)
    history = world.history
    history.heartbeat_us = settings.heartbeat_ms * 1000
    history.lease_us = settings.client_lease_ms * 1000
    history.suspect_us = settings.suspect_ms * 1000
    history.deadline_us = settings.deadline_ms * 1000
    history.has_older = bool(world.scenario.older) or any(
        fault.kind is FaultKind.UPGRADE for fault in world.scenario.faults
    )
    history.excess_policy, history.on_limit = world.scenario.excess, world.scenario.on_limit
    return settings
