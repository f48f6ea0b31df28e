"""Rules 1 to 3, 6 and 7 of a start: what it supersedes, the own region's word, policy."""

from dataclasses import replace

import pytest

from crdt.dots import RegionId, SessionId
from crdt.events import ActorKind, Plan, Reason
from georeg.region.messages import Borrow, Confirm
from georeg.region.model import Admitted, Basis, Conflict, Ended, How, Refused, Renewed
from georeg.region.settings import OnLimit, PlanPolicy, Settings
from tests.region.cluster import ACCOUNT, ISSUED, PLANS, A, B, C, Cluster, Stream

END_OLDEST = Settings(
    plans={name: PlanPolicy(limit, OnLimit.END_OLDEST) for limit, name in PLANS.items()}
)


def end_of(stream: Stream) -> Ended:
    answer = stream.beat()
    assert isinstance(answer, Ended)
    return answer


# ---- rule 1: what the start supersedes -------------------------------------------------------


def test_the_same_device_starts_again_and_its_former_session_ends_superseded(
    cluster: Cluster,
) -> None:
    first = cluster.start(A, "tv")
    second = cluster.start(A, "tv")

    end = end_of(first)
    assert (end.reason, end.actor, end.actor_device) == (
        Reason.SUPERSEDED, ActorKind.DEVICE, "the tv",
    )  # fmt: skip
    assert isinstance(second.beat(), Renewed)
    assert second.admitted.live == 1


def test_a_device_that_restarts_20_times_in_changing_regions_never_blocks_itself(
    cluster: Cluster,
) -> None:
    streams = []
    for turn in range(20):
        streams.append(cluster.start((A, B, C)[turn % 3], "tv"))
        cluster.run(turn % 4 * 30)
    cluster.run(2_000)

    assert isinstance(streams[-1].beat(), Renewed)
    assert [cluster.live(r) for r in (A, B, C)] == [["tv"]] * 3
    assert {end_of(s).reason for s in streams[:-1]} == {Reason.SUPERSEDED}


