"""`georeg check`: one look for a monitor, with thresholds and the exit codes of Nagios plugins.

0 ok, 1 warning, 2 critical, 3 unknown. A region that cannot be reached is critical; wrong usage and
a key that is not good are unknown, since they say nothing about the region.
"""

import argparse
import asyncio
import json
import sys
from typing import TYPE_CHECKING, NoReturn

from georeg.cli.ops.client import EXIT_UNREACHABLE, Json, OpsError
from georeg.cli.ops.findings import Bounds, Finding, Level, Thresholds, check, worst
from georeg.cli.ops.options import new_parser, target_of
from georeg.cli.ops.regions import first_status

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

EXAMPLES = """\
  georeg check --config region.toml --regions-expect 3
  georeg check --format nagios --seen-critical 10 --overdraft-warning 50
  georeg check --format prometheus > /var/lib/node_exporter/georeg.prom

A value above its threshold counts; `none` switches a threshold off.
"""
EXIT_CODES = """\
exit codes: 0 ok, 1 warning, 2 critical or cannot be reached, 3 unknown: wrong usage, key not good
"""
FLAGS = {
    "seen": (5.0, 15.0, "seconds since a region's last beacon"),
    "behind": (10.0, 60.0, "seconds since the evidence for a region's sessions"),
    "events": (1_000.0, 100_000.0, "events that a region lacks of the asked one, or the reverse"),
    "overdraft": (100.0, 10_000.0, "streams in overdraft"),
    "clock": (2.0, 60.0, "seconds between two regions' wall clocks"),
    "beacon-refusals": (None, None, "refusals on beacons in the last minute"),
}
FORMATS = ("text", "json", "nagios", "prometheus")


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = new_parser(
        commands,
        "check",
        help="ok, warning or critical, for monitoring",
        description="Compares a region's status with thresholds.",
        examples=EXAMPLES,
        exit_codes=EXIT_CODES,
    )
    parser.add_argument("--format", choices=FORMATS, default="text", help="default: text")
    parser.add_argument("--regions-expect", type=int, metavar="N", help="so many must be up")
    for name, (warning, critical, about) in FLAGS.items():
        for level, default in (("warning", warning), ("critical", critical)):
            shown = "none" if default is None else f"{default:g}"
            parser.add_argument(
                f"--{name}-{level}", type=_bound, default=default, metavar="X",
                help=f"{about}; default: {shown}",
            )  # fmt: skip

    def fail(message: str) -> NoReturn:
        """Wrong usage says nothing about the region: unknown."""
        parser.print_usage(sys.stderr)
        parser.exit(Level.UNKNOWN, f"{parser.prog}: error: {message}\n")

    parser.error = fail  # type: ignore[method-assign]  # argparse would exit with 2: critical
    parser.set_defaults(run=run)


def _bound(text: str) -> float | None:
    return None if text == "none" else float(text)


def run(options: argparse.Namespace) -> int:
    """Look once, print, give the exit code."""
    form = "json" if options.json else options.format
    try:
        status = asyncio.run(_status(options))
    except OpsError as error:
        level = Level.CRITICAL if error.code == EXIT_UNREACHABLE else Level.UNKNOWN
        print(render(form, level, [], str(error), view=""))
        return level
    except KeyboardInterrupt:
        return Level.UNKNOWN
    findings = check(status, thresholds_of(options))
    level = worst(findings)
    print(render(form, level, findings, _summary(findings), view=status["view_of"]))
    return level


async def _status(options: argparse.Namespace) -> Json:
    target = target_of(options)
    async with target.client() as client:
        return (await first_status(client, target))[1]


def thresholds_of(options: argparse.Namespace) -> Thresholds:
    """The thresholds of the command line."""

    def bounds(name: str) -> Bounds:
        return Bounds(getattr(options, f"{name}_warning"), getattr(options, f"{name}_critical"))

    return Thresholds(
        seen_s=bounds("seen"),
        behind_s=bounds("behind"),
        events=bounds("events"),
        overdraft=bounds("overdraft"),
        clock_s=bounds("clock"),
        beacon_refusals=bounds("beacon_refusals"),
        regions=options.regions_expect,
    )


def _summary(findings: list[Finding]) -> str:
    bad = sorted((f for f in findings if f.level), key=lambda finding: -finding.level)
    return "; ".join(finding.words for finding in bad) or "all regions are well"


def render(form: str, level: Level, findings: list[Finding], summary: str, *, view: str) -> str:
    """The findings in one of the formats, without the last end of line."""
    if form == "json":
        told = [
            {
                "name": f.name, "region": f.region, "level": f.level.name.lower(),
                "value": _finite(f.value), "warning": f.bounds.warning,
                "critical": f.bounds.critical, "words": f.words,
            }
            for f in findings
        ]  # fmt: skip
        answer = {"level": level.name.lower(), "view_of": view, "summary": summary, "found": told}
        return json.dumps(answer, indent=2)
    if form == "nagios":
        seen_by = f" (as {view} sees it)" if view else ""
        data = " ".join(_perfdata(finding) for finding in findings)
        return f"GEOREG {level.name} - {summary}{seen_by}" + (f" | {data}" if data else "")
    if form == "prometheus":
        return _prometheus(level, findings, view)
    lines = [f"{level.name}: {summary}"]
    return "\n".join(lines + [f"{f.level.name:8}  {f.words}" for f in findings])


def _finite(value: float) -> float | None:
    return None if value == float("inf") else value


def _perfdata(finding: Finding) -> str:
    def shown(bound: float | None) -> str:
        return "" if bound is None else f"{bound:g}"

    unit = "s" if finding.name.endswith("_seconds") else ""
    value = "U" if finding.value == float("inf") else f"{finding.value:g}{unit}"
    bounds = f"{shown(finding.bounds.warning)};{shown(finding.bounds.critical)}"
    return f"{finding.name}_{finding.region}={value};{bounds}"


def _prometheus(level: Level, findings: list[Finding], view: str) -> str:
    lines = [
        "# HELP georeg_check_level 0 ok, 1 warning, 2 critical, 3 unknown.",
        "# TYPE georeg_check_level gauge",
        f'georeg_check_level{{view="{view}"}} {int(level)}',
    ]
    if findings:
        lines += [
            "# HELP georeg_check_value What was compared with a threshold.",
            "# TYPE georeg_check_value gauge",
        ]
    for f in findings:
        value = "+Inf" if f.value == float("inf") else f"{f.value:g}"
        labels = f'view="{view}",check="{f.name}",region="{f.region}"'
        lines.append(f"georeg_check_value{{{labels}}} {value}")
    return "\n".join(lines)
