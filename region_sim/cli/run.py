"""`region-sim run`: one run with its verdict."""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from region_sim import run as runner
from region_sim.cli.exits import EPILOG
from region_sim.cli.options import add_scenario_flags, add_seed_flag, flags_text, scenario_of
from region_sim.cli.progress import Progress
from region_sim.cli.show import plan_text, verdict_json, verdict_text
from region_sim.oracle.judge import judge
from region_sim.plan.draw import draw

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "run",
        help="one run with its verdict",
        description="Runs one seed of a scenario and says whether every promise held. Standard "
        "output is the same to the byte for the same seed and version; how fast it went is told on "
        "standard error.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_scenario_flags(parser, default="partition-heal")
    add_seed_flag(parser)
    parser.add_argument("--json", action="store_true", help="the verdict as one JSON object")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument(
        "--trace", type=Path, metavar="FILE", help="write every step and every delivered byte"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run one seed."""
    scenario = scenario_of(options)
    reproduce = f"region-sim run {flags_text(options)} --seed {options.seed}"
    if not options.json:
        print(plan_text(draw(scenario, options.seed), options.seed), flush=True)
    progress = Progress(is_shown=not options.quiet and sys.stderr.isatty())
    done = runner.run(
        scenario, options.seed, keep_trace=options.trace is not None, on_progress=progress
    )
    progress.clear()
    if options.trace is not None:
        options.trace.write_text("\n".join(done.trace.events or ()) + "\n", encoding="utf-8")
    verdict = judge(done.history, expects=scenario.expects)
    print(
        f"{done.simulated_s:.0f} simulated seconds in {done.real_s:.1f} s: "
        f"{done.simulated_s / done.real_s:.0f} times real time, {done.trace.steps:,} steps",
        file=sys.stderr,
    )
    if options.json:
        print(
            json.dumps(verdict_json(done.scenario, done.history, verdict, done.digest, reproduce))
        )
    else:
        print(verdict_text(done.history, verdict))
        print(f"fingerprint: {done.digest} after {done.trace.steps:,} steps")
        print(f"reproduce: {reproduce}")
    return int(verdict.outcome)
