"""What crosses on its way between regions: adoptions before adds, one device in two regions."""

from crdt.events import Reason
from georeg.region.model import Ended
from tests.region.cluster import ACCOUNT, A, B, C, Cluster


def test_an_adoption_that_overtakes_the_start_gets_the_devices_name_when_the_add_comes(
    cluster: Cluster,
) -> None:
    tv = cluster.start(A, "tv")
    assert not isinstance(tv.beat(B), Ended)
    cluster.run(300)

    for region in (A, B, C):
        (shown,) = cluster.regions[region].sessions(ACCOUNT).sessions
        assert (shown.device, shown.region) == (tv.info.device, B)


def test_of_two_sessions_of_one_device_beyond_a_cut_the_later_one_stays(cluster: Cluster) -> None:
    cluster.cut(A)
    cluster.run(16_000)
    first = cluster.start(A, "tv")
    cluster.run(10)
    second = cluster.start(B, "tv")
    cluster.heal()
    cluster.run(3_000)

    end = first.beat()
    assert isinstance(end, Ended)
    assert end.reason is Reason.SUPERSEDED
    assert not isinstance(second.beat(), Ended)
    assert cluster.live(C) == ["tv"]


def test_of_two_starts_of_one_device_that_cross_the_later_one_stays() -> None:
    cluster = Cluster(limit=2)
    first = cluster.start(A, "tv")
    second = cluster.start(B, "tv")
    cluster.run(500)

    end = first.beat()
    assert isinstance(end, Ended)
    assert end.reason is Reason.SUPERSEDED
    assert not isinstance(second.beat(), Ended)
    assert [cluster.live(region) for region in (A, B, C)] == [["tv"]] * 3
