"""What an operator should do something about, in plain words: from a status to problems.

Pure: a status, and what there is to compare it with, gives the problems, worst first. Each has a
stable `kind`, under which docs/operations.md says what to do. Bounds are those at which an operator
would ask; thresholds for alarms are the alarm's own (`georeg check`).
"""

import re
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

from crdt.dots import RegionId
from georeg.mesh.status import LinkState, LinkStatus
from georeg.region.report import RegionReport, StatusReport
from georeg.region.settings import Settings

EVENTS_BEHIND_MAX: Final = 1_000
CLOCK_MS_MAX: Final = 2_000
ONE_WAY_MS: Final = 5_000
"""A region that is heard, but whose beacons have echoed nothing of ours for so long."""

_CONNECT: Final = re.compile(r"^Cannot connect to host (\S+) ssl:\S+ \[.*\]$")
_RECENT: Final = {
    "clock_jumps": "its wall clock jumped {times} in the last minute: plans that are stated now "
    "may lose against older ones; look at the time service",
    "journal_refusals": "its disk refused {times} in the last minute: kicks answer 503 and would "
    "not survive a crash; look at the disk of data_dir",
    "late_rounds": "its process stood still for a second or more {times} in the last minute: look "
    "at the machine's load",
    "plans_ahead_of_clock": "plans from ahead of its clock came in {times} in the last minute: two "
    "regions' clocks are far apart",
    "state_mismatches": "its state differed from another region's at equal positions {times} in "
    "the last minute; it was repaired by snapshot. Report this: it is a bug",
}


class Severity(StrEnum):
    """How much a problem matters."""

    CRITICAL = "critical"
    WARNING = "warning"
    NOTE = "note"


class Trouble(NamedTuple):
    """One problem."""

    severity: Severity
    kind: str
    region: RegionId
    detail: str


def troubles(
    status: StatusReport,
    settings: Settings,
    name_of: Callable[[RegionId], str],
    links: Mapping[RegionId, LinkStatus],
) -> list[Trouble]:
    """The problems that this view shows, worst first."""
    own = next(r for r in status.regions if r.region == status.region)
    found = [*_own(own, name_of), *_recent(status, name_of), *_seats(status, name_of)]
    for region in status.regions:
        if region.region != status.region:
            found += _peer(region, own, settings, name_of, links.get(region.region))
    order = list(Severity)
    return sorted(found, key=lambda trouble: (order.index(trouble.severity), trouble.region))


def _own(own: RegionReport, name_of: Callable[[RegionId], str]) -> Iterable[Trouble]:
    name, vitals = name_of(own.region), own.vitals
    if own.state == "joining":
        detail = f"{name} is joining: it takes no calls yet, for a few seconds after its start"
        yield Trouble(Severity.WARNING, "joining", own.region, detail)
    if own.is_draining:
        detail = f"{name} drains: it takes no starts and sends its devices to other regions"
        yield Trouble(Severity.NOTE, "draining", own.region, detail)
    if vitals is not None and vitals.overdraft:
        detail = (
            f"{_streams(vitals.overdraft)} in {name} run in overdraft: they were admitted or "
            "adopted without a slot, and end, are covered or finish once the home is reached"
        )
        yield Trouble(Severity.WARNING, "overdraft", own.region, detail)


def _seats(status: StatusReport, name_of: Callable[[RegionId], str]) -> Iterable[Trouble]:
    for seat in status.seats:
        name, home = name_of(seat.seat), name_of(seat.home) if seat.home else ""
        if not home:
            why = f" ({seat.trouble})" if seat.trouble else ""
            detail = (
                f"nobody is home for the accounts of {name}{why}: starts that need a slot are "
                "decided on evidence, grants run out, streams go on"
            )
            yield Trouble(Severity.WARNING, "no-home", seat.seat, detail)
        elif seat.trouble:
            detail = f"the lock of {name}'s accounts, which {home} holds: {seat.trouble}"
            yield Trouble(Severity.WARNING, "locks", seat.seat, detail)
        if home and seat.home != seat.seat:
            detail = f"{home} is home for the accounts of {name} while that is away"
            yield Trouble(Severity.NOTE, "seat", seat.seat, detail)
        if seat.learning_ms:
            detail = (
                f"{home} learns for {seat.learning_ms // 1000 + 1} s what is lent of the accounts "
                f"of {name}, and lends nothing until then"
            )
            yield Trouble(Severity.NOTE, "learning", seat.seat, detail)


