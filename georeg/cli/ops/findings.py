"""What `georeg check` finds: a status against thresholds. Pure.

The numbers are those of `georeg status`; each becomes one finding with its value, its two bounds
and a level, so that every format (text, Nagios, Prometheus, JSON) is made from the same list.
"""

from collections.abc import Iterable
from enum import IntEnum
from typing import NamedTuple

from georeg.cli.ops.client import Json
from georeg.cli.ops.words import duration


class Level(IntEnum):
    """The exit codes that Nagios and its kin expect."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


class Bounds(NamedTuple):
    """Above these a value is a warning, or critical. None: never."""

    warning: float | None
    critical: float | None


class Thresholds(NamedTuple):
    """All bounds of a check, and how many regions there should be."""

    seen_s: Bounds
    behind_s: Bounds
    events: Bounds
    overdraft: Bounds
    clock_s: Bounds
    beacon_refusals: Bounds
    regions: int | None


class Finding(NamedTuple):
    """One number that was looked at."""

    name: str
    region: str
    value: float
    bounds: Bounds
    level: Level
    words: str


def judge(value: float, bounds: Bounds) -> Level:
    """The level of a value."""
    if bounds.critical is not None and value > bounds.critical:
        return Level.CRITICAL
    if bounds.warning is not None and value > bounds.warning:
        return Level.WARNING
    return Level.OK


def check(status: Json, thresholds: Thresholds) -> list[Finding]:
    """Everything that is looked at, in the order of the regions."""
    found = [*_count(status, thresholds)]
    for region in status["regions"]:
        found += _own(region, thresholds) if region["is_self"] else _peer(region, thresholds)
    found += _recent(status)
    return found


def worst(findings: Iterable[Finding]) -> Level:
    """The level of the whole."""
    return max((finding.level for finding in findings), default=Level.UNKNOWN)


def _finding(name: str, region: Json, value: float, bounds: Bounds, words: str) -> Finding:
    level = judge(value, bounds)
    return Finding(name, region["region"], value, bounds, level, f"{region['region']} {words}")


def _count(status: Json, thresholds: Thresholds) -> Iterable[Finding]:
    if thresholds.regions is None:
        return
    up = sum(region["state"] == "up" for region in status["regions"])
    level = Level.OK if up >= thresholds.regions else Level.CRITICAL
    words = f"{up} of {thresholds.regions} regions are up"
    yield Finding("regions_up", status["view_of"], up, Bounds(None, None), level, words)


def _own(region: Json, thresholds: Thresholds) -> Iterable[Finding]:
    joining = Bounds(0, None)
    is_joining = float(region["state"] == "joining")
    yield _finding("joining", region, is_joining, joining, "is joining" if is_joining else "is up")
    overdraft = region["overdraft"]
    words = f"has {overdraft:,} streams in overdraft"
    yield _finding("overdraft", region, overdraft, thresholds.overdraft, words)
    refused = region["refusals_last_minute"]["beacon"]
    words = f"refused {refused} starts on beacons in the last minute"
    yield _finding("beacon_refusals", region, refused, thresholds.beacon_refusals, words)


def _peer(region: Json, thresholds: Thresholds) -> Iterable[Finding]:
    silent_s = region["silent_s"]
    heard = "was never heard" if silent_s is None else f"was heard {duration(silent_s)} ago"
    silent = float("inf") if silent_s is None else silent_s
    yield _finding("seen_seconds", region, silent, thresholds.seen_s, heard)
    behind_s = region["behind_s"]
    known = "has proven nothing" if behind_s is None else f"is known as of {duration(behind_s)} ago"
    behind = float("inf") if behind_s is None else behind_s
    yield _finding("behind_seconds", region, behind, thresholds.behind_s, known)
    events = max(region["events_behind"], region["events_missing"])
    words = f"is {events:,} events behind"
    yield _finding("behind_events", region, events, thresholds.events, words)
    if region["clock_ahead_s"] is not None:
        apart = abs(region["clock_ahead_s"])
        words = f"has a clock {duration(apart)} apart"
        yield _finding("clock_seconds", region, apart, thresholds.clock_s, words)


def _recent(status: Json) -> Iterable[Finding]:
    """Trouble of the last minute; a disk that refuses and states that differ are critical."""
    for kind, times in sorted(status["recent"].items()):
        is_critical = kind in ("journal_refusals", "state_mismatches")
        bounds = Bounds(None, 0) if is_critical else Bounds(0, None)
        words = f"{status['view_of']}: {kind.replace('_', ' ')} {times} in the last minute"
        yield Finding(kind, status["view_of"], times, bounds, judge(times, bounds), words)
