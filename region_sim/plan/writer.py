"""Writes a scenario as TOML that `reader.load` reads as the same scenario.

Only what differs from the usual is written, so that a small scenario is a small file.
"""

import json
from dataclasses import fields
from typing import Any, Final

from region_sim.plan.faults import KINDS, Fault, links_text
from region_sim.plan.habits import Habits
from region_sim.plan.reader import number_text
from region_sim.plan.scenario import Draw, Scenario

_PLAIN: Final = (
    "about", "regions", "world", "jitter", "last_mile_ms", "duration_s", "households", "only",
    "drift", "excess", "on_limit", "clones", "election", "pinned", "nodes", "slices", "older",
    "expects",
)  # fmt: skip


def scenario_text(scenario: Scenario, *, head: str = "") -> str:
    """The scenario as a TOML file, with a comment of a few lines before it."""
    usual = Scenario(scenario.name)
    lines = [f"# {line}".rstrip() for line in head.splitlines()]
    lines += [
        f"{key} = {_value(getattr(scenario, key))}"
        for key in _PLAIN
        if getattr(scenario, key) != getattr(usual, key)
    ]
    trips = {json.dumps(links): trip_ms for links, trip_ms in scenario.round_trip_ms.items()}
    lines += _table("round_trip_ms", trips)
    if sorted(scenario.plans) != sorted(usual.plans):
        lines += _table("plans", dict(scenario.plans))
    habits = {field.name: getattr(scenario.habits, field.name) for field in fields(Habits)}
    lines += _table("habits", {k: v for k, v in habits.items() if v != getattr(Habits(), k)})
    lines += _table("settings", dict(sorted(scenario.settings.items())))
    if scenario.draw != Draw():
        draw = scenario.draw
        counts = {"count_min": draw.count_min, "count_max": draw.count_max}
        lines += _table("draw", {"kinds": tuple(kind.value for kind in draw.kinds), **counts})
    for fault in scenario.faults:
        lines += ["", "[[fault]]", *_fault(fault, scenario.regions)]
    return "\n".join(lines) + "\n"


def _fault(fault: Fault, regions: tuple[str, ...]) -> list[str]:
    doc = KINDS[fault.kind]
    values: dict[str, Any] = {"kind": fault.kind.value, "at_s": fault.at_s, "for_s": fault.for_s}
    if doc.on_links:
        values["links"] = tuple(links_text(fault.links, regions).split(";"))
    else:
        values["regions"] = fault.regions
    if fault.how != doc.ways[0]:
        values["how"] = fault.how
    if fault.amount != doc.default:
        values["amount"] = fault.amount
    return [f"{key} = {_value(value)}" for key, value in values.items()]


def _table(name: str, values: dict[str, Any]) -> list[str]:
    lines = [f"{key} = {_value(value)}" for key, value in values.items()]
    return ["", f"[{name}]", *lines] if lines else []


def _value(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_value, value))}]"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # a basic string of TOML looks the same
    return number_text(value)
