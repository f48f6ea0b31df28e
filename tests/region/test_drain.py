"""A region that is drained: who is sent where and when, what is handed back, how it ends."""

import pytest

from crdt.dots import RegionId
from crdt.errors import LocalError
from georeg.region.drain import FOR_MS, FOR_MS_MAX, Drain
from georeg.region.messages import Beacon, Borrow
from georeg.region.model import Renewed
from tests.region.cluster import HEARTBEAT_MS, A, B, C, Cluster, Stream


def drain_of(cluster: Cluster, region: RegionId = A) -> Drain:
    return cluster.regions[region].drain


def leave(cluster: Cluster, source: RegionId, streams: list[Stream]) -> dict[int, int]:
    """Devices that heartbeat at their pace and go where they are sent: session -> when it left."""
    drain, left = drain_of(cluster, source), dict[int, int]()

    def beat(stream: Stream) -> None:
        at = source if stream.session not in left else drain.elsewhere[0]
        assert isinstance(stream.beat(at), Renewed)
        after_ms = None
        if at == source and drain.has_effect:
            after_ms = drain.next_heartbeat_ms(stream.session)
        if after_ms is not None:
            left[stream.session] = cluster.now_ms + after_ms
        cluster.at(after_ms or HEARTBEAT_MS, lambda: beat(stream))

    for number, stream in enumerate(streams):
        cluster.at(number * HEARTBEAT_MS // len(streams), lambda stream=stream: beat(stream))  # type: ignore[misc]
    return left


# ---- beginning and ending --------------------------------------------------------------------


def test_a_draining_region_is_not_ready_and_running_sessions_go_on(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    drain_of(cluster).begin()

    assert not cluster.regions[A].ready
    assert cluster.regions[A].joined
    cluster.play(100_000, tv)
    assert cluster.live(B) == ["tv"]


def test_undone_it_admits_again(cluster: Cluster) -> None:
    drain_of(cluster).begin()
    drain_of(cluster).end()
    drain_of(cluster).end()

    assert cluster.regions[A].ready
    cluster.run(2 * FOR_MS)
    assert cluster.regions[A].ready


def test_forgotten_it_expires_by_itself(cluster: Cluster) -> None:
    drain_of(cluster).begin()
    cluster.run(FOR_MS - 1)
    assert not cluster.regions[A].ready
    cluster.run(1)

    assert cluster.regions[A].ready
    assert cluster.counter(A, "drains_expired") == 1


def test_begun_again_the_new_terms_hold(cluster: Cluster) -> None:
    drain_of(cluster).begin(5_000)
    cluster.run(4_000)
    drain_of(cluster).begin(20_000)
    cluster.run(19_999)
    assert not cluster.regions[A].ready
    cluster.run(1)
    assert cluster.regions[A].ready


def test_without_an_end_it_lasts(cluster: Cluster) -> None:
    drain_of(cluster).begin(None)
    cluster.run(2 * FOR_MS)
    assert not cluster.regions[A].ready
    assert drain_of(cluster).progress().left_ms is None


@pytest.mark.parametrize(
    ("for_ms", "over_ms"), [(0, None), (-1, None), (FOR_MS_MAX + 1, None), (10, 11), (10, -1)]
)
def test_terms_that_cannot_be_are_refused(
    cluster: Cluster, for_ms: int, over_ms: int | None
) -> None:
    with pytest.raises(LocalError):
        drain_of(cluster).begin(for_ms, over_ms=over_ms)
    assert cluster.regions[A].ready


# ---- nowhere to go ---------------------------------------------------------------------------


def test_the_last_region_is_not_drained_without_force(cluster: Cluster) -> None:
    drain_of(cluster, B).begin()
    cluster.cut(C)
    cluster.run(6_000)

    assert drain_of(cluster).obstacle() is not None
    with pytest.raises(LocalError, match="force"):
        drain_of(cluster).begin()
    assert cluster.regions[A].ready
    drain_of(cluster).begin(force=True)
    assert not cluster.regions[A].ready


def test_when_another_region_is_undrained_this_one_may_drain(cluster: Cluster) -> None:
    drain_of(cluster, B).begin()
    drain_of(cluster, C).begin()
    cluster.run(10)
    assert drain_of(cluster).obstacle() is not None
    drain_of(cluster, C).end()
    cluster.run(10)
    assert drain_of(cluster).obstacle() is None


def test_a_drain_is_suspended_while_there_is_nowhere_to_go(cluster: Cluster) -> None:
    calls: list[bool] = []
    drain = drain_of(cluster)
    drain.watch(lambda: calls.append(drain.has_effect))
    drain.begin()
    cluster.cut(A)
    cluster.run(6_000)

    assert cluster.regions[A].ready
    assert (drain.is_on, drain.has_effect) == (True, False)
    cluster.heal()
    cluster.run(2_000)
    assert not cluster.regions[A].ready
    assert calls == [True, False, True]


def test_two_that_are_drained_at_once_leave_both_admitting() -> None:
    cluster = Cluster(A, B)
    drain_of(cluster, A).begin()
    drain_of(cluster, B).begin()
    cluster.run(5_000)

    assert cluster.regions[A].ready
    assert cluster.regions[B].ready
    drain_of(cluster, B).end()
    cluster.run(1_500)
    assert not cluster.regions[A].ready


def test_the_others_know_at_once_that_a_region_drains(cluster: Cluster) -> None:
    drain_of(cluster).begin()
    cluster.run(10)
    assert [p.is_draining for p in cluster.regions[B].status().peers] == [True, False]
    drain_of(cluster).end()
    cluster.run(10)
    assert [p.is_draining for p in cluster.regions[B].status().peers] == [False, False]


def test_a_beacon_that_says_nothing_of_a_drain_says_that_there_is_none() -> None:
    assert not Beacon(1, 1, 0, 0, 0, (), ()).is_draining


def test_devices_are_sent_to_the_nearest_region_that_does_not_drain() -> None:
    cluster = Cluster(links_ms={(A, B): 40, (A, C): 10})
    cluster.run(2_000)
    drain_of(cluster).begin()
    assert drain_of(cluster).elsewhere == (C, B)
    drain_of(cluster, C).begin()
    cluster.run(1_500)
    assert drain_of(cluster).elsewhere == (B,)


# ---- devices ---------------------------------------------------------------------------------


@pytest.mark.parametrize("over_ms", [None, 5_000, 120_000])
def test_devices_leave_evenly_and_all_of_them(over_ms: int | None) -> None:
    cluster = Cluster(limit=4)
    streams = [cluster.start(A, "tv", account=f"acc-{n}") for n in range(100)]
    left = leave(cluster, A, streams)
    cluster.run(HEARTBEAT_MS)
    began_ms = cluster.now_ms
    drain_of(cluster).begin(over_ms=over_ms)
    lasts_ms = max(over_ms or 0, HEARTBEAT_MS) + HEARTBEAT_MS // 6
    cluster.run(lasts_ms + HEARTBEAT_MS)

    assert len(left) == len(streams)
    times = sorted(at - began_ms for at in left.values())
    assert times[-1] <= lasts_ms
    window_ms = lasts_ms // 5
    most = max(sum(t <= at < t + window_ms for at in times) for t in times)
    assert most <= 45  # a fifth of the time; a herd would be all 100
    assert drain_of(cluster).progress().sessions == 0
    assert cluster.counter(C, "adopted") + cluster.counter(B, "adopted") == 100


def test_a_device_that_stays_is_told_again_at_its_usual_pace(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    drain_of(cluster).begin()
    cluster.run(2 * HEARTBEAT_MS)
    assert isinstance(tv.beat(), Renewed)
    assert drain_of(cluster).next_heartbeat_ms(tv.session) == HEARTBEAT_MS


def test_a_session_that_arrives_at_a_draining_region_is_adopted(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(100)
    drain_of(cluster).begin()

    assert tv.beat(A) == Renewed(tv.session)
    assert drain_of(cluster).progress().sessions == 1
    assert drain_of(cluster).next_heartbeat_ms(tv.session) is not None


# ---- grants ----------------------------------------------------------------------------------


def test_unused_grants_are_handed_back_and_used_ones_when_their_session_has_left() -> None:
    cluster = Cluster(limit=4, home=A)
    tv = cluster.start(B, "tv")
    assert cluster.usable(B) == 4
    drain_of(cluster, B).begin()
    cluster.run(1_500)

    assert cluster.usable(B) == 1
    assert drain_of(cluster, B).progress().grants == 1
    assert tv.beat(C) == Renewed(tv.session)
    cluster.run(2_500)
    assert drain_of(cluster, B).progress().grants == 0
    assert cluster.usable(C) == 4  # all that B had


def test_what_it_hands_back_the_others_use_without_asking_it() -> None:
    cluster = Cluster(limit=2, home=A)
    tv = cluster.start(B, "tv")
    tv.stop()
    drain_of(cluster, B).begin()
    cluster.run(1_500)
    assert cluster.regions[A].status().grants_lent == 0


def test_settled_sessions_of_a_draining_region_ask_for_no_grant(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    drain_of(cluster, B).begin()
    assert tv.beat(B) == Renewed(tv.session)
    cluster.sent.clear()
    cluster.run(10_000)
    assert cluster.messages(Borrow, B) == []
    drain_of(cluster, B).end()
    cluster.run(10_000)
    assert cluster.messages(Borrow, B) != []


def test_as_home_it_goes_on_lending(cluster: Cluster) -> None:
    drain_of(cluster, A).begin()
    tv = cluster.start(B, "tv")
    assert tv.admitted.basis == "borrowed"


# ---- planted bugs ----------------------------------------------------------------------------


def keeps_grants(_: Drain) -> None:
    """Hands nothing back."""


def test_a_draining_region_that_keeps_its_grants_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Drain, "_hand_back", keeps_grants)
    for test in (
        test_unused_grants_are_handed_back_and_used_ones_when_their_session_has_left,
        test_what_it_hands_back_the_others_use_without_asking_it,
    ):
        with pytest.raises(AssertionError):
            test()
