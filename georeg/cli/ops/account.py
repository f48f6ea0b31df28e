"""One account over all regions: of each thing the word of whoever knows it best. Pure.

A session is shown as its own region told it (evidence local); where that region does not answer, as
another one knows it, by beacon. Grants are as the home told them, else each holder's own word.
"""

from georeg.cli.ops.client import Json
from georeg.cli.ops.tables import LEFT, Column, Line, table
from georeg.cli.ops.words import DASH, duration, number, plural


def merged(answers: dict[str, Json], unreachable: dict[str, str]) -> Json:
    """One account out of the answers of several regions; `answers` is not empty."""
    first = next(iter(answers.values()))
    home = answers.get(first["home"])
    best: dict[str, tuple[tuple[bool, int], Json]] = {}
    for viewer, answer in answers.items():
        for session in answer["sessions"]:
            rank = (session["region"] == viewer, session["hop"])
            if session["id"] not in best or rank > best[session["id"]][0]:
                best[session["id"]] = (rank, {**session, "told_by": viewer})
    told = [session for _, session in best.values()]
    sessions = sorted(told, key=lambda one: (one["started_at"], one["id"]))
    grants: Json = {}
    for answer in answers.values():
        for region, slots in answer["grants"].items():
            grants[region] = max(slots, grants.get(region, 0))
    if home is not None:
        grants = {**dict.fromkeys(home["grants"], 0), **home["grants"]}
    return {
        "account": first["account"],
        "plan": first["plan"],
        "limit": first["limit"],
        "limits": {name: answer["limit"] for name, answer in answers.items()},
        "is_plan_known": first["is_plan_known"],
        "home": first["home"],
        "home_by": first["home_by"],
        "home_moved": first["home_moved"],
        "is_home_open": any(answer["is_home_open"] for answer in answers.values()),
        "is_home_asked": home is not None,
        "grants": grants,
        "usable": {name: answer["usable"] for name, answer in answers.items()},
        "overdraft": {name: answer["overdraft"] for name, answer in answers.items()},
        "devices": len({one["device"]["id"] for one in sessions}),
        "sessions": sessions,
        "kicks_remembered": max(answer["kicks_remembered"] for answer in answers.values()),
        "at_most_if_cut": max(answer["at_most_if_cut"] for answer in answers.values()),
        "unreachable": unreachable,
    }


def account_lines(whole: Json) -> list[Line]:
    """The account as a person reads it."""
    plan = whole["plan"] or ("unknown" if not whole["is_plan_known"] else "without a name")
    devices = plural(whole["devices"], "device")
    lines = [
        Line(f"{whole['account']}: plan {plan}, limit {whole['limit']}, {devices} playing", "bold"),
        Line(
            f"home {whole['home'] or 'nobody'}, {_home_by(whole)}; if every link were cut now, "
            f"at most {plural(whole['at_most_if_cut'], 'stream')} at once"
        ),
        Line(""),
    ]
    if len(set(whole["limits"].values())) > 1:
        told = ", ".join(f"{name} {limit}" for name, limit in whole["limits"].items())
        lines.insert(2, Line(f"! the regions do not agree on the limit yet: {told}", "yellow"))
    if whole["is_home_open"]:
        lines.insert(2, Line("! its home is changing: starts are decided on evidence", "yellow"))
    lines += _grants(whole)
    lines.append(Line(""))
    lines += _sessions(whole) if whole["sessions"] else [Line("no live session")]
    for name, why in sorted(whole["unreachable"].items()):
        lines.append(Line(f"{name}: {why}", "bold red"))
    return lines


def _home_by(whole: Json) -> str:
    """Why it is the home."""
    if whole["home_by"] == "moved":
        moved = whole["home_moved"]
        return f"moved there from {moved['from']} at {moved['at'][:19].replace('T', ' ')}"
    return {"pinned": "pinned by its plan", "hash": "by hash"}[whole["home_by"]]


def _grants(whole: Json) -> list[Line]:
    homes = {whole["home"]} - {None}
    names = sorted({*whole["grants"], *whole["usable"], *homes})
    live: dict[str, int] = {}
    for session in whole["sessions"]:
        live[session["region"]] = live.get(session["region"], 0) + 1
    names = sorted({*names, *live})
    rows = [
        [
            name + (" (home)" if name == whole["home"] else ""),
            DASH if name == whole["home"] else number(whole["grants"].get(name, 0)),
            number(whole["usable"].get(name)), number(live.get(name, 0)),
            number(whole["overdraft"].get(name)),
        ]
        for name in names
    ]  # fmt: skip
    columns = (
        Column("REGION", LEFT), Column("GRANT"), Column("USABLE"), Column("LIVE"), Column("OVER"),
    )  # fmt: skip
    return table(columns, rows)


def _sessions(whole: Json) -> list[Line]:
    columns = (
        Column("SESSION", LEFT), Column("DEVICE", LEFT), Column("REGION", LEFT),
        Column("STATE", LEFT), Column("STARTED", LEFT), Column("LEASE LEFT"),
        Column("EVIDENCE", LEFT), Column("COVERED", LEFT),
    )  # fmt: skip
    rows = []
    for session in whole["sessions"]:
        device, evidence = session["device"], session["evidence"]
        name = f"{device['name']} ({device['id']})" if device["name"] else device["id"]
        settled = {None: DASH, True: "yes", False: "not yet"}[session["is_settled"]]
        rows.append(
            [
                session["id"], name, session["region"], session["state"],
                str(session["started_at"])[:19].replace("T", " "),
                duration(session["lease_left_s"]),
                f"{evidence['how']}, {duration(evidence['age_s'])}", settled,
            ]
        )  # fmt: skip
    return table(columns, rows)
