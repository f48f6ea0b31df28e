"""The baselines in the simulated world: the same seed is the same run, and nothing goes wrong."""

from functools import partial

import pytest

from region_sim.baselines.ground import BaselineSystem
from region_sim.plan.faults import Fault, FaultKind, check_fault, parse_links
from region_sim.plan.habits import Habits
from region_sim.plan.scenario import Scenario
from region_sim.run import Run, run

REGIONS = ("us", "eu", "ap")
FAULTS = (
    Fault(FaultKind.CUT, 5, 10, links=parse_links("us|eu,ap", REGIONS)),
    Fault(FaultKind.KILL, 18, 4, regions=("us",), how="wipe"),
    Fault(FaultKind.KILL, 20, 3, regions=("eu",)),
    Fault(FaultKind.DRAIN, 25, 5, regions=("ap",)),
)


def simulate(kind: str) -> Run:
    checked = tuple(check_fault(fault, REGIONS) for fault in FAULTS)
    habits = Habits(idle_s=5, play_s=5, kick_s=20, plan_s=60, burst_s=15)
    scenario = Scenario("test", duration_s=32, households=6, habits=habits, faults=checked)
    return run(scenario, 3, make_system=partial(BaselineSystem, kind))


@pytest.mark.parametrize("kind", ["central", "independent", "gossip"])
def test_the_same_seed_is_the_same_run(kind: str) -> None:
    first, again = simulate(kind), simulate(kind)
    assert first.digest == again.digest
    assert first.history == again.history


@pytest.mark.parametrize("kind", ["central", "independent", "gossip"])
def test_no_fault_makes_a_baseline_fail(kind: str) -> None:
    history = simulate(kind).history
    assert history.logs == []
    assert {call.status for call in history.calls} <= {0, 200, 201, 204, 404, 409, 410, 503}
    served = {call.region for call in history.calls if call.status == 201}
    assert served == set(REGIONS)
