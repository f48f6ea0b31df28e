"""A run in which regions are drained: everybody leaves, and every promise holds meanwhile."""

import pytest

from region_sim.oracle.verdict import Outcome
from region_sim.plan.reader import load
from region_sim.sweep import run_seed
from tests.sim.witnesses import file_of

pytestmark = [
    # What a run has killed closes nothing; collected, it complains, in whatever test that happens.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]
EXPECTED = ("drained start", "drained start went", "drained heartbeat went", "evacuated")


def test_drained_regions_are_left_by_everybody_and_no_promise_is_broken() -> None:
    result = run_seed(load(file_of("drained")), 1)
    assert result.outcome is Outcome.HOLDS, result.findings
    assert {name for name in EXPECTED if not result.coverage.get(name)} == set()


def test_a_scenario_of_drains_proves_nothing_when_nobody_is_moved() -> None:
    assert set(EXPECTED) - {"drained start"} <= set(load("evacuate").expects)
