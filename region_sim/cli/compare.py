"""`region-sim compare`: the same seeds and faults on georeg and on three other designs."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from region_sim.cli.exits import Exit
from region_sim.cli.options import add_scenario_flags, flags_text, parse_seeds, scenario_of
from region_sim.compare import chart, table
from region_sim.compare.runs import compare
from region_sim.plan.errors import PlanError

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

EPILOG = """\
The three other designs, each as good as such a design gets (region_sim/baselines):
  central      one store in a home region; the other regions forward each call to it
  independent  a store per region, none of which knows of the others
  gossip       each region decides on its own copy of all sessions; copies are gossiped
They answer the same API to the same viewers, on the same links, with the same faults, and are
judged by the same oracle, which for this leaves out what only georeg tells of itself.

try:
  region-sim compare                                        5 seeds of partition-heal
  region-sim compare --scenario calm --seeds 1..20 --jobs 2
  region-sim compare --fault "cut:us|eu,ap@20+90" --html compare.html

Whatever it shows is the result; the exit code only says whether it could be measured.
exit codes: 0 measured, 64 wrong usage, 70 a bug of the simulator
"""


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "compare",
        help="georeg beside three other designs, under the same faults",
        description="Runs georeg and three other designs on the same seeds, viewers and faults.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_scenario_flags(parser, default="partition-heal")
    parser.add_argument("--seeds", default="1..5", metavar="A..B", help="(default: 1..5)")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="runs at once; default: 1")
    parser.add_argument("--json", action="store_true", help="the figures as one JSON object")
    parser.add_argument("--html", type=Path, metavar="FILE", help="chart and table as one page")
    parser.add_argument("--svg", type=Path, metavar="FILE", help="the chart alone")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Compare; raises PlanError, SimulatorError."""
    scenario, seeds = scenario_of(options), parse_seeds(options.seeds)
    jobs_max = 4 * (os.cpu_count() or 1)
    if not 1 <= options.jobs <= jobs_max:
        raise PlanError(f"--jobs {options.jobs}: this machine can do 1 to {jobs_max}")
    for file in (options.html, options.svg):
        if file is not None and not file.parent.is_dir():
            raise PlanError(f"{file}: there is no directory {file.parent}")
    is_shown = not options.quiet and sys.stderr.isatty()
    result = compare(
        scenario,
        seeds,
        jobs=options.jobs,
        on_progress=_show_progress if is_shown else lambda done, all_: None,
    )
    if is_shown:
        print("\r" + " " * 40 + "\r", end="", file=sys.stderr, flush=True)
    if options.html is not None:
        options.html.write_text(chart.html(result), encoding="utf-8")
    if options.svg is not None:
        options.svg.write_text(chart.svg(result), encoding="utf-8")
    if options.json:
        print(json.dumps(table.document(result), indent=2))
    else:
        print(table.text(result))
        print(f"reproduce: region-sim compare {flags_text(options)} --seeds {options.seeds}")
    return Exit.HOLDS


def _show_progress(done: int, all_: int) -> None:
    print(f"\r{done} of {all_} runs", end="", file=sys.stderr, flush=True)
