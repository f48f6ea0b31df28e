"""The list: every session with device, region, age, last seen and state."""

from crdt.events import ActorKind
from georeg.region.model import State
from tests.region.cluster import ACCOUNT, EPOCH_MS, A, B, C, Cluster


def test_every_region_lists_every_session_in_the_order_of_their_start() -> None:
    cluster = Cluster(limit=4)
    for region, device in ((B, "tv"), (A, "phone"), (C, "laptop")):
        cluster.start(region, device)
        cluster.run(500)

    for region in (A, B, C):
        listing = cluster.regions[region].sessions(ACCOUNT)
        assert [(s.device.id, s.region) for s in listing.sessions] == [
            ("tv", B), ("phone", A), ("laptop", C),
        ]  # fmt: skip
        assert (listing.plan, listing.limit, listing.out_of_reach) == ("premium", 4, ())


def test_an_own_session_shows_when_it_was_last_heard_and_when_it_would_lapse(
    cluster: Cluster,
) -> None:
    tv = cluster.start(A, "tv", title="A film")
    cluster.run(20_000)
    (info,) = cluster.regions[A].sessions(ACCOUNT).sessions

    assert info.last_seen_ms == tv.info.started_ms
    assert info.lapses_ms == tv.info.started_ms + cluster.settings.client_lease_ms
    assert (info.state, info.title, info.device.name) == (State.LIVE, "A film", "the tv")


def test_a_session_that_missed_two_heartbeats_is_suspect(cluster: Cluster) -> None:
    cluster.start(A, "tv")
    cluster.run(cluster.settings.suspect_ms)
    assert cluster.regions[A].sessions(ACCOUNT).sessions[0].state is State.LIVE
    cluster.run(1)

    assert cluster.regions[A].sessions(ACCOUNT).sessions[0].state is State.SUSPECT


def test_of_another_regions_session_the_time_of_the_last_evidence_is_shown(
    cluster: Cluster,
) -> None:
    cluster.start(B, "tv")
    cluster.run(30_000)
    (info,) = cluster.regions[A].sessions(ACCOUNT).sessions
    now_ms = EPOCH_MS + cluster.now_ms

    assert 0 < now_ms - info.last_seen_ms <= 2_100
    assert info.state is State.LIVE


def test_a_session_was_never_seen_before_it_began(cluster: Cluster) -> None:
    cluster.run(700)  # the newest beacon is older than the session
    tv = cluster.start(B, "tv")
    cluster.run(60)
    (info,) = cluster.regions[A].sessions(ACCOUNT).sessions

    assert info.last_seen_ms >= tv.info.started_ms


def test_sessions_of_a_region_out_of_reach_are_listed_as_unconfirmed(cluster: Cluster) -> None:
    cluster.start(B, "tv")
    cluster.run(1_000)
    cluster.cut(B)
    for wait_ms in (cluster.settings.region_suspect_ms + 1_000, 15_000):
        cluster.run(wait_ms)
        listing = cluster.regions[A].sessions(ACCOUNT)
        assert [s.state for s in listing.sessions] == [State.UNCONFIRMED]
        assert listing.out_of_reach == (B,)


def test_down_hides_sessions_from_counts_and_its_return_shows_them_again(
    cluster: Cluster,
) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    cluster.cut(B)
    cluster.run(cluster.settings.region_down_ms + 2_000)
    assert cluster.live(A) == []
    tv.beat()
    cluster.sent.clear()
    cluster.heal()
    cluster.run(1_500)

    assert cluster.live(A) == ["tv"]


def test_what_has_ended_is_not_listed(cluster: Cluster) -> None:
    kicked = cluster.start(A, "tv")
    cluster.regions[A].kick(ACCOUNT, kicked.session, ActorKind.ACCOUNT)
    stopped = cluster.start(A, "phone")
    stopped.stop()
    cluster.run(100)

    assert cluster.listed(A) == cluster.listed(B) == []


def test_an_account_that_nobody_knows_has_an_empty_list(cluster: Cluster) -> None:
    listing = cluster.regions[A].sessions("nobody")

    assert (listing.plan, listing.limit, listing.sessions) == ("", 4, ())