def test_a_replaced_session_elsewhere_ends_and_hands_its_slot_over(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(100)

    phone = cluster.start(B, "phone", replace=(tv.session,))

    assert phone.admitted.basis is Basis.BORROWED
    assert end_of(tv).reason is Reason.REPLACED


def test_what_is_replaced_may_become_known_only_during_the_request(cluster: Cluster) -> None:
    tv = cluster.start(C, "tv")
    phone = cluster.start(B, "phone", replace=(tv.session,))

    assert phone.admitted.basis is Basis.BORROWED
    assert end_of(tv).reason is Reason.REPLACED


def test_a_session_of_the_same_device_that_only_another_region_named_does_not_block_it(
    cluster: Cluster,
) -> None:
    tv = cluster.start(B, "tv")
    entry = cluster.regions[B]._state.held(ACCOUNT, tv.session)
    assert entry is not None
    fresh = Cluster()
    fresh.cut(C)
    fresh.regions[C].set_plan(ACCOUNT, fresh.plan, ISSUED)
    fresh.regions[C]._state.hints.note(ACCOUNT, [entry])

    assert fresh.live(C) == ["tv"]
    assert fresh.refused(C, "phone").how is How.BEACON
    assert fresh.start(C, "tv").admitted.basis is Basis.OVERDRAFT


def test_unknown_ids_in_replace_and_those_of_other_accounts_change_nothing(
    cluster: Cluster,
) -> None:
    other = cluster.start(A, "tv", account="acc-2")
    cluster.start(A, "phone", replace=(other.session, SessionId(12345)))

    assert isinstance(other.beat(), Renewed)


def test_a_refused_start_ends_nothing() -> None:
    cluster = Cluster(limit=2)
    streams = [cluster.start(A, "tv"), cluster.start(A, "phone")]
    extra = cluster.start(B, "tablet", account="acc-2")
    for region in (A, B):
        refusal = cluster.refused(region, "laptop", replace=(extra.session, SessionId(7)))
        assert {b.info.device.id for b in refusal.blockers} == {"tv", "phone"}

    assert all(isinstance(s.beat(), Renewed) for s in [*streams, extra])


def test_a_refused_start_ends_neither_what_it_replaces_nor_its_own_device(
    cluster: Cluster,
) -> None:
    cluster.cut(C)
    cluster.run(100)
    tv, phone = cluster.start(A, "tv"), cluster.start(C, "phone")
    cluster.play(12_000, tv, phone)
    cluster.heal()
    cluster.play(6_000, tv, phone)  # one more than the limit: the phone may finish

    for region in (A, B, C):
        cluster.refused(region, "laptop", replace=(phone.session,))
        cluster.refused(region, "laptop", replace=(tv.session,))
    cluster.refused(B, "phone")
    assert isinstance(tv.beat(), Renewed)
    assert isinstance(phone.beat(), Renewed)


def test_who_replaces_a_session_takes_its_place_in_the_order(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(5_000)
    phone = cluster.start(A, "phone", replace=(tv.session,))

    entry = cluster.regions[A]._state.held(ACCOUNT, phone.session)
    assert entry is not None
    assert entry.placed_ms == tv.info.started_ms
    assert entry.started_ms == phone.info.started_ms == tv.info.started_ms + 5_000


# ---- Idempotency-Key -------------------------------------------------------------------------


def test_a_retry_with_the_same_key_gets_the_first_answer(cluster: Cluster) -> None:
    first = cluster.start(A, "tv", idempotency_key="k1")
    cluster.run(60_000)
    again = cluster.start(A, "tv", idempotency_key="k1")

    assert again.admitted is first.admitted
    assert isinstance(first.beat(), Renewed)


def test_a_refusal_is_a_first_answer_too(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    refusal = cluster.refused(A, "phone", idempotency_key="k1")
    tv.stop()

    assert cluster.refused(A, "phone", idempotency_key="k1") is refusal


@pytest.mark.parametrize("more", [{"title": "other"}, {"replace": (SessionId(1),)}])
def test_the_same_key_with_another_request_is_a_conflict(
    cluster: Cluster, more: dict[str, object]
) -> None:
    cluster.start(A, "tv", idempotency_key="k1")

    assert cluster.settled(cluster.begin(A, "tv", idempotency_key="k1", **more)) == Conflict()
    assert cluster.settled(cluster.begin(A, "phone", idempotency_key="k1")) == Conflict()


def test_keys_of_different_accounts_are_different_keys(cluster: Cluster) -> None:
    first = cluster.start(A, "tv", idempotency_key="k1")
    other = cluster.start(A, "tv", idempotency_key="k1", account="acc-2")

    assert first.session != other.session


def test_duplicates_in_flight_share_the_decision(cluster: Cluster) -> None:
    cluster.start(C, "tv")
    pending = [cluster.begin(B, "phone", idempotency_key="k1") for _ in range(3)]
    cluster.run(100)

    assert pending[0].value is not None
    assert all(p.value is pending[0].value for p in pending)
    assert len({s.message.rid for s in cluster.messages(Confirm, B)}) == 1  # type: ignore[union-attr]


def test_a_key_is_forgotten_after_its_time(cluster: Cluster) -> None:
    first = cluster.start(A, "tv", idempotency_key="k1")
    cluster.run(cluster.settings.idempotency_ms)

    assert cluster.start(A, "tv", idempotency_key="k1").session != first.session


# ---- rule 2: own live >= L -------------------------------------------------------------------


def test_own_live_sessions_at_the_limit_refuse_at_once_with_local_evidence(
    cluster: Cluster,
) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(20_000)
    cluster.sent.clear()
    refusal = cluster.refused(A, "phone")

    assert (refusal.how, refusal.limit, refusal.took_ms) == (How.LOCAL, 1, 0)
    (blocker,) = refusal.blockers
    assert (blocker.info.session, blocker.how, blocker.age_ms) == (tv.session, How.LOCAL, 20_000)
    assert cluster.messages(Borrow) == []


def test_an_own_suspect_session_yields_and_the_start_goes_on(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(cluster.settings.suspect_ms)
    cluster.refused(A, "phone")
    cluster.run(1)
    phone = cluster.start(A, "phone")

    assert phone.admitted.basis is Basis.GRANTED
    assert cluster.counter(A, "released_displaced") == 1
    assert cluster.regions[A]._state.kicked(ACCOUNT, tv.session) is None


def test_a_displaced_device_that_comes_back_is_told_so_and_may_start_again(
    cluster: Cluster,
) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(66_000)
    cluster.start(A, "phone")

    end = end_of(tv)
    assert (end.reason, end.actor, end.retry) == (Reason.DISPLACED, ActorKind.SYSTEM, True)


# ---- rule 3: the grant -----------------------------------------------------------------------


def test_a_start_inside_the_grant_is_admitted_at_once_without_a_message(cluster: Cluster) -> None:
    cluster.start(B, "tv").stop()
    cluster.run(200)
    cluster.sent.clear()
    again = cluster.start(B, "phone")

    assert (again.admitted.basis, again.admitted.took_ms) == (Basis.GRANTED, 0)
    assert (again.admitted.limit, again.admitted.live) == (1, 1)
    assert [s.device.id for s in again.admitted.sessions] == ["phone"]
    assert cluster.messages(Borrow) == cluster.messages(Confirm) == []


def test_a_grant_is_not_used_while_the_view_shows_l_others(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(3_000)
    tv.beat(C)  # adopted: its slot is on the way back to the home
    cluster.run(6)
    assert cluster.live(B) == ["tv"]
    cluster.lose(Borrow)

    assert cluster.refused(B, "phone").how is How.CONFIRMED


# ---- rule 6: policy --------------------------------------------------------------------------


def test_by_default_a_full_account_refuses(cluster: Cluster) -> None:
    cluster.start(A, "tv")

    cluster.refused(A, "phone")


def test_with_end_oldest_the_oldest_session_makes_room() -> None:
    cluster = Cluster(limit=2, settings=END_OLDEST)
    oldest = cluster.start(A, "tv")
    cluster.run(1_000)
    newer = cluster.start(A, "phone")
    laptop = cluster.start(A, "laptop")

    end = end_of(oldest)
    assert (end.reason, end.actor, end.actor_device) == (
        Reason.LIMIT, ActorKind.DEVICE, "the laptop",
    )  # fmt: skip
    assert not end.retry
    assert isinstance(newer.beat(), Renewed)
    assert laptop.admitted.basis is Basis.GRANTED


def test_with_end_oldest_a_session_of_another_region_makes_room_too() -> None:
    cluster = Cluster(settings=END_OLDEST)
    oldest = cluster.start(B, "tv")
    cluster.run(1_000)
    cluster.start(C, "phone")

    assert end_of(oldest).reason is Reason.LIMIT


@pytest.mark.parametrize("back_at", [A, B])
def test_a_session_ended_that_way_cannot_itself_end_another(back_at: RegionId) -> None:
    cluster = Cluster(settings=END_OLDEST)
    cluster.start(A, "tv")
    phone = cluster.start(A, "phone")
    cluster.run(1_000)
    cluster.refused(back_at, "tv")

    assert isinstance(phone.beat(), Renewed)


def test_the_users_explicit_word_ends_another_all_the_same() -> None:
    cluster = Cluster(settings=END_OLDEST)
    cluster.start(A, "tv")
    phone = cluster.start(A, "phone")
    cluster.start(A, "tv", replace=(phone.session,))

    assert end_of(phone).reason is Reason.REPLACED


# ---- rule 7 and the plan ---------------------------------------------------------------------


def test_after_an_answer_the_rules_run_on_the_state_as_it_is() -> None:
    cluster = Cluster(links_ms={(A, B): 20, (B, C): 20})
    tv = cluster.start(B, "tv")
    cluster.run(200)
    pending = cluster.begin(C, "phone")
    tv.stop()  # while the question is on its way
    outcome = cluster.settled(pending)

    assert isinstance(outcome, Admitted)


def test_two_starts_that_wait_for_one_answer_do_not_share_one_slot(cluster: Cluster) -> None:
    first, second = cluster.begin(B, "tv"), cluster.begin(B, "phone")
    cluster.run(100)

    assert isinstance(first.value, Admitted)
    assert isinstance(second.value, Refused)
    assert second.value.how is How.LOCAL


def test_an_unknown_plan_never_shrinks_the_limit(cluster: Cluster) -> None:
    for device in ("a", "b", "c", "d"):
        cluster.start(A, device, plan=None)

    assert cluster.refused(A, "e", plan=None).limit == cluster.settings.default_limit == 4


def test_a_stale_entitlement_changes_nothing(cluster: Cluster) -> None:
    premium = Plan("premium", 4, A)
    cluster.start(A, "tv", plan=premium, plan_issued=ISSUED + 1)

    assert cluster.start(A, "phone").admitted.limit == 4


def test_a_repeated_statement_of_the_plan_is_not_told_again(cluster: Cluster) -> None:
    cluster.start(A, "tv")
    log = cluster.regions[A]._state.shard(ACCOUNT).log
    before = log.top
    cluster.start(A, "tv", plan_issued=ISSUED + 1)

    assert log.top - before == 3  # the kick, its release, the new session


def test_a_start_waits_as_long_as_its_caller_prefers(cluster: Cluster) -> None:
    cluster.cut(B)
    outcome = cluster.settled(cluster.begin(B, "tv", deadline_ms=300))

    assert isinstance(outcome, Admitted)
    assert (outcome.basis, outcome.took_ms) == (Basis.OVERDRAFT, 300)


def test_the_limits_of_one_account_do_not_touch_another(cluster: Cluster) -> None:
    cluster.start(A, "tv")

    assert cluster.start(A, "tv-2", account="acc-2").admitted.basis is Basis.GRANTED


def test_the_answers_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> None:
    monkeypatch.setattr("georeg.region.retries.KEYS_MAX", 3)
    monkeypatch.setattr("georeg.region.starts.EVICTIONS_MAX", 3)
    for turn in range(6):
        cluster.start(A, "tv", idempotency_key=f"k{turn}")
    starts = cluster.regions[A]._starts
    assert len(starts._retries._answers) <= 3

    cluster = Cluster(settings=replace(END_OLDEST))
    for turn in range(6):
        cluster.start(A, f"d{turn}")
    assert len(cluster.regions[A]._starts._evicted) == 3
