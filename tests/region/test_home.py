"""The home: one request per account at a time, judged on fresh answers."""

import pytest

from crdt.dots import RegionId
from crdt.events import ActorKind, Plan, Reason
from georeg.region import wire
from georeg.region.messages import Borrow, Confirm, Confirmed, No, Range, Recall, Recalled, Slot
from georeg.region.model import Admitted, Basis, Ended, How, Renewed
from tests.region.cluster import ACCOUNT, ISSUED, LINK_MS, A, B, C, Cluster


def recall_of(cluster: Cluster) -> Recall:
    message = cluster.messages(Recall)[-1].message
    assert isinstance(message, Recall)
    return message


def lent(cluster: Cluster) -> dict[RegionId, int]:
    home = cluster.regions[A]
    return dict(home._state.seats.terms[A].book.valid(ACCOUNT, cluster.clocks[A].now_ms()))


def test_the_first_region_that_asks_gets_all_that_are_free() -> None:
    cluster = Cluster(limit=4)
    cluster.start(B, "tv")

    assert cluster.usable(B) == 4
    assert lent(cluster) == {B: 4}


def test_another_that_asks_triggers_a_recall_of_unused_ones() -> None:
    cluster = Cluster(limit=4)
    tv = cluster.start(B, "tv")
    cluster.run(100)
    phone = cluster.start(C, "phone")

    assert phone.admitted.basis is Basis.BORROWED
    assert cluster.usable(B) + cluster.usable(C) <= 4
    assert cluster.usable(B) >= 1
    assert isinstance(tv.beat(), Renewed)


def test_the_home_itself_recalls_what_it_lent() -> None:
    cluster = Cluster(limit=2)
    cluster.start(B, "tv")
    cluster.run(100)

    assert cluster.start(A, "phone").admitted.basis is Basis.BORROWED
    assert cluster.usable(B) == 1


def test_requests_of_one_account_are_served_one_at_a_time_in_order() -> None:
    cluster = Cluster(limit=1, links_ms={(A, B): 10, (A, C): 2})
    cluster.lose(Confirm)
    first = cluster.begin(C, "tv", deadline_ms=500)
    second = cluster.begin(B, "phone", deadline_ms=500)
    cluster.run(100)

    answers = [s for s in cluster.sent if isinstance(s.message, Slot | No) and s.source == A]
    assert [(s.target, type(s.message)) for s in answers[:2]] == [(C, Slot), (B, No)]
    assert isinstance(first.value, Admitted)
    assert second.value is not None
    assert not isinstance(second.value, Admitted)


def test_a_request_is_judged_on_fresh_answers_also_when_the_asking_region_holds_a_grant(
    cluster: Cluster,
) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    tv.beat(C)  # B still holds the grant when its own start asks
    cluster.run(6)
    cluster.sent.clear()
    outcome = cluster.settled(cluster.begin(B, "phone"))

    assert not isinstance(outcome, Admitted)
    assert C in {s.target for s in cluster.messages(Recall)}


def test_it_recalls_from_every_holder_and_asks_every_region_with_live_sessions() -> None:
    cluster = Cluster(limit=2)
    tv = cluster.start(B, "tv")
    cluster.loses = lambda sent: sent.source == C and isinstance(sent.message, Borrow)
    cluster.start(C, "phone")  # an overdraft: C lives without a grant
    cluster.run(60)
    assert lent(cluster).keys() == {B}
    cluster.sent.clear()
    outcome = cluster.begin(A, "laptop")
    cluster.run(1)

    assert {s.target for s in cluster.messages(Recall)} == {B, C}
    cluster.settled(outcome)
    assert isinstance(tv.beat(), Renewed)


