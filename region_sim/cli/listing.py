"""`region-sim list`: what there is to run, to break and to check."""

import argparse
import json
from dataclasses import fields
from typing import TYPE_CHECKING

from region_sim.cli.exits import Exit
from region_sim.oracle import coverage
from region_sim.oracle.judge import ABOUT
from region_sim.plan import reader
from region_sim.plan.faults import KINDS
from region_sim.plan.habits import Habits

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = commands.add_parser("list", help="scenarios, faults, checkers, habits, coverage")
    parser.add_argument("--json", action="store_true", help="as one JSON object")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show it all."""
    found = {
        "scenarios": {name: reader.load(name).about for name in reader.names()},
        "faults": {kind.value: _fault(kind.value) for kind in KINDS},
        "checkers": dict(ABOUT),
        "habits": {field.name: f"{getattr(Habits(), field.name):g}" for field in fields(Habits)},
        "coverage": coverage.names(),
    }
    if options.json:
        print(json.dumps(found, indent=2))
        return Exit.HOLDS
    for title, items in found.items():
        print(title)
        width = max(len(name) for name in items)
        for name, about in items.items():
            print(f"  {name:<{width}}  {about}")
    return Exit.HOLDS


def _fault(name: str) -> str:
    doc = next(doc for kind, doc in KINDS.items() if kind.value == name)
    ways = f" [/{' /'.join(doc.ways)}]" if doc.ways[0] else ""
    amount = f" [={doc.default:g} {doc.amount}]" if doc.amount else ""
    return f"{doc.about}{ways}{amount}; on {'links' if doc.on_links else 'regions'}"
