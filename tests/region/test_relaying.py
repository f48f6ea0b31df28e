"""Partial partitions: A and B do not reach one another, C reaches both; one-way cuts included."""

import pytest

from crdt.dots import RegionId
from crdt.events import ActorKind
from georeg.region import relaying, wire
from georeg.region.messages import (
    RELAYED_BYTES_MAX,
    Beacon,
    Bundle,
    Confirm,
    Range,
    Relayed,
    Slot,
    SnapshotPart,
)
from georeg.region.model import Basis, How, Kicked, PeerStatus, Renewed
from tests.region.cluster import ACCOUNT, LINK_MS, A, B, C, Cluster, D, Sent
from tests.region.test_replication import SHARD, fill, same

FOUND_MS = 3_500
"""After this every region has found its way round a cut: silence, and a beacon that says so."""


def parted(*ids: RegionId, home: RegionId = A, both_ways: bool = True, limit: int = 1) -> Cluster:
    """Nothing goes from A to B, nor back unless it is one-way; the way round has been found."""
    cluster = Cluster(*(ids or (A, B, C)), home=home, limit=limit)
    cluster.cut_link(A, B, both_ways=both_ways)
    cluster.run(FOUND_MS)
    cluster.sent.clear()
    return cluster


def peer(cluster: Cluster, at: RegionId, region: RegionId) -> PeerStatus:
    return next(p for p in cluster.regions[at].status().peers if p.region == region)


@pytest.mark.parametrize("both_ways", [True, False])
def test_logs_go_round_a_third_region(both_ways: bool) -> None:
    cluster = parted(both_ways=both_ways)
    cluster.start(A, "tv")
    cluster.start(B, "phone", account="acc-2")
    cluster.run(200)

    assert cluster.live(B) == ["tv"]
    assert cluster.live(A, "acc-2") == ["phone"]
    cluster.run(2 * cluster.settings.beacon_ms)
    assert same(cluster)
    assert peer(cluster, A, B).events_behind == 0


@pytest.mark.parametrize("both_ways", [True, False])
def test_a_region_that_is_heard_round_a_third_is_up_and_its_sessions_count(
    both_ways: bool,
) -> None:
    cluster = parted(both_ways=both_ways)
    tv = cluster.start(A, "tv")
    cluster.play(2 * cluster.settings.region_down_ms, tv)

    assert peer(cluster, A, B).state == peer(cluster, B, A).state == "up"
    assert cluster.live(B) == ["tv"]
    assert cluster.regions[B].sessions(ACCOUNT).out_of_reach == ()


@pytest.mark.parametrize("both_ways", [True, False])
@pytest.mark.parametrize(("here", "there"), [(A, B), (B, A)])
def test_beacons_round_a_third_are_evidence_as_old_as_the_echoed_own_beacon(
    both_ways: bool, here: RegionId, there: RegionId
) -> None:
    cluster = parted(home=there, both_ways=both_ways)
    cluster.start(there, "tv")
    cluster.run(2_500)
    region = cluster.regions[here]
    (entry,) = region._state.live(ACCOUNT)
    age_ms = region._evidence.age_ms(entry)
    cluster.loses = lambda sent: True

    assert 2 * 2 * LINK_MS <= age_ms <= 2 * cluster.settings.beacon_ms
    assert cluster.refused(here, "phone").how is How.BEACON


def test_what_is_late_round_a_third_proves_nothing() -> None:
    cluster = parted(home=B)
    cluster.start(B, "tv")
    cluster.run(2_000)
    cluster.delays = lambda sent: 4_000 if isinstance(sent.message, Relayed) else 0
    cluster.run(9_000)
    region = cluster.regions[A]
    (entry,) = region._state.live(ACCOUNT)

    assert peer(cluster, A, B).state == "up"
    assert region._evidence.age_ms(entry) > cluster.settings.fresh_ms


@pytest.mark.parametrize("both_ways", [True, False])
@pytest.mark.parametrize(("here", "there"), [(A, B), (B, A)])
def test_a_confirmation_goes_round_within_the_deadline(
    both_ways: bool, here: RegionId, there: RegionId
) -> None:
    cluster = parted(home=C, both_ways=both_ways)
    cluster.start(there, "tv")
    cluster.lose(Slot)  # nobody but the holder can tell
    refused = cluster.refused(here, "phone")

    assert refused.how is How.CONFIRMED
    assert refused.took_ms <= 4 * LINK_MS


@pytest.mark.parametrize("both_ways", [True, False])
@pytest.mark.parametrize(("here", "home"), [(A, B), (B, A)])
def test_the_home_lends_round_a_third_within_the_deadline(
    both_ways: bool, here: RegionId, home: RegionId
) -> None:
    cluster = parted(home=home, both_ways=both_ways)
    tv = cluster.start(here, "tv")

    assert tv.admitted.basis is Basis.BORROWED
    assert tv.admitted.took_ms <= 4 * LINK_MS
    cluster.play(3 * cluster.settings.grant_lease_ms, tv)
    assert cluster.usable(here) == 1  # the lease is renewed the same way


