"""`georeg drain REGION` and `georeg undrain REGION`: take a region out of service, and back.

The region itself is asked, at the address that the region of `--to` knows for it. Progress goes to
standard error, so that standard output is the result alone.
"""

import argparse
import asyncio
import json
import sys
from typing import TYPE_CHECKING

from georeg.cli.ops.client import EXIT_REFUSED, Client, Json
from georeg.cli.ops.options import carry_out, new_parser, seconds_flag, target_of
from georeg.cli.ops.regions import address_of
from georeg.cli.ops.tables import Line, show
from georeg.cli.ops.words import duration, plural

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

POLL_S = 1.0
DRAIN_EXAMPLES = """\
  georeg drain eu --dry-run                   where its devices would go; whether it may
  georeg drain eu --wait                      and say how many are left until none is
  georeg drain eu --for 2h --comment "new disks"
  georeg undrain eu

A drained region takes no starts and sends its devices to other regions, evenly within one
heartbeat; it goes on answering whoever stays. It ends by itself after --for. The last region that
admits is not drained without --force. A restart of the region ends the drain.
"""
UNDRAIN_EXAMPLES = """\
  georeg undrain eu
"""


def add_parser(commands: "Commands") -> None:
    """Add both commands to the command line."""
    parser = new_parser(
        commands,
        "drain",
        help="send a region's devices elsewhere",
        description="Drains a region: it admits no more and its devices are sent elsewhere.",
        examples=DRAIN_EXAMPLES,
    )
    parser.add_argument("region", metavar="REGION")
    parser.add_argument(
        "--for", dest="for_s", type=seconds_flag, default=3_600, metavar="TIME",
        help="it ends by itself after this, 90s, 10m, 1h or 2d; default: 1h",
    )  # fmt: skip
    parser.add_argument(
        "--over", dest="over_s", type=seconds_flag, metavar="TIME", help="devices leave within this"
    )
    parser.add_argument("--force", action="store_true", help="also the last region that admits")
    parser.add_argument("--comment", default="", help="why; for the audit log")
    parser.add_argument("--wait", action="store_true", help="until no session is left")
    parser.add_argument("--dry-run", action="store_true", help="say what would happen")
    parser.set_defaults(run=run)
    undrain = new_parser(
        commands,
        "undrain",
        help="let a drained region admit again",
        description="Ends the drain of a region. Harmless when it does not drain.",
        examples=UNDRAIN_EXAMPLES,
    )
    undrain.add_argument("region", metavar="REGION")
    undrain.add_argument("--dry-run", action="store_true", help="say what would happen")
    undrain.set_defaults(run=run_undrain)


def run(options: argparse.Namespace) -> int:
    """Begin a drain."""
    return carry_out("drain", _drain(options))


def run_undrain(options: argparse.Namespace) -> int:
    """End a drain."""
    return carry_out("undrain", _undrain(options))


async def _drain(options: argparse.Namespace) -> int:
    target = target_of(options)
    body: Json = {"for_s": options.for_s, "force": "yes" if options.force else "no"}
    if options.over_s is not None:
        body["over_s"] = options.over_s
    if options.comment:
        body["comment"] = options.comment
    async with target.client() as client:
        url = await address_of(client, target, options.region)
        answer = await client.call(
            "PUT", url, "/v1/drain", body=body, dry_run=options.dry_run
        )
        if options.wait and not options.dry_run:
            answer = await _wait(client, url, answer)
    if options.json:
        print(json.dumps(answer, indent=2))
    else:
        show(drain_lines(answer))
    has_failed = options.wait and not options.dry_run and answer["sessions"] > 0
    return EXIT_REFUSED if has_failed else 0


async def _wait(client: Client, url: str, answer: Json) -> Json:
    """Until no session is left or the drain is over; tells how many are left, each time fewer."""
    told = None
    while answer["is_draining"] and answer["sessions"] > 0:
        if answer["sessions"] != told:
            told = answer["sessions"]
            left = plural(told, "session")
            print(f"{answer['view_of']} drains: {left} left", file=sys.stderr, flush=True)
        await asyncio.sleep(POLL_S)
        answer = await client.get(url, "/v1/drain")
    return answer


async def _undrain(options: argparse.Namespace) -> int:
    target = target_of(options)
    async with target.client() as client:
        url = await address_of(client, target, options.region)
        before = await client.get(url, "/v1/drain")
        answer = await client.call("DELETE", url, "/v1/drain", dry_run=options.dry_run)
    if options.json:
        print(json.dumps(answer, indent=2))
        return 0
    if not before["is_draining"]:
        show([Line(f"{answer['view_of']} does not drain")])
    else:
        verb = "would admit" if options.dry_run else "admits"
        left = "devices that have left stay where they are"
        show([Line(f"{answer['view_of']} {verb} again; {left}")])
    return 0


def drain_lines(answer: Json) -> list[Line]:
    """How the drain stands."""
    name, left = answer["view_of"], plural(answer["sessions"], "session")
    elsewhere = ", ".join(answer["elsewhere"]) or "nowhere: no other region admits"
    if answer.get("dry_run"):
        ends = duration(answer["would_end_after_s"])
        return [
            Line(f"{name} would drain: {left} would go to {elsewhere}; it would end after {ends}")
        ]
    if not answer["is_draining"]:
        return [Line(f"{name} drains no more: the drain has ended, {left} left", "yellow")]
    if not answer["sessions"]:
        return [Line(f"{name} is evacuated: no session is left", "green")]
    lines = [Line(f"{name} drains: {left} to go to {elsewhere}")]
    if not answer["has_effect"]:
        lines.append(Line("! suspended: there is no other region that admits", "yellow"))
    if answer["ends_in_s"] is not None:
        lines.append(Line(f"it ends by itself in {duration(answer['ends_in_s'])}"))
    return lines
