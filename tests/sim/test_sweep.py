"""Two hundred short lives with every kind of fault: no change that breaks a promise can land."""

import os

import pytest

from region_sim.cli.show import finding_text
from region_sim.plan.reader import load
from region_sim.sweep import SeedResult, Totals, sweep

SEEDS = range(1, 201)
RARE = {"revived", "overdraft disproved", "suspect yielded", "lost start revealed", "kick pending"}
"""What short runs must meet now and then, or they prove less than they say."""


def story(result: SeedResult) -> str:
    """What a person needs to go on."""
    lines = [f"seed {result.seed}: {result.error or result.outcome}"]
    lines += [finding_text(finding) for finding in result.findings]
    lines += result.convergence
    return "\n".join([*lines, f"  region-sim run --scenario life --seed {result.seed}"])


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_promise_holds_in_two_hundred_short_storms() -> None:
    totals = Totals()
    for result in sweep(load("life"), SEEDS, jobs=os.cpu_count() or 1):
        totals.add(result)

    assert not totals.failed, "\n".join(map(story, totals.failed))
    assert totals.seeds == len(SEEDS)
    faults = {name for name in totals.coverage if name.startswith("fault ")}
    assert len(faults) > 20, f"kinds and ways of faults that happened: {sorted(faults)}"
    assert set(totals.coverage) >= RARE