def test_the_home_recalls_round_a_third() -> None:
    """A, the home, hears of what lives in B only round C; C asks for the slot that B has."""
    cluster = parted(home=A)
    tv = cluster.start(B, "tv")
    tv.stop()
    cluster.run(500)

    assert cluster.start(C, "phone").admitted.basis is Basis.BORROWED


def test_a_kick_is_confirmed_round_a_third() -> None:
    cluster = parted()
    tv = cluster.start(B, "tv")
    cluster.run(500)
    outcome = cluster.settled(cluster.regions[A].kick(ACCOUNT, tv.session, ActorKind.ACCOUNT))

    assert isinstance(outcome, Kicked)
    assert outcome.waiting_for == ()


def test_what_was_lost_on_the_silent_link_goes_out_again_at_once() -> None:
    cluster = Cluster(home=A)
    cluster.cut_link(A, B)
    cluster.start(A, "tv")
    cluster.run(2 * cluster.settings.beacon_ms + 600)

    assert cluster.live(B) == ["tv"]


def test_a_link_that_is_told_to_be_down_is_gone_round_at_once() -> None:
    cluster = Cluster(home=A)
    cluster.cut_link(A, B)
    cluster.start(A, "tv")
    cluster.regions[A].peer_down(B)
    cluster.run(200)

    assert cluster.live(B) == ["tv"]


def test_while_links_work_nothing_is_relayed(cluster: Cluster) -> None:
    fill(cluster, A, 10)
    cluster.run(10_000)

    assert cluster.messages(Relayed) == []


def test_behind_a_full_cut_nothing_is_relayed_for_long() -> None:
    cluster = Cluster()
    cluster.cut(C)
    cluster.run(5_000)
    cluster.sent.clear()
    cluster.run(20_000)

    assert cluster.messages(Relayed) == []
    assert peer(cluster, A, C).state == "down"


def test_operators_see_which_way_leads_to_a_peer() -> None:
    cluster = parted(both_ways=False)
    seen = [(p.is_direct, p.via, p.heard_via) for p in (peer(cluster, A, B), peer(cluster, B, A))]
    assert seen == [(False, C, None), (True, None, C)]

    cluster.cut(B)
    cluster.run(5_000)
    assert (peer(cluster, A, B).is_direct, peer(cluster, A, B).via) == (False, None)
    assert (peer(cluster, A, C).is_direct, peer(cluster, A, C).via) == (True, None)


def test_after_the_cut_the_link_is_used_again_and_all_hold_the_same_within_two_rounds() -> None:
    cluster = parted()
    fill(cluster, A, 20)
    fill(cluster, B, 20)
    cluster.heal()
    cluster.run(2 * cluster.settings.beacon_ms)
    assert same(cluster)
    cluster.run(2 * cluster.settings.beacon_ms)
    cluster.sent.clear()
    cluster.start(A, "tv")
    cluster.run(100)

    assert cluster.live(B) == ["tv"]
    assert cluster.messages(Relayed) == []
    assert peer(cluster, A, B).via is None


def test_the_round_trip_is_that_of_the_way_that_is_taken() -> None:
    cluster = Cluster(links_ms={(A, C): 15, (B, C): 15})
    cluster.cut_link(A, B)
    cluster.run(8_000)
    assert peer(cluster, A, B).round_trip_ms == 60
    cluster.heal()
    cluster.run(8_000)

    assert peer(cluster, A, B).round_trip_ms == 2 * LINK_MS


def test_of_two_ways_round_the_shorter_one_is_taken() -> None:
    cluster = Cluster(A, B, C, D, links_ms={(A, C): 15})
    cluster.cut_link(A, B)
    cluster.run(FOUND_MS)

    assert peer(cluster, A, B).via == peer(cluster, B, A).via == D


def test_when_the_relay_dies_another_takes_its_place() -> None:
    cluster = parted(A, B, C, D)
    first = peer(cluster, A, B).via
    assert first in (C, D)
    cluster.kill(first)
    cluster.run(FOUND_MS)
    cluster.start(A, "tv")
    cluster.run(500)

    assert cluster.live(B) == ["tv"]
    assert {first, peer(cluster, A, B).via} == {C, D}


