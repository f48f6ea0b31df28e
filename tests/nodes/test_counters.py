"""What a node counts, while slices come to it and go."""

from georeg.nodes.parts import Part, Parts
from georeg.nodes.sliced import SlicedRegion
from tests.region.cluster import NAMES, A, B, Cluster


def test_counters_of_a_node_do_not_go_back_when_a_slice_is_handed_over() -> None:
    cluster = Cluster()
    parts = Parts(2)
    node = SlicedRegion(A, NAMES, cluster.regions[A].settings, cluster.clocks[A], parts)
    for number, region in enumerate((A, B)):
        parts.put(Part(number, cluster.regions[region]))
    for region in (A, B):
        account = f"acc-{region}"
        cluster.start(region, "tv-1", account=account)
        cluster.refused(region, "tv-2", account=account)
    assert node.status().counters["refused_local"] == 2
    parts.take(0)
    assert node.status().counters["refused_local"] == 2
    assert node.status().sessions == 1, "what is not counted but looked at is that of the others"
    parts.take(0)
    assert node.status().counters["refused_local"] == 2


def test_what_the_shadow_counts_does_not_go_back_either() -> None:
    cluster = Cluster()
    parts = Parts(2)
    node = SlicedRegion(A, NAMES, cluster.regions[A].settings, cluster.clocks[A], parts)
    for number, region in enumerate((A, B)):
        cluster.regions[region].report.shadow.configure({"basic": 1})
        parts.put(Part(number, cluster.regions[region]))
    for region in (A, B):
        account = f"acc-{region}"
        cluster.start(region, "tv-1", account=account)
        cluster.refused(region, "tv-2", account=account)
    (before,) = node.report.shadow.counts()
    assert before.times["refused", "refused"] == 2
    for number in (0, 1, 1):
        parts.take(number)
        (after,) = node.report.shadow.counts()
        assert after.times == before.times
    parts.put(Part(0, cluster.regions[A]))
    cluster.regions[A].report.shadow.configure({"basic": 2})
    (anew,) = node.report.shadow.counts()
    assert (anew.limit, sum(anew.times.values())) == (2, 0), "another limit counts from the start"
