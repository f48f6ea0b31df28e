"""`region-sim replay`: the same seed twice; is it the same run?"""

import argparse
import json
import shlex
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from region_sim.cli.exits import Exit
from region_sim.cli.options import add_scenario_flags, add_seed_flag, flags_text, scenario_of
from region_sim.cli.show import versions
from region_sim.plan.errors import PlanError
from region_sim.replay import ReplayError, against, replay

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

EPILOG = """\
The second run is in a fresh process with another hash seed. When the fingerprints differ, both run
again with traces, and the first event that differs is shown with those before it: something reads
the system's clock, real entropy, the order of a set, or an address in memory.

To compare two versions of the code, keep a trace of the first and give it to the second:
  region-sim run --scenario storm --seed 7 --trace before.txt
  region-sim replay --scenario storm --seed 7 --against before.txt

exit codes: 0 the same, 64 wrong usage, 70 they differ
"""


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "replay",
        help="the same seed twice; is it the same run?",
        description="Runs one seed twice and compares the fingerprints of all steps and of every "
        "delivered byte.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_scenario_flags(parser, default="partition-heal")
    add_seed_flag(parser)
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="a trace instead of a second run"
    )
    parser.add_argument("--json", action="store_true", help="the result as one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compare; raises PlanError, SimulatorError."""
    scenario, flags = scenario_of(options), flags_text(options)
    if options.against is not None and not options.against.is_file():
        raise PlanError(f"--against {options.against}: there is no such file")
    try:
        if options.against is not None:
            done = against(scenario, options.seed, options.against)
        else:
            done = replay(scenario, options.seed, shlex.split(flags))
    except ReplayError as error:
        raise PlanError(str(error)) from None
    code = Exit.HOLDS if done.difference is None else Exit.BUG
    if options.json:
        reproduce = f"region-sim replay {flags} --seed {options.seed}"
        print(
            json.dumps(
                {**asdict(done), "seed": options.seed, "is_same": done.difference is None,
                 "exit_code": int(code), "reproduce": reproduce, "versions": versions()}
            )
        )  # fmt: skip
        return code
    if done.difference is None:
        print(f"the same: {done.one} after {done.steps:,} steps")
    else:
        print(f"NOT THE SAME: {done.one} and {done.other or options.against}")
        print(done.difference)
    return code
