"""Numbers of several slices as those of one region.

What counts things is added up; of what says how bad something is (ages, states) the worst stands,
so that one slice in trouble is seen in the sum.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Final, TypeVar

from crdt.dots import RegionId
from georeg import __version__
from georeg.region.messages import Vitals
from georeg.region.model import Begun, PeerStatus, Status
from georeg.region.report import (
    Held,
    Lent,
    QuotaReport,
    RegionReport,
    StatusReport,
    WorstCase,
)
from georeg.region.top import Top

T = TypeVar("T", int, float)
STATES: Final = ("up", "joining", "suspect", "down")
"""From good to bad."""
TOPS: Final = 10
NOTHING: Final[Mapping[str, int]] = MappingProxyType({})


def worst(states: Iterable[str]) -> str:
    """Of some states of a region the one that is worst."""
    return max(states, key=STATES.index, default="up")


def _most(values: Iterable[T | None]) -> T | None:
    """The largest; None where one of them is not known."""
    known = list(values)
    return None if None in known else max(known, default=None)  # type: ignore[type-var]  # no None


def sum_of_status(
    slices: Sequence[Status], is_ready: bool, counted: Mapping[str, int] = NOTHING
) -> Status:
    """The numbers of a region at one instant; all 0 where no slice is run, but for what had been
    `counted` by slices before."""
    counters: Counter[str] = Counter(counted)
    for each in slices:
        counters.update(each.counters)
    peers = sorted({peer.region for each in slices for peer in each.peers})
    return Status(
        ready=is_ready,
        incarnation=max((each.incarnation for each in slices), default=0),
        sessions=sum(each.sessions for each in slices),
        sessions_known=sum(each.sessions_known for each in slices),
        grants_held=sum(each.grants_held for each in slices),
        grants_lent=sum(each.grants_lent for each in slices),
        overdraft=sum(each.overdraft for each in slices),
        kicks_remembered=sum(each.kicks_remembered for each in slices),
        peers=tuple(
            _peer([seen for each in slices for seen in each.peers if seen.region == peer])
            for peer in peers
        ),
        counters=dict(sorted(counters.items())),
        is_draining=any(each.is_draining for each in slices),
        regions_not_agreed=tuple(sorted({r for each in slices for r in each.regions_not_agreed})),
        begun=_begun([each.begun for each in slices if each.begun is not None]),
        disk_trouble=next((each.disk_trouble for each in slices if each.disk_trouble), ""),
    )


def _peer(seen: Sequence[PeerStatus]) -> PeerStatus:
    return PeerStatus(
        region=seen[0].region,
        state=worst(each.state for each in seen),
        beacon_age_ms=_most(each.beacon_age_ms for each in seen),
        round_trip_ms=_most(each.round_trip_ms for each in seen),
        events_behind=sum(each.events_behind for each in seen),
        is_direct=all(each.is_direct for each in seen),
        via=next((each.via for each in seen if each.via is not None), None),
        heard_via=next((each.heard_via for each in seen if each.heard_via is not None), None),
        is_draining=any(each.is_draining for each in seen),
    )


def _begun(slices: Sequence[Begun]) -> Begun | None:
    if not slices:
        return None
    return Begun(
        incarnation=max(each.incarnation for each in slices),
        kicks=sum(each.kicks for each in slices),
        plans=sum(each.plans for each in slices),
        told=sum(each.told for each in slices),
        recalled=sum(each.recalled for each in slices),
        peers=tuple(sorted(set.intersection(*(set(each.peers) for each in slices)))),
        lost=next((each.lost for each in slices if each.lost), ""),
        is_recalling=any(each.is_recalling for each in slices),
    )


def sum_of_reports(region: RegionId, wall_ms: int, slices: Sequence[StatusReport]) -> StatusReport:
    """All regions as the slices see them; the own one is there also where no slice is run."""
    recent: Counter[str] = Counter()
    for each in slices:
        recent.update(each.recent)
    by_region: dict[RegionId, list[RegionReport]] = {}
    for each in slices:
        for seen in each.regions:
            by_region.setdefault(seen.region, []).append(seen)
    if region not in by_region:
        by_region[region] = [_nothing(region, wall_ms)]
    regions = tuple(_report(by_region[number]) for number in sorted(by_region))
    return StatusReport(region, wall_ms, regions, dict(sorted(recent.items())))


def _nothing(region: RegionId, wall_ms: int) -> RegionReport:
    """A node that runs no slice."""
    vitals = Vitals(__version__, max(0, wall_ms), 0, 0, 0, 0, 0, 0, 0, 0, 0)
    return RegionReport(region, "up", False, 0, vitals, 0, 0, 0, 0, 0, 0, 0, 0)


def _report(seen: Sequence[RegionReport]) -> RegionReport:
    vitals = [each.vitals for each in seen if each.vitals is not None]
    return RegionReport(
        region=seen[0].region,
        state=worst(each.state for each in seen),
        is_draining=any(each.is_draining for each in seen),
        sessions=sum(each.sessions for each in seen),
        vitals=_vitals(vitals) if len(vitals) == len(seen) else None,
        vitals_age_ms=max(each.vitals_age_ms for each in seen),
        clock_ahead_ms=max(
            (each.clock_ahead_ms for each in seen if each.clock_ahead_ms is not None),
            key=abs, default=None,
        ),
        silent_ms=_most(each.silent_ms for each in seen),
        evidence_age_ms=_most(each.evidence_age_ms for each in seen),
        round_trip_ms=_most(each.round_trip_ms for each in seen),
        events_behind=sum(each.events_behind for each in seen),
        events_missing=sum(each.events_missing for each in seen),
        missing_ms=_most(each.missing_ms for each in seen),
        via=next((each.via for each in seen if each.via is not None), None),
    )  # fmt: skip


def _vitals(slices: Sequence[Vitals]) -> Vitals:
    return Vitals(
        version=slices[0].version,
        wall_ms=max(each.wall_ms for each in slices),
        uptime_s=min(each.uptime_s for each in slices),
        sessions=sum(each.sessions for each in slices),
        grants_held=sum(each.grants_held for each in slices),
        grants_used=sum(each.grants_used for each in slices),
        overdraft=sum(each.overdraft for each in slices),
        starts=sum(each.starts for each in slices),
        refused_local=sum(each.refused_local for each in slices),
        refused_confirmed=sum(each.refused_confirmed for each in slices),
        refused_beacon=sum(each.refused_beacon for each in slices),
    )


def sum_of_quotas(region: RegionId, wall_ms: int, slices: Sequence[QuotaReport]) -> QuotaReport:
    """The budgets of all slices together."""
    homes = sorted({held.home for each in slices for held in each.held})
    borrowers = sorted({lent.region for each in slices for lent in each.lent})
    refused = [top for each in slices for top in each.most_refused]
    overdrawn = [top for each in slices for top in each.most_overdraft]
    cases = [each.worst_case for each in slices]
    return QuotaReport(
        region=region,
        wall_ms=wall_ms,
        held=tuple(
            _held(home, [held for each in slices for held in each.held if held.home == home])
            for home in homes
        ),
        lent=tuple(
            _lent(peer, [lent for each in slices for lent in each.lent if lent.region == peer])
            for peer in borrowers
        ),
        worst_case=WorstCase(
            max((case.regions for case in cases), default=0),
            sum(case.accounts for case in cases),
            sum(case.limits for case in cases),
            sum(case.beyond_limits for case in cases),
        ),
        overdraft=sum(each.overdraft for each in slices),
        most_refused=tuple(sorted(refused, key=_by_times)[:TOPS]),
        most_overdraft=tuple(sorted(overdrawn, key=lambda top: (-top[1], top[0]))[:TOPS]),
    )


def _by_times(top: Top) -> tuple[int, str]:
    return (-top.times, top.account)


def _held(home: RegionId, slices: Sequence[Held]) -> Held:
    return Held(
        home,
        sum(each.slots for each in slices),
        sum(each.used for each in slices),
        min(each.lease_left_ms for each in slices),
        home,  # homes of a region of many nodes are static
    )


def _lent(region: RegionId, slices: Sequence[Lent]) -> Lent:
    return Lent(region, sum(each.slots for each in slices), sum(each.used for each in slices))
