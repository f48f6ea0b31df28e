"""Logs out, logs in: loss, snapshots, repair, and equal positions that mean equal state."""

import pytest

from crdt.dots import SHARDS, RegionId, shard_of
from crdt.errors import PeerError
from crdt.events import Plan
from georeg.region import wire
from georeg.region.messages import Beacon, Range, Repair, SnapshotPart
from georeg.region.model import Renewed
from georeg.region.region import Region
from tests.region.cluster import ACCOUNT, A, B, C, Cluster, Disk, Sent

SHARD = shard_of(ACCOUNT)


def same(cluster: Cluster) -> bool:
    """Whether all regions hold the same."""
    regions = [r._state for r in cluster.regions.values()]
    return all(
        (a.shards[i].position(w), a.shards[i].state_hash(w))
        == (b.shards[i].position(w), b.shards[i].state_hash(w))
        for w in cluster.names
        for i in range(SHARDS)
        for a in regions
        for b in regions
    )


def fill(cluster: Cluster, at: RegionId, count: int) -> None:
    for i in range(count):
        cluster.begin(at, f"tv-{i}", account=f"many-{i}")
    cluster.run(100)


def test_a_delta_leaves_within_the_flush_time_of_its_event(cluster: Cluster) -> None:
    cluster.start(A, "tv")
    began_ms = cluster.now_ms
    cluster.run(100)

    (first, *_) = cluster.messages(Range, A)
    assert first.at_ms - began_ms == cluster.settings.flush_ms


def test_a_range_is_sent_once_to_each_peer_when_nothing_is_lost(cluster: Cluster) -> None:
    cluster.start(A, "tv")
    cluster.run(10_000)

    assert [s.target for s in cluster.messages(Range, A)] == [B, C]


@pytest.mark.parametrize("lost", [Range, Beacon])
def test_what_was_lost_goes_out_again(cluster: Cluster, lost: type) -> None:
    cluster.lose(lost)
    cluster.start(A, "tv")
    cluster.run(2_000)
    cluster.lose()
    cluster.run(2 * cluster.settings.beacon_ms + 100)

    assert same(cluster)
    assert cluster.live(B) == cluster.live(C) == ["tv"]


def test_with_every_third_message_lost_all_regions_come_to_hold_the_same(
    cluster: Cluster,
) -> None:
    turns = iter(range(1 << 30))
    cluster.loses = lambda sent: next(turns) % 3 == 0
    for region in (A, B, C):
        fill(cluster, region, 30)
        cluster.run(700)
    cluster.lose()
    cluster.run(3_000)

    assert same(cluster)


def test_after_a_cut_both_sides_hold_the_same_within_two_beacon_rounds(cluster: Cluster) -> None:
    cluster.cut(C)
    fill(cluster, A, 20)
    fill(cluster, C, 20)
    cluster.run(5_000)
    cluster.heal()
    for region in (A, B, C):
        for peer in (A, B, C):
            if peer != region:
                cluster.regions[region].peer_up(peer)
    cluster.run(2 * cluster.settings.beacon_ms)

    assert same(cluster)


def test_a_peer_below_the_floor_of_the_log_gets_a_snapshot(cluster: Cluster) -> None:
    cluster.cut(C)
    cluster.run(5_000)  # nobody looks for a way round any more
    log = cluster.regions[A]._state.shards[SHARD].log
    log.capacity_events = 8
    for _ in range(20):
        cluster.start(A, "tv")
        cluster.run(60)
    assert log.floor > 0
    cluster.sent.clear()
    cluster.heal()
    cluster.run(3_000)

    assert {s.target for s in cluster.messages(SnapshotPart, A)} == {C}
    assert same(cluster)
    assert cluster.counter(A, "snapshots_sent") == 1


def test_a_snapshot_in_parts_is_committed_at_once_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    monkeypatch.setattr("georeg.region.replication.PART_BYTES", 64)
    cluster.cut(C)
    cluster.run(5_000)
    log = cluster.regions[A]._state.shards[SHARD].log
    log.capacity_events = 4
    for _ in range(12):
        cluster.start(A, "tv")
        cluster.run(60)
    cluster.sent.clear()
    parts = 0

    def lose_the_second(sent: Sent) -> bool:
        nonlocal parts
        parts += isinstance(sent.message, SnapshotPart)
        return isinstance(sent.message, SnapshotPart) and parts == 2

    cluster.heal()
    cluster.loses = lose_the_second
    known = cluster.regions[C]._state.shards[SHARD]
    before = known.position(A)
    while parts < 2:
        cluster.run(1)
    cluster.run(20)
    assert known.position(A) == before
    cluster.run(4_000)

    assert parts > 4
    assert same(cluster)


