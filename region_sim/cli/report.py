"""`region-sim report`: one run as a page to look at."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from region_sim import run as runner
from region_sim.cli.exits import EPILOG
from region_sim.cli.options import add_scenario_flags, add_seed_flag, flags_text, scenario_of
from region_sim.cli.progress import Progress
from region_sim.cli.show import WORDS, plan_text
from region_sim.oracle.judge import judge
from region_sim.plan.errors import PlanError
from region_sim.report import Subject, page

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES: Final = """\
try:
  region-sim report --scenario partition-heal --seed 7
  region-sim report --scenario storm --seed 3 --around 54.1     messages around a moment
  region-sim report --seed 7 --account acc-0064                 the story of an account
  region-sim report --fault 'cut:us>eu@20+30' --out one-way.html

The page needs nothing else: no network, no second file. The same run gives the same bytes.

"""


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "report",
        help="one run as a page to look at",
        description="Runs one seed and writes one HTML page: what was drawn, the verdict, lanes of "
        "the regions with partitions, refusals and ends with what they rest on, the stories of "
        "accounts, and the messages around a moment.",
        epilog=EXAMPLES + EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_scenario_flags(parser, default="partition-heal")
    add_seed_flag(parser)
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="(default: region-sim-SCENARIO-SEED.html)"
    )
    parser.add_argument(
        "--around", type=float, metavar="S",
        help="show messages around this moment (default: the first finding, else the first fault)",
    )  # fmt: skip
    parser.add_argument(
        "--account", default="", metavar="NAME", help="tell the story of this account too"
    )
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run one seed and write its page. Raises PlanError, SimulatorError."""
    scenario = scenario_of(options)
    out: Path = options.out or Path(f"region-sim-{scenario.name}-{options.seed}.html")
    if not out.parent.is_dir():
        raise PlanError(f"--out {out}: there is no directory {out.parent}")
    if options.around is not None and options.around < 0:
        raise PlanError(f"--around {options.around:g}: seconds since the run began, 0 or more")
    progress = Progress(is_shown=not options.quiet and sys.stderr.isatty())
    done = runner.run(scenario, options.seed, keep_frames=True, on_progress=progress)
    progress.clear()
    verdict = judge(done.history, expects=scenario.expects)
    subject = Subject(
        done.history,
        verdict,
        done.scenario,
        plan_text(done.scenario, options.seed),
        WORDS[verdict.outcome],
        f"region-sim run {flags_text(options)} --seed {options.seed}",
        None if options.around is None else round(options.around * 1e6),
        options.account,
    )
    if options.account and options.account not in subject.run.households:
        known = ", ".join(list(subject.run.households)[:3])
        raise PlanError(f"--account {options.account}: this run had none; it had {known}, ...")
    written = page(subject)
    out.write_text(written, encoding="utf-8")
    print(f"{subject.words}: {len(verdict.findings)} findings")
    print(f"page: {out} ({len(written.encode()) / 1e6:.1f} MB)")
    return int(verdict.outcome)
