"""What a region tells operators of itself and of the others, in scripted clusters."""

import pytest

from crdt.dots import RegionId
from georeg import __version__
from georeg.region.census import SLICE
from georeg.region.messages import Beacon
from georeg.region.model import How
from georeg.region.report import QuotaReport, RegionReport
from georeg.region.reporting import TROUBLE
from tests.region.cluster import ACCOUNT, A, B, C, Cluster


def seen(cluster: Cluster, at: RegionId, of: RegionId) -> RegionReport:
    status = cluster.regions[at].report.status()
    return next(region for region in status.regions if region.region == of)


def quota(cluster: Cluster, at: RegionId) -> QuotaReport:
    walk = cluster.regions[at].report.quota()
    while True:
        try:
            next(walk)
        except StopIteration as end:
            value: QuotaReport = end.value
            return value


def test_each_region_is_shown_with_its_sessions_as_its_own_log_tells_them() -> None:
    cluster = Cluster(limit=4)
    cluster.start(B, "tv")
    cluster.start(B, "phone")
    cluster.start(C, "laptop")
    cluster.run(200)
    assert [seen(cluster, A, region).sessions for region in (A, B, C)] == [0, 2, 1]
    assert [seen(cluster, B, region).sessions for region in (A, B, C)] == [0, 2, 1]


def test_what_only_a_region_itself_knows_comes_with_its_beacons() -> None:
    cluster = Cluster(limit=4)
    cluster.start(B, "tv")
    cluster.refused(B, "phone", plan=cluster.plan._replace(limit=1), plan_issued=2 << 60)
    cluster.run(6_000)
    told = seen(cluster, A, B).vitals
    assert told is not None
    assert (told.version, told.sessions, told.refused_local) == (__version__, 1, 1)
    assert (told.grants_held, told.grants_used, told.overdraft) == (1, 1, 0)
    assert seen(cluster, A, B).vitals_age_ms <= 5_000


def test_beacons_carry_vitals_in_every_fifth_only() -> None:
    cluster = Cluster()
    cluster.run(20_000)
    beacons = [s.message for s in cluster.messages(Beacon, source=A) if s.target == B]
    with_vitals = [b for b in beacons if isinstance(b, Beacon) and b.vitals]
    assert len(with_vitals) == len(beacons) // 5


def test_a_region_that_was_lost_is_down_with_the_sessions_that_do_not_count() -> None:
    cluster = Cluster(limit=4)
    cluster.start(B, "tv")
    cluster.run(500)
    cluster.kill(B)
    cluster.run(7_000)
    assert seen(cluster, A, B).state == "suspect"
    cluster.run(10_000)
    lost = seen(cluster, A, B)
    assert (lost.state, lost.sessions) == ("down", 1)
    assert lost.silent_ms is not None
    assert 15_000 <= lost.silent_ms <= 18_000


def test_a_one_way_cut_shows_a_region_that_is_heard_and_does_not_hear() -> None:
    cluster = Cluster(A, B)
    cluster.cut_link(A, B, both_ways=False)
    cluster.run(9_000)
    deaf = seen(cluster, A, B)
    assert deaf.state == "up"
    assert deaf.silent_ms is not None
    assert deaf.silent_ms <= 1_100
    assert deaf.evidence_age_ms is not None
    assert deaf.evidence_age_ms > 7_000
    assert seen(cluster, B, A).state == "suspect"


@pytest.mark.parametrize("both_ways", [True, False])
def test_both_sides_of_a_cut_show_by_which_region_they_hear_one_another(both_ways: bool) -> None:
    cluster = Cluster()
    assert seen(cluster, A, B).via is None
    cluster.cut_link(A, B, both_ways=both_ways)
    cluster.run(9_000)

    assert (seen(cluster, A, B).via, seen(cluster, B, A).via) == (C, C)
    assert seen(cluster, A, B).state == seen(cluster, B, A).state == "up"
    assert seen(cluster, A, C).via is None


def test_events_that_a_cut_holds_back_are_counted_on_both_sides() -> None:
    cluster = Cluster(limit=4)
    cluster.start(A, "tv")
    cluster.run(3_000)
    assert (seen(cluster, A, B).events_behind, seen(cluster, B, A).events_missing) == (0, 0)
    cluster.loses = lambda sent: not isinstance(sent.message, Beacon)
    cluster.start(A, "phone")
    cluster.run(1_500)
    assert seen(cluster, A, B).events_behind == 1
    late = seen(cluster, B, A)
    assert late.events_missing == 1
    assert late.missing_ms is not None
    assert late.evidence_age_ms is not None
    assert late.missing_ms > late.evidence_age_ms


def test_a_clock_that_jumps_is_noticed_here_and_by_the_others() -> None:
    cluster = Cluster()
    cluster.run(5_000)
    clock = cluster.clocks[B]
    real = clock.wall_ms
    clock.wall_ms = lambda: real() + 42_000  # type: ignore[method-assign]  # B's clock alone jumps
    cluster.run(6_000)
    assert cluster.counter(B, "clock_jumps") == 1
    assert cluster.regions[B].report.status().recent["clock_jumps"] == 1
    assert cluster.counter(A, "clock_jumps") == 0
    ahead_ms = seen(cluster, A, B).clock_ahead_ms
    assert ahead_ms is not None
    assert abs(ahead_ms - 42_000) < 10


def test_every_counter_of_trouble_is_told_while_nothing_is_wrong() -> None:
    recent = Cluster().regions[A].report.status().recent
    assert recent == dict.fromkeys(TROUBLE, 0)


