"""Flags that make a scenario, and the same flags again as text, for the command that reproduces."""

import argparse
import shlex
from dataclasses import fields, replace

from region_sim.plan.errors import PlanError
from region_sim.plan.faults import FaultKind
from region_sim.plan.habits import Habits
from region_sim.plan.latency import WORLDS
from region_sim.plan.reader import (
    check,
    fault_text,
    load,
    number_text,
    parse_fault,
    with_habits,
)
from region_sim.plan.scenario import Draw, Scenario

_SEEDS_MAX = 1_000_000


def add_scenario_flags(parser: argparse.ArgumentParser, *, default: str) -> None:
    """The flags that every command has which runs something."""
    add = parser.add_argument_group("what to run").add_argument
    add("--scenario", default=default, metavar="NAME|FILE", help=f"see `list` (default: {default})")
    add("--households", type=int, metavar="N", help="instead of the scenario's")
    add(
        "--only", metavar="A,B", help="of these households only those with these accounts: acc-0007"
    )
    add("--duration", type=float, metavar="S", help="seconds of the safety phase")
    add("--regions", metavar="A,B,C", help="names of the regions, as us,eu,ap")
    add("--world", choices=WORLDS, help="how far the regions are apart")
    add(
        "--fault", action="append", default=[], metavar="KIND[/HOW][=AMOUNT]:WHERE@AT+FOR",
        help="a fault, again for each: cut/reject:us|eu,ap@20+30, lag=0.3:us>eu@5+60, "
        "kill/wipe:eu@40+15; with it the scenario's own faults are left out",
    )  # fmt: skip
    add("--draw", metavar="KIND,KIND", help="kinds of faults to draw from the seed, or `all`")
    add("--no-faults", action="store_true", help="the scenario without its faults")
    add("--set", action="append", default=[], metavar="NAME=VALUE",
        help="a setting of the regions, as in [settings] of a config: grant_lease_s=5")  # fmt: skip
    add("--habit", action="append", default=[], metavar="NAME=VALUE",
        help="a habit of the viewers: roam=0.3, play_s=20")  # fmt: skip
    add("--expect", action="append", default=[], metavar="COVERAGE",
        help="what must have happened, or nothing is proved; see `list`")  # fmt: skip


def add_seed_flag(parser: argparse.ArgumentParser) -> None:
    """For commands that run one seed."""
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="(default: 1)")


def scenario_of(options: argparse.Namespace) -> Scenario:
    """The scenario that the flags ask for. Raises PlanError."""
    scenario = load(options.scenario)
    if options.regions is not None:
        regions = tuple(options.regions.split(","))
        scenario = replace(scenario, regions=regions, older=(), faults=())
    if options.world is not None:
        scenario = replace(scenario, world=options.world)
    if options.households is not None:
        scenario = replace(scenario, households=options.households)
    if options.only is not None:
        scenario = replace(scenario, only=tuple(options.only.split(",")))
    if options.duration is not None:
        scenario = replace(scenario, duration_s=options.duration)
    if options.no_faults or options.fault or options.draw:
        scenario = replace(scenario, faults=(), draw=Draw(), expects=())
    if options.fault:
        faults = tuple(parse_fault(text, scenario.regions) for text in options.fault)
        scenario = replace(scenario, faults=faults)
    if options.draw:
        texts = [k.value for k in FaultKind] if options.draw == "all" else options.draw.split(",")
        known = {kind.value for kind in FaultKind}
        for text in texts:
            if text not in known:
                raise PlanError(f"--draw {text}: there are {', '.join(FaultKind)}, or all")
        kinds = tuple(FaultKind(text) for text in texts)
        scenario = replace(scenario, draw=Draw(kinds, 1, 8))
    settings = {**scenario.settings, **_pairs("--set", options.set)}
    habits = with_habits(scenario.habits, _pairs("--habit", options.habit))
    expects = scenario.expects + tuple(options.expect)
    return check(replace(scenario, settings=settings, habits=habits, expects=expects))


def flags_text(options: argparse.Namespace) -> str:
    """The flags again, for a shell."""
    parts = ["--scenario", options.scenario]
    for name in ("households", "only", "duration", "regions", "world", "draw"):
        value = getattr(options, name)
        if value is not None:
            parts += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
    for name in ("fault", "set", "habit", "expect"):
        for value in getattr(options, name):
            parts += [f"--{name}", value]
    if options.no_faults:
        parts.append("--no-faults")
    return shlex.join(parts)


def flags_of(scenario: Scenario, base: str) -> list[str]:
    """Flags that make this scenario of the one that is called `base`; what has no flag (jitter,
    drift, plans, policies) is the base's. Raises PlanError."""
    was = load(base)
    flags = ["--scenario", base]
    if scenario.regions != was.regions:
        flags += ["--regions", ",".join(scenario.regions)]
    if scenario.world != was.world:
        flags += ["--world", scenario.world]
    if scenario.households != was.households:
        flags += ["--households", str(scenario.households)]
    if scenario.only != was.only:
        flags += ["--only", ",".join(scenario.only)]
    if scenario.duration_s != was.duration_s:
        flags += ["--duration", number_text(scenario.duration_s)]
    for fault in scenario.faults:
        flags += ["--fault", fault_text(fault, scenario.regions)]
    if not scenario.faults:
        flags.append("--no-faults")
    for name, value in sorted(scenario.settings.items()):
        if was.settings.get(name) != value:
            flags += ["--set", f"{name}={number_text(value)}"]
    for field in fields(Habits):
        value = getattr(scenario.habits, field.name)
        if value != getattr(was.habits, field.name):
            flags += ["--habit", f"{field.name}={number_text(value)}"]
    return flags


def parse_seeds(text: str) -> range:
    """`7`, or `1..200` with both ends. Raises PlanError."""
    first, dots, last = text.partition("..")
    try:
        low, high = int(first), int(last if dots else first)
    except ValueError:
        raise PlanError(f"--seeds {text}: write 1..200, or one number") from None
    if not 0 <= low <= high or high - low >= _SEEDS_MAX:
        raise PlanError(f"--seeds {text}: two numbers from 0 on, the second not below the first")
    return range(low, high + 1)


def _pairs(flag: str, texts: list[str]) -> dict[str, float]:
    pairs = {}
    for text in texts:
        name, _, value = text.partition("=")
        try:
            pairs[name] = float(value)
        except ValueError:
            raise PlanError(f"{flag} {text}: write NAME=NUMBER") from None
    return pairs