def test_an_answer_carries_live_sessions_what_the_view_shows_elsewhere_and_what_is_given_back() -> (
    None
):
    cluster = Cluster(limit=4)
    tv = cluster.start(B, "tv")
    phone = cluster.start(C, "phone")
    cluster.run(200)
    cluster.sent.clear()
    cluster.regions[B].receive(A, wire.encode(Recall(ACCOUNT, 1, 4, (), "")))
    (sent,) = cluster.messages(Recalled)

    assert isinstance(sent.message, Recalled)
    assert [s.session for s in sent.message.seen] == [tv.session]
    assert [e.session for e in sent.message.hints] == [phone.session]
    assert sent.message.has == 1 == cluster.usable(B)


def test_causal_handover_tells_the_home_where_a_session_went_before_its_log_does() -> None:
    cluster = Cluster(links_ms={(A, B): 2, (B, C): 2, (A, C): 40})
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    tv.beat(C)
    cluster.run(10)
    assert cluster.regions[A]._state.shard(ACCOUNT).position(C).top == 0

    assert cluster.live(A) == ["tv"]
    assert [e.region for e in cluster.regions[A]._state.live(ACCOUNT)] == [C]


def test_the_larger_of_grant_and_live_devices_counts_per_region() -> None:
    cluster = Cluster(limit=2)
    cluster.lose(Borrow)
    streams = [cluster.start(B, "tv"), cluster.start(B, "phone")]
    cluster.run(100)
    assert lent(cluster) == {}
    cluster.lose(Confirm)

    refusal = cluster.refused(A, "laptop")
    assert {b.info.session for b in refusal.blockers} == {s.session for s in streams}


def test_a_no_carries_the_answers_it_rests_on_so_that_the_asking_region_can_refuse_on_them(
    cluster: Cluster,
) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    cluster.cut_link(B, C)  # C can reach the home only
    cluster.run(4_000)
    assert isinstance(tv.beat(), Renewed)
    refusal = cluster.refused(C, "phone")

    assert refusal.how is How.CONFIRMED
    assert [b.info.session for b in refusal.blockers] == [tv.session]


