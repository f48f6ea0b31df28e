"""Heartbeats and stops: renewal, adoption, revival, and the ends that win over them."""

import pytest

from crdt.dots import RegionId
from crdt.events import ActorKind, Reason
from georeg.region.messages import Borrow, Confirm, Range, Recalled
from georeg.region.model import Claims, Ended, Renewed
from tests.region.cluster import ACCOUNT, A, B, C, Cluster, Stream


def reason_of(stream: Stream, at: RegionId) -> Reason:
    answer = stream.beat(at)
    assert isinstance(answer, Ended)
    return answer.reason


def holder(cluster: Cluster, at: RegionId, stream: Stream) -> tuple[RegionId, int]:
    """Region and hop of the session as a region knows it."""
    entry = cluster.regions[at]._state.holder(ACCOUNT, stream.session)
    assert entry is not None
    return entry.region, entry.hop


# ---- renewal ---------------------------------------------------------------------------------


def test_held_here_it_is_renewed(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.play(300_000, tv)

    assert cluster.live(B) == ["tv"]


def test_a_session_lives_one_client_lease_without_a_heartbeat(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(cluster.settings.client_lease_ms)
    assert cluster.regions[A].renew(tv.session, ACCOUNT)
    cluster.run(cluster.settings.client_lease_ms + 1)
    assert not cluster.regions[A].renew(tv.session, ACCOUNT)
    cluster.run(1_000)

    assert cluster.live(A) == cluster.live(B) == []


def test_client_heartbeats_are_never_replicated(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(5_000)
    cluster.sent.clear()
    cluster.play(120_000, tv)

    assert cluster.messages(Range) == []


def test_an_account_that_is_not_the_sessions_renews_nothing(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")

    assert not cluster.regions[A].renew(tv.session, "acc-2")


# ---- adoption --------------------------------------------------------------------------------


def test_held_elsewhere_it_is_adopted_at_once_with_hop_plus_1_and_flushed_at_once(
    cluster: Cluster,
) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(1_000)
    cluster.sent.clear()
    assert tv.beat(B) == Renewed(tv.session)
    cluster.run(0)

    assert holder(cluster, B, tv) == (B, 1)
    assert {s.target for s in cluster.messages(Range, B)} == {A, C}


def test_the_region_that_sees_itself_outbid_releases_its_dot(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(1_000)
    tv.beat(B)
    cluster.run(200)

    assert cluster.regions[A].status().sessions == 0
    assert cluster.counter(A, "released_moved") == 1
    assert [cluster.live(r) for r in (A, B, C)] == [["tv"]] * 3
    assert [holder(cluster, r, tv) for r in (A, B, C)] == [(B, 1)] * 3


def test_a_session_adopted_by_two_regions_at_once_ends_up_in_one(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(1_000)
    tv.beat(B)
    tv.beat(C)
    cluster.run(500)

    assert sum(r.status().sessions for r in cluster.regions.values()) == 1
    assert {holder(cluster, r, tv) for r in (A, B, C)} == {(C, 1)}


def test_unknown_here_it_is_adopted_on_the_word_of_its_token(cluster: Cluster) -> None:
    cluster.cut(A)
    tv = cluster.start(A, "tv")
    cluster.run(1_000)

    assert isinstance(tv.beat(B), Renewed)
    entry = cluster.regions[B]._state.held(ACCOUNT, tv.session)
    assert entry is not None
    assert (entry.device.id, entry.placed_ms, entry.deadline_s) == (
        "tv", tv.info.started_ms, tv.info.deadline_s,
    )  # fmt: skip


@pytest.mark.parametrize("where", ["held", "elsewhere"])
def test_what_is_told_later_counts_from_when_it_was_said(cluster: Cluster, where: str) -> None:
    tv = cluster.start(B if where == "held" else A, "tv")
    cluster.run(10_000)
    assert isinstance(cluster.regions[B].heartbeat(tv.claims, 3_000).value, Renewed)
    (seen,) = cluster.regions[B]._state.own(ACCOUNT)
    assert seen.silent_ms == 3_000
    assert isinstance(cluster.regions[B].heartbeat(tv.claims, 5_000).value, Renewed)
    (seen,) = cluster.regions[B]._state.own(ACCOUNT)
    assert seen.silent_ms == 3_000, "it was heard later than that"


def test_that_its_device_gets_its_name_later_is_no_heartbeat(cluster: Cluster) -> None:
    cluster.cut(A)
    tv = cluster.start(A, "tv")
    tv.beat(B)
    cluster.run(30_000)
    cluster.heal()
    cluster.loses = lambda sent: isinstance(sent.message, Range) and sent.source == B
    cluster.run(cluster.settings.suspect_ms - 29_000)
    (seen,) = cluster.regions[B]._state.own(ACCOUNT)

    assert seen.entry.device.name == "the tv"
    assert seen.suspect
    cluster.start(B, "phone")


def test_it_keeps_its_place_and_its_start(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(7_000)
    tv.beat(B)
    entry = cluster.regions[B]._state.held(ACCOUNT, tv.session)

    assert entry is not None
    assert entry.started_ms == entry.placed_ms == tv.info.started_ms


@pytest.mark.parametrize(("after_ms", "keeps"), [(5_000, True), (11_000, False)])
def test_while_young_it_keeps_its_provisional_mark(
    cluster: Cluster, after_ms: int, keeps: bool
) -> None:
    cluster.lose(Borrow)
    tv = cluster.start(B, "tv")
    cluster.run(after_ms)
    tv.beat(C)
    entry = cluster.regions[C]._state.held(ACCOUNT, tv.session)

    assert entry is not None
    assert entry.provisional is keeps


def test_the_slot_of_the_session_that_moved_goes_back_to_the_home(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    assert cluster.usable(B) == 1
    cluster.lose(Borrow)
    cluster.sent.clear()
    tv.beat(C)
    cluster.run(20)

    assert cluster.usable(B) == 0
    (back,) = cluster.messages(Recalled, B)
    assert isinstance(back.message, Recalled)
    assert (back.message.wid, back.message.has) == (0, 0)
    assert [e.region for e in back.message.hints] == [C]  # with the dot that it moved to
    cluster.lose()
    cluster.run(3_000)
    assert cluster.usable(C) == 1


def test_moving_never_counts_twice() -> None:
    cluster = Cluster(limit=2)
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    tv.beat(C)
    cluster.run(5)

    assert cluster.start(A, "phone").admitted.limit == 2


# ---- lapsed: revival -------------------------------------------------------------------------


def lapse(cluster: Cluster, at: RegionId = A) -> Stream:
    tv = cluster.start(at, "tv")
    cluster.run(cluster.settings.client_lease_ms + 2_000)
    assert cluster.live(at) == []
    return tv


def test_lapsed_it_is_revived_when_the_rules_admit_it(cluster: Cluster) -> None:
    tv = lapse(cluster)

    assert isinstance(tv.beat(), Renewed)
    entry = cluster.regions[A]._state.held(ACCOUNT, tv.session)
    assert entry is not None
    assert (entry.hop, entry.started_ms, entry.placed_ms) == (
        1, tv.info.started_ms, tv.info.started_ms,
    )  # fmt: skip
    assert cluster.counter(A, "revived") == 1


def test_lapsed_and_the_account_full_it_is_over(cluster: Cluster) -> None:
    tv = lapse(cluster)
    phone = cluster.start(A, "phone")

    end = tv.beat()
    assert isinstance(end, Ended)
    assert (end.reason, end.actor, end.retry) == (Reason.LAPSED, ActorKind.SYSTEM, True)
    assert isinstance(phone.beat(), Renewed)


@pytest.mark.parametrize("at", [B, C])
def test_a_revival_elsewhere_asks_like_a_start(cluster: Cluster, at: RegionId) -> None:
    tv = lapse(cluster, B)
    cluster.sent.clear()
    assert isinstance(tv.beat(at), Renewed)

    assert (cluster.messages(Confirm, at) != []) is (at == C)


def test_a_late_heartbeat_does_not_end_what_the_same_device_has_begun_since(
    cluster: Cluster,
) -> None:
    old = lapse(cluster)
    new = cluster.start(A, "tv")

    assert reason_of(old, A) is Reason.LAPSED
    assert isinstance(new.beat(), Renewed)


def test_a_revival_that_waited_is_over_when_the_session_was_stopped_meanwhile(
    cluster: Cluster,
) -> None:
    tv = lapse(cluster, B)
    answer = cluster.regions[C].heartbeat(tv.claims)
    assert answer.value is None
    tv.stop(C)
    cluster.run(100)

    assert isinstance(answer.value, Ended)
    assert answer.value.reason is Reason.STOPPED
    assert cluster.live(C) == []


def test_two_heartbeats_that_revive_one_session_hold_it_once(cluster: Cluster) -> None:
    tv = lapse(cluster, B)
    answers = [cluster.regions[C].heartbeat(tv.claims) for _ in range(2)]
    cluster.run(100)

    assert [isinstance(a.value, Renewed) for a in answers] == [True, True]
    assert cluster.regions[C].status().sessions == 1


def test_long_after_its_end_is_forgotten_a_token_is_still_no_start(cluster: Cluster) -> None:
    tv = lapse(cluster)
    phone = cluster.start(A, "phone")
    cluster.play(cluster.settings.ends_memory_ms + 60_000, phone)

    assert reason_of(tv, A) is Reason.LAPSED
    assert isinstance(phone.beat(), Renewed)


# ---- stop ------------------------------------------------------------------------------------


def test_stop_ends_the_session_and_frees_its_slot_at_once(cluster: Cluster) -> None:
    cluster.start(A, "tv").stop()

    assert cluster.start(A, "phone").admitted.took_ms == 0


def test_stopped_it_is_over_and_never_revived(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    tv.stop()
    cluster.run(100)

    for region in (A, B, C):
        end = tv.beat(region)
        assert isinstance(end, Ended)
        assert (end.reason, end.actor, end.retry) == (Reason.STOPPED, ActorKind.DEVICE, False)


def test_a_stop_that_arrives_elsewhere_ends_the_session_where_it_is_held(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(1_000)
    cluster.sent.clear()
    tv.stop(B)
    cluster.run(0)
    assert {s.target for s in cluster.messages(Range, B)} == {A, C}  # flushed at once
    cluster.run(100)

    assert [cluster.live(r) for r in (A, B, C)] == [[]] * 3
    assert reason_of(tv, A) is Reason.STOPPED


def test_a_stop_wins_over_a_concurrent_adoption(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(1_000)
    tv.stop(A)
    tv.beat(B)  # a late heartbeat, before B has heard of the stop
    assert cluster.live(B) == ["tv"]
    cluster.run(200)

    assert [cluster.live(r) for r in (A, B, C)] == [[]] * 3
    assert sum(r.status().sessions for r in cluster.regions.values()) == 0
    assert reason_of(tv, B) is Reason.STOPPED


def test_a_stop_of_a_session_that_nobody_knows_is_remembered(cluster: Cluster) -> None:
    cluster.cut(A)
    tv = cluster.start(A, "tv")
    tv.stop(B)
    cluster.heal()
    cluster.run(5_000)

    assert [cluster.live(r) for r in (A, B, C)] == [[]] * 3


def test_a_stopped_session_counts_no_more_though_its_holder_has_not_heard(
    cluster: Cluster,
) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    cluster.cut_link(C, B, both_ways=False)
    tv.stop(C)
    assert cluster.regions[B].status().sessions == 1

    assert cluster.live(C) == []
    assert cluster.start(C, "phone").admitted.live == 1


def test_a_repeated_stop_changes_nothing(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    tv.stop()
    top = cluster.regions[A]._state.shard(ACCOUNT).log.top
    tv.stop()
    tv.stop()

    assert cluster.regions[A]._state.shard(ACCOUNT).log.top == top


# ---- hard deadline ---------------------------------------------------------------------------


def test_past_its_hard_deadline_a_session_is_over_as_expired(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.wall_jump_ms = cluster.settings.session_limit_s * 1000 + 1_000

    for region in (A, B):
        end = (
            tv.beat(region)
            if region != A
            else cluster.settled(cluster.regions[A].heartbeat(tv.claims))
        )
        assert isinstance(end, Ended)
        assert (end.reason, end.retry) == (Reason.EXPIRED, True)


def test_past_its_hard_deadline_a_session_neither_counts_nor_is_held(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(1_000)
    cluster.wall_jump_ms = cluster.settings.session_limit_s * 1000 + 1_000
    ends: list[Ended] = []
    cluster.regions[A].watch(tv.session, ends.append)

    assert cluster.live(B) == []
    assert cluster.start(A, "phone").admitted.live == 1
    assert [e.reason for e in ends] == [Reason.EXPIRED]


# ---- what licence servers ask ----------------------------------------------------------------


def test_a_session_is_live_until_this_region_knows_its_end(cluster: Cluster) -> None:
    region = cluster.regions[A]
    tv = cluster.start(A, "tv")
    assert region.is_live(tv.claims)
    assert region.ended(tv.claims) is None
    tv.stop()

    assert not region.is_live(tv.claims)
    end = region.ended(tv.claims)
    assert end is not None
    assert end.reason is Reason.STOPPED


def test_an_expired_token_is_not_live(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    claims: Claims = tv.claims._replace(deadline_s=1)
    end = cluster.regions[A].ended(claims)

    assert end is not None
    assert end.reason is Reason.EXPIRED
