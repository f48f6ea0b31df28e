"""The whole comparison on a small world, and its command."""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import pytest

from region_sim.cli import compare as command
from region_sim.compare.runs import SYSTEMS, compare
from region_sim.compare.table import document
from region_sim.plan.errors import PlanError
from region_sim.plan.faults import Fault, FaultKind, check_fault, parse_links
from region_sim.plan.habits import Habits
from region_sim.plan.scenario import Scenario

REGIONS = ("us", "eu", "ap")
CUT = check_fault(
    Fault(FaultKind.CUT, 10, 40, links=parse_links("us|eu,ap", REGIONS), how="drop"), REGIONS
)
HABITS = Habits(idle_s=10, play_s=20, kick_s=100, plan_s=0, vanish=0.05, burst_s=60)
CALM = Scenario("small", duration_s=60, households=12, habits=HABITS)
SPLIT = replace(CALM, faults=(CUT,))


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_stores_that_do_not_talk_let_screens_play_above_the_limit_without_any_fault() -> None:
    found = compare(CALM, [1, 2]).tallies
    assert found["independent"].excess_us > 5 * found["georeg"].excess_us
    assert found["independent"].bytes == 0
    assert found["central"].excess_us == 0
    assert found["central"].start_ms(0.5) > 2 * found["georeg"].start_ms(0.5)


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_in_a_cut_all_but_the_central_store_answer_in_time() -> None:
    found = compare(SPLIT, [1, 2]).tallies
    assert list(found) == list(SYSTEMS)
    assert found["central"].unavailable > 0
    assert found["central"].start_ms(0.99) > 1000
    for system in ("georeg", "independent", "gossip"):
        assert found[system].unavailable == 0
        assert found[system].start_ms(0.99) < 130, "80 ms to decide, and the line twice"
    assert found["georeg"].false_blocks == 0


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_several_runs_at_once_find_the_same() -> None:
    scenario = replace(SPLIT, households=4, duration_s=20)
    assert document(compare(scenario, [1, 2])) == document(compare(scenario, [1, 2], jobs=2))


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return parser.parse_args(["compare", *arguments])


@pytest.mark.slow
def test_the_command_writes_what_it_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, picture = tmp_path / "c.html", tmp_path / "c.svg"
    flags = ["--scenario", "calm", "--households", "2", "--duration", "5", "--seeds", "4"]
    assert command.run(options(*flags, "--json", "--html", str(page), "--svg", str(picture))) == 0
    assert json.loads(capsys.readouterr().out)["seeds"] == [4]
    assert page.read_text().startswith("<!doctype html>")
    assert picture.read_text().startswith("<svg")


@pytest.mark.parametrize(
    "flags",
    [["--seeds", "5..1"], ["--jobs", "0"], ["--html", "/nowhere/c.html"], ["--scenario", "none"]],
)
def test_wrong_flags_are_refused_before_anything_runs(flags: list[str]) -> None:
    with pytest.raises(PlanError):
        command.run(options(*flags))
