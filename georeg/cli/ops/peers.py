"""`georeg peers`: the links between all regions as a matrix: rows say from where, columns to where.

Each region knows its own row only, so every region is asked whose address is known; the rows of
those that do not answer are missing, and said so.
"""

import argparse
import json
from typing import TYPE_CHECKING

from georeg.cli.ops.client import Json
from georeg.cli.ops.options import carry_out, new_parser, target_of
from georeg.cli.ops.regions import ask_all
from georeg.cli.ops.tables import LEFT, Column, Line, show, table
from georeg.cli.ops.words import DASH, duration, number, trip

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """\
  georeg peers --config region.toml
  georeg peers --to http://10.0.1.1:7601 --to http://10.0.2.1:7601 --key-file operator.key

Cells: `up 12ms, 0.4s` the round trip and how old the evidence is that the row has of the column;
`relayed eu` they hear each other over eu; `cut 42s` not heard for so long.
"""
STYLES = {"up": "green", "relayed": "yellow", "suspect": "yellow", "cut": "bold red"}


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = new_parser(
        commands,
        "peers",
        help="the links between the regions",
        description="Shows how each region reaches each other one.",
        examples=EXAMPLES,
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Ask all regions for their row, and show them."""
    return carry_out("peers", _peers(options))


async def _peers(options: argparse.Namespace) -> int:
    rows, unreachable = await ask_all(target_of(options), "/v1/peers")
    if options.json:
        print(json.dumps({"rows": rows, "unreachable": unreachable}, indent=2))
    else:
        show(lines_of(rows, unreachable))
    return 0


def lines_of(rows: dict[str, Json], unreachable: dict[str, str]) -> list[Line]:
    """The matrix, then the details of each link."""
    names: dict[str, None] = dict.fromkeys(rows)
    for row in rows.values():
        names.update(dict.fromkeys(peer["region"] for peer in row["peers"]))
    columns = [Column("FROM \\ TO", LEFT), *(Column(name, LEFT) for name in names)]
    cells = []
    for viewer, row in rows.items():
        peers = {peer["region"]: peer for peer in row["peers"]}
        cells.append(
            [viewer, *(_cell(peers[name]) if name in peers else DASH for name in names)]
        )
    lines = [*table(columns, cells), Line(""), *_details(rows)]
    lines += [Line(f"{name}: {why}", "bold red") for name, why in sorted(unreachable.items())]
    return lines


def state_of(peer: Json) -> str:
    """up, relayed, suspect or cut."""
    if peer["via"]:
        return "relayed"
    return {"up": "up", "suspect": "suspect"}.get(peer["state"], "cut")


def _cell(peer: Json) -> str:
    state = state_of(peer)
    if state == "relayed":
        return f"relayed {peer['via']}, {duration(peer['evidence_age_s'])}"
    if state == "cut":
        return f"cut {duration(peer['silent_s'])}"
    return f"{state} {trip(peer['round_trip_s'])}, {duration(peer['evidence_age_s'])}"


def _details(rows: dict[str, Json]) -> list[Line]:
    columns = (
        Column("FROM", LEFT), Column("TO", LEFT), Column("STATE", LEFT), Column("ROUND TRIP"),
        Column("EVIDENCE"), Column("EVENTS BEHIND"), Column("MISSING"), Column("QUEUED"),
        Column("DROPPED"), Column("LINK", LEFT),
    )  # fmt: skip
    cells, styles = [], []
    for viewer, row in rows.items():
        for peer in row["peers"]:
            link = peer["link"]
            why = f" ({link['last_error']})" if link and link["last_error"] else ""
            is_up = link is not None and link["state"] == "up"
            cells.append(
                [
                    viewer, peer["region"], state_of(peer), trip(peer["round_trip_s"]),
                    duration(peer["evidence_age_s"]), number(peer["events_behind"]),
                    number(peer["events_missing"]),
                    number(link["queued_bytes"] if link else None),
                    number(link["dropped"] if link else None),
                    DASH if link is None else link["state"] + ("" if is_up else why),
                ]
            )  # fmt: skip
            styles.append(STYLES[state_of(peer)])
    return table(columns, cells, styles)