def test_at_equal_positions_a_hash_that_differs_is_counted_and_repaired_by_snapshot(
    cluster: Cluster,
) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(2_000)
    sick = cluster.regions[C]._state.shards[SHARD]
    entry = cluster.regions[A]._state.held(ACCOUNT, tv.session)
    assert entry is not None
    sick.sessions.remove(ACCOUNT, entry.dot)  # a bug, as if
    assert not same(cluster)
    cluster.run(SHARDS * cluster.settings.beacon_ms + 2_000)

    assert cluster.counter(C, "state_mismatches") == 1
    assert len(cluster.messages(Repair, C)) == 1
    assert same(cluster)
    assert isinstance(tv.beat(), Renewed)


def test_a_session_that_should_not_be_there_is_repaired_away(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(2_000)
    sick = cluster.regions[C]._state.shards[SHARD]
    entry = cluster.regions[A]._state.held(ACCOUNT, tv.session)
    assert entry is not None
    tv.stop()
    cluster.run(1_000)
    sick.sessions.insert(entry)
    cluster.run(SHARDS * cluster.settings.beacon_ms + 2_000)

    assert cluster.counter(C, "state_mismatches") == 1
    assert same(cluster)
    assert cluster.live(C) == []


def test_a_new_incarnation_replaces_what_was_known_of_the_old_one(cluster: Cluster) -> None:
    fill(cluster, B, 20)
    cluster.run(1_000)
    cluster.kill(B)
    cluster.disks[B] = Disk()
    for region in (A, C):
        cluster.cut_link(B, region)
    cluster.boot(B)
    cluster.run(5_000)
    cluster.heal()
    cluster.run(6_000)

    assert same(cluster)


def test_a_snapshot_of_a_third_region_is_refused(cluster: Cluster) -> None:
    part = SnapshotPart(C, 0, 1, 1, 0, 1, b"")

    with pytest.raises(PeerError, match="a snapshot of region 3"):
        cluster.regions[A].receive(B, wire.encode(part))


def test_an_acknowledgement_of_what_was_never_written_is_refused(cluster: Cluster) -> None:
    beacon = Beacon(1, 1_000_000, 0, 0, 0, (), ((0, 1, 5),))
    before = cluster.regions[A].status()

    with pytest.raises(PeerError, match="beyond its log"):
        cluster.regions[A].receive(B, wire.encode(beacon))
    assert cluster.regions[A].status() == before


def test_the_log_is_dropped_when_all_have_it(cluster: Cluster) -> None:
    fill(cluster, A, 50)
    cluster.run(4_000)

    assert all(s.log.floor == s.log.top for s in cluster.regions[A]._state.shards)


def test_regions_that_never_come_back_do_not_keep_the_log_from_its_bound(
    cluster: Cluster,
) -> None:
    cluster.kill(C)
    log = cluster.regions[A]._state.shards[SHARD].log
    log.capacity_events = 16
    for _ in range(40):
        cluster.start(A, "tv")

    assert log.top - log.floor <= 16


def behind(region: Region) -> list[int]:
    return [p.events_behind for p in region.status().peers]


def test_how_far_peers_are_behind_is_known(cluster: Cluster) -> None:
    cluster.cut(C)
    cluster.start(A, "tv")
    cluster.run(4_000)
    eu, ap = behind(cluster.regions[A])

    assert eu == 0
    assert ap > 0


def test_a_region_whose_clock_is_behind_goes_on_hearing_of_plans() -> None:
    cluster = Cluster(A, B)
    region = cluster.regions[A]
    region.set_plan("acc-9", Plan("premium", 4, 0), region.plan_time())
    cluster.wall_jump_ms = -3_600_000
    cluster.run(2_000)

    known = cluster.regions[B]._state.plan_of("acc-9")
    assert known is not None
    assert known.plan.limit == 4
    assert cluster.counter(B, "plans_ahead_of_clock") > 0


def test_a_plan_that_names_no_home_leaves_the_home_where_it_was() -> None:
    cluster = Cluster(A, B)
    region = cluster.regions[A]
    region.set_plan("acc-9", Plan("basic", 1, B), region.plan_time())
    region.set_plan("acc-9", Plan("premium", 4, 0), region.plan_time())

    assert region._state.home_of("acc-9") == B
    assert region._state.limit_of("acc-9") == 4


def test_a_plan_that_is_stated_again_is_in_force() -> None:
    cluster = Cluster(A)
    region, issued = cluster.regions[A], cluster.regions[A].plan_time()

    assert region.set_plan("acc-9", Plan("premium", 4, 0), issued)
    assert region.set_plan("acc-9", Plan("premium", 4, 0), issued)
    assert not region.set_plan("acc-9", Plan("basic", 1, 0), issued - 1)
