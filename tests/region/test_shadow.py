"""A second table of plans, judged without effect: what it counts, and that it changes nothing."""

from crdt.dots import RegionId
from georeg.region.top import COUNTERS
from tests.region.cluster import ISSUED, A, B, Cluster

ADMIT, REFUSE = "admitted", "refused"


def with_shadow(limit: int, shadow: int) -> Cluster:
    cluster = Cluster(limit=limit)
    for region in cluster.regions.values():
        region.report.shadow.configure({cluster.plan.name: shadow})
    return cluster


def counted(cluster: Cluster, at: RegionId) -> dict[tuple[str, str], int]:
    (count,) = cluster.regions[at].report.shadow.counts()
    return {pair: times for pair, times in count.times.items() if times}


def test_a_lower_limit_counts_the_admissions_that_it_would_have_refused() -> None:
    cluster = with_shadow(2, shadow=1)
    cluster.start(A, "tv")
    assert counted(cluster, A) == {(ADMIT, ADMIT): 1}
    cluster.start(A, "phone")
    assert counted(cluster, A) == {(ADMIT, ADMIT): 1, (ADMIT, REFUSE): 1}
    cluster.refused(A, "laptop")
    assert counted(cluster, A)[REFUSE, REFUSE] == 1
    (count,) = cluster.regions[A].report.shadow.counts()
    assert (count.accounts, count.has_more) == (1, False)


def test_a_higher_limit_counts_the_refusals_that_it_would_have_admitted() -> None:
    cluster = with_shadow(1, shadow=2)
    cluster.start(A, "tv")
    cluster.refused(A, "phone")
    assert counted(cluster, A) == {(ADMIT, ADMIT): 1, (REFUSE, ADMIT): 1}


def test_sessions_that_only_an_answer_told_of_count_as_well() -> None:
    cluster = with_shadow(1, shadow=1)
    cluster.start(B, "tv")
    cluster.refused(A, "phone")  # too soon for the log of eu to be here
    assert counted(cluster, A) == {(REFUSE, REFUSE): 1}


def test_the_same_device_does_not_stand_in_its_own_way() -> None:
    cluster = with_shadow(2, shadow=1)
    cluster.start(A, "tv")
    cluster.start(A, "tv")
    assert counted(cluster, A) == {(ADMIT, ADMIT): 2}


def test_a_shadow_that_allows_as_much_never_disagrees_though_the_view_shows_more() -> None:
    cluster = with_shadow(1, shadow=1)
    cluster.start(B, "tv")
    cluster.run(1_000)
    cluster.cut(A)
    cluster.run(4_000)
    cluster.start(A, "phone")  # its evidence is stale, but the view still shows it
    assert "tv" in cluster.live(A)
    assert counted(cluster, A) == {(ADMIT, ADMIT): 1}


def test_a_shadow_asks_nobody_and_changes_nothing() -> None:
    plain, shadowed = Cluster(limit=2), with_shadow(2, shadow=1)
    for cluster in (plain, shadowed):
        cluster.start(A, "tv")
        cluster.start(A, "phone")
        cluster.run(500)
        cluster.refused(B, "laptop")
        cluster.run(500)
    assert shadowed.sent == plain.sent
    assert shadowed.sent != []


def test_a_revival_is_not_counted() -> None:
    cluster = with_shadow(1, shadow=1)
    stream = cluster.start(A, "tv")
    cluster.run(100_000)
    stream.beat()
    assert cluster.counter(A, "revived") == 1
    assert counted(cluster, A) == {(ADMIT, ADMIT): 1}


def test_a_plan_without_a_shadow_is_not_counted() -> None:
    cluster = with_shadow(2, shadow=1)
    other = cluster.plan._replace(name="other")
    cluster.start(A, "tv", account="acc-2", plan=other, plan_issued=ISSUED)
    assert counted(cluster, A) == {}


def test_another_limit_begins_to_count_anew_and_the_same_one_goes_on() -> None:
    cluster = with_shadow(2, shadow=1)
    cluster.start(A, "tv")
    shadow = cluster.regions[A].report.shadow
    shadow.configure({"standard": 1, "basic": 3})
    assert [sum(count.times.values()) for count in shadow.counts()] == [0, 1]
    shadow.configure({"standard": 2})
    assert [sum(count.times.values()) for count in shadow.counts()] == [0]


def test_accounts_are_counted_within_bounds() -> None:
    cluster = with_shadow(2, shadow=1)
    shadow = cluster.regions[A].report.shadow
    for number in range(COUNTERS + 50):
        shadow.decided(f"acc-{number}", "standard", 1, 2, is_admitted=True)
    (count,) = shadow.counts()
    assert (count.accounts, count.has_more) == (COUNTERS, True)
