"""Reports as JSON, with the words of the whole project; times in seconds, as people read them.

A number that only another region knows is null until it has said it; `said_s` is how long ago that
was. docs/operations.md explains every field.
"""

from typing import Any, Final

from crdt.dots import RegionId
from crdt.events import HomeSet
from georeg.edge.instants import instant
from georeg.ops.context import Ops
from georeg.ops.diagnosis import Trouble
from georeg.region.messages import Vitals
from georeg.region.report import (
    AccountReport,
    QuotaReport,
    RegionReport,
    SeatReport,
    SessionReport,
)

Json = dict[str, Any]
_LETTERS: Final = {"up": "U", "suspect": "S", "down": "D", "joining": "J"}


def seconds(time_ms: int | None) -> float | None:
    """Milliseconds as seconds."""
    return None if time_ms is None else time_ms / 1000


def code(region: RegionReport) -> str:
    """Two letters: how it is seen (up, suspect, down, joining), what it does (normal, draining)."""
    return _LETTERS[region.state] + ("D" if region.is_draining else "N")


def region(ops: Ops, report: RegionReport) -> Json:
    """One line of a status."""
    is_self = report.region == ops.region.id
    via = report.via
    return {
        "region": ops.name_of(report.region),
        "number": report.region,
        "is_self": is_self,
        "code": code(report),
        "state": report.state,
        "is_draining": report.is_draining,
        "sessions": report.sessions,
        **_said(report.vitals, report.vitals_age_ms if report.state != "down" else 0),
        "said_s": None if report.vitals is None else seconds(report.vitals_age_ms),
        "clock_ahead_s": seconds(report.clock_ahead_ms),
        "silent_s": seconds(report.silent_ms),
        "evidence_age_s": seconds(report.evidence_age_ms),
        "round_trip_s": seconds(report.round_trip_ms),
        "events_behind": report.events_behind,
        "events_missing": report.events_missing,
        "behind_s": seconds(report.missing_ms),
        "via": None if via is None else ops.name_of(via),
        "ops_url": ops.ops_urls.get(report.region),
    }


def _said(vitals: Vitals | None, age_ms: int) -> Json:
    """Its last word on itself; it has run on since, as far as is known."""
    if vitals is None:
        names = (
            "grants_held", "grants_used", "grants_free", "overdraft", "starts_last_minute",
            "refusals_last_minute", "version", "uptime_s",
        )  # fmt: skip
        return dict.fromkeys(names)
    return {
        "grants_held": vitals.grants_held,
        "grants_used": min(vitals.grants_used, vitals.grants_held),
        "grants_free": max(0, vitals.grants_held - vitals.grants_used),
        "overdraft": vitals.overdraft,
        "starts_last_minute": vitals.starts,
        "refusals_last_minute": {
            "local": vitals.refused_local,
            "confirmed": vitals.refused_confirmed,
            "beacon": vitals.refused_beacon,
        },
        "version": vitals.version,
        "uptime_s": vitals.uptime_s + age_ms // 1000,
    }


def seat(ops: Ops, report: SeatReport) -> Json:
    """Who is home of a region's accounts."""
    return {
        "seat": ops.name_of(report.seat),
        "home": _home(ops, report.home),
        "term": report.term,
        "learning_s": seconds(report.learning_ms),
        "trouble": report.trouble or None,
    }


def _home(ops: Ops, home: RegionId) -> str | None:
    """None: nobody is."""
    return ops.name_of(home) if home else None


def trouble(ops: Ops, found: Trouble) -> Json:
    """One problem."""
    return {
        "severity": found.severity.value,
        "kind": found.kind,
        "region": ops.name_of(found.region),
        "detail": found.detail,
    }


def quota(ops: Ops, report: QuotaReport) -> Json:
    """The budgets of the region."""
    worst = report.worst_case
    return {
        "view_of": ops.name_of(report.region),
        "at": instant(report.wall_ms),
        "as_holder": [
            {
                "seat": ops.name_of(held.seat),
                "home": _home(ops, held.home),
                "held": held.slots,
                "used": min(held.used, held.slots),
                "free": max(0, held.slots - held.used),
                "region_lease_left_s": seconds(held.lease_left_ms),
            }
            for held in report.held
        ],
        "as_home": [
            {
                "region": ops.name_of(lent.region),
                "lent": lent.slots,
                "used": lent.used,
                "unused": lent.slots - lent.used,
            }
            for lent in report.lent
        ],
        "overdraft": report.overdraft,
        "worst_case": {
            "regions": worst.regions,
            "accounts": worst.accounts,
            "limits": worst.limits,
            "streams_beyond_limits": worst.beyond_limits,
            "within_grants_beyond_limits": 0,
        },
        "most_refused": [
            {"account": top.account, "refusals": top.times, "refusals_error": top.error}
            for top in report.most_refused
        ],
        "most_overdraft": [
            {"account": account, "overdraft": overdraft}
            for account, overdraft in report.most_overdraft
        ],
    }


def account(ops: Ops, report: AccountReport) -> Json:
    """One account as this region knows it."""
    return {
        "view_of": ops.name_of(report.region),
        "at": instant(report.wall_ms),
        "account": report.account,
        "plan": report.plan,
        "limit": report.limit,
        "is_plan_known": report.is_plan_known,
        "home": _home(ops, report.home),
        "home_by": report.home_by.value,
        "home_moved": _moved(ops, report.home_moved),
        "is_home_open": report.is_home_open,
        "grants": {ops.name_of(region): slots for region, slots in sorted(report.granted.items())},
        "usable": report.usable,
        "overdraft": report.overdraft,
        "sessions": [session(ops, one) for one in report.sessions],
        "kicks_remembered": report.kicks_remembered,
        "at_most_if_cut": report.at_most,
        "regions_out_of_reach": [ops.name_of(region) for region in report.out_of_reach],
    }


def _moved(ops: Ops, move: HomeSet | None) -> Json | None:
    if move is None:
        return None
    return {"from": ops.name_of(move.by), "at": instant(move.at_s * 1000), "times": move.number}


def session(ops: Ops, report: SessionReport) -> Json:
    """One session, with what it rests on."""
    shown = ops.render.session(report.info, "")
    del shown["this_device"], shown["account"]
    return {
        **shown,
        "hop": report.hop,
        "is_settled": report.is_settled,
        "lease_left_s": seconds(report.lease_left_ms),
        "evidence": {"how": report.how.value, "age_s": seconds(report.age_ms)},
    }
