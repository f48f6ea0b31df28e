"""What may be drawn from a seed."""

from region_sim.plan.draw import draw
from region_sim.plan.faults import FaultKind
from region_sim.plan.scenario import Draw, Scenario


def test_regions_are_never_taken_out_before_the_last_one_is_back_and_knows_all() -> None:
    several = 0
    for seed in range(200):
        scenario = draw(
            Scenario("x", "x", duration_s=120, draw=Draw((FaultKind.LEAVE,), 5, 9)), seed
        )
        times = [(fault.at_s, fault.at_s + fault.for_s) for fault in scenario.faults]
        several += len(times) > 1
        for (_, back_s), (away_s, _) in zip(times, times[1:], strict=False):
            assert away_s >= back_s + 10
    assert several > 100