def _recent(status: StatusReport, name_of: Callable[[RegionId], str]) -> Iterable[Trouble]:
    name = name_of(status.region)
    for kind, times in sorted(status.recent.items()):
        if times:
            often = "once" if times == 1 else f"{times} times"
            detail = f"{name}: {_RECENT[kind].format(times=often)}"
            is_worse = kind in ("journal_refusals", "state_mismatches")
            severity = Severity.CRITICAL if is_worse else Severity.WARNING
            yield Trouble(severity, kind, status.region, detail)


def _peer(
    peer: RegionReport,
    own: RegionReport,
    settings: Settings,
    name_of: Callable[[RegionId], str],
    link: LinkStatus | None,
) -> Iterable[Trouble]:
    name, here = name_of(peer.region), name_of(own.region)
    why = ""
    if link is not None and link.state is not LinkState.UP and link.last_error:
        why = f" ({in_short(link.last_error)})"
    if peer.state == "down":
        yield Trouble(Severity.CRITICAL, "down", peer.region, _down(peer, name, why))
    elif peer.state == "suspect":
        detail = (
            f"{name} has not been heard for {_ago(peer.silent_ms)}{why}: starts go on without it; "
            f"it is down after {settings.region_down_ms / 1000:g} s"
        )
        yield Trouble(Severity.WARNING, "suspect", peer.region, detail)
    elif peer.evidence_age_ms is None or peer.evidence_age_ms > ONE_WAY_MS:
        detail = (
            f"{name} is heard, but does not hear {here}{why}: the cut is one-way. Its sessions "
            "count, but are no evidence for refusals"
        )
        yield Trouble(Severity.WARNING, "one-way", peer.region, detail)
    if peer.is_draining:
        detail = f"{name} drains: its devices come to other regions, {here} among them"
        yield Trouble(Severity.NOTE, "draining", peer.region, detail)
    if peer.events_behind > EVENTS_BEHIND_MAX:
        detail = f"{name} lacks {peer.events_behind:,} events of {here}: it catches up by snapshot"
        yield Trouble(Severity.WARNING, "lag", peer.region, detail)
    if peer.election not in (None, own.election):
        detail = (
            f"{name} goes by a {peer.election} election of homes, {here} by a {own.election} one: "
            "give all regions the same [home]"
        )
        yield Trouble(Severity.WARNING, "election", peer.region, detail)
    if peer.vitals is None or own.vitals is None:
        return
    if peer.clock_ahead_ms is not None and abs(peer.clock_ahead_ms) > CLOCK_MS_MAX:
        way = "ahead of" if peer.clock_ahead_ms > 0 else "behind"
        detail = (
            f"{name}'s wall clock is {abs(peer.clock_ahead_ms) / 1000:.1f} s {way} {here}'s: plans "
            "and entitlements are judged by it; look at the time service of both"
        )
        yield Trouble(Severity.WARNING, "clock", peer.region, detail)
    if peer.vitals.version != own.vitals.version:
        detail = f"{name} runs version {peer.vitals.version}, {here} {own.vitals.version}"
        yield Trouble(Severity.NOTE, "version", peer.region, detail)


def in_short(error: str) -> str:
    """Why a link is not up, without what aiohttp adds for programmers."""
    return _CONNECT.sub(r"cannot connect to \1", error)


def _down(peer: RegionReport, name: str, why: str) -> str:
    if peer.silent_ms is None:
        heard = f"{name} has not been heard since this region's start{why}"
    else:
        heard = f"{name} has not been heard for {_ago(peer.silent_ms)}{why}"
    if not peer.sessions:
        return f"{heard}: no session of it is known here"
    one = peer.sessions == 1
    sessions = "session is" if one else f"{peer.sessions:,} sessions are"
    reports = "a device that reports elsewhere is" if one else "devices that report elsewhere are"
    return f"{heard}: its {sessions} not counted; {reports} adopted there"


def _streams(count: int) -> str:
    return "1 stream" if count == 1 else f"{count:,} streams"


def _ago(time_ms: int | None) -> str:
    return "ever" if time_ms is None else f"{time_ms // 1000} s"
