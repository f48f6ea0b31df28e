"""Many seeds of one scenario, in several processes: which of them fail, and what all of them met.

Each seed is a run of its own in a worker process; a worker that dies or hangs costs its seed, which
is told as a failure of the simulator, and not the sweep. Results come as they are done; the totals
are the same in whatever order that is.
"""

import signal
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from multiprocessing import get_context

from region_sim import run as runner
from region_sim.oracle.judge import judge
from region_sim.oracle.verdict import Finding, Outcome
from region_sim.plan.scenario import Scenario

Prepare = Callable[[], object]
"""Called once in each worker; must be a function of a module. Tests plant their bugs with it."""
Failure = tuple[str, str]
"""Promise and rule."""


@dataclass(frozen=True, slots=True)
class SeedResult:
    """One seed."""

    seed: int
    outcome: Outcome | None
    """None: the simulator failed."""
    digest: str = ""
    findings: tuple[Finding, ...] = ()
    convergence: tuple[str, ...] = ()
    coverage: dict[str, int] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    simulated_s: float = 0.0
    real_s: float = 0.0
    error: str = ""

    @property
    def failed(self) -> bool:
        """Whether it broke a promise, did not converge, or could not be run."""
        return self.outcome in (None, Outcome.BROKEN, Outcome.NOT_CONVERGED)


def run_seed(scenario: Scenario, seed: int) -> SeedResult:
    """Run and judge one seed; errors of the simulator become its result."""
    try:
        done = runner.run(scenario, seed)
        verdict = judge(done.history, expects=scenario.expects)
    except Exception as error:  # noqa: BLE001 - told with its seed, the other seeds go on
        return SeedResult(seed, None, error=f"{type(error).__name__}: {error}")
    return SeedResult(
        seed, verdict.outcome, done.digest, tuple(verdict.findings[:20]),
        tuple(verdict.convergence[:20]), verdict.coverage, tuple(verdict.missing),
        done.simulated_s, done.real_s,
    )  # fmt: skip


def _begin(prepare: Prepare | None) -> None:
    """In a worker: Ctrl-C is for the process that reads its results, which then stops it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if prepare is not None:
        prepare()


def sweep(
    scenario: Scenario, seeds: Iterable[int], *, jobs: int, prepare: Prepare | None = None
) -> Iterator[SeedResult]:
    """Run the seeds, as many at once as there are jobs; yields each result when it is there.

    Closing the iterator stops the workers after the seeds that they are at.
    """
    if jobs == 1:
        if prepare is not None:
            prepare()
        yield from (run_seed(scenario, seed) for seed in seeds)
        return
    # Fresh processes: a forked one would inherit loops and locks of ours.
    pool = ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), initializer=_begin, initargs=(prepare,)
    )
    waiting = iter(seeds)
    running: dict[Future[SeedResult], int] = {}
    try:
        while True:
            while len(running) < 2 * jobs and (seed := next(waiting, None)) is not None:
                running[pool.submit(run_seed, scenario, seed)] = seed
            if not running:
                return
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in sorted(done, key=lambda f: running[f]):
                seed = running.pop(future)
                try:
                    yield future.result()
                except BrokenProcessPool as error:
                    yield SeedResult(seed, None, error=f"a worker process died: {error}")
                    return
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


@dataclass(slots=True)
class Totals:
    """What all seeds of a sweep add up to."""

    seeds: int = 0
    failed: list[SeedResult] = field(default_factory=list)
    nothing: int = 0
    """Seeds that did not meet what the scenario expects."""
    coverage: Counter[str] = field(default_factory=Counter)
    """In how many seeds each thing happened."""
    rules: Counter[Failure] = field(default_factory=Counter)
    """In how many seeds each rule was broken."""
    simulated_s: float = 0.0
    real_s: float = 0.0

    def add(self, result: SeedResult) -> None:
        """Count one more seed."""
        self.seeds += 1
        self.simulated_s += result.simulated_s
        self.real_s += result.real_s
        self.nothing += result.outcome is Outcome.NOTHING_PROVED
        self.coverage.update(name for name, count in result.coverage.items() if count)
        self.rules.update({(f.promise, f.rule) for f in result.findings})
        if result.failed:
            self.failed.append(result)
            self.failed.sort(key=lambda r: r.seed)
