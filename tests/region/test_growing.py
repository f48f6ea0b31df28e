"""A cluster that grows and shrinks while it runs: nobody loses a session, no slot is lent twice."""

from collections.abc import Callable

import pytest

from crdt.dots import SHARDS, RegionId
from georeg.region import messages
from georeg.region.budget import Budget
from georeg.region.model import Admitted, Basis, Renewed
from tests.region.cluster import BEGIN_MS, NAMES, A, B, C, Cluster, D, Disk, Stream

LIMIT = 4
ACCOUNTS = [f"family-{number}" for number in range(60)]
LEASE_MS = 90_000


def unpinned(*ids: RegionId) -> Cluster:
    """A cluster in which the hash decides about homes."""
    return Cluster(*ids, limit=LIMIT, home=RegionId(0))


def reload(cluster: Cluster, region: RegionId, *ids: RegionId) -> None:
    """The config of one region says from now on that these regions are the cluster."""
    cluster.names = {r: NAMES[r] for r in sorted({*cluster.names, *ids})}
    cluster.regions[region].set_regions({r: NAMES[r] for r in ids})


def boot_new(cluster: Cluster, region: RegionId, *ids: RegionId) -> None:
    """An added region begins with an empty disk, and with these regions in its config."""
    cluster.names = {r: NAMES[r] for r in ids}
    cluster.boot(region, Disk())


def home(cluster: Cluster, at: RegionId, account: str) -> RegionId:
    return cluster.regions[at]._state.home_of(account)


def moved_to(cluster: Cluster, region: RegionId, *ids: RegionId) -> str:
    """An account whose home is this region among these."""
    members = cluster.regions[A]._members
    elections = type(members.election)
    return next(
        account
        for account in (f"moved-{n}" for n in range(1000))
        if elections(ids).home(account, 0) == region  # type: ignore[call-arg]
    )


