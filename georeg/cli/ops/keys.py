"""`georeg keys`: which keys the regions have; `georeg keys rotate RING`: the ordered steps.

A ring is rotated by adding the new key last everywhere, then putting it first everywhere, then
removing the old one. Out of order it locks regions or viewers out, so the command looks at every
region, says which step is next, and says no (`--drop ID`) while an old key is still needed. The
configs themselves are changed by whoever deploys them.
"""

import argparse
import json
from typing import TYPE_CHECKING

from georeg.cli.ops.client import EXIT_REFUSED, Json, usage
from georeg.cli.ops.options import carry_out, new_parser, target_of
from georeg.cli.ops.regions import ask_all
from georeg.cli.ops.rotation import RINGS, Step, known_ids, obstacles, steps
from georeg.cli.ops.tables import LEFT, Column, Line, show, table
from georeg.cli.ops.words import DASH, number

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """\
  georeg keys --config region.toml                       every region's key ids
  georeg keys rotate session --config region.toml        the steps, and which one is next
  georeg keys rotate session --new 3f9a                  the same once the new key is somewhere
  georeg keys rotate session --drop 77c1 --dry-run       may this key be removed now?

Only ids are shown, never a key. ACCEPTED counts what was still signed with a key that is not the
first, since the region's start.
"""
MARKS = {"done": ("done", "green"), "next": ("next", "bold"), "later": ("", "dim")}


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = new_parser(
        commands,
        "keys",
        help="which keys the regions have; how to rotate them",
        description="Shows the ids of the cluster and session keys in every region.",
        examples=EXAMPLES,
    )
    parser.add_argument("action", nargs="?", choices=("rotate",), help="the steps of a rotation")
    parser.add_argument("ring", nargs="?", choices=RINGS, metavar="RING", help="cluster or session")
    parser.add_argument("--new", metavar="ID", help="the key that the rotation leads to")
    parser.add_argument("--drop", metavar="ID", help="whether this key may be removed everywhere")
    parser.add_argument("--dry-run", action="store_true", help="the same: nothing is ever changed")
    parser.set_defaults(run=run, usage=parser.error)


def run(options: argparse.Namespace) -> int:
    """Show the keys, or the steps of a rotation."""
    if options.action == "rotate" and options.ring is None:
        options.usage("rotate which ring? cluster or session")
    if options.drop is not None and options.action != "rotate":
        options.usage("--drop goes with rotate RING")
    return carry_out("keys", _keys(options))


async def _keys(options: argparse.Namespace) -> int:
    answers, unreachable = await ask_all(target_of(options), "/v1/keys")
    if options.action != "rotate":
        if options.json:
            print(json.dumps({"regions": answers, "unreachable": unreachable}, indent=2))
        else:
            show(lines_of(answers, unreachable))
        return 0
    if options.drop is not None:
        return _drop(options, answers, unreachable)
    known = known_ids(options.ring, answers)
    if options.new is None and len(known) > 1:
        raise usage(
            f"the regions have the {options.ring} keys {', '.join(known)}: a rotation is under "
            "way. Say which one it leads to: --new ID"
        )
    if options.new is not None and options.new not in known:
        raise usage(f"no region has a {options.ring} key {options.new}: {', '.join(known)}")
    found = steps(options.ring, options.new, answers, unreachable)
    if options.json:
        told = [{"step": at, **step._asdict()} for at, step in enumerate(found, start=1)]
        print(json.dumps({"ring": options.ring, "steps": told}, indent=2))
    else:
        show(step_lines(options.ring, found))
    return 0


def _drop(
    options: argparse.Namespace, answers: dict[str, Json], unreachable: dict[str, str]
) -> int:
    why = obstacles(options.ring, options.drop, answers, unreachable)
    if options.json:
        answer = {"ring": options.ring, "drop": options.drop, "may_drop": not why, "why_not": why}
        print(json.dumps(answer, indent=2))
    elif why:
        show([Line(f"do not remove {options.drop} yet:", "bold red")])
        show([Line(f"  {reason}") for reason in why])
    else:
        show([Line(f"{options.drop} may be removed from [[keys.{options.ring}]] in all regions")])
    return EXIT_REFUSED if why else 0


def lines_of(answers: dict[str, Json], unreachable: dict[str, str]) -> list[Line]:
    """One line per ring, region and key."""
    columns = (
        Column("RING", LEFT), Column("REGION", LEFT), Column("PLACE"), Column("ID", LEFT),
        Column("USE", LEFT), Column("ACCEPTED"), Column("IN USE SINCE", LEFT),
    )  # fmt: skip
    rows = []
    for ring in RINGS:
        for name, answer in answers.items():
            for at, key in enumerate(answer["rings"].get(ring, ()), start=1):
                use = "signs" if key["is_first"] else "accepted"
                since = str(answer["in_use_since"])[:19].replace("T", " ")
                accepted = DASH if key["accepted"] is None or key["is_first"] else key["accepted"]
                shown = accepted if isinstance(accepted, str) else number(accepted)
                rows.append([ring, name, str(at), key["id"], use, shown, since])
    lines = table(columns, rows)
    return lines + [Line(f"{name}: {why}", "bold red") for name, why in sorted(unreachable.items())]


def step_lines(ring: str, found: list[Step]) -> list[Line]:
    """The steps of a rotation."""
    lines = [Line(f"to rotate the {ring} key:", "bold")]
    for at, step in enumerate(found, start=1):
        mark, style = MARKS[step.state]
        lines.append(Line(f"{mark:>4}  {at}. {step.what}", style))
        lines += [Line(f"         {detail}", style) for detail in step.details]
    return lines
