"""Evidence by beacon: only for what is applied here, and as old as the echoed own beacon."""

from georeg.region import wire
from georeg.region.messages import Beacon, Confirm, Range
from georeg.region.model import Admitted, How, Renewed
from tests.region.cluster import ACCOUNT, A, B, C, Cluster, Sent


def age_ms(cluster: Cluster) -> int:
    """How old C's evidence for the account's session in B is."""
    region = cluster.regions[C]
    (entry,) = region._state.live(ACCOUNT)
    return region._evidence.age_ms(entry)


def test_a_beacon_renews_the_evidence_for_all_sessions_of_its_sender(cluster: Cluster) -> None:
    cluster.start(B, "tv")
    cluster.run(2_000)
    ages = []
    for _ in range(5):
        cluster.run(1_000)
        ages.append(age_ms(cluster))

    assert all(age <= 1_000 + cluster.settings.beacon_ms for age in ages)


def test_evidence_is_as_old_as_the_own_beacon_that_is_echoed_not_as_its_receipt(
) -> None:
    cluster = Cluster(B, C, home=B)
    cluster.start(B, "tv")
    cluster.run(2_000)
    held: list[Sent] = []

    def hold(sent: Sent) -> int:
        """All that B says to C is under way for 5 s."""
        if (sent.source, sent.target) == (B, C):
            held.append(sent)
            return 5_000
        return 0

    cluster.delays = hold
    cluster.run(4_900)
    assert age_ms(cluster) > 4_000
    cluster.run(2_000)  # beacons of B arrive each second now, each 5 s old

    assert any(isinstance(s.message, Beacon) for s in held)
    assert age_ms(cluster) >= 5_000
    cluster.lose(Confirm)
    assert isinstance(cluster.settled(cluster.begin(C, "phone", deadline_ms=10)), Admitted)


def test_a_beacon_vouches_only_for_positions_that_are_applied_here(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(2_000)
    cluster.loses = lambda sent: isinstance(sent.message, Range) and sent.source == B
    tv.stop()  # C hears B's beacons, but not that the session is over
    cluster.run(4_000)

    assert cluster.live(C) == ["tv"]
    assert age_ms(cluster) > cluster.settings.fresh_ms
    cluster.lose(Range, Confirm)
    assert isinstance(cluster.settled(cluster.begin(C, "phone")), Admitted)


def test_the_other_shards_of_a_region_that_lags_in_one_are_covered(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.start(B, "tv-2", account="acc-2")
    cluster.run(2_000)
    cluster.loses = lambda sent: isinstance(sent.message, Range) and sent.source == B
    tv.stop()
    cluster.run(4_000)
    cluster.loses = lambda sent: isinstance(sent.message, Range | Confirm)

    cluster.cut(C)
    assert cluster.refused(C, "phone", account="acc-2").how is How.BEACON


def test_when_the_log_catches_up_the_newest_beacon_counts(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(2_000)
    cluster.loses = lambda sent: isinstance(sent.message, Range) and sent.source == B
    cluster.start(B, "tv-3", account="acc-3").stop()
    for i in range(64):  # the shard of the account among them
        cluster.start(B, "x", account=f"other-{i}")
    cluster.run(4_000)
    cluster.lose()
    cluster.run(3_000)

    assert age_ms(cluster) < cluster.settings.fresh_ms
    assert isinstance(tv.beat(), Renewed)


def test_a_beacon_that_echoes_nothing_proves_nothing() -> None:
    cluster = Cluster(B, C, home=B)
    cluster.start(B, "tv")
    cluster.run(2_000)
    cluster.cut_link(C, B, both_ways=False)  # B hears C no more, but C hears B
    cluster.run(4_000)

    assert age_ms(cluster) > cluster.settings.fresh_ms
    assert cluster.regions[C].status().peers[0].state == "up"


def test_the_round_trip_does_not_count_how_long_the_peer_held_the_beacon() -> None:
    cluster = Cluster(links_ms={(A, B): 15})
    cluster.run(3_000)

    assert cluster.regions[A].status().peers[0].round_trip_ms == 30


def test_beacons_out_of_order_and_doubled_renew_nothing(cluster: Cluster) -> None:
    cluster.start(B, "tv")
    cluster.run(3_000)
    old = [s for s in cluster.messages(Beacon, B) if s.target == C]
    cluster.cut(C)
    cluster.run(4_000)
    before = age_ms(cluster)
    for sent in old:
        cluster.regions[C].receive(B, wire.encode(sent.message))

    assert age_ms(cluster) == before


def test_idle_regions_exchange_beacons_only(cluster: Cluster) -> None:
    cluster.run(5_000)
    cluster.sent.clear()
    cluster.run(10_000)
    beacons = [s.message for s in cluster.messages(Beacon)]

    assert len(beacons) == 60
    for beacon in beacons[12:]:
        assert isinstance(beacon, Beacon)
        assert len(beacon.heads) == 1  # in turn, so that its state hash is compared
        assert len(beacon.acks) == 1