def test_what_a_start_ends_hands_its_slot_over_at_its_holder(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(100)
    cluster.sent.clear()
    cluster.start(C, "phone", replace=(tv.session,))

    takes = [s.message.take for s in cluster.messages(Recall)]  # type: ignore[union-attr]
    assert takes[-1] == ((tv.session, Reason.REPLACED),)
    kick = cluster.regions[B]._state.kicked(ACCOUNT, tv.session)
    assert kick is not None
    assert kick.actor_device == "the phone"


def test_a_holder_that_is_asked_to_displace_a_session_that_was_heard_since_keeps_it(
    cluster: Cluster,
) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(66_000)
    cluster.delays = lambda sent: 20 if isinstance(sent.message, Recall) else 0
    pending = cluster.begin(C, "phone")
    cluster.run(40)
    assert isinstance(tv.beat(), Renewed)
    cluster.settled(pending)

    assert isinstance(tv.beat(), Renewed)


def test_nothing_is_displaced_when_l_firm_sessions_remain() -> None:
    cluster = Cluster(limit=2)
    weak = cluster.start(B, "old")
    cluster.run(66_000)
    tv = cluster.start(A, "tv")
    cluster.loses = lambda sent: sent.source == C and isinstance(sent.message, Borrow)
    phone = cluster.start(C, "phone", deadline_ms=10)
    cluster.run(3_000)
    refusal = cluster.refused(A, "laptop")

    assert {b.info.session for b in refusal.blockers} == {tv.session, phone.session}
    cluster.run(500)
    assert cluster.counter(B, "released_displaced") == 0
    assert isinstance(weak.beat(), Renewed)


def test_the_next_request_is_looked_at_only_when_the_one_before_is_answered() -> None:
    cluster = Cluster(limit=1)
    cluster.start(B, "tv").stop()
    cluster.run(200)
    cluster.delays = lambda sent: 30 if isinstance(sent.message, Recalled) else 0
    cluster.sent.clear()
    first = cluster.begin(C, "phone")
    cluster.run(LINK_MS)
    second = cluster.begin(A, "laptop")
    cluster.run(20)
    assert len(cluster.messages(Recall)) == 1
    cluster.run(70)

    assert isinstance(first.value, Admitted)
    assert not isinstance(second.value, Admitted)


def test_a_fresh_answer_replaces_what_the_view_shows_of_its_region(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    cluster.lose(Range)
    tv.stop()  # the home hears nothing of it but by its own question
    phone = cluster.start(C, "phone")

    assert cluster.live(A) == ["tv"]
    assert phone.admitted.basis is Basis.BORROWED


def test_a_slot_that_was_given_back_while_its_request_waited_is_not_lent() -> None:
    cluster = Cluster(limit=1)
    generation = cluster.regions[B]._budget.holder.generation(A)
    receive = cluster.regions[A].receive
    tv = cluster.start(C, "tv")
    cluster.run(100)
    cluster.lose(Recall)  # the home waits for C's answer
    number = generation << 40
    borrow = Borrow(ACCOUNT, number, generation, 1, 1, 1, (), "", 1, cluster.plan, ISSUED)
    receive(B, wire.encode(borrow))
    receive(B, wire.encode(Recalled(ACCOUNT, 0, number + 1, generation, 0, (), ())))
    tv.stop()
    cluster.lose()
    given = Recalled(
        ACCOUNT, recall_of(cluster).wid, 1 << 62, cluster.regions[C]._budget.holder.generation(A),
        0, (), (),
    )  # fmt: skip
    receive(C, wire.encode(given))

    assert lent(cluster).get(B, 0) == 0
    assert isinstance(cluster.sent[-1].message, No)


def test_a_doubled_or_late_request_gets_no_second_slot(cluster: Cluster) -> None:
    cluster.start(B, "tv").stop()
    cluster.run(200)
    (sent,) = cluster.messages(Borrow)
    cluster.regions[B].receive(A, wire.encode(Recall(ACCOUNT, 1, 1, (), "")))
    cluster.run(10)
    assert lent(cluster) == {}
    cluster.regions[A].receive(B, wire.encode(sent.message))

    assert lent(cluster) == {}


def test_a_region_that_is_not_home_by_a_newer_plan_lends_nothing(cluster: Cluster) -> None:
    cluster.regions[A].set_plan(ACCOUNT, Plan("basic", 1, C), ISSUED + 1)
    cluster.lose(Confirm)
    cluster.begin(B, "tv")  # by its older entitlement the home is A
    cluster.run(10)
    answers = [s.message for s in cluster.sent if s.source == A and s.target == B]

    assert not any(isinstance(m, Slot) for m in answers)
    assert any(isinstance(m, No) for m in answers)


def test_a_request_that_nobody_answers_leaves_the_queue(cluster: Cluster) -> None:
    cluster.start(B, "tv")
    cluster.run(100)
    cluster.lose(Recalled)
    cluster.begin(C, "phone")
    cluster.run(30)
    home = cluster.regions[A]._home
    assert len(home._requests) == 1
    cluster.run(3_000)

    assert not home._requests
    assert not home._queues


def test_the_queue_of_one_account_is_bounded(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    monkeypatch.setattr("georeg.region.home.QUEUE_MAX", 3)
    cluster.start(C, "tv")
    cluster.run(100)
    cluster.lose(Recalled)
    generation = cluster.regions[B]._budget.holder.generation(A)
    for turn in range(9):
        number = (generation << 40) + turn
        borrow = Borrow(ACCOUNT, number, generation, 1, 1, 1, (), "", 1, cluster.plan, ISSUED)
        cluster.regions[A].receive(B, wire.encode(borrow))

    assert len(cluster.regions[A]._home._requests) == 3


# ---- idle grants -----------------------------------------------------------------------------


def test_grants_of_accounts_without_live_sessions_are_taken_back(cluster: Cluster) -> None:
    cluster.start(B, "tv").stop()
    cluster.run(cluster.settings.idle_grant_ms - 1_000)
    assert cluster.usable(B) == 1
    cluster.run(4_000)

    assert cluster.usable(B) == 0
    assert lent(cluster) == {}
    assert cluster.regions[A].status().grants_lent == 0


def test_an_account_that_plays_again_is_not_idle(cluster: Cluster) -> None:
    cluster.start(B, "tv").stop()
    cluster.run(40_000)
    tv = cluster.start(B, "tv")
    cluster.play(3_000, tv)
    tv.stop()
    cluster.run(40_000)

    assert cluster.usable(B) == 1


def test_what_is_remembered_of_idle_accounts_ends_with_their_grants(cluster: Cluster) -> None:
    for i in range(5):
        cluster.start(B, "tv", account=f"acc-{i}").stop()
    cluster.run(5_000)
    idle = cluster.regions[A]._home.idle
    assert len(idle._walks[A].since) == 5
    for i in range(5):
        cluster.start(A, "tv", account=f"acc-{i}")  # recalled before they were idle for long
    cluster.run(5_000)

    assert not idle._walks[A].since
    assert not idle._walks[A].found


def test_a_slice_of_the_book_is_looked_at_per_round(
    monkeypatch: pytest.MonkeyPatch, cluster: Cluster
) -> None:
    monkeypatch.setattr("georeg.region.idle.IDLE_SWEEP_MAX", 2)
    for i in range(6):
        cluster.start(B, "tv", account=f"acc-{i}").stop()
    cluster.run(cluster.settings.idle_grant_ms + 8_000)

    assert cluster.regions[A].status().grants_lent == 0


# ---- leases ----------------------------------------------------------------------------------


def test_a_grant_ends_with_the_region_lease_and_running_streams_go_on(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.cut(B)
    cluster.play(cluster.settings.grant_lease_ms + 1_000, tv)

    assert cluster.usable(B) == 0
    assert isinstance(tv.beat(), Renewed)


def test_the_home_reuses_slots_only_after_the_lease_and_the_drift_of_both_clocks(
    cluster: Cluster,
) -> None:
    cluster.start(B, "tv").stop()
    cluster.run(100)
    cluster.cut(B)
    cluster.run(cluster.settings.grant_lease_ms)
    assert lent(cluster) == {B: 1}
    cluster.run(1_600)

    assert lent(cluster) == {}
    assert cluster.start(A, "phone").admitted.basis is Basis.GRANTED


def test_a_home_that_restarts_learns_before_it_lends(cluster: Cluster) -> None:
    cluster.start(B, "tv")
    cluster.kill(A)
    cluster.boot(A)
    cluster.run(3_000)
    assert cluster.regions[A].joined
    assert cluster.start(C, "tv-2", account="acc-2").admitted.basis is Basis.OVERDRAFT
    cluster.run(6_000)

    assert lent(cluster) == {B: 1}  # claimed
    assert cluster.usable(B) == 1
    assert isinstance(cluster.refused(A, "phone").blockers[0].info.session, int)


def test_usable_grants_of_all_regions_never_exceed_the_limit_while_they_move() -> None:
    cluster = Cluster(limit=2)
    for turn in range(30):
        region = (A, B, C)[turn % 3]
        outcome = cluster.begin(region, f"d{turn % 4}")
        for _ in range(10):
            cluster.run(7)
            assert sum(max(0, cluster.usable(r)) for r in (A, B, C)) <= 2
        if isinstance(outcome.value, Admitted) and turn % 2:
            cluster.run(40)
        elif isinstance(outcome.value, Admitted):
            cluster.regions[region].kick(ACCOUNT, outcome.value.info.session, ActorKind.ACCOUNT)


def test_confirmed_answers_come_from_every_region(cluster: Cluster) -> None:
    cluster.start(B, "tv")

    assert {s.source for s in cluster.messages(Confirmed)} == {A, C}


def test_the_session_that_yielded_hears_of_it(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(66_000)
    ends: list[Ended] = []
    cluster.regions[B].watch(tv.session, ends.append)
    cluster.start(C, "phone")

    assert [e.reason for e in ends] == [Reason.DISPLACED]
