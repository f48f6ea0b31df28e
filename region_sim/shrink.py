"""Finds the smallest run that still breaks the same promise by the same rule.

Every pass offers smaller scenarios, the smallest first; the first one that fails in the same way
becomes the new scenario, and the passes begin again, until none of them has anything left to offer
or the budget is used up. Lists (households, faults, links, habits) are made smaller as in delta
debugging: all away, halves, quarters, ... single ones. Each run is judged like any other, so a
result is a failure that stands by itself, whether or not it has the same cause.

Invariant: the seed stays, and every scenario that is accepted is smaller than the one before it in
one respect and larger in none. With several jobs the result is the same: of the candidates that are
tried at once the first one counts.
"""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, field, fields, replace
from itertools import islice
from math import ceil
from multiprocessing import get_context
from typing import Final, TypeVar

from region_sim import run as runner
from region_sim.oracle.judge import judge
from region_sim.oracle.verdict import Finding, Outcome
from region_sim.plan.draw import draw
from region_sim.plan.errors import PlanError
from region_sim.plan.faults import Fault
from region_sim.plan.habits import Habits
from region_sim.plan.scenario import Draw, Scenario
from region_sim.sweep import Failure, Prepare

T = TypeVar("T")
SIMULATOR: Final = "simulator"
"""The promise that is broken when a run ends in an error of the simulator itself."""
_AFTER_S: Final = (0.0, 1.0, 5.0, 20.0)
"""So long after the finding the safety phase may end."""
_FAULT_S_MIN: Final = 0.5
NEVER_S: Final = 1_000_000.0
HABITS_OFF: Final[dict[str, float]] = {
    **dict.fromkeys((f.name for f in fields(Habits)), 0),
    "idle_s": NEVER_S,
    "play_s": NEVER_S,
}
"""What each habit is when nobody has it."""


@dataclass(frozen=True, slots=True)
class Trial:
    """One run, as far as shrinking goes."""

    scenario: Scenario
    outcome: Outcome | None
    """None: the simulator failed."""
    findings: tuple[Finding, ...] = ()
    """The first one of each kind of failure."""

    def finding(self, failure: Failure) -> Finding | None:
        """How this run failed in that way."""
        return next((f for f in self.findings if kind_of(f) == failure), None)


def kind_of(finding: Finding) -> Failure:
    """What must stay the same while a run shrinks."""
    return (finding.promise, finding.rule)


def attempt(scenario: Scenario, seed: int) -> Trial:
    """Run and judge. Raises PlanError."""
    try:
        done = runner.run(scenario, seed)
        verdict = judge(done.history, expects=scenario.expects)
    except PlanError:
        raise
    except Exception as error:  # noqa: BLE001 - that is a failure to shrink like any other
        bug = Finding(SIMULATOR, type(error).__name__, 0, "", str(error))
        return Trial(scenario, None, (bug,))
    first: dict[Failure, Finding] = {}
    for finding in verdict.findings:
        first.setdefault(kind_of(finding), finding)
    return Trial(scenario, verdict.outcome, tuple(first.values()))


@dataclass(slots=True)
class Shrinker:
    """Shrinks one failing run."""

    seed: int
    failure: Failure
    runs_max: int = 200
    jobs: int = 1
    prepare: Prepare | None = None
    """Called once in each worker process; with one job, nothing is called."""
    on_run: Callable[[int], None] = lambda runs: None
    """Told the number of runs so far."""
    on_step: Callable[[str, Trial], None] = lambda name, trial: None
    """Told of each smaller run, with the name of the pass that found it."""
    runs: int = 0
    _tried: set[str] = field(default_factory=set)

    def shrink(self, trial: Trial) -> Trial:
        """The smallest failing run that was found."""
        pool = (
            nullcontext()
            if self.jobs == 1
            else ProcessPoolExecutor(
                self.jobs, mp_context=get_context("spawn"), initializer=self.prepare
            )
        )
        with pool as executor:
            while smaller := self._round(trial, executor):
                trial = smaller
        return trial

    def _round(self, trial: Trial, executor: Executor | None) -> Trial | None:
        """All passes once, each as often as it finds something; None: none did."""
        found = None
        for name, candidates in PASSES.items():
            while smaller := self._first(trial, candidates, executor):
                self.on_step(name, smaller)
                found = trial = smaller
        return found

    def _first(
        self, trial: Trial, candidates: "Candidates", executor: Executor | None
    ) -> Trial | None:
        finding = trial.finding(self.failure)
        assert finding is not None
        fresh = (s for s in candidates(trial.scenario, finding) if repr(s) not in self._tried)
        while batch := list(islice(fresh, min(self.jobs, self.runs_max - self.runs))):
            self._tried.update(map(repr, batch))
            self.runs += len(batch)
            run = map if executor is None else executor.map
            for tried in run(attempt, batch, [self.seed] * len(batch)):
                if tried.finding(self.failure) is not None:
                    return tried
            self.on_run(self.runs)
        return None


