"""Runs that once broke a promise hold now: seeds.toml says what each of them found."""

import argparse
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from region_sim.cli.options import add_scenario_flags, scenario_of
from region_sim.cli.show import finding_text
from region_sim.sweep import run_seed

pytestmark = [
    # What a run has killed closes nothing; collected, it complains, in whatever test that happens.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

FILE = Path(__file__).parent / "seeds.toml"
SEEDS: list[dict[str, Any]] = tomllib.loads(FILE.read_text(encoding="utf-8"))["seed"]


def scenario_flags(kept: dict[str, Any]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(exit_on_error=False)
    add_scenario_flags(parser, default="short")
    return parser.parse_args(shlex.split(kept["flags"]))


@pytest.mark.parametrize("kept", SEEDS, ids=lambda kept: f"{kept['fixed']}-{kept['seed']}")
def test_a_run_that_once_broke_a_promise_holds(kept: dict[str, Any]) -> None:
    result = run_seed(scenario_of(scenario_flags(kept)), kept["seed"])
    assert not result.error
    found = "\n".join([*map(finding_text, result.findings), *result.convergence])
    assert not result.failed, f"it once broke {kept['broke']}\nnow:\n{found}"


@pytest.mark.parametrize("kept", SEEDS, ids=lambda kept: f"{kept['fixed']}-{kept['seed']}")
def test_a_kept_run_says_what_it_broke_and_what_fixed_it(kept: dict[str, Any]) -> None:
    assert set(kept) == {"flags", "seed", "broke", "fixed"}
    promises = {*(f"P{n}" for n in range(1, 9)), "availability", "clones"}
    assert kept["broke"].split(":")[0] in promises
    assert len(kept["fixed"]) >= 7
