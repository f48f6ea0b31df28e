"""`georeg quota`: what a region holds, uses, lends and risks; `georeg quota ACCOUNT`: one account.

Of an account each region knows its own sessions best and its home knows who holds what, so all
regions are asked, and of each thing the word of whoever knows it is shown.
"""

import argparse
import json
from typing import TYPE_CHECKING

from georeg.cli.ops.account import account_lines, merged
from georeg.cli.ops.client import Json, in_path
from georeg.cli.ops.options import carry_out, new_parser, target_of
from georeg.cli.ops.regions import addresses, ask_all, first_status, told_apart
from georeg.cli.ops.tables import LEFT, Column, Line, show, table
from georeg.cli.ops.words import duration, number, plural

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """\
  georeg quota --config region.toml              the budgets of the region that is asked
  georeg quota --config region.toml --all-views  of every region
  georeg quota --config region.toml anna         one account: limit, grants, every live session
"""


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = new_parser(
        commands,
        "quota",
        help="who holds and uses which slots",
        description="Shows the budgets of a region, or one account with its sessions.",
        examples=EXAMPLES,
    )
    parser.add_argument("account", nargs="?", metavar="ACCOUNT", help="one account only")
    parser.add_argument("--all-views", action="store_true", help="the budgets of every region")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Show the budgets."""
    work = _quota if options.account is None else _account
    return carry_out("quota", work(options))


async def _quota(options: argparse.Namespace) -> int:
    target = target_of(options)
    async with target.client() as client:
        if options.all_views:
            urls, unreachable = await addresses(client, target)
        else:
            url, status = await first_status(client, target)
            urls, unreachable = {status["view_of"]: url}, {}
        answers = await client.each(urls, "/v1/quota")
    found, failed = told_apart(answers)
    unreachable |= failed
    if options.json:
        several = {"regions": found, "unreachable": unreachable}
        print(json.dumps(several if options.all_views else next(iter(found.values())), indent=2))
        return 0
    for at, quota in enumerate(found.values()):
        show([Line("")] * (at > 0) + quota_lines(quota))
    show([Line(f"{name}: {why}", "bold red") for name, why in sorted(unreachable.items())])
    return 0


async def _account(options: argparse.Namespace) -> int:
    path = f"/v1/accounts/{in_path(options.account)}"
    answers, unreachable = await ask_all(target_of(options), path)
    whole = merged(answers, unreachable)
    if options.json:
        print(json.dumps(whole, indent=2))
    else:
        show(account_lines(whole))
    return 0


def quota_lines(quota: Json) -> list[Line]:
    """The budgets of one region."""
    name = quota["view_of"]
    holder = [
        [
            _whose(held), number(held["held"]), number(held["used"]), number(held["free"]),
            duration(held["region_lease_left_s"]),
        ]
        for held in quota["as_holder"]
    ]  # fmt: skip
    home = [
        [lent["region"], number(lent["lent"]), number(lent["used"]), number(lent["unused"])]
        for lent in quota["as_home"]
    ]
    columns = (
        Column("HOME", LEFT), Column("HELD"), Column("USED"), Column("FREE"), Column("LEASE LEFT"),
    )  # fmt: skip
    lent = (Column("REGION", LEFT), Column("OWES"), Column("USES"), Column("UNUSED"))
    return [
        Line(f"{name} as holder: slots that it has leased from other homes", "bold"),
        *table(columns, holder),
        Line(""),
        Line(f"{name} as home: slots that it has lent and is owed", "bold"),
        *table(lent, home),
        Line(""),
        *_worst_case(quota),
        *_most(quota),
    ]


def _whose(held: Json) -> str:
    """The home; of a seat in which another region sits both."""
    seat, home = held.get("seat", held["home"]), held["home"]
    return str(seat) if home == seat else f"{seat} (by {home or 'nobody'})"


def _worst_case(quota: Json) -> list[Line]:
    worst, name = quota["worst_case"], quota["view_of"]
    beyond = plural(worst["streams_beyond_limits"], "stream")
    return [
        Line(f"{name}: {plural(quota['overdraft'], 'stream')} in overdraft now"),
        Line(
            f"if every link were cut now: at most {beyond} beyond the limits of "
            f"{plural(worst['accounts'], 'account')} (sum of limits {worst['limits']:,}), if each "
            f"filled its limit in each of {plural(worst['regions'], 'region')}"
        ),
        Line("  by grants alone none: usable slots of an account never exceed its limit (P8)"),
    ]


def _most(quota: Json) -> list[Line]:
    lines = []
    if quota["most_refused"]:
        rows = [
            [
                top["account"], number(top["refusals"]),
                f"-{top['refusals_error']:,}" if top["refusals_error"] else "",
            ]
            for top in quota["most_refused"]
        ]  # fmt: skip
        columns = (Column("MOST REFUSED", LEFT), Column("REFUSALS"), Column("ERROR"))
        lines += [Line(""), *table(columns, rows)]
    if quota["most_overdraft"]:
        rows = [[top["account"], number(top["overdraft"])] for top in quota["most_overdraft"]]
        columns_2 = (Column("MOST IN OVERDRAFT", LEFT), Column("STREAMS"))
        lines += [Line(""), *table(columns_2, rows)]
    return lines
