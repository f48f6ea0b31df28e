"""`region-sim live`: the plans of the simulator against real processes behind a real Toxiproxy."""

import argparse
import asyncio
import json
import shlex
import signal
import sys
import time
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from region_sim.cli.show import WORDS, plan_text, verdict_json, verdict_text
from region_sim.history import History
from region_sim.oracle.judge import judge
from region_sim.oracle.verdict import Verdict
from region_sim.plan.draw import draw
from region_sim.plan.errors import PlanError
from region_sim.plan.reader import check, load, parse_fault
from region_sim.plan.scenario import Draw, Scenario
from region_sim.report import Subject, page

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

DEFAULT: Final = "live-short"
USAGE: Final = 64
INTERRUPTED: Final = 130

EPILOG = """\
What `region-sim run` simulates happens here for real: one `georeg serve` process per region, each
link between two regions through a proxy of its own in a Toxiproxy server, viewers that call over
HTTP, real time. So a run takes as long as it says, and the same seed draws the same faults and
habits but not the same interleaving. Faults of links: cut, lag, narrow, stall; of processes: kill,
pause, drain. The others (loss, clocks, disks, lines of devices) only `region-sim run` has.

try:
  region-sim live                                         20 s, faults drawn from the seed
  region-sim live --seed 7 --keep-logs logs               what each region logged, to read
  region-sim live --report live.html                      the run as a page to look at
  region-sim live --fault "cut:us|eu,ap@4+8"              us is cut off for 8 s; nothing is drawn
  region-sim live --fault "cut/reject:us>eu@4+6" --fault kill/wipe:ap@6+5
  region-sim live --scenario partition-heal               in real time: two minutes and a lease

Toxiproxy: make tools builds the server into .tools; or
  go install github.com/Shopify/toxiproxy/v2/cmd/server@v2.12.0
  export GEOREG_TOXIPROXY=$(go env GOPATH)/bin/server
It runs on a free port; one that you use for something else is left alone. However the run ends,
also by Ctrl-C or kill -9, its proxies, the server and the regions are gone.

exit codes: 0 the promises held, 1 one was broken, 2 the run proved nothing, 3 the regions did not
converge, 64 wrong usage or no Toxiproxy, 70 the simulator failed, 130 interrupted
"""


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "live",
        help="run real processes with every link through Toxiproxy",
        description="Runs a scenario against real georeg processes and real, faulty links.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--scenario", default=DEFAULT, metavar="NAME", help=f"name or file; default: {DEFAULT}"
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="default: 1")
    parser.add_argument("--duration", type=float, metavar="S", help="seconds of viewers and faults")
    parser.add_argument("--households", type=int, metavar="N", help="how many")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="FAULT",
        help="KIND[/HOW][=AMOUNT]:WHERE@BEGIN+LENGTH; may be repeated; then none is drawn",
    )
    parser.add_argument("--json", action="store_true", help="the result as JSON")
    parser.add_argument(
        "--report", type=Path, metavar="FILE.html", help="write the run as a page to look at"
    )
    parser.add_argument(
        "--keep-logs", type=Path, metavar="DIR", help="a new directory for configs and logs"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run live once and give its exit code."""
    try:
        from region_sim.live.errors import LiveError
        from region_sim.live.run import run_live
    except ModuleNotFoundError as error:
        message = f"the package {error.name} is missing; `make tools` installs it, with Toxiproxy"
        return _fail(message, USAGE)
    began_s = time.monotonic()

    def say(text: str) -> None:
        # With --json standard output is for the result alone.
        stream = sys.stderr if options.json else sys.stdout
        print(f"{time.monotonic() - began_s:6.1f} s  {text}", file=stream, flush=True)

    try:
        scenario = scenario_of(options)
        history = asyncio.run(
            _stoppable(run_live(scenario, options.seed, say=say, keep_logs=options.keep_logs))
        )
    except (PlanError, LiveError) as error:
        return _fail(str(error), USAGE)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _fail("interrupted; all faults, proxies and processes are gone", INTERRUPTED)
    verdict = judge(history, expects=scenario.expects)
    return _show(options, draw(scenario, options.seed), history, verdict)


def scenario_of(options: argparse.Namespace) -> Scenario:
    """The scenario with what the flags change. Raises PlanError."""
    scenario = load(options.scenario)
    if options.duration is not None:
        scenario = replace(scenario, duration_s=options.duration)
    if options.households is not None:
        scenario = replace(scenario, households=options.households)
    if options.fault:
        given = tuple(parse_fault(text, scenario.regions) for text in options.fault)
        scenario = replace(scenario, faults=given, draw=Draw())
    return check(scenario)


async def _stoppable(running: Coroutine[Any, Any, History]) -> History:
    """Let a polite signal end the run as Ctrl-C does, with everything put in order."""
    task = asyncio.ensure_future(running)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    return await task


def _show(
    options: argparse.Namespace, scenario: Scenario, history: History, verdict: Verdict
) -> int:
    """Tell what was found, and write the page; the exit code."""
    again = shlex.join(_flags(options))
    if options.json:
        print(json.dumps(verdict_json(scenario, history, verdict, "", again), indent=2))
    else:
        print(verdict_text(history, verdict))
    if options.report is not None:
        plan = plan_text(scenario, options.seed)
        subject = Subject(history, verdict, scenario, plan, WORDS[verdict.outcome], again)
        options.report.write_text(page(subject), encoding="utf-8")
        print(f"page: {options.report}", file=sys.stderr)
    if not options.json:
        print(f"again: {again}")
    return int(verdict.outcome)


def _flags(options: argparse.Namespace) -> list[str]:
    """The command once more. Real time is in it, so that it need not end the same way."""
    parts = ["region-sim", "live", "--scenario", options.scenario, "--seed", str(options.seed)]
    for name in ("duration", "households"):
        if getattr(options, name) is not None:
            parts += [f"--{name}", f"{getattr(options, name):g}"]
    for fault in options.fault:
        parts += ["--fault", fault]
    return parts


def _fail(message: str, code: int) -> int:
    print(f"region-sim live: {message}", file=sys.stderr)
    return code
