"""`region-sim live`: the plans of the simulator against real processes behind a real Toxiproxy."""

import argparse
import asyncio
import json
import signal
import sys
import time
from collections.abc import Coroutine
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from region_sim.history import History
from region_sim.oracle.judge import judge
from region_sim.oracle.verdict import Verdict
from region_sim.plan.errors import PlanError
from region_sim.plan.reader import check, load, parse_fault
from region_sim.plan.scenario import Draw, Scenario

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
  region-sim live --seed 7 --keep-logs /tmp/live          what each region logged, to read
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
        "--keep-logs", type=Path, metavar="DIR", help="a new directory for configs and logs"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Run live once and give its exit code."""
    try:
        from region_sim.live.errors import LiveError
        from region_sim.live.run import run_live
    except ModuleNotFoundError as error:
        return _fail(f"the package {error.name} is missing; pip install toxiproxy-python", USAGE)
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
    return _show(history, judge(history, expects=scenario.expects), as_json=options.json)


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


def _show(history: History, verdict: Verdict, *, as_json: bool) -> int:
    """Print what was found; the exit code."""
    if as_json:
        result = {
            "seed": history.seed,
            "scenario": history.scenario,
            "faults": [asdict(fault) for fault in history.faults],
            "lives": [asdict(life) for life in history.lives],
            "verdict": asdict(verdict),
        }
        print(json.dumps(result, indent=2))
        return int(verdict.outcome)
    for name, count in verdict.operations.items():
        print(f"{count:7}  {name}")
    for finding in verdict.findings:
        print(f"{finding.promise} {finding.at_us / 1e6:.3f} s {finding.account}: {finding.text}")
    for name in verdict.missing:
        print(f"never happened: {name}")
    print(verdict.outcome.name.lower().replace("_", " "))
    return int(verdict.outcome)


def _fail(message: str, code: int) -> int:
    print(f"region-sim live: {message}", file=sys.stderr)
    return code
