"""Runs georeg and the baselines on the same seeds, several at once if asked to."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Final

from region_sim.baselines.ground import BaselineSystem
from region_sim.baselines.make import BASELINES
from region_sim.compare.tally import Tally, tally
from region_sim.plan.scenario import Scenario
from region_sim.run import run
from region_sim.world.georeg import Georeg

GEOREG: Final = "georeg"
SYSTEMS: Final = (GEOREG, *BASELINES)
Progress = Callable[[int, int], None]
"""Called with runs done, and to do."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came out."""

    scenario: Scenario
    seeds: tuple[int, ...]
    tallies: dict[str, Tally]
    """By system, georeg first."""


@dataclass(frozen=True, slots=True)
class _Job:
    scenario: Scenario
    seed: int
    system: str


def compare(
    scenario: Scenario,
    seeds: Sequence[int],
    *,
    jobs: int = 1,
    on_progress: Progress = lambda done, all_: None,
) -> Comparison:
    """Run every system on every seed. Raises PlanError, SimulatorError.

    The tallies do not depend on `jobs`: each run is deterministic, and they are added in order.
    """
    work = [_Job(scenario, seed, system) for seed in seeds for system in SYSTEMS]
    tallies = {system: Tally() for system in SYSTEMS}
    for done, (job, found) in enumerate(zip(work, _done(work, jobs), strict=True), start=1):
        tallies[job.system].add(found)
        on_progress(done, len(work))
    return Comparison(scenario, tuple(seeds), tallies)


def _done(work: Sequence[_Job], jobs: int) -> Iterator[Tally]:
    if jobs <= 1:
        yield from map(_run, work)
        return
    # Spawned, not forked: a run must find the interpreter as a run on its own would.
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_run, work)


def _run(job: _Job) -> Tally:
    """One run. Its history is large, and only the counts leave this function."""
    make_system = Georeg if job.system == GEOREG else partial(BaselineSystem, job.system)
    return tally(run(job.scenario, job.seed, make_system=make_system).history)