def test_snapshots_go_round_a_third(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("georeg.region.replication.PART_BYTES", 64)
    cluster = Cluster()
    cluster.cut(B)
    cluster.run(5_000)
    cluster.regions[A]._state.shards[SHARD].log.capacity_events = 4
    for _ in range(12):
        cluster.start(A, "tv")
        cluster.run(60)
    cluster.heal()
    cluster.cut_link(A, B)
    cluster.sent.clear()
    cluster.run(FOUND_MS)

    assert cluster.counter(A, "snapshots_sent") > 0
    assert cluster.live(B) == ["tv"]


def test_a_snapshot_whose_parts_come_twice_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the own link and the way round both carry it for a moment."""
    monkeypatch.setattr("georeg.region.replication.PART_BYTES", 64)
    cluster = Cluster(A, B)
    cluster.cut(B)
    cluster.regions[A]._state.shards[SHARD].log.capacity_events = 4
    for _ in range(12):
        cluster.start(A, "tv")
        cluster.run(60)
    cluster.heal()

    def twice(sent: Sent) -> bool:
        if isinstance(sent.message, SnapshotPart):
            for delay_ms in (LINK_MS, LINK_MS + 1):
                payload = wire.encode(sent.message)
                cluster.at(delay_ms, lambda p=payload: cluster.regions[B].receive(A, p))  # type: ignore[misc]
            cluster.now_ms += 1  # so that the first of the next part meets the second of this one
            return True
        return isinstance(sent.message, Range | Bundle)

    cluster.loses = twice
    cluster.run(3_000)

    assert len(cluster.messages(SnapshotPart)) > 4
    assert cluster.live(B) == ["tv"]


# ---- what a relay does, and does not do ------------------------------------------------------


def relayed(source: RegionId, target: RegionId, payload: bytes = b"") -> bytes:
    return wire.encode(Relayed(source, target, 2, payload or wire.encode(Confirm(ACCOUNT, 1))))


def test_a_relay_hands_on_what_its_source_sent_as_it_is(cluster: Cluster) -> None:
    cluster.regions[C].receive(A, relayed(A, B))
    (sent,) = cluster.sent

    assert (sent.source, sent.target) == (C, B)
    assert sent.message == Relayed(A, B, 2, wire.encode(Confirm(ACCOUNT, 1)))


@pytest.mark.parametrize(
    ("peer", "source", "target"),
    [
        (A, B, D), (A, B, A), (A, A, A), (A, C, B), (A, A, RegionId(9)), (A, RegionId(9), C),
        (A, A, C), (A, C, C),
    ],
)  # fmt: skip
def test_nothing_else_is_handed_on_or_taken(
    peer: RegionId, source: RegionId, target: RegionId
) -> None:
    """At C, from A: what was passed on before, sent in circles, or names who is not there."""
    cluster = Cluster(A, B, C, D)
    cluster.regions[C].receive(peer, relayed(source, target))

    assert cluster.sent == []
    assert cluster.counter(C, "relay_refused") == 1


def test_a_relay_does_not_look_for_a_way_round_itself(cluster: Cluster) -> None:
    cluster.cut_link(C, B)
    cluster.run(FOUND_MS)
    assert peer(cluster, C, B).via == A
    cluster.sent.clear()
    cluster.regions[C].receive(A, relayed(A, B))

    assert cluster.sent == []
    assert cluster.counter(C, "relay_dropped") == 1


@pytest.mark.parametrize(
    "inner",
    [
        b"\xc1",
        relayed(A, B),
        wire.encode(Beacon(1, 1 << 40, 0, 0, 0, (), ((0, 1, 5),))),
    ],
)
def test_what_a_third_brings_and_is_wrong_is_dropped_and_costs_nobody_a_link(
    cluster: Cluster, inner: bytes
) -> None:
    before = peer(cluster, B, A)
    cluster.regions[B].receive(C, relayed(A, B, inner))

    assert cluster.counter(B, "relay_refused") == 1
    assert peer(cluster, B, A) == before


def test_a_relay_hands_on_so_much_and_drops_the_rest(cluster: Cluster) -> None:
    for _ in range(relaying.FRAMES_PER_S + 7):
        cluster.regions[C].receive(A, relayed(A, B))
    assert cluster.counter(C, "relay_passed_on") == relaying.FRAMES_PER_S
    assert cluster.counter(C, "relay_dropped") == 7
    cluster.run(1_000)
    cluster.regions[C].receive(A, relayed(A, B))

    assert cluster.counter(C, "relay_dropped") == 7


def test_large_messages_count_by_their_size(cluster: Cluster) -> None:
    big = relayed(A, B, bytes(RELAYED_BYTES_MAX))
    for _ in range(relaying.BYTES_PER_S // RELAYED_BYTES_MAX + 3):
        cluster.regions[C]._talking.relaying.on_relayed(A, wire.decode(big))  # type: ignore[arg-type]

    assert cluster.counter(C, "relay_dropped") == 3


def test_a_message_that_is_too_large_for_its_wrapping_is_dropped() -> None:
    cluster = parted()
    region = cluster.regions[A]
    region._talking.relaying.send(B, bytes(RELAYED_BYTES_MAX + 1))
    assert cluster.sent == []
    assert cluster.counter(A, "relay_dropped") == 1
    region._talking.relaying.send(B, bytes(RELAYED_BYTES_MAX))

    assert len(cluster.messages(Relayed)) == 1


def test_a_session_that_goes_on_through_a_partial_cut_is_not_disturbed() -> None:
    cluster = parted(limit=2)
    tv, phone = cluster.start(A, "tv"), cluster.start(B, "phone")
    cluster.play(90_000, tv, phone)
    cluster.heal()
    cluster.play(30_000, tv, phone)

    assert cluster.refused(C, "laptop").how in (How.CONFIRMED, How.BEACON)
    assert isinstance(tv.beat(at=B), Renewed)