def test_holder_and_home_agree_on_what_is_lent_and_used() -> None:
    cluster = Cluster(limit=4)
    cluster.start(B, "tv")
    cluster.start(B, "phone", account="acc-2")
    cluster.run(12_000)
    holder, home = quota(cluster, B), quota(cluster, A)
    held = {held.home: held for held in holder.held}
    lent = {lent.region: lent for lent in home.lent}
    assert (held[A].slots, held[A].used) == (8, 2)
    assert (lent[B].slots, lent[B].used) == (8, 2)
    assert (lent[C].slots, held[C].slots) == (0, 0)
    assert 0 < held[A].lease_left_ms <= cluster.settings.grant_lease_ms


def test_the_worst_case_is_what_regions_admit_each_for_itself() -> None:
    """The bound is reached: it is what really happens when every link is cut."""
    cluster = Cluster(limit=2)
    cluster.start(B, "tv")
    cluster.run(500)
    worst = quota(cluster, A).worst_case
    assert (worst.regions, worst.accounts, worst.limits) == (3, 1, 2)
    cluster.cut_link(A, B)
    cluster.cut_link(A, C)
    cluster.cut_link(B, C)
    cluster.run(20_000)
    live = 1
    for at, more in ((A, 2), (B, 1), (C, 2)):
        for number in range(more):
            cluster.start(at, f"device-{at}-{number}")
            live += 1
        cluster.refused(at, "one more")
    assert worst.beyond_limits == live - 2


def test_the_accounts_that_are_refused_most_and_in_overdraft_are_named() -> None:
    cluster = Cluster(limit=1)
    cluster.start(B, "tv")
    for _ in range(3):
        cluster.refused(B, "phone")
    cluster.start(B, "tv", account="acc-2")
    cluster.refused(B, "phone", account="acc-2")
    cluster.cut(C)
    cluster.run(20_000)
    cluster.start(C, "laptop")
    told = quota(cluster, B)
    assert [(top.account, top.times) for top in told.most_refused] == [(ACCOUNT, 3), ("acc-2", 1)]
    assert quota(cluster, C).most_overdraft == ((ACCOUNT, 1),)
    assert quota(cluster, C).overdraft == 1


def test_an_account_is_told_with_its_grants_and_the_evidence_for_each_session() -> None:
    cluster = Cluster(limit=2)
    cluster.start(B, "tv")
    cluster.run(1_500)
    at_home, at_holder = (cluster.regions[at].report.account(ACCOUNT) for at in (A, B))
    assert (at_home.home, at_home.limit, at_home.granted) == (A, 2, {B: 2})
    assert (at_holder.granted, at_holder.usable, at_holder.overdraft) == ({B: 2}, 2, 0)
    (held,), (known,) = at_holder.sessions, at_home.sessions
    assert (held.how, held.is_settled, held.lease_left_ms) == (How.LOCAL, True, 88_500)
    assert (known.how, known.is_settled, known.lease_left_ms) == (How.BEACON, None, None)
    assert known.age_ms is not None
    assert known.age_ms < 2_000
    assert at_home.at_most == 6


def test_reporting_changes_nothing() -> None:
    cluster, quiet = Cluster(limit=2), Cluster(limit=2)
    for world in (cluster, quiet):
        world.start(B, "tv")
    for _ in range(20):
        cluster.run(1_000)
        quiet.run(1_000)
        for region in cluster.regions.values():
            region.report.status()
            region.report.account(ACCOUNT)
        quota(cluster, A)
    assert cluster.sent == quiet.sent
    assert cluster.regions[A].status() == quiet.regions[A].status()


def test_the_census_counts_no_grant_as_used_that_has_no_session() -> None:
    cluster = Cluster(limit=2)
    stream = cluster.start(B, "tv")
    cluster.run(7_000)
    vitals = cluster.regions[B].report.vitals()
    assert (vitals.grants_held, vitals.grants_used) == (2, 1)
    stream.stop()
    cluster.run(7_000)
    vitals = cluster.regions[B].report.vitals()
    assert (vitals.grants_held, vitals.grants_used) == (2, 0)


def test_a_census_of_more_accounts_than_a_slice_is_counted_whole() -> None:
    cluster = Cluster(limit=1)
    accounts = 2 * SLICE + 50
    for number in range(accounts):
        cluster.begin(B, "tv", account=f"acc-{number}")
    cluster.run(4_000)
    vitals = cluster.regions[B].report.vitals()
    assert (vitals.grants_held, vitals.grants_used) == (accounts, accounts)


@pytest.mark.parametrize("wall_ms", [-5, 10**14])
def test_a_clock_that_is_broken_breaks_no_link(wall_ms: int) -> None:
    cluster = Cluster()
    cluster.clocks[B].wall_ms = lambda: wall_ms  # type: ignore[method-assign]  # a broken clock
    cluster.run(6_000)
    told = seen(cluster, A, B)
    assert told.state == "up"
    assert told.vitals is not None
    assert told.vitals.wall_ms == max(0, wall_ms)


def test_a_region_that_is_added_is_in_the_quota_at_once() -> None:
    cluster = Cluster(A, B)
    cluster.regions[A].set_regions({A: "us", B: "eu", C: "ap"})
    told = quota(cluster, A)
    assert [held.home for held in told.held] == [B, C]
    assert [lent.region for lent in told.lent] == [B, C]
    assert seen(cluster, A, C).vitals is None
