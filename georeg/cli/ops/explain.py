"""`georeg explain ACCOUNT`: what all regions decided about an account lately, in plain sentences.

Each region remembers its own decisions, for a day at most and only in memory, so all are asked, and
what cannot be asked is said.
"""

import argparse
import json
from typing import TYPE_CHECKING, Final

from georeg.cli.ops.client import Json, in_path, usage
from georeg.cli.ops.moments import (
    between,
    held,
    in_order,
    last_look,
    moment_of,
    without_echoes,
    without_repeats,
)
from georeg.cli.ops.options import carry_out, new_parser, seconds_flag, target_of
from georeg.cli.ops.regions import ask_all
from georeg.cli.ops.sentences import Naming, naming, sentence
from georeg.cli.ops.tables import Line, show
from georeg.cli.ops.words import plural
from georeg.edge.instants import instant, parse_instant

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

AROUND_S: Final = 120
"""With `--at`: so much before and after, unless `--since` says otherwise."""
DAY_S: Final = 86_400
EXAMPLES = """\
  georeg explain anna                        the decisions of the last day
  georeg explain anna --since 10m
  georeg explain anna --at 20:14:07          who held what then, and what was decided around it
  georeg explain anna --at 2026-11-27T20:14:07Z --since 30s --json

Times are in UTC, by the clock of the region that decided. A region that was restarted has
forgotten what it decided before.
"""
STYLES: Final = {"refused": "yellow", "kicked": "bold", "may_finish": "yellow"}


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = new_parser(
        commands,
        "explain",
        help="why an account's starts were admitted or refused, and its streams ended",
        description="Tells what the regions decided about an account, and on which evidence.",
        examples=EXAMPLES,
    )
    parser.add_argument("account", metavar="ACCOUNT")
    parser.add_argument("--at", metavar="TIME", help="a moment: what was known and decided then")
    parser.add_argument(
        "--since", type=seconds_flag, metavar="AGO",
        help="go back so far, 90s, 10m, 1h; default: 1d, with --at 2m before and after",
    )  # fmt: skip
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Tell it."""
    return carry_out("explain", _explain(options))


async def _explain(options: argparse.Namespace) -> int:
    path = f"/v1/accounts/{in_path(options.account)}/decisions"
    answers, unreachable = await ask_all(target_of(options), path)
    told = explained(answers, unreachable, at=options.at, since_s=options.since)
    if options.json:
        print(json.dumps(told, indent=2))
    else:
        show(lines_of(told))
    return 0


def explained(
    answers: dict[str, Json], unreachable: dict[str, str], *, at: str | None, since_s: int | None
) -> Json:
    """The answers of all regions as one story; `answers` is not empty. Raises OpsError."""
    now_ms = max(parse_instant(answer["at"]) or 0 for answer in answers.values())
    decisions = in_order(answers)
    call = naming(decisions)
    moment = None
    if at is not None:
        try:
            moment_ms = moment_of(at, now_ms)
        except ValueError as error:
            raise usage(str(error)) from None
        span_ms = (since_s or AROUND_S) * 1000
        first_ms, last_ms = moment_ms - span_ms, moment_ms + span_ms
        moment = {"at": instant(moment_ms), "regions": _moment(answers, moment_ms, call)}
    else:
        first_ms, last_ms = now_ms - (since_s or DAY_S) * 1000, now_ms + DAY_S * 1000
    shown = between(decisions, first_ms, last_ms)
    return {
        "account": next(iter(answers.values()))["account"],
        "from": instant(first_ms),
        "to": instant(min(last_ms, now_ms)),
        "moment": moment,
        "regions": {
            name: {"is_kept": answer["is_kept"], "complete_since": answer["complete_since"]}
            for name, answer in answers.items()
        },
        "decisions": [{**one, "sentence": sentence(one, call)} for one in shown],
        "unreachable": unreachable,
    }


def _moment(answers: dict[str, Json], moment_ms: int, call: Naming) -> Json:
    """What each region held, and what its last decision up to then had seen elsewhere."""
    told: Json = {}
    for name, answer in answers.items():
        look = last_look(answer["decisions"], moment_ms)
        told[name] = {
            "is_complete": (parse_instant(answer["complete_since"]) or 0) <= moment_ms,
            "held": [{"session": one, "is": call(one)} for one in held(
                answer["decisions"], moment_ms
            )],
            "looked_at": None if look is None else look["at"],
            "saw": [] if look is None else [
                {"session": one["session"], "is": call(one["session"]), "region": one["region"]}
                for one in look["seen"]
            ],
        }  # fmt: skip
    return told


def lines_of(told: Json) -> list[Line]:
    """The story as a person reads it."""
    head = f"{told['account']}, {_clock(told['from'])} to {_clock(told['to'])}, times in UTC"
    lines = [Line(head, "bold")]
    if told["moment"] is not None:
        lines += [Line(""), *_moment_lines(told["moment"])]
    day, shown = "", without_echoes(told["decisions"])
    for one, again in without_repeats(shown):
        if one["at"][:10] != day:
            day = one["at"][:10]
            lines += [Line(""), Line(day, "dim")]
        words = f"{one['at'][11:19]} {one['sentence']}"
        if again:
            times = plural(len(again), "time")
            words += f"; and {times} more until {_clock(again[-1]['at'])}"
        lines.append(Line(words, STYLES.get(one["kind"], "")))
    if not shown:
        lines += [Line(""), Line("no decision is remembered of this time")]
    return lines + _gaps(told)


def _clock(at: str) -> str:
    return f"{at[:10]} {at[11:19]}"


def _moment_lines(moment: Json) -> list[Line]:
    """At one moment: a line a region."""
    lines = [Line(f"at {_clock(moment['at'])}")]
    for name, region in moment["regions"].items():
        playing = ", ".join(one["is"] for one in region["held"]) or "nothing"
        words = f"  {name} held {playing}"
        if region["saw"]:
            saw = ", ".join(f"{one['is']} in {one['region']}" for one in region["saw"])
            words += f"; when it last decided, {region['looked_at'][11:19]}, it knew of {saw}"
        if not region["is_complete"]:
            words += " (it does not remember all of the time before)"
        lines.append(Line(words))
    return lines


def _gaps(told: Json) -> list[Line]:
    """What is not in the story."""
    first_ms = parse_instant(told["from"]) or 0
    lines = []
    for name, region in told["regions"].items():
        since = region["complete_since"]
        if not region["is_kept"]:
            lines.append(Line(f"{name} keeps no decisions: records_max of its [explain] is 0"))
        elif (parse_instant(since) or 0) > first_ms:
            lines.append(Line(f"{name} remembers all since {_clock(since)} only", "dim"))
    lines += [
        Line(f"{name} could not be asked: {why}", "bold red")
        for name, why in sorted(told["unreachable"].items())
    ]
    return [Line(""), *lines] if lines else []