def run_checked(cluster: Cluster, ms: int) -> None:
    """Let time pass; at each moment the usable slots of each account are at most its limit."""
    for _ in range(ms // 200):
        cluster.run(200)
        for account in ACCOUNTS:
            usable = {
                r: cluster.usable(r, account) for r, region in cluster.regions.items()
                if region.joined
            }  # fmt: skip
            assert sum(max(0, n) for n in usable.values()) <= LIMIT, (account, usable)


def grow(cluster: Cluster) -> None:
    """D is added: the configs change one after another, and it begins before the last of them."""
    for region in (A, B):
        reload(cluster, region, A, B, C, D)
        run_checked(cluster, 1_500)
    boot_new(cluster, D, A, B, C, D)
    run_checked(cluster, 20_000)  # C does not know it as yet
    reload(cluster, C, A, B, C, D)
    run_checked(cluster, 5_000)


def shrink(cluster: Cluster) -> None:
    """C is stopped, and the others' configs forget it one after another, sooner than the leases
    that it gave have run out."""
    cluster.kill(C)
    for region in (A, B):
        reload(cluster, region, A, B)
        run_checked(cluster, 1_500)
    del cluster.names[C]
    run_checked(cluster, 3_000)


@pytest.fixture
def playing() -> tuple[Cluster, list[Stream]]:
    """Three regions in which half of the families watch."""
    cluster = unpinned()
    streams = [
        cluster.start((A, B, C)[n % 3], f"tv-{n}", account=account)
        for n, account in enumerate(ACCOUNTS[::2])
    ]
    cluster.run(2_000)
    return cluster, streams


def test_no_slot_is_lent_twice_while_the_cluster_grows(
    playing: tuple[Cluster, list[Stream]],
) -> None:
    cluster, streams = playing
    grow(cluster)
    assert all(region._members.are_agreed for region in cluster.regions.values())
    assert {home(cluster, A, account) for account in ACCOUNTS} == {A, B, C, D}
    assert all(home(cluster, A, account) == home(cluster, D, account) for account in ACCOUNTS)
    assert all(isinstance(stream.beat(), Renewed) for stream in streams)


def test_no_slot_is_lent_twice_while_the_cluster_shrinks(
    playing: tuple[Cluster, list[Stream]],
) -> None:
    cluster, streams = playing
    shrink(cluster)
    assert all(region._members.are_agreed for region in cluster.regions.values())
    assert {home(cluster, A, account) for account in ACCOUNTS} == {A, B}
    for stream in streams:
        assert isinstance(stream.beat(at=A if stream.region == C else stream.region), Renewed)
    assert cluster.listed(A, ACCOUNTS[4]) == cluster.listed(B, ACCOUNTS[4]) == ["tv-2"]


@pytest.mark.parametrize("change", [grow, shrink])
def test_slots_are_lent_twice_where_nobody_waits_for_the_others(
    change: Callable[[Cluster], None],
    playing: tuple[Cluster, list[Stream]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster, _ = playing
    monkeypatch.setattr(Budget, "is_moving", lambda budget, account: False)
    with pytest.raises(AssertionError):
        change(cluster)


def test_a_start_is_decided_on_evidence_while_its_home_moves_and_is_covered_afterwards() -> None:
    cluster = unpinned()
    account = moved_to(cluster, D, A, B, C, D)
    for region in (A, B, C):
        reload(cluster, region, A, B, C, D)
    cluster.run(2_000)
    tv = cluster.start(A, "tv", account=account)
    assert tv.admitted.basis is Basis.OVERDRAFT
    assert cluster.regions[A].status().regions_not_agreed == (D,)
    boot_new(cluster, D, A, B, C, D)
    cluster.play(5_000, tv)
    assert cluster.usable(A, account) >= 1
    assert cluster.regions[A].status().overdraft == 0
    assert cluster.regions[A].status().regions_not_agreed == ()


def test_a_home_that_others_do_not_know_yet_lends_nothing() -> None:
    cluster = unpinned()
    account = moved_to(cluster, D, A, B, C, D)
    cluster.start(B, "tv", account=account)
    before = {r: cluster.usable(r, account) for r in (A, B, C)}
    boot_new(cluster, D, A, B, C, D)  # nobody answers it
    cluster.cut(D)
    cluster.run(20_000)
    assert cluster.regions[D].joined
    assert cluster.usable(D, account) == 0
    assert {r: cluster.usable(r, account) for r in (A, B, C)} == before
    outcome = cluster.settled(cluster.begin(D, "phone", account=account))
    assert isinstance(outcome, Admitted)
    assert outcome.basis is Basis.OVERDRAFT


def test_the_log_does_not_wait_for_a_region_that_was_removed() -> None:
    cluster = unpinned()
    cluster.kill(C)
    tv = cluster.start(A, "tv", account=ACCOUNTS[0])
    cluster.run(3_000)
    logs = [shard.log for shard in cluster.regions[A]._state.shards]
    assert any(log.floor < log.top for log in logs)
    reload(cluster, A, A, B)
    reload(cluster, B, A, B)
    cluster.start(A, "phone", account=ACCOUNTS[0])
    cluster.play(3_000, tv)
    log = cluster.regions[A]._state.shard(ACCOUNTS[0]).log
    assert (log.floor, log.floor) == (log.top, log.top)


def test_what_a_removed_region_held_is_hidden_at_once_and_dropped_after_a_lease() -> None:
    cluster = unpinned()
    tv, phone = (cluster.start(C, device, account=ACCOUNTS[0]) for device in ("tv", "phone"))
    cluster.run(1_000)
    cluster.kill(C)
    for region in (A, B):
        reload(cluster, region, A, B)
    assert cluster.live(A, ACCOUNTS[0]) == []
    cluster.run(1_000)
    assert isinstance(tv.beat(at=B), Renewed)
    cluster.run(1_000)
    assert cluster.live(A, ACCOUNTS[0]) == ["tv"]
    assert cluster.listed(A, ACCOUNTS[0]) == ["tv", "phone"]  # as one out of reach
    name = cluster.regions[A].sessions(ACCOUNTS[0]).sessions[0].device.name
    assert name == "the tv"  # which only the removed region's log had said
    tv.region = B
    cluster.play(LEASE_MS, tv)
    state = cluster.regions[A]._state
    assert [e.device.id for e in state.known(ACCOUNTS[0])] == ["tv"]
    assert isinstance(phone.beat(at=A), Renewed)  # its token is as good as ever


def test_a_region_that_comes_back_after_it_was_removed_is_heard_again() -> None:
    cluster = unpinned()
    cluster.start(C, "tv", account=ACCOUNTS[0])
    cluster.run(1_000)
    cluster.kill(C)
    for region in (A, B):
        reload(cluster, region, A, B)
    cluster.run(LEASE_MS + 1_000)
    for region in (A, B):
        reload(cluster, region, A, B, C)
    boot_new(cluster, C, A, B, C)
    cluster.run(BEGIN_MS)
    cluster.start(C, "phone", account=ACCOUNTS[1])
    cluster.run(3_000)
    assert cluster.listed(A, ACCOUNTS[1]) == ["phone"]
    for region in (A, B):
        state = cluster.regions[region]._state
        for index in range(SHARDS):
            theirs = cluster.regions[C]._state
            top = (theirs.incarnation, theirs.shards[index].log.top)
            assert state.shards[index].position(C) == top
        assert cluster.counter(region, "state_mismatches") == 0


def test_a_lease_of_a_removed_region_counts_until_it_has_run_out() -> None:
    cluster = Cluster(limit=1, home=A)
    cluster.start(C, "tv").stop()
    assert cluster.usable(C) == 1
    for region in (A, B):
        reload(cluster, region, A, B)  # C runs on, and knows nothing of it
    cluster.run(200)
    outcome = cluster.settled(cluster.begin(B, "phone"))
    assert isinstance(outcome, Admitted)
    assert outcome.basis is Basis.OVERDRAFT
    assert cluster.usable(A) + cluster.usable(B) + cluster.usable(C) <= 1


def test_a_word_counts_when_all_is_here_that_was_written_before_it() -> None:
    """A home that has moved away from a region that goes is known to whoever comes after it."""
    cluster = Cluster(A, B, C, home=RegionId(0))
    cluster.loses = lambda sent: (sent.source, sent.target) == (B, A) and isinstance(
        sent.message, messages.Range | messages.Bundle | messages.SnapshotPart
    )
    cluster.start(B, "tv")
    cluster.kill(C)
    for at in (A, B):
        cluster.regions[at].set_regions({A: "us", B: "eu"})
    cluster.run(10_000)
    assert cluster.regions[B]._members.are_agreed
    assert cluster.regions[A]._members.silent == (B,)
    cluster.lose()
    cluster.run(3_000)
    assert cluster.regions[A]._members.are_agreed
