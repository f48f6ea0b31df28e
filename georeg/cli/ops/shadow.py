"""`georeg shadow`: what other limits would have decided about the starts of all regions."""

import argparse
import json
from typing import TYPE_CHECKING

from georeg.cli.ops.client import Json
from georeg.cli.ops.options import carry_out, new_parser, target_of
from georeg.cli.ops.regions import ask_all
from georeg.cli.ops.tables import LEFT, Column, Line, show, table
from georeg.cli.ops.words import DASH, duration, number

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """\
  georeg shadow --config region.toml

Columns: LIMIT the plan's; SHADOW the limit that is tried; FOR how long; STARTS decided since then;
+REFUSED admitted, where the shadow would have refused; of so many ACCOUNTS in the last half hour
to hour; +ADMITTED refused, where the shadow would have admitted; SAME the rest.
"""
COLUMNS = (
    Column("PLAN", LEFT), Column("LIMIT"), Column("SHADOW"), Column("FOR"), Column("STARTS"),
    Column("+REFUSED"), Column("ACCOUNTS"), Column("+ADMITTED"), Column("SAME"),
)  # fmt: skip
COUNTS = ("both_admit", "would_refuse", "would_admit", "both_refuse")


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = new_parser(
        commands,
        "shadow",
        help="what other limits would have refused",
        description="Shows what the plans of [shadow] would have decided, over all regions.",
        examples=EXAMPLES,
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show the counts."""
    return carry_out("shadow", _shadow(options))


async def _shadow(options: argparse.Namespace) -> int:
    answers, unreachable = await ask_all(target_of(options), "/v1/shadow")
    told = summed(answers, unreachable)
    if options.json:
        print(json.dumps(told, indent=2))
    else:
        show(lines_of(told))
    return 0


def summed(answers: dict[str, Json], unreachable: dict[str, str]) -> Json:
    """The counts of all regions together, apart where their limits differ.

    An account that starts in two regions is counted in both.
    """
    sums: dict[tuple[str, int, int], Json] = {}
    for name, answer in answers.items():
        for plan in answer["plans"]:
            key = (plan["plan"], plan["limit"] or 0, plan["shadow_limit"])
            known = sums.get(key)
            if known is None:
                sums[key] = {**plan, "regions": [name]}
                continue
            for count in (*COUNTS, "accounts_would_refuse"):
                known[count] += plan[count]
            known["for_s"] = min(known["for_s"], plan["for_s"])
            known["has_more_accounts"] |= plan["has_more_accounts"]
            known["regions"].append(name)
    plans = [sums[key] for key in sorted(sums)]
    return {"plans": plans, "regions": list(answers), "unreachable": unreachable}


def lines_of(told: Json) -> list[Line]:
    """The table, and what is not in it."""
    lines = (
        table(COLUMNS, [_row(plan) for plan in told["plans"]])
        if told["plans"]
        else [Line("no plan has a shadow: add [shadow.plans.NAME] with limit = N to the configs")]
    )
    for plan in told["plans"]:
        if plan["regions"] != told["regions"]:
            where = ", ".join(plan["regions"])
            words = f"! {plan['plan']} with {plan['shadow_limit']} is tried in {where} only"
            lines.append(Line(words, "yellow"))
    return lines + [
        Line(f"{name} could not be asked: {why}", "bold red")
        for name, why in sorted(told["unreachable"].items())
    ]


def _row(plan: Json) -> list[str]:
    starts = sum(plan[count] for count in COUNTS)
    more = "+" if plan["has_more_accounts"] else ""
    return [
        plan["plan"],
        number(plan["limit"]),
        number(plan["shadow_limit"]),
        duration(plan["for_s"]),
        number(starts),
        _share(plan["would_refuse"], starts),
        number(plan["accounts_would_refuse"]) + more,
        _share(plan["would_admit"], starts),
        number(plan["both_admit"] + plan["both_refuse"]),
    ]


def _share(count: int, starts: int) -> str:
    return DASH if not starts else f"{number(count)} ({100 * count / starts:.1f}%)"