def written_out(scenario: Scenario, seed: int) -> Scenario:
    """The same run with nothing left to draw from the seed but the interleaving."""
    return replace(draw(scenario, seed), draw=Draw(), expects=())


# ---- passes ------------------------------------------------------------------------------------

Candidates = Callable[[Scenario, Finding], Iterator[Scenario]]


def fewer(items: Sequence[T]) -> Iterator[tuple[T, ...]]:
    """The items without all of them, without one half, the other half, a quarter, ..., one."""
    size = len(items)
    while size:
        for at in range(0, len(items), size):
            yield (*items[:at], *items[at + size :])
        size = size // 2


def _duration(scenario: Scenario, finding: Finding) -> Iterator[Scenario]:
    """An earlier end of the safety phase; what would begin later is left out."""
    all_s, at_s = scenario.duration_s, finding.at_us / 1e6
    near = [ceil(at_s + after_s) for after_s in _AFTER_S] if at_s < all_s else []
    for end_s in sorted({float(s) for s in (*near, all_s // 2, all_s * 3 // 4) if 1 <= s < all_s}):
        faults = tuple(
            replace(fault, for_s=round(min(fault.for_s, end_s - fault.at_s), 3))
            for fault in scenario.faults
            if fault.at_s < end_s
        )
        yield replace(scenario, duration_s=end_s, faults=faults)


def _households(scenario: Scenario, finding: Finding) -> Iterator[Scenario]:
    """Only the account that the finding is about; otherwise fewer of them."""
    accounts = scenario.accounts()
    if finding.account in accounts and len(accounts) > 1:
        yield replace(scenario, only=(finding.account,))
    for some in fewer(accounts):
        if some:
            yield replace(scenario, only=some)


def _faults(scenario: Scenario, _: Finding) -> Iterator[Scenario]:
    for some in fewer(scenario.faults):
        yield replace(scenario, faults=some)


def _places(scenario: Scenario, _: Finding) -> Iterator[Scenario]:
    """Each fault on fewer links, or in fewer regions."""
    for number, fault in enumerate(scenario.faults):
        pairs = sorted({tuple(sorted(link)) for link in fault.links})
        for some in fewer(pairs):
            links = tuple(link for link in fault.links if tuple(sorted(link)) in some)
            if links:
                yield _with_fault(scenario, number, replace(fault, links=links))
        for regions in fewer(fault.regions):
            if regions:
                yield _with_fault(scenario, number, replace(fault, regions=regions))


def _lengths(scenario: Scenario, _: Finding) -> Iterator[Scenario]:
    """Each fault shorter, from either end."""
    for number, fault in enumerate(scenario.faults):
        for share in (8, 4, 2):
            for_s = round(fault.for_s / share, 1)
            if for_s < _FAULT_S_MIN:
                continue
            later_s = round(fault.end_s - for_s, 3)
            for at_s in (fault.at_s, later_s):
                yield _with_fault(scenario, number, replace(fault, at_s=at_s, for_s=for_s))


def _with_fault(scenario: Scenario, number: int, fault: Fault) -> Scenario:
    faults = (*scenario.faults[:number], fault, *scenario.faults[number + 1 :])
    return replace(scenario, faults=faults)


def _habits(scenario: Scenario, _: Finding) -> Iterator[Scenario]:
    """Fewer kinds of things that viewers do."""
    habits = scenario.habits
    lived = [name for name, off in HABITS_OFF.items() if getattr(habits, name) != off]
    for some in fewer(lived):
        off = {name: value for name, value in HABITS_OFF.items() if name not in some}
        yield replace(scenario, habits=replace(habits, **off))  # type: ignore[arg-type]


PASSES: Final[dict[str, Candidates]] = {
    "duration": _duration,
    "households": _households,
    "faults": _faults,
    "places of faults": _places,
    "habits": _habits,
    "lengths of faults": _lengths,
}
"""What makes all later runs cheaper comes first."""
