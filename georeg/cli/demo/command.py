"""`georeg demo`: starts the regions, shows them, restarts dead ones, stops them all.

Prints the table of regions and a line for curl, then a live view on a terminal or, elsewhere, a
line whenever something but an age changes.
"""

import argparse
import asyncio
import signal
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from georeg.cli.demo.cluster import DemoCluster
from georeg.cli.demo.plan import (
    PlanError,
    RegionPlan,
    curl_example,
    make_plan,
    region_names,
    status_example,
    write_configs,
)
from georeg.cli.demo.ports import free_ports
from georeg.cli.demo.screen import show
from georeg.cli.demo.stores import DemoStores
from georeg.cli.demo.view import plain_table

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

NODES_MAX = 8
EPILOG = """\
try:
  kill a region (kill -9 PID): the others go on answering, its row shows DOWN; press r to restart it
  georeg demo --heartbeat-s 2        devices that vanish free their slots after 6 s instead of 90
  georeg demo --regions us,eu        two regions only
  georeg demo --store redis          each region is two nodes on a redis-server of its own; kill one
"""


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "demo",
        help="run three regions on this machine",
        description="Runs regions as separate processes on 127.0.0.1 that take unsigned calls "
        "(--dev), shows them, and stops them all on Ctrl-C. Leaves nothing behind.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--regions", default="us,eu,ap", metavar="NAMES", help="us,eu,ap")
    parser.add_argument(
        "--heartbeat-s", type=_seconds, default=30.0, metavar="S", help="devices report this often"
    )
    parser.add_argument(
        "--lease-s",
        type=_seconds,
        metavar="S",
        help="a session lives so long without a heartbeat; default: three heartbeats",
    )
    parser.add_argument(
        "--port", type=int, default=7401, help="of the first edge; the others follow it"
    )
    parser.add_argument(
        "--store",
        choices=("memory", "redis"),
        default="memory",
        help="redis: each region is several nodes on a redis-server of its own; default: one"
        " process",
    )
    parser.add_argument(
        "--nodes", type=_nodes, default=None, metavar="N", help="of each region on redis; default 2"
    )
    parser.add_argument("--restart", action="store_true", help="restart a region that dies")
    parser.add_argument(
        "--plain", action="store_true", help="plain lines, also when this is a terminal"
    )
    parser.set_defaults(run=run)


def _seconds(text: str) -> float:
    value = float(text)
    if not 0.1 <= value <= 3600:
        raise argparse.ArgumentTypeError(f"{text} is not between 0.1 and 3600 seconds")
    return value


def _nodes(text: str) -> int:
    value = int(text)
    if not 1 <= value <= NODES_MAX:
        raise argparse.ArgumentTypeError(f"{text} is not between 1 and {NODES_MAX}")
    return value


def run(options: argparse.Namespace) -> int:
    """Run the demo until it is stopped."""
    if options.lease_s is not None and options.lease_s < 2 * options.heartbeat_s:
        print(
            f"georeg demo: --lease-s {options.lease_s:g} is less than two heartbeats; give at "
            f"least {2 * options.heartbeat_s:g}, better {3 * options.heartbeat_s:g}",
            file=sys.stderr,
        )
        return 2
    if options.nodes is not None and options.store == "memory":
        print("georeg demo: --nodes needs --store redis, which they share", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="georeg-demo-") as directory:
        try:
            return asyncio.run(_demo(options, Path(directory)))
        except PlanError as error:
            print(f"georeg demo: {error}", file=sys.stderr)
            return 1


async def _demo(options: argparse.Namespace, directory: Path) -> int:
    names, nodes = region_names(options.regions), options.nodes or 2
    if options.store == "memory":
        return await _run(options, directory, make_plan(names, options.port, directory))
    async with DemoStores(names, free_ports(len(names)), directory) as stores:
        plan = make_plan(names, options.port, directory, stores.urls, nodes)
        return await _run(options, directory, plan)


async def _run(options: argparse.Namespace, directory: Path, plan: Sequence[RegionPlan]) -> int:
    operator_key = write_configs(plan, heartbeat_s=options.heartbeat_s, lease_s=options.lease_s)
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stopping.set)
    async with DemoCluster(plan, restart=options.restart) as cluster:
        what = "nodes" if plan[0].store else "regions"
        print(f"starting {len(plan)} {what} ...", flush=True)
        failure = await cluster.start(stopping)
        if failure:
            print(f"georeg demo: {failure}", file=sys.stderr)
            return 1
        if not stopping.is_set():
            print(plain_table(await cluster.rows()))
            print(f"logs in {directory}/*/log.jsonl until the demo ends")
            print(f"\nstart a stream:\n{curl_example(plan[0])}")
            print(f"\nlook at the cluster:\n{status_example(plan[0], operator_key)}\n", flush=True)
            await show(cluster, stopping, plain=options.plain)
        print(f"stopping the {what} ...", flush=True)
    return 0
