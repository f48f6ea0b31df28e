"""Several regions' views side by side, and where they disagree. Pure: from answers to words.

A region that one sees down and another sees up is not lost: a link is cut. That is what no single
view can tell, and why `--all-views` exists.
"""

from georeg.cli.ops.client import Json
from georeg.cli.ops.tables import LEFT, Column, Line, table

SESSIONS_APART = 5
"""Counts are of slightly different instants: smaller differences are no disagreement,"""
SHARE_APART = 0.02
"""nor are those below this share of the sessions."""


def matrix(views: dict[str, Json], unreachable: dict[str, str]) -> list[Line]:
    """Rows: who looks; columns: who is seen; cells: the two letters."""
    names = _names(views)
    columns = [Column("SEEN BY", LEFT), *(Column(name, LEFT) for name in names)]
    rows, styles = [], []
    for viewer, status in views.items():
        codes = {region["region"]: region["code"] for region in status["regions"]}
        rows.append([viewer, *(codes.get(name, "?") for name in names)])
        styles.append("" if all(code == "UN" for code in codes.values()) else "yellow")
    lines = table(columns, rows, styles)
    lines += [Line(f"{name}: {why}", "bold red") for name, why in sorted(unreachable.items())]
    return lines


def disagreements(views: dict[str, Json], unreachable: dict[str, str]) -> list[str]:
    """Where two views cannot both be the whole truth."""
    found = []
    for name in _names(views):
        seen = {
            viewer: region
            for viewer, status in views.items()
            for region in status["regions"]
            if region["region"] == name and viewer != name
        }
        found += _states(name, seen, name in views, name in unreachable)
        found += _sessions(name, seen, views.get(name))
    return found


def _names(views: dict[str, Json]) -> list[str]:
    names: dict[str, None] = {}
    for status in views.values():
        names.update(dict.fromkeys(region["region"] for region in status["regions"]))
    return list(names)


def _states(name: str, seen: dict[str, Json], answers: bool, is_unreachable: bool) -> list[str]:
    lost = sorted(viewer for viewer, region in seen.items() if region["state"] != "up")
    heard = sorted(viewer for viewer, region in seen.items() if region["state"] == "up")
    if lost and heard:
        return [
            f"{name} is {seen[lost[0]]['state']} for {_and(lost)}, up for {_and(heard)}: "
            f"{name} runs, and is cut off from {_and(lost)}"
        ]
    if lost and answers:
        return [
            f"{name} answers here, but no other region hears it: it is cut off, not lost. Its "
            "devices go on there, and the others decide without it"
        ]
    if heard and is_unreachable:
        return [f"{name} is up for {_and(heard)}, but does not answer here: its operators' API"]
    return []


def _sessions(name: str, seen: dict[str, Json], own: Json | None) -> list[str]:
    if own is None:
        return []
    held = next(region["sessions"] for region in own["regions"] if region["region"] == name)
    apart = {
        viewer: region["sessions"]
        for viewer, region in sorted(seen.items())
        if abs(region["sessions"] - held) > max(SESSIONS_APART, SHARE_APART * held)
    }
    if not apart:
        return []
    counts = ", ".join(f"{viewer} knows {count:,}" for viewer, count in apart.items())
    return [f"{name} holds {held:,} sessions, {counts}: its log has not arrived there yet"]


def _and(names: list[str]) -> str:
    return " and ".join(names) if len(names) < 3 else ", ".join(names[:-1]) + f" and {names[-1]}"
