"""Seeds that once failed hold now, and go on holding."""

import argparse
import shlex
import tomllib
from pathlib import Path

import pytest

from region_sim.cli.options import add_scenario_flags, add_seed_flag, scenario_of
from region_sim.cli.show import finding_text
from region_sim.sweep import run_seed

KEPT = tomllib.loads(Path(__file__).with_name("seeds.toml").read_text(encoding="utf-8"))["seed"]


@pytest.mark.parametrize("flags", [kept["flags"] for kept in KEPT])
def test_a_seed_that_once_failed_holds(flags: str) -> None:
    parser = argparse.ArgumentParser()
    add_scenario_flags(parser, default="storm")
    add_seed_flag(parser)
    options = parser.parse_args(shlex.split(flags))
    result = run_seed(scenario_of(options), options.seed)

    assert not result.failed, "\n".join(
        [result.error, *map(finding_text, result.findings), *result.convergence]
    )


def test_every_kept_seed_says_what_it_broke() -> None:
    assert all(kept["broke"] for kept in KEPT)
    assert len({kept["flags"] for kept in KEPT}) == len(KEPT)
