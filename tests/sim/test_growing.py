"""Clusters that shrink and grow in the simulator; and that the oracle sees a slot lent twice."""

from dataclasses import replace

import pytest

from georeg.region.budget import Budget
from region_sim.cli.show import finding_text
from region_sim.plan.reader import load
from region_sim.sweep import SeedResult, run_seed

pytestmark = [
    # What a run has killed closes nothing; collected, it complains, in whatever test that happens.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

RUNS = [("shrink", 1), ("grow", 2)]


def run(name: str, seed: int) -> SeedResult:
    result = run_seed(replace(load(name), world="near", households=60, expects=()), seed)
    assert not result.error
    assert result.coverage["fault leave"]
    return result


@pytest.mark.parametrize(("name", "seed"), RUNS)
def test_every_promise_holds_while_the_cluster_changes(name: str, seed: int) -> None:
    result = run(name, seed)
    assert not result.failed, "\n".join([*map(finding_text, result.findings), *result.convergence])


@pytest.mark.parametrize(("name", "seed"), RUNS)
def test_the_oracle_notices_when_homes_lend_before_all_agree(
    name: str, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Budget, "is_moving", lambda budget, account: False)
    assert "P8" in {finding.promise for finding in run(name, seed).findings}
