"""What a region knows again from its own disk when nobody else can tell it."""

from crdt.events import ActorKind
from georeg.region.model import Admitted, Begun, Ended, How, NotDurable, Renewed, State
from tests.region.cluster import ACCOUNT, A, B, C, Cluster, Disk, Stream


def blackout(cluster: Cluster) -> None:
    """All regions lose power at once, and come back."""
    for region in list(cluster.regions):
        cluster.kill(region)
    cluster.run(5_000)
    for region in cluster.names:
        cluster.boot(region)
    cluster.run(4_000)


def begun(cluster: Cluster, at: int) -> Begun:
    found = cluster.regions[at].status().begun  # type: ignore[index]
    assert found is not None
    return found


def restart_alone(cluster: Cluster) -> None:
    """eu dies and comes back while nobody can reach it."""
    cluster.kill(B)
    cluster.cut(B)
    cluster.boot(B)
    cluster.run(4_000)


def test_after_a_blackout_lists_name_the_devices_as_unconfirmed(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv", title="News")
    cluster.run(1_000)
    blackout(cluster)

    for region in cluster.regions.values():
        (shown,) = region.sessions(ACCOUNT).sessions
        assert (shown.session, shown.device.name, shown.title) == (tv.session, "the tv", "News")
        assert (shown.region, shown.started_ms) == (B, tv.info.started_ms)
        assert shown.state is State.UNCONFIRMED


def test_its_device_goes_on_and_is_evidence_again(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    blackout(cluster)
    assert isinstance(tv.beat(), Renewed)

    assert cluster.regions[B].sessions(ACCOUNT).sessions[0].state is State.LIVE
    refused = cluster.refused(B, "phone")
    assert (refused.how, refused.blockers[0].info.device.name) == (How.LOCAL, "the tv")


def test_until_then_it_blocks_nobody(cluster: Cluster) -> None:
    cluster.start(B, "tv")
    cluster.run(1_000)
    blackout(cluster)

    assert isinstance(cluster.settled(cluster.begin(B, "phone")), Admitted)
    assert cluster.counter(B, "released_displaced") == 0


def test_a_device_that_is_gone_lapses_and_the_disk_forgets_it(cluster: Cluster) -> None:
    cluster.start(B, "tv")
    cluster.run(1_000)
    blackout(cluster)
    assert len(cluster.disks[B].stored_sessions) == 1
    cluster.run(cluster.settings.client_lease_ms + 2_000)

    assert cluster.listed(B) == []
    assert cluster.disks[B].sessions()[0] == []


def test_what_has_ended_is_forgotten(cluster: Cluster) -> None:
    tv, phone = cluster.start(A, "tv"), cluster.start(B, "phone", account="acc-2")
    cluster.run(1_000)
    tv.stop()
    assert isinstance(phone.beat(C), Renewed)
    cluster.run(1_000)

    assert [cluster.disks[r].stored_sessions for r in (A, B)] == [{}, {}]
    assert [e.session for e in cluster.disks[C].sessions()[0]] == [phone.session]


def test_an_end_that_the_disk_has_lost_is_known_from_the_peers(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    stale = dict(cluster.disks[B].stored_sessions)
    tv.stop()
    cluster.run(1_000)
    cluster.kill(B)
    cluster.disks[B].stored_sessions = stale
    cluster.boot(B)
    cluster.run(1_000)

    assert cluster.listed(B) == []
    assert cluster.disks[B].sessions()[0] == []
    assert begun(cluster, B).recalled == 0


def test_an_end_that_nobody_can_tell_leaves_it_unconfirmed_for_a_lease(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    stale = dict(cluster.disks[B].stored_sessions)
    tv.stop()
    cluster.run(1_000)
    cluster.disks[B].stored_sessions = stale
    restart_alone(cluster)
    assert cluster.listed(B) == ["tv"]
    assert isinstance(cluster.settled(cluster.begin(B, "phone")), Admitted)

    cluster.run(cluster.settings.client_lease_ms)
    assert "tv" not in cluster.listed(B)


def test_a_kick_that_was_acknowledged_is_stronger_than_a_session_on_disk(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    stale = dict(cluster.disks[B].stored_sessions)
    cluster.cut(B)
    cluster.settled(cluster.regions[B].kick(ACCOUNT, tv.session, ActorKind.ACCOUNT))
    cluster.disks[B].stored_sessions = stale
    restart_alone(cluster)

    assert cluster.listed(B) == []
    assert isinstance(tv.beat(), Ended)


def test_what_moved_while_it_was_away_does_not_come_back(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    cluster.kill(B)
    assert isinstance(tv.beat(C), Renewed)
    cluster.run(1_000)
    cluster.boot(B)
    cluster.run(1_000)

    assert [e.region for e in cluster.regions[B]._state.live(ACCOUNT)] == [C]
    assert cluster.regions[B].status().sessions == 0


def lapsed_elsewhere(cluster: Cluster) -> Stream:
    """eu dies; its session moves to ap, whose disk is all that knows of its end."""
    tv = cluster.start(B, "tv")
    cluster.kill(B)
    cluster.run(1_000)
    assert isinstance(tv.beat(C), Renewed)
    cluster.run(cluster.settings.client_lease_ms + 3_000)
    assert cluster.live(C) == []
    return tv


def test_what_ended_elsewhere_while_it_was_away_does_not_come_back(cluster: Cluster) -> None:
    cluster.cut(B)
    lapsed_elsewhere(cluster)
    cluster.heal()
    cluster.boot(B)
    cluster.run(1_000)

    assert cluster.listed(B) == []


def test_it_says_with_what_it_has_begun(cluster: Cluster) -> None:
    tv, _ = cluster.start(B, "tv"), cluster.start(B, "phone", account="acc-2")
    cluster.run(1_000)
    cluster.settled(cluster.regions[B].kick(ACCOUNT, tv.session, ActorKind.ACCOUNT))
    cluster.kill(B)
    cluster.boot(B)
    cluster.run(1_000)
    assert begun(cluster, B) == Begun(2, 1, 2, 1, 0, (A, C), "", False)

    restart_alone(cluster)
    assert begun(cluster, B) == Begun(3, 1, 2, 0, 1, (), "", False)


def test_it_says_what_its_disk_has_lost(cluster: Cluster) -> None:
    cluster.kill(B)
    lost = Disk()
    lost.lost = "all of it"
    cluster.boot(B, lost)
    cluster.run(1_000)

    assert begun(cluster, B).lost == "all of it"


def test_with_a_disk_that_refuses_it_comes_back_all_the_same(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    cluster.kill(B)
    cluster.disks[B].error = OSError("full")
    cluster.cut(B)
    region = cluster.boot(B)
    cluster.run(4_000)

    assert region.ready
    assert region.status().incarnation > 2, "drawn, so that it is hardly taken again"
    assert region.status().disk_trouble == "full"
    assert isinstance(tv.beat(), Renewed)
    outcome = cluster.settled(region.kick(ACCOUNT, tv.session, ActorKind.ACCOUNT))
    assert isinstance(outcome, NotDurable)


def test_it_serves_while_it_recalls_and_names_what_came_meanwhile(cluster: Cluster) -> None:
    streams = [cluster.start(B, f"d{n}", account=f"acc-{n}") for n in range(9)]
    cluster.run(1_000)
    cluster.kill(B)
    cluster.cut(B)
    region = cluster.boot(B)
    cluster.run(cluster.settings.join_ms)
    assert region.ready
    assert begun(cluster, B).is_recalling
    late = max(streams, key=lambda stream: stream.session)
    assert isinstance(late.beat(), Renewed)
    assert region.sessions(late.info.account).sessions[0].device.name == late.info.device.id
    cluster.run(1_000)

    assert not begun(cluster, B).is_recalling
    assert region.status().sessions == 9
    (shown,) = region.sessions(late.info.account).sessions
    assert shown.device.name == late.info.device.name
    assert shown.state is State.LIVE
