"""How a region begins: incarnations, what its peers hold of it, and what it learns as home."""

from crdt.dots import INCARNATION_MAX, RegionId, incarnation_of
from crdt.events import ActorKind
from georeg.region import wire
from georeg.region.messages import Beacon, Borrow, Confirm, Confirmed, Fetch, Fetched, Range, Slot
from georeg.region.model import Basis, Ended, How, Renewed, State
from tests.region.cluster import ACCOUNT, A, B, C, Cluster, Disk, Stream


def incarnation(cluster: Cluster, region: RegionId) -> int:
    return cluster.regions[region].status().incarnation


def restart(cluster: Cluster, region: RegionId, *, disk: Disk | None = None) -> None:
    cluster.kill(region)
    cluster.boot(region, disk)
    cluster.run(2_000)


def state_of(cluster: Cluster, at: RegionId, stream: Stream) -> State:
    (info,) = (
        s for s in cluster.regions[at].sessions(ACCOUNT).sessions if s.session == stream.session
    )
    return info.state


# ---- incarnations ----------------------------------------------------------------------------


def test_each_start_of_a_region_begins_a_higher_incarnation(cluster: Cluster) -> None:
    assert [incarnation(cluster, r) for r in (A, B, C)] == [1, 1, 1]
    restart(cluster, B)
    restart(cluster, B)

    assert incarnation(cluster, B) == 3
    assert incarnation_of(cluster.start(B, "tv").session) == 3


def test_with_its_disk_lost_it_begins_above_the_highest_that_a_peer_has_seen(
    cluster: Cluster,
) -> None:
    restart(cluster, B)
    restart(cluster, B, disk=Disk())

    assert incarnation(cluster, B) == 3


def test_it_is_durable_before_it_is_used(cluster: Cluster) -> None:
    cluster.kill(B)
    disk = cluster.disks[B]
    cluster.sent.clear()
    cluster.boot(B)
    while not cluster.messages(Beacon, B):
        assert not cluster.messages(Range, B)
        cluster.run(1)

    assert disk.last == 2
    beacon = cluster.messages(Beacon, B)[0].message
    assert isinstance(beacon, Beacon)
    assert beacon.incarnation == 2


def test_nothing_is_decided_or_said_before_it_has_joined(cluster: Cluster) -> None:
    cluster.kill(B)
    cluster.cut(B)
    region = cluster.boot(B)
    cluster.sent.clear()
    cluster.run(cluster.settings.join_ms - 1)

    assert not region.joined
    assert not region.ready
    assert {type(s.message) for s in cluster.sent if s.source == B} <= {Fetch}


def test_what_it_does_not_know_yet_it_does_not_answer(cluster: Cluster) -> None:
    cluster.start(C, "tv")
    cluster.kill(B)
    cluster.lose(Fetched)
    cluster.boot(B)
    cluster.run(100)
    cluster.sent.clear()
    cluster.begin(A, "phone")
    cluster.run(100)

    assert B in {s.target for s in cluster.messages(Confirm)}
    assert cluster.messages(Confirmed, B) == []


def test_it_waits_for_silent_peers_no_longer_than_the_join_time(cluster: Cluster) -> None:
    cluster.kill(B)
    cluster.cut(B)
    region = cluster.boot(B)
    cluster.run(cluster.settings.join_ms)

    assert region.joined


def test_a_region_alone_begins_at_once() -> None:
    cluster = Cluster(A, begin=False)

    assert cluster.boot(A).joined


def test_blind_it_draws_an_incarnation_so_that_none_is_used_twice(cluster: Cluster) -> None:
    cluster.kill(B)
    cluster.cut(B)
    cluster.boot(B, Disk())
    cluster.run(cluster.settings.join_ms)

    assert incarnation(cluster, B) > 1


def test_hearing_only_some_peers_it_skips_what_the_silent_one_may_have_seen(
    cluster: Cluster,
) -> None:
    cluster.kill(B)
    cluster.cut_link(B, C)
    cluster.boot(B, Disk())
    cluster.run(cluster.settings.join_ms + 100)

    assert incarnation(cluster, B) > 2


def test_begun_too_low_it_begins_again_when_a_peer_knows_better_with_its_sessions_as_they_are(
    cluster: Cluster,
) -> None:
    for _ in range(3):
        restart(cluster, B)
    known = incarnation(cluster, B)
    cluster.kill(B)
    cluster.cut(B)
    cluster.boot(B, Disk())
    cluster.regions[B]._joining._random.randrange = lambda *_: 0  # type: ignore[method-assign]
    cluster.run(cluster.settings.join_ms)
    assert incarnation(cluster, B) < known
    tv = cluster.start(B, "tv")
    cluster.heal()
    cluster.run(4_000)

    assert incarnation(cluster, B) > known
    assert cluster.counter(B, "begun_again") == 1
    assert isinstance(tv.beat(), Renewed)
    assert [cluster.live(r) for r in (A, B, C)] == [["tv"]] * 3
    assert state_of(cluster, A, tv) is State.LIVE


# ---- what its peers hold of it ---------------------------------------------------------------


