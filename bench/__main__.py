"""`python -m bench`: measure georeg against its targets, and say which of them are missed."""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from bench import machine
from bench.child import PARTS as CHILD_PARTS
from bench.figures import Figure
from bench.parts import http, nodes
from bench.processes import Missing, output_of
from bench.progress import say
from bench.report import Result, document, table
from bench.scale import FULL, QUICK, Scale

DESCRIPTION: Final = """\
Measures georeg against the targets of its design, as ratios in one run: the server on one core,
the load on another, all servers in turns, the median of some rounds. Prints a table on standard
output and progress on standard error.
"""
EPILOG: Final = """\
parts, in the order in which they run:
  inside   starts and heartbeats in the region's code, starts while all links are cut
  http     heartbeats, batches and starts over HTTP, beside an empty aiohttp handler
  peers    the same beside aiohttp + Redis + Lua, plain and tuned (needs redis-server)
  nodes    nodes of one region on Redis and Redis Cluster, beside the same (needs redis-server)
  memory   a region with a million sessions: memory, garbage collection, sweep
  wire     bytes between three real regions, per session and per idle second
  apply    replicated events, in a small region and in one with a million sessions

how to read it: "/CPU-s" is per second of the server's CPU, which other work on the machine does not
disturb; compare those. The whole run takes about eight minutes; --quick takes ten seconds and its
figures mean nothing. A missed target is no error: the exit code is 0 when every part ran or was
skipped for a reason that is told, 2 for a wrong command line.

examples:
  python -m bench                          everything
  python -m bench --only http peers        two parts
  python -m bench --json bench.json        the table, and the same as JSON
"""
PART_NAMES: Final = ("inside", "http", "peers", "nodes", "memory", "wire", "apply")


def main(arguments: Sequence[str] | None = None) -> int:
    """The command."""
    options = _parser().parse_args(arguments)
    scale = QUICK if options.quick else FULL
    began_s, noise = time.monotonic(), machine.load_average()
    results = [_run(part, scale) for part in PART_NAMES if part in (options.only or PART_NAMES)]
    about = {
        "machine": machine.facts(),
        "versions": machine.versions(),
        "commit": machine.commit(),
        "quick": options.quick,
        "took_s": round(time.monotonic() - began_s, 1),
        "load_average_before": round(noise, 2),
    }
    print(_heading(about))
    print(table(results))
    whole = document(about, results)
    print(f"\nmissed: {', '.join(whole['missed']) or 'nothing'}")
    if options.json is not None:
        options.json.write_text(json.dumps(whole, indent=2) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--quick", action="store_true", help="tiny sizes: shows that every part runs, no more"
    )
    parser.add_argument(
        "--only", nargs="+", metavar="PART", choices=PART_NAMES, help="these parts only"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the report there as JSON")
    return parser


def _run(part: str, scale: Scale) -> Result:
    """One part; a program that is missing skips it."""
    say(part)
    began_s = time.monotonic()
    figures: Sequence[Figure] = ()
    skipped = ""
    try:
        figures = _measure(part, scale)
    except Missing as missing:
        skipped = str(missing)
        say(f"{part} is skipped: {skipped}")
    return Result(part, time.monotonic() - began_s, figures, skipped)


def _measure(part: str, scale: Scale) -> Sequence[Figure]:
    if part in CHILD_PARTS:
        text = output_of("bench.child", (part, "--quick") if scale is QUICK else (part,))
        return [Figure.from_wire(wire) for wire in json.loads(text)]
    over_http: dict[str, Callable[[Scale], list[Figure]]] = {
        "http": http.run,
        "peers": http.run_peers,
        "nodes": nodes.run,
    }
    return over_http[part](scale)


def _heading(about: dict[str, Any]) -> str:
    facts, versions = about["machine"], about["versions"]
    packages = ", ".join(f"{name} {number}" for name, number in versions.items())
    pinned = "servers and load pinned" if facts["pinned"] else "one core: nothing is pinned"
    return (
        f"georeg {about['commit']} on {facts['cpu']}, {facts['cores']} cores, {facts['memory']}, "
        f"{facts['system']}\n{facts['python']}, {packages}\n"
        f"{pinned}; load average before: {about['load_average_before']}; took {about['took_s']} s\n"
    )


if __name__ == "__main__":
    sys.exit(main())
