"""`georeg kick`: end one session of an account, or all of them, for good."""

import argparse
import json
import sys
from typing import TYPE_CHECKING

from georeg.cli.ops.client import EXIT_REFUSED, Json, in_path, usage
from georeg.cli.ops.options import carry_out, new_parser, target_of
from georeg.cli.ops.regions import first_status
from georeg.cli.ops.tables import Line, show
from georeg.cli.ops.words import plural

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """\
  georeg quota anna --config region.toml               which sessions there are
  georeg kick anna us-1-b7 --dry-run                   which session that would end
  georeg kick anna us-1-b7
  georeg kick anna --all

A kick is final: the session never comes back, in no region, and its slot is free at once. Its
viewer may start again. A session whose region is out of reach ends when that region is heard again;
the command says which one it waits for.
"""


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = new_parser(
        commands,
        "kick",
        help="end sessions of an account for good",
        description="Ends one session, or all sessions, of an account. Any region may be asked.",
        examples=EXAMPLES,
    )
    parser.add_argument("account", metavar="ACCOUNT")
    parser.add_argument("session", nargs="?", metavar="SESSION", help="its id, like us-1-b7")
    parser.add_argument("--all", action="store_true", help="every session of the account")
    parser.add_argument("--dry-run", action="store_true", help="say what would end")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Kick."""
    return carry_out("kick", _kick(options))


async def _kick(options: argparse.Namespace) -> int:
    if (options.session is None) != options.all:
        raise usage("give either a SESSION or --all")
    target = target_of(options)
    path = f"/v1/accounts/{in_path(options.account)}/sessions"
    if options.session is not None:
        path += f"/{in_path(options.session)}"
    async with target.client() as client:
        url, _ = await first_status(client, target)
        answer = await client.call("DELETE", url, path, dry_run=options.dry_run)
    if options.json:
        print(json.dumps(answer, indent=2))
    else:
        show(lines_of(answer))
    waits = [one for one in answer.get("kicked", []) if one["effect"] != "ended"]
    if waits and not options.json:
        print("a kick that waits is final already; it takes effect over there", file=sys.stderr)
    return 0 if answer.get("would_end", answer.get("kicked")) else EXIT_REFUSED


def lines_of(answer: Json) -> list[Line]:
    """What ended, or would."""
    account = answer["account"]
    if answer["dry_run"]:
        ends = answer["would_end"]
        lines = [Line(f"would end {plural(len(ends), 'session')} of {account}:")]
        return lines + [
            Line(f"  {one['id']}  {_device(one['device'])} in {one['region']}") for one in ends
        ]
    if not answer["kicked"]:
        return [Line(f"{account} has no live session")]
    lines = []
    for one in answer["kicked"]:
        waiting = " and ".join(one["waiting_for"])
        effect = "has ended" if one["effect"] == "ended" else f"ends as soon as {waiting} is heard"
        lines.append(Line(f"{one['session']}  {_device(one['device'])} {effect}"))
    return lines


def _device(device: Json) -> str:
    return str(device["name"] or device["id"])
