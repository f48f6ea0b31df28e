"""`georeg plan`: state an account's plan, as a backend would; the latest statement wins."""

import argparse
import json
from typing import TYPE_CHECKING

from georeg.cli.ops.client import Json, in_path
from georeg.cli.ops.options import carry_out, new_parser, target_of
from georeg.cli.ops.regions import first_status
from georeg.cli.ops.tables import Line, show
from georeg.cli.ops.words import plural

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """\
  georeg plan anna premium --dry-run         what would change, and for how many streams
  georeg plan anna premium
  georeg plan anna event-2026 --limit 8      a limit of its own, under a name of your choice

Nothing that plays is ended by a lower limit: new starts are refused until enough streams have
stopped. An entitlement or a backend that states a plan later overrules this one, so for more than a
stopgap change it there.
"""


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = new_parser(
        commands,
        "plan",
        help="state an account's plan",
        description="States an account's plan from now on. Any region may be asked.",
        examples=EXAMPLES,
    )
    parser.add_argument("account", metavar="ACCOUNT")
    parser.add_argument("plan", metavar="NAME", help="a plan of the config, or any with --limit")
    parser.add_argument("--limit", type=int, metavar="N", help="streams at once")
    parser.add_argument("--dry-run", action="store_true", help="say what would change")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """State the plan."""
    return carry_out("plan", _plan(options))


async def _plan(options: argparse.Namespace) -> int:
    target = target_of(options)
    body: Json = {"plan": options.plan}
    if options.limit is not None:
        body["limit"] = options.limit
    path = f"/v1/accounts/{in_path(options.account)}/plan"
    async with target.client() as client:
        url, _ = await first_status(client, target)
        answer = await client.call("PUT", url, path, body=body, dry_run=options.dry_run)
    if options.json:
        print(json.dumps(answer, indent=2))
    else:
        show(lines_of(answer))
    return 0


def lines_of(answer: Json) -> list[Line]:
    """What changes for the account."""
    before, after = answer["before"], answer["after"]
    verb = "would become" if answer["dry_run"] else "is now"
    was = f"{before['plan'] or 'no plan'} ({before['limit']})"
    lines = [
        Line(f"{answer['account']}: {was} {verb} {after['plan']} ({after['limit']})"),
        Line(f"{plural(answer['live'], 'device')} playing"),
    ]
    if answer["above_limit"]:
        above = plural(answer["above_limit"], "stream")
        lines.append(
            Line(f"! {above} above the new limit: none is ended, new starts are refused", "yellow")
        )
    return lines
