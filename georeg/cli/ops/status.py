"""`georeg status`: one line per region as the asked one sees it, and what is wrong, in words."""

import argparse
import asyncio
import json
from typing import TYPE_CHECKING

from rich.console import Console
from rich.live import Live

from georeg.cli.ops.client import Client, Json, OpsError
from georeg.cli.ops.options import Target, carry_out, new_parser, target_of
from georeg.cli.ops.regions import addresses, first_status, told_apart
from georeg.cli.ops.tables import LEFT, Column, Line, plain, rich_text, show, table
from georeg.cli.ops.views import disagreements, matrix
from georeg.cli.ops.words import DASH, duration, number

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

WATCH_S = 2.0
EXAMPLES = """\
  georeg status --to http://127.0.0.1:7501 --key-file operator.key
  georeg status --config region.toml --watch        redrawn every 2 s, Ctrl-C ends
  georeg status --config region.toml --all-views    every region's view, and where they disagree
  georeg status --json | jq '.regions[] | select(.code != "UN")'

Columns: ST two letters; SESSIONS live in that region; HELD, USED, FREE slots that it has leased
from other homes; OVER streams without a slot; BEHIND events of it that are missing here, and how
old what is known of it is; SEEN since its last beacon; REFUSED/M refusals of the last minute by
evidence: local + confirmed + beacon.
"""
LEGEND = "U up, S suspect, D down, J joining; then N normal, D draining"
COLUMNS = (
    Column("ST", LEFT), Column("REGION", LEFT), Column("SESSIONS"), Column("HELD"),
    Column("USED"), Column("FREE"), Column("OVER"), Column("BEHIND"), Column("SEEN"),
    Column("REFUSED/M"), Column("VERSION", LEFT), Column("UPTIME"),
)  # fmt: skip
STYLES = {"U": "green", "S": "yellow", "D": "bold red", "J": "yellow"}
SEVERITIES = {"critical": ("!!", "bold red"), "warning": ("! ", "yellow"), "note": ("  ", "")}


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = new_parser(
        commands,
        "status",
        help="how the regions are",
        description="Shows every region as the asked one sees it, and what is wrong.",
        examples=EXAMPLES,
    )
    parser.add_argument("--all-views", action="store_true", help="ask every region")
    parser.add_argument(
        "--watch", nargs="?", type=float, const=WATCH_S, metavar="S", help="redraw every S seconds"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show the status, once or again and again."""
    return carry_out("status", _status(options))


async def _status(options: argparse.Namespace) -> int:
    target = target_of(options)
    async with target.client() as client:
        if options.watch is None:
            answer = await _look(client, target, all_views=options.all_views)
            _print(answer, as_json=options.json)
            return 0
        try:
            await _watch(client, target, options)
        except asyncio.CancelledError:  # Ctrl-C
            return 0
    return 0


async def _look(client: Client, target: Target, *, all_views: bool) -> Json:
    """One status, with the views of the others if they are asked for."""
    url, status = await first_status(client, target)
    if not all_views:
        return status
    urls, without = await addresses(client, target)
    others = {name: other for name, other in urls.items() if other != url}
    answers = await client.each(others, "/v1/status")
    views, failed = told_apart({status["view_of"]: status, **answers})
    unreachable = without | failed
    found = disagreements(views, unreachable)
    return {**status, "views": views, "unreachable": unreachable, "disagreements": found}


def _print(answer: Json, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(answer, indent=2))
    else:
        show(lines_of(answer))


async def _watch(client: Client, target: Target, options: argparse.Namespace) -> None:
    """Look again and again; what cannot be reached is shown in place of the table."""
    console = Console()
    pause_s = max(0.2, options.watch)

    async def lines() -> list[Line]:
        try:
            return lines_of(await _look(client, target, all_views=options.all_views))
        except OpsError as error:
            return [Line(f"georeg status: {error}", "bold red")]

    if options.json or not console.is_terminal:
        while True:
            if options.json:
                answer = await _look(client, target, all_views=options.all_views)
                print(json.dumps(answer), flush=True)
            else:
                print(plain(await lines()), flush=True)
            await asyncio.sleep(pause_s)
    with Live(console=console, auto_refresh=False, screen=False) as live:
        while True:
            live.update(rich_text(await lines()), refresh=True)
            await asyncio.sleep(pause_s)


def lines_of(status: Json) -> list[Line]:
    """The whole answer as lines."""
    at = str(status["at"])
    head = f"{status['cluster']} as {status['view_of']} sees it, {at[:10]} {at[11:19]}Z"
    regions = status["regions"]
    rows = [_row(region) for region in regions]
    styles = [STYLES.get(region["code"][0], "") for region in regions]
    lines = [Line(head), Line(LEGEND, "dim"), Line(""), *table(COLUMNS, rows, styles), Line("")]
    if status.get("election", "static") != "static":
        lines += [*_seats(status["seats"]), Line("")]
    lines += problem_lines(status["problems"])
    if "views" in status:
        lines += [Line(""), *matrix(status["views"], status["unreachable"])]
        found = status["disagreements"]
        lines += [Line(""), Line("the views agree" if not found else "where the views disagree:")]
        lines += [Line(f"!  {words}", "yellow") for words in found]
    return lines


def _seats(seats: list[Json]) -> list[Line]:
    """Who is home of each region's accounts; not shown where that never changes."""
    columns = (Column("SEAT", LEFT), Column("HOME", LEFT), Column("TERM"), Column("LEARNS FOR"))
    rows = [
        [
            seat["seat"], seat["home"] or "nobody", number(seat["term"]) if seat["term"] else DASH,
            duration(seat["learning_s"]) if seat["learning_s"] else DASH,
        ]
        for seat in seats
    ]  # fmt: skip
    return table(columns, rows)


def problem_lines(problems: list[Json]) -> list[Line]:
    """One line of plain words each."""
    if not problems:
        return [Line("no problems", "green")]
    lines = []
    for problem in problems:
        mark, style = SEVERITIES.get(problem["severity"], ("  ", ""))
        lines.append(Line(f"{mark} {problem['detail']}", style))
    return lines


def _row(region: Json) -> list[str]:
    """One region; of one that is down nothing is shown that only it could know."""
    knows = region["state"] != "down"
    refused = region["refusals_last_minute"] if knows else None
    own = region["is_self"]
    via = f" via {region['via']}" if region["via"] else ""

    def said(name: str) -> str:
        return number(region[name]) if knows else DASH

    return [
        region["code"],
        region["region"] + ("*" if own else ""),
        number(region["sessions"]),
        said("grants_held"),
        said("grants_used"),
        said("grants_free"),
        said("overdraft"),
        DASH if own else f"{number(region['events_missing'])} / {duration(region['behind_s'])}",
        DASH if own else duration(region["silent_s"]) + via,
        "+".join(str(refused[how]) for how in ("local", "confirmed", "beacon"))
        if refused
        else DASH,
        region["version"] or DASH,
        duration(region["uptime_s"]) if knows else DASH,
    ]


