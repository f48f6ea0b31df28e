"""Kicks: final, durable before they are acknowledged, flushed at once, the same when repeated."""

import pytest

from crdt.dots import SHARD_BITS, RegionId, SessionId
from crdt.events import ActorKind, Reason
from georeg.region.messages import Range
from georeg.region.model import Ended, Kicked, KickOutcome, NoSession, NotDurable
from georeg.region.pending import Pending
from tests.region.cluster import ACCOUNT, LINK_MS, A, B, C, Cluster, Stream


def kick(
    cluster: Cluster, at: RegionId, stream: Stream, actor: ActorKind = ActorKind.ACCOUNT
) -> Pending[KickOutcome]:
    return cluster.regions[at].kick(ACCOUNT, stream.session, actor)


def test_a_session_that_is_held_here_ends_at_once(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    answer = kick(cluster, A, tv, ActorKind.OPERATOR).value

    assert isinstance(answer, Kicked)
    assert (answer.info.session, answer.info.region, answer.waiting_for) == (tv.session, A, ())
    end = tv.beat()
    assert isinstance(end, Ended)
    assert (end.reason, end.actor, end.retry) == (Reason.KICKED, ActorKind.OPERATOR, False)


def test_the_slot_is_free_at_once(cluster: Cluster) -> None:
    kick(cluster, A, cluster.start(A, "tv"))

    assert cluster.start(A, "phone").admitted.took_ms == 0


def test_elsewhere_it_answers_ended_when_the_holder_has_confirmed_within_the_deadline(
    cluster: Cluster,
) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    before_ms = cluster.now_ms
    answer = cluster.settled(kick(cluster, C, tv))

    assert isinstance(answer, Kicked)
    assert answer.waiting_for == ()
    assert cluster.now_ms - before_ms == 2 * LINK_MS
    assert cluster.regions[B].status().sessions == 0


def test_else_it_answers_pending_with_the_region_it_waits_for(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    cluster.cut(B)
    before_ms = cluster.now_ms
    answer = cluster.settled(kick(cluster, C, tv))

    assert isinstance(answer, Kicked)
    assert answer.waiting_for == (B,)
    assert cluster.now_ms - before_ms == cluster.settings.deadline_ms


def test_it_counts_no_more_wherever_it_is_known_also_while_its_holder_is_out_of_reach(
    cluster: Cluster,
) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    cluster.cut(B)
    cluster.settled(kick(cluster, C, tv))

    assert cluster.live(A) == cluster.live(C) == []
    cluster.heal()
    cluster.run(4_000)
    assert cluster.regions[B].status().sessions == 0
    assert isinstance(tv.beat(), Ended)


def test_repeated_it_is_the_same_answer(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    first = cluster.settled(kick(cluster, A, tv))
    cluster.run(5_000)
    for region in (A, B):
        again = cluster.settled(kick(cluster, region, tv, ActorKind.OPERATOR))
        assert again == first
    end = tv.beat()
    assert isinstance(end, Ended)
    assert end.actor is ActorKind.ACCOUNT


def test_repeated_while_it_waits_both_are_answered(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    first = kick(cluster, C, tv)
    cluster.run(2)
    second = kick(cluster, C, tv)
    cluster.run(100)

    assert first.value == second.value
    assert isinstance(first.value, Kicked)
    assert not cluster.regions[C]._kicks._waiting


def test_answered_once_its_deadline_changes_nothing_for_who_waits_for_the_same_session(
    cluster: Cluster,
) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    first = kick(cluster, C, tv)
    cluster.run(20)
    assert isinstance(first.value, Kicked)
    cluster.cut(C)
    cluster.regions[B]._state.hold(  # B adopts it as if it had not heard of the kick
        ACCOUNT, tv.info.device, session=tv.session, started_ms=tv.info.started_ms,
        placed_ms=tv.info.started_ms, deadline_s=tv.info.deadline_s, hop=1,
    )  # fmt: skip
    cluster.heal()
    cluster.run(2_500)
    second = kick(cluster, C, tv)
    cluster.run(200)

    assert isinstance(second.value, Kicked)


def test_the_session_of_another_account_or_an_unknown_one_is_none(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv", account="acc-2")

    for session in (tv.session, 77):
        answer = cluster.regions[A].kick(ACCOUNT, session, ActorKind.ACCOUNT)
        assert isinstance(answer.value, NoSession)


def test_a_session_whose_start_has_not_been_heard_of_is_looked_for_and_kicked(
    cluster: Cluster,
) -> None:
    tv = cluster.start(B, "tv")
    answer = kick(cluster, C, tv)
    assert answer.value is None
    cluster.run(200)

    assert isinstance(answer.value, Kicked)
    assert answer.value.waiting_for == ()


def test_a_session_that_no_region_knows_is_none_when_all_have_answered(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    nobody = SessionId(tv.session + (5 << SHARD_BITS))
    answer = cluster.regions[C].kick(ACCOUNT, nobody, ActorKind.ACCOUNT)
    cluster.run(200)

    assert isinstance(answer.value, NoSession)


def test_a_session_that_the_view_hides_because_its_region_is_down_can_be_kicked(
    cluster: Cluster,
) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    cluster.cut(B)
    cluster.play(cluster.settings.region_down_ms + 2_000, tv)
    assert cluster.live(A) == []
    assert cluster.listed(A) == ["tv"]
    answer = cluster.settled(kick(cluster, A, tv))

    assert isinstance(answer, Kicked)
    assert answer.waiting_for == (B,)
    cluster.heal()
    cluster.run(4_000)
    assert isinstance(tv.beat(), Ended)


def test_it_is_flushed_to_all_regions_at_once(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(1_000)
    cluster.sent.clear()
    kick(cluster, A, tv)
    cluster.run(0)

    assert {s.target for s in cluster.messages(Range, A)} == {B, C}


# ---- durable ---------------------------------------------------------------------------------


def test_it_is_acknowledged_only_when_it_is_durable(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    disk = cluster.disks[A]
    disk.holds = True
    pending = kick(cluster, A, tv)
    cluster.run(50)
    assert pending.value is None
    disk.holds = False
    disk.sync(disk.waits.pop())

    assert isinstance(pending.value, Kicked)
    assert tv.session in disk.stored_kicks


def test_a_disk_that_refuses_is_said_and_the_kick_holds_for_now(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    disk = cluster.disks[A]
    disk.error = OSError("no space left")
    answer = kick(cluster, A, tv).value

    assert answer == NotDurable("no space left")
    assert isinstance(tv.beat(), Ended)
    disk.error = None
    assert isinstance(kick(cluster, A, tv).value, Kicked)


def test_acknowledged_it_survives_a_restart_of_every_region(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    cluster.settled(kick(cluster, C, tv))
    for region in (A, B, C):
        cluster.kill(region)
    for region in (A, B, C):
        cluster.boot(region)
    cluster.run(5_000)

    for region in (A, B, C):
        end = tv.beat(region)
        assert isinstance(end, Ended)
        assert end.reason is Reason.KICKED


def test_other_regions_store_the_kicks_that_they_hear_of(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(100)
    kick(cluster, A, tv)
    cluster.run(100)

    assert tv.session in cluster.disks[B].queued


def test_of_two_kicks_the_earlier_one_is_stored_and_told(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(1_000)
    cluster.cut(B)
    kick(cluster, B, tv, ActorKind.OPERATOR)
    cluster.run(1_000)
    kick(cluster, C, tv, ActorKind.ACCOUNT)
    cluster.heal()
    cluster.run(5_000)

    for region in (A, B, C):
        end = tv.beat(region)
        assert isinstance(end, Ended)
        assert end.actor is ActorKind.OPERATOR
        disk = cluster.disks[region]
        assert {**disk.stored_kicks, **disk.queued}[tv.session].actor is ActorKind.OPERATOR


# ---- final -----------------------------------------------------------------------------------


def test_a_kick_wins_over_a_concurrent_adoption(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(1_000)
    kick(cluster, A, tv)
    tv.beat(B)
    cluster.run(200)

    assert sum(r.status().sessions for r in cluster.regions.values()) == 0
    assert [cluster.live(r) for r in (A, B, C)] == [[]] * 3


@pytest.mark.parametrize("after_ms", [0, 100, 95_000, 400_000])
def test_a_late_heartbeat_is_told_the_kick_whenever_it_comes(
    cluster: Cluster, after_ms: int
) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(100)
    kick(cluster, A, tv)
    cluster.run(50 + after_ms)

    for region in (A, B, C):
        end = tv.beat(region)
        assert isinstance(end, Ended)
        assert end.reason is Reason.KICKED


def test_who_waits_is_bounded(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> None:
    monkeypatch.setattr("georeg.region.kicks.WAITING_MAX", 1)
    cluster = Cluster(limit=4)
    streams = [cluster.start(B, f"d{i}") for i in range(3)]
    cluster.run(1_000)
    cluster.cut(B)
    answers = [kick(cluster, C, s) for s in streams]

    assert [a.value is None for a in answers] == [True, False, False]
    cluster.run(100)
    assert all(isinstance(a.value, Kicked) and a.value.waiting_for == (B,) for a in answers)
