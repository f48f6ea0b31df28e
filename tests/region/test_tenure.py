"""What the process that runs a region is told of its store, and of others that may run it too."""

import pytest

from crdt.events import ActorKind, HomeSet
from crdt.lease import home_wait_ms
from georeg.region import wire
from georeg.region.messages import Fetched
from georeg.region.model import Basis
from tests.region.cluster import ACCOUNT, A, B, Cluster, Disk


def basis(cluster: Cluster, device: str, *, account: str, at: object = B) -> Basis:
    return cluster.start(at, device, account=account).admitted.basis  # type: ignore[arg-type]


def home_at_a(cluster: Cluster) -> list[str]:
    """Accounts that nobody has met yet."""
    return [f"acc-{number}" for number in range(2, 5)]


def test_adrift_a_home_lends_nothing_new_and_goes_on_renewing_what_it_has_lent() -> None:
    cluster = Cluster(limit=4)
    first, second, third = home_at_a(cluster)
    assert basis(cluster, "tv", account=first) is Basis.BORROWED
    region = cluster.regions[A]
    before, usable = region.status().grants_lent, cluster.usable(B, first)
    assert usable > 0

    region.tenure.set_adrift(True)
    assert basis(cluster, "tv", account=second) is Basis.OVERDRAFT
    cluster.run(2 * cluster.settings.grant_lease_ms)
    assert region.status().grants_lent == before
    assert cluster.usable(B, first) == usable

    region.tenure.set_adrift(False)
    assert basis(cluster, "tv", account=third) is Basis.BORROWED


def test_adrift_a_home_uses_no_slot_of_its_own_either() -> None:
    cluster = Cluster(limit=4)
    cluster.regions[A].tenure.set_adrift(True)
    assert basis(cluster, "tv-1", account=ACCOUNT, at=A) is Basis.OVERDRAFT
    cluster.regions[A].tenure.set_adrift(False)
    assert basis(cluster, "tv-2", account=ACCOUNT, at=A) is Basis.GRANTED


def test_a_successor_lends_nothing_while_a_lease_of_its_forerunner_may_run() -> None:
    """Why it suffices that a home which is adrift lends nothing new."""
    cluster = Cluster(limit=4)
    cluster.start(B, "tv")
    cluster.kill(A)
    cluster.boot(A)
    cluster.run(cluster.settings.join_ms)
    (other, *_) = home_at_a(cluster)
    assert basis(cluster, "tv", account=other) is Basis.OVERDRAFT
    cluster.run(home_wait_ms(cluster.settings.grant_lease_ms, cluster.settings.drift))
    assert basis(cluster, "phone", account=other) is not Basis.OVERDRAFT


def test_one_that_is_superseded_says_so_and_does_not_begin_again() -> None:
    cluster = Cluster()
    region, told = cluster.regions[B], list[int]()
    region.tenure.on_superseded(told.append)
    region.receive(A, wire.encode(Fetched(0, 7)))
    assert told == [7]
    assert region.status().incarnation == 1
    assert cluster.counter(B, "superseded") == 1


def test_one_that_nobody_can_supersede_begins_again_above_what_a_peer_knows() -> None:
    cluster = Cluster()
    cluster.regions[B].receive(A, wire.encode(Fetched(0, 7)))
    assert cluster.regions[B].status().incarnation == 8


def test_a_store_that_has_lost_everything_is_told_all_of_it() -> None:
    cluster = Cluster(limit=4)
    tv, phone = cluster.start(B, "tv"), cluster.start(B, "phone")
    cluster.settled(cluster.regions[B].kick(ACCOUNT, phone.session, ActorKind.ACCOUNT))
    state, full, empty = cluster.regions[B]._state, cluster.disks[B], Disk()
    state.journal = empty
    move = HomeSet(ACCOUNT, B, 1, A, 1)
    state.shard(ACCOUNT).set_home(move)

    for _ in cluster.regions[B].tenure.retell():
        pass

    assert empty.stored_sessions.keys() == full.stored_sessions.keys() == {tv.session}
    assert empty.queued.keys() == {phone.session}
    assert empty.stored_plans.keys() == full.stored_plans.keys()
    assert empty.stored_peers == full.stored_peers
    assert list(empty.queued_homes.values()) == [move]


def test_it_is_told_in_bounded_steps_and_not_of_what_ends_in_between(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("georeg.region.tenure.STEP", 2)
    cluster = Cluster(limit=9)
    sessions = [cluster.start(B, f"device-{number}").session for number in range(5)]
    empty = cluster.regions[B]._state.journal = Disk()
    steps = cluster.regions[B].tenure.retell()
    while not empty.stored_sessions:
        next(steps)
    assert len(empty.stored_sessions) == 2
    (last,) = [session for session in sessions[-1:] if session not in empty.stored_sessions]
    cluster.settled(cluster.regions[B].kick(ACCOUNT, last, ActorKind.ACCOUNT))
    sizes = [len(empty.stored_sessions) for _ in steps]
    assert sizes[-1] == 4
    assert empty.stored_sessions.keys() == set(sessions[:-1])
