"""Reads scenarios from TOML: those that come with the simulator, and a person's own files.

Every key is checked, and an unknown one is refused with the ones that there are: a misspelt fault
that never happens would prove nothing.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from crdt.dots import SHARDS
from georeg.region.settings import ElectionKind
from region_sim.plan.errors import PlanError
from region_sim.plan.faults import (
    INSIDE_REGIONS,
    KINDS,
    NODES_MAX,
    OF_NODES,
    Fault,
    FaultKind,
    Links,
    check_fault,
    links_text,
    parse_links,
)
from region_sim.plan.habits import Habits
from region_sim.plan.latency import WORLDS
from region_sim.plan.scenario import Draw, Scenario, account_of

DIRECTORY: Final = Path(__file__).resolve().parent.parent / "scenarios"
REGIONS_MAX: Final = 9
HOUSEHOLDS_MAX: Final = 1_000_000
_PLAIN: Final = {
    "about": str, "world": str, "jitter": float, "last_mile_ms": float, "duration_s": float,
    "households": int, "drift": float, "excess": str, "on_limit": str, "pinned": str,
    "election": str,
    "clones": str, "nodes": int, "slices": int,
}  # fmt: skip
_TABLES: Final = (
    "regions", "round_trip_ms", "only", "plans", "habits", "settings", "older", "fault", "draw",
    "expects",
)  # fmt: skip
_FAULT_KEYS: Final = ("kind", "at_s", "for_s", "regions", "links", "how", "amount")


def names() -> list[str]:
    """The scenarios that come with the simulator."""
    return sorted(file.stem for file in DIRECTORY.glob("*.toml"))


def load(name: str) -> Scenario:
    """A scenario by its name, or from a file. Raises PlanError."""
    file = DIRECTORY / f"{name}.toml" if name in names() else Path(name)
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        if file.suffix == ".toml":
            raise PlanError(f"{file} cannot be read: {error}") from None
        raise PlanError(
            f"no scenario {name!r}; there are {', '.join(names())}, or give a file NAME.toml"
        ) from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"{file}: {error}") from None
    return read(values, file.stem)


def read(values: Mapping[str, Any], name: str) -> Scenario:
    """A scenario from the values of a TOML file. Raises PlanError."""
    known = (*_PLAIN, *_TABLES)
    for key in values:
        if key not in known:
            raise PlanError(f"scenario {name}: no key {key!r}; there are {', '.join(known)}")
    plain = {key: _typed(name, key, values[key], _PLAIN[key]) for key in _PLAIN if key in values}
    scenario = Scenario(name, **plain)
    if "regions" in values:
        scenario = replace(scenario, regions=tuple(_texts(name, "regions", values["regions"])))
    if "round_trip_ms" in values:
        table = _numbers(name, "round_trip_ms", values)
        scenario = replace(scenario, round_trip_ms=table)
    if "only" in values:
        scenario = replace(scenario, only=tuple(_texts(name, "only", values["only"])))
    if "plans" in values:
        scenario = replace(scenario, plans=tuple(sorted(_numbers(name, "plans", values).items())))
    if "habits" in values:
        scenario = replace(scenario, habits=with_habits(Habits(), _numbers(name, "habits", values)))
    if "settings" in values:
        scenario = replace(scenario, settings=_numbers(name, "settings", values))
    if "older" in values:
        scenario = replace(scenario, older=tuple(_texts(name, "older", values["older"])))
    if "expects" in values:
        scenario = replace(scenario, expects=tuple(_texts(name, "expects", values["expects"])))
    if "draw" in values:
        scenario = replace(scenario, draw=_read_draw(name, values["draw"]))
    tables = values.get("fault", [])
    if not isinstance(tables, list):
        raise PlanError(f"scenario {name}: write faults as [[fault]]")
    faults = tuple(_read_fault(name, table, scenario.regions) for table in tables)
    return check(replace(scenario, faults=faults))


def check(scenario: Scenario) -> Scenario:
    """The scenario, if it can be run. Raises PlanError."""
    where = f"scenario {scenario.name}"
    if not 1 <= len(scenario.regions) <= REGIONS_MAX or len(set(scenario.regions)) < len(
        scenario.regions
    ):
        raise PlanError(f"{where}: regions must be 1 to {REGIONS_MAX} different names")
    if scenario.world not in WORLDS:
        raise PlanError(f"{where}: world = {scenario.world!r}; there are {', '.join(WORLDS)}")
    if min(scenario.distances_us().values(), default=0) < 0:
        raise PlanError(f"{where}: round_trip_ms must be 0 or more")
    bounds = {
        "duration_s": (scenario.duration_s, 1, 1e6),
        "households": (scenario.households, 0, HOUSEHOLDS_MAX),
        "jitter": (scenario.jitter, 0, 10),
        "last_mile_ms": (scenario.last_mile_ms, 0.01, 10_000),
        "drift": (scenario.drift, 0, 0.02),
        "nodes": (scenario.nodes, 1, NODES_MAX),
        "slices": (scenario.slices, 1, SHARDS),
    }
    for key, (value, low, high) in bounds.items():
        if not low <= value <= high:
            raise PlanError(f"{where}: {key} = {value:g} is not in {low:g} to {high:g}")
    if len(scenario.accounts()) < len(scenario.only):
        known = f"{account_of(1)} to {account_of(scenario.households)}"
        raise PlanError(f"{where}: only = {', '.join(scenario.only)}: there are {known}")
    if not set(scenario.older) <= set(scenario.regions):
        raise PlanError(f"{where}: older = {', '.join(scenario.older)}: not all are regions")
    if scenario.pinned and scenario.pinned not in scenario.regions:
        raise PlanError(f"{where}: pinned = {scenario.pinned!r} is none of the regions")
    if scenario.election not in list(ElectionKind):
        known = ", ".join(ElectionKind)
        raise PlanError(f"{where}: election = {scenario.election!r} is none of {known}")
    if scenario.older and scenario.election != ElectionKind.STATIC:
        raise PlanError(f"{where}: older regions know a static election only")
    kinds = {*scenario.draw.kinds, *(fault.kind for fault in scenario.faults)}
    if scenario.nodes > 1:
        _check_nodes(where, scenario)
        wrong = kinds - OF_NODES
    else:
        wrong = kinds & INSIDE_REGIONS
    if wrong:
        named = ", ".join(sorted(kind.value for kind in wrong))
        raise PlanError(f"{where}: {named}: not with nodes = {scenario.nodes}")
    if not {plan for plan, _ in scenario.plans} <= {"basic", "standard", "premium"}:
        raise PlanError(f"{where}: plans are shares of basic, standard and premium")
    return scenario


def _check_nodes(where: str, scenario: Scenario) -> None:
    """What regions of many nodes cannot have. Raises PlanError."""
    if SHARDS % scenario.slices:
        raise PlanError(f"{where}: slices = {scenario.slices} does not divide {SHARDS}")
    if scenario.older or scenario.election != ElectionKind.STATIC:
        raise PlanError(f"{where}: regions of many nodes are new, and their homes are static")
    for fault in scenario.faults:
        if fault.kind is FaultKind.NODE and fault.amount not in range(1, scenario.nodes + 1):
            raise PlanError(
                f"{where}: fault node: amount = {fault.amount:g} is the number of no node of"
                f" {scenario.nodes}"
            )


def with_habits(habits: Habits, changes: Mapping[str, float]) -> Habits:
    """Habits with some of them changed. Raises PlanError for a name that there is not."""
    known = {field.name: field.type for field in fields(Habits)}
    for key, value in changes.items():
        if key not in known:
            raise PlanError(f"no habit {key!r}; there are {', '.join(known)}")
        if value < 0:
            raise PlanError(f"habit {key}: {value:g} is below 0")
    whole = {key: int(value) for key, value in changes.items() if known[key] in (int, "int")}
    return replace(habits, **{**changes, **whole})  # type: ignore[arg-type]  # checked above


def parse_fault(text: str, regions: Sequence[str]) -> Fault:
    """A fault from a flag: `cut:us|eu,ap@20+30`, `kill/wipe:eu@40+15`, `lag=0.3:us>eu@5+60`.

    Kind, `/how`, `=amount`, `:where`, `@begin+length` in seconds. Raises PlanError.
    """
    example = "write it like cut/reject:us|eu,ap@20+30 or lag=0.3:us>eu@5+60"
    head, _, tail = text.partition(":")
    where, _, times = tail.rpartition("@")
    at, _, length = times.partition("+")
    kind, _, amount = head.partition("=")
    kind, _, how = kind.partition("/")
    try:
        numbers = {"at_s": float(at), "for_s": float(length), "amount": float(amount or 0)}
    except ValueError:
        raise PlanError(f"fault {text!r}: {example}") from None
    if kind not in {known.value for known in FaultKind}:
        raise PlanError(f"fault {text!r}: no kind {kind!r}; there are {', '.join(FaultKind)}")
    chosen = FaultKind(kind)
    links = parse_links(where, regions) if KINDS[chosen].on_links else ()
    of_regions = () if KINDS[chosen].on_links else tuple(where.split(","))
    return check_fault(Fault(chosen, regions=of_regions, links=links, how=how, **numbers), regions)


def fault_text(fault: Fault, regions: Sequence[str]) -> str:
    """What `parse_fault` reads as this fault, which must be one that `check_fault` gave."""
    doc = KINDS[fault.kind]
    how = f"/{fault.how}" if fault.how != doc.ways[0] else ""
    amount = f"={number_text(fault.amount)}" if fault.amount != doc.default else ""
    where = links_text(fault.links, regions) if doc.on_links else ",".join(fault.regions)
    times = f"{number_text(fault.at_s)}+{number_text(fault.for_s)}"
    return f"{fault.kind.value}{how}{amount}:{where}@{times}"


def number_text(number: float) -> str:
    """The shortest text that means just this number, without an exponent."""
    text = format(Decimal(repr(number)), "f")
    return text.removesuffix(".0")


def _read_fault(name: str, table: Any, regions: Sequence[str]) -> Fault:
    where = f"scenario {name}: [[fault]]"
    if not isinstance(table, dict) or "kind" not in table:
        raise PlanError(f"{where} needs kind, at_s, for_s and links or regions")
    for key in table:
        if key not in _FAULT_KEYS:
            raise PlanError(f"{where}: no key {key!r}; there are {', '.join(_FAULT_KEYS)}")
    try:
        kind = FaultKind(table["kind"])
    except ValueError:
        raise PlanError(
            f"{where}: no kind {table['kind']!r}; there are {', '.join(FaultKind)}"
        ) from None
    links: Links = ()
    for text in _texts(name, "links", table.get("links", [])):
        links += parse_links(text, regions)
    return check_fault(
        Fault(
            kind,
            _typed(name, "at_s", table.get("at_s", 0), float),
            _typed(name, "for_s", table.get("for_s", 0), float),
            tuple(_texts(name, "regions", table.get("regions", []))),
            links,
            _typed(name, "how", table.get("how", ""), str),
            _typed(name, "amount", table.get("amount", 0), float),
        ),
        regions,
    )


def _read_draw(name: str, table: Any) -> Draw:
    if not isinstance(table, dict) or not set(table) <= {"kinds", "count_min", "count_max"}:
        raise PlanError(f"scenario {name}: [draw] has kinds, count_min and count_max")
    kinds = []
    for kind in _texts(name, "kinds", table.get("kinds", [])):
        if kind not in {known.value for known in FaultKind}:
            raise PlanError(f"scenario {name}: [draw] no kind {kind!r}; {', '.join(FaultKind)}")
        kinds.append(FaultKind(kind))
    low = _typed(name, "count_min", table.get("count_min", 1), int)
    high = _typed(name, "count_max", table.get("count_max", max(1, low)), int)
    if not 0 <= low <= high <= 100:
        raise PlanError(f"scenario {name}: [draw] 0 <= count_min <= count_max <= 100")
    return Draw(tuple(kinds), low, high)


def _typed(name: str, key: str, value: Any, kind: type) -> Any:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if kind is float and is_number:
        return float(value)
    if kind is int and is_number and value == int(value):
        return int(value)
    if kind is str and isinstance(value, str):
        return value
    wanted = {float: "a number", int: "a whole number", str: "a text"}[kind]
    raise PlanError(f"scenario {name}: {key} = {value!r} is not {wanted}")


def _texts(name: str, key: str, value: Any) -> list[str]:
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise PlanError(f'scenario {name}: {key} must be a list of texts, like ["us", "eu"]')


def _numbers(name: str, key: str, values: Mapping[str, Any]) -> dict[str, float]:
    table = values[key]
    if not isinstance(table, dict):
        raise PlanError(f"scenario {name}: write {key} as [{key}]")
    return {inner: _typed(name, f"{key}.{inner}", value, float) for inner, value in table.items()}
