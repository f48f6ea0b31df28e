"""The simulator and its oracle find bugs that are planted into georeg: one kept seed for each."""

from functools import cache

import pytest

from region_sim.oracle.judge import CHECKERS
from region_sim.plan.reader import load
from region_sim.sweep import run_seed
from tests.sim.mutants import PLANTED, plant
from tests.sim.witnesses import WITNESSES, file_of

pytestmark = [
    # What a run has killed closes nothing; collected, it complains, in whatever test that happens.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


@cache
def findings(scenario: str, seed: int, mutant: str = "") -> tuple[str, ...]:
    """What the oracle finds in a run, as `P1 rule`."""
    with plant(mutant):
        result = run_seed(load(file_of(scenario)), seed)
    assert result.outcome is not None, result.error
    return tuple(f"{finding.promise} {finding.rule}" for finding in result.findings)


def test_every_planted_bug_has_its_witness() -> None:
    assert set(WITNESSES) <= set(PLANTED)


def test_every_checker_has_caught_a_planted_bug() -> None:
    assert {witness.finding.split()[0] for witness in WITNESSES.values()} == set(CHECKERS)


@pytest.mark.parametrize("name", sorted(WITNESSES))
def test_the_oracle_notices_a_planted_bug(name: str) -> None:
    scenario, seeds, expected = WITNESSES[name]
    found: list[str] = []
    for seed in seeds:
        found += findings(scenario, seed, name)
        if any(finding.startswith(expected) for finding in found):
            assert findings(scenario, seed) == ()
            return
    pytest.fail(f"{PLANTED[name].__doc__} Found instead: {sorted(set(found))}")
