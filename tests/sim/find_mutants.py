"""Sweeps seeds under each planted bug and tells which promise notices it, and in how many seeds.

    python -m tests.sim.find_mutants --seeds 1..100
    python -m tests.sim.find_mutants --mutant echo --scenario late --seeds 1..20

Prints a table in Markdown; docs/simulator-proof.md keeps the last one. Each scenario is swept
without a bug too, where nothing may be found. `--scenario` takes those of tests/sim/scenarios.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import NamedTuple

from region_sim.cli.options import parse_seeds
from region_sim.plan.reader import load
from region_sim.sweep import SeedResult, run_seed
from tests.sim.mutants import PLANTED, plant
from tests.sim.witnesses import WITNESSES, file_of

RULES_SHOWN = 3
SEEDS_SHOWN = 3


class Task(NamedTuple):
    """One run."""

    scenario: str
    mutant: str
    """Empty: none."""
    seed: int


def run_task(task: Task) -> SeedResult:
    """Run one seed with its bug planted."""
    with plant(task.mutant):
        return run_seed(load(file_of(task.scenario)), task.seed)


def main() -> None:
    """Sweep what the command line says."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--seeds", default="1..50", metavar="A..B")
    parser.add_argument("--jobs", type=int, default=2, metavar="N")
    parser.add_argument("--mutant", action="append", choices=["", *sorted(PLANTED)])
    parser.add_argument("--scenario", action="append", help="instead of that of its witness")
    options = parser.parse_args()
    pairs = [
        (scenario, mutant)
        for mutant in options.mutant or sorted(WITNESSES)
        for scenario in options.scenario or [WITNESSES[mutant].scenario]
    ]
    pairs += [] if options.mutant else sorted({(scenario, "") for scenario, _ in pairs})
    seeds = parse_seeds(options.seeds)
    tasks = [Task(scenario, mutant, seed) for scenario, mutant in pairs for seed in seeds]
    tell("| planted bug | scenario | seeds | noticed by (seeds) | first |\n|---|---|---|---|---|")
    results = sweep(tasks, options.jobs)
    for scenario, mutant in pairs:
        tell(line(scenario, mutant, [next(results) for _ in seeds]))


def tell(text: str) -> None:
    """Say it at once: a sweep takes long."""
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def sweep(tasks: list[Task], jobs: int) -> Iterator[SeedResult]:
    """The results in the order of the tasks."""
    # Workers are renewed now and then: an error in a planted bug may leave something behind.
    with ProcessPoolExecutor(
        jobs, mp_context=get_context("spawn"), max_tasks_per_child=200
    ) as pool:
        yield from pool.map(run_task, tasks)


def line(scenario: str, mutant: str, results: list[SeedResult]) -> str:
    """One row of the table."""
    for result in results:
        if result.outcome is None:
            sys.stderr.write(f"{mutant} {scenario} seed {result.seed}: {result.error}\n")
    noticed = [result.seed for result in results if result.findings]
    rules = Counter(
        rule for r in results for rule in sorted({f"{f.promise} {f.rule}" for f in r.findings})
    )
    told = "; ".join(f"{rule} ({count})" for rule, count in rules.most_common(RULES_SHOWN))
    first = ", ".join(str(seed) for seed in noticed[:SEEDS_SHOWN])
    seeds = f"{len(noticed)} of {len(results)}"
    return f"| {mutant or '(none)'} | {scenario} | {seeds} | {told} | {first} |"


if __name__ == "__main__":
    main()