def test_what_peers_hold_of_it_is_minted_again_as_unconfirmed(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv", title="A film")
    cluster.run(1_000)
    restart(cluster, B)

    assert [cluster.live(r) for r in (A, B, C)] == [["tv"]] * 3
    assert [state_of(cluster, r, tv) for r in (A, B)] == [State.UNCONFIRMED] * 2
    (info,) = cluster.regions[A].sessions(ACCOUNT).sessions
    assert (info.session, info.title, info.started_ms) == (
        tv.session, "A film", tv.info.started_ms,
    )  # fmt: skip


def test_unconfirmed_is_neither_evidence_nor_yields(cluster: Cluster) -> None:
    cluster.start(B, "tv")
    cluster.run(1_000)
    restart(cluster, B)
    phone = cluster.start(B, "phone")

    assert phone.admitted.basis is Basis.OVERDRAFT
    cluster.play(80_000, phone)
    assert cluster.counter(B, "released_displaced") == 0


def test_its_device_is_heard_and_it_counts_again(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    restart(cluster, B)
    assert isinstance(tv.beat(), Renewed)
    cluster.run(200)

    assert state_of(cluster, A, tv) is State.LIVE
    assert cluster.refused(B, "phone").how is How.LOCAL


def test_unconfirmed_and_never_heard_it_lapses(cluster: Cluster) -> None:
    cluster.start(B, "tv")
    cluster.run(1_000)
    restart(cluster, B)
    cluster.run(cluster.settings.client_lease_ms + 1_000)

    assert [cluster.live(r) for r in (A, B, C)] == [[]] * 3


def test_what_was_kicked_stopped_or_adopted_elsewhere_is_not_minted_again() -> None:
    cluster = Cluster(limit=4)
    kicked, stopped, moved, stays = (cluster.start(B, f"d{i}") for i in range(4))
    cluster.run(1_000)
    cluster.kill(B)
    cluster.regions[A].kick(ACCOUNT, kicked.session, ActorKind.ACCOUNT)
    stopped.stop(A)
    moved.beat(C)
    cluster.run(100)
    cluster.boot(B)
    cluster.run(2_000)

    held = cluster.regions[B]._state.own(ACCOUNT)
    assert [s.session for s in held] == [stays.session]
    assert isinstance(kicked.beat(B), Ended)
    assert isinstance(stopped.beat(B), Ended)


def test_a_session_that_nobody_had_heard_of_before_the_crash_is_adopted_at_its_heartbeat(
    cluster: Cluster,
) -> None:
    cluster.cut(B)
    tv = cluster.start(B, "tv")
    cluster.kill(B)
    cluster.disks[B].stored_sessions.clear()
    cluster.heal()
    cluster.boot(B)
    cluster.run(2_000)
    assert cluster.live(B) == []

    assert isinstance(tv.beat(), Renewed)
    assert cluster.live(B) == ["tv"]


def test_a_started_region_knows_what_lives_elsewhere(cluster: Cluster) -> None:
    cluster.start(A, "tv")
    cluster.run(1_000)
    restart(cluster, C)

    assert cluster.live(C) == ["tv"]
    assert cluster.refused(C, "phone").how is How.CONFIRMED


def test_its_plans_survive_on_its_own_disk(cluster: Cluster) -> None:
    cluster.start(A, "tv")
    cluster.cut(A)
    restart(cluster, A)
    cluster.run(3_000)

    assert cluster.regions[A].sessions(ACCOUNT).limit == 1


# ---- as home ---------------------------------------------------------------------------------


def test_as_home_it_learns_for_one_full_wait_before_it_leases_anything_out(
    cluster: Cluster,
) -> None:
    cluster.kill(A)
    cluster.boot(A)
    cluster.run(1_000)
    began_ms = cluster.now_ms
    while not cluster.messages(Slot, A):
        cluster.begin(B, "tv", account=f"acc-{cluster.now_ms}")
        cluster.run(500)

    settings = cluster.settings
    assert cluster.now_ms - began_ms >= settings.grant_lease_ms - 1_500
    assert cluster.messages(Borrow, B) != []


def test_the_first_beginning_of_a_cluster_has_nothing_to_learn() -> None:
    cluster = Cluster()

    assert cluster.start(A, "tv").admitted.basis is Basis.GRANTED


def test_the_answer_of_a_peer_ends_with_its_word_on_the_incarnation(cluster: Cluster) -> None:
    cluster.kill(B)
    cluster.sent.clear()
    cluster.boot(B)
    cluster.run(1_000)
    words = [s.message for s in cluster.messages(Fetched) if s.target == B]

    assert [w.incarnation for w in words if isinstance(w, Fetched)] == [1, 1]


def test_a_peer_that_claims_the_last_incarnation_is_answered_with_one_that_it_may_read() -> None:
    cluster = Cluster(A, B)
    cluster.regions[A].receive(B, wire.encode(Beacon(INCARNATION_MAX, 1, 0, 0, 0, (), ())))
    cluster.regions[A].receive(B, wire.encode(Beacon(1, 1, 0, 0, 0, (), ())))
    cluster.regions[A].receive(B, wire.encode(Fetch(7)))
    cluster.has_liars = True
    cluster.run(1_000)
    told = [sent.message for sent in cluster.messages(Fetched, A)]
    assert [(m.nonce, m.incarnation) for m in told if isinstance(m, Fetched)] == [
        (0, INCARNATION_MAX - 1),
        (7, INCARNATION_MAX - 1),
    ]
