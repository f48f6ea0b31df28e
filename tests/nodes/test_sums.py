"""Numbers of slices as those of one region: nothing is lost, and the worst is seen."""

from dataclasses import replace

import pytest

from crdt.dots import RegionId
from georeg.nodes.operators import packed, unpacked
from georeg.nodes.sums import sum_of_quotas, sum_of_reports, sum_of_status, worst
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

US, EU = RegionId(1), RegionId(2)
PEER = PeerStatus(EU, "up", 500, 20, 3)
STATUS = Status(
    ready=True, incarnation=4, sessions=10, sessions_known=25, grants_held=7, grants_lent=5,
    overdraft=1, kicks_remembered=2, peers=(PEER,), counters={"stops": 3},
    begun=Begun(4, 1, 2, 3, 4, (EU,), "", is_recalling=False),
)  # fmt: skip
VITALS = Vitals("1.0", 1_000, 60, 10, 7, 6, 1, 9, 1, 2, 3)
OWN = RegionReport(US, "up", False, 10, VITALS, 0, 0, 0, 0, 0, 0, 0, 0)
OTHER = RegionReport(EU, "up", False, 4, VITALS, 900, -30, 400, 500, 20, 3, 0, 100)
REPORT = StatusReport(US, 5_000, (OWN, OTHER), {"late_rounds": 1})
QUOTA = QuotaReport(
    US, 5_000, (Held(EU, 7, 6, 9_000, EU),), (Lent(EU, 5, 4),), WorstCase(2, 10, 20, 5), 1,
    (Top("anna", 9, 1),), (("ben", 2),),
)  # fmt: skip


def test_counts_are_added_and_the_worst_state_of_a_peer_stands() -> None:
    late = replace(PEER, state="suspect", beacon_age_ms=6_000, is_direct=False)
    other = replace(STATUS, incarnation=9, peers=(late,), counters={"stops": 1, "kicks": 2})
    both = sum_of_status([STATUS, other], is_ready=True)
    assert (both.sessions, both.sessions_known, both.grants_held) == (20, 50, 14)
    assert (both.grants_lent, both.overdraft, both.kicks_remembered) == (10, 2, 4)
    assert both.counters == {"kicks": 2, "stops": 4}
    assert both.incarnation == 9
    (peer,) = both.peers
    assert (peer.state, peer.beacon_age_ms, peer.events_behind) == ("suspect", 6_000, 6)
    assert not peer.is_direct
    assert both.begun is not None
    assert (both.begun.kicks, both.begun.recalled) == (2, 8)


def test_an_age_that_one_slice_does_not_know_is_not_known() -> None:
    never = replace(PEER, beacon_age_ms=None, round_trip_ms=None)
    (peer,) = sum_of_status([STATUS, replace(STATUS, peers=(never,))], is_ready=True).peers
    assert (peer.beacon_age_ms, peer.round_trip_ms) == (None, None)


def test_one_slice_alone_is_its_own_sum() -> None:
    assert sum_of_status([STATUS], is_ready=True) == STATUS
    assert sum_of_reports(US, 5_000, [REPORT]) == REPORT
    assert sum_of_quotas(US, 5_000, [QUOTA]) == QUOTA


def test_a_node_that_runs_no_slice_still_tells_of_its_region() -> None:
    nothing = sum_of_reports(US, 5_000, [])
    assert [region.region for region in nothing.regions] == [US]
    assert nothing.regions[0].sessions == 0
    assert sum_of_status([], is_ready=True).sessions == 0


def test_reports_of_regions_and_budgets_are_added() -> None:
    down = replace(OTHER, state="down", silent_ms=None)
    both = sum_of_reports(US, 6_000, [REPORT, replace(REPORT, regions=(OWN, down))])
    assert [region.sessions for region in both.regions] == [20, 8]
    assert (both.regions[1].state, both.regions[1].silent_ms) == ("down", None)
    assert both.regions[0].vitals is not None
    assert both.regions[0].vitals.starts == 18
    assert both.recent == {"late_rounds": 2}
    quota = sum_of_quotas(US, 6_000, [QUOTA, QUOTA])
    assert quota.held == (Held(EU, 14, 12, 9_000, EU),)
    assert quota.lent == (Lent(EU, 10, 8),)
    assert quota.worst_case == WorstCase(2, 20, 40, 10)


@pytest.mark.parametrize(("path", "report"), [("/v1/status", REPORT), ("/v1/quota", QUOTA)])
def test_a_report_survives_its_way_to_another_node(
    path: str, report: StatusReport | QuotaReport
) -> None:
    assert unpacked(path, packed(report)) == report


def test_states_are_compared_by_how_bad_they_are() -> None:
    assert worst(["up", "joining"]) == "joining"
    assert worst(["down", "suspect", "up"]) == "down"
