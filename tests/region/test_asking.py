"""Rule 4: the home is asked for a slot, and every region that is up for its live sessions."""

from crdt.dots import Dot, RegionId, SessionId, dot_at, shard_of
from crdt.events import Device, Entry, Reason
from georeg.region import wire
from georeg.region.messages import Borrow, Confirm, Confirmed, No, Slot
from georeg.region.model import Admitted, Basis, Ended, How, Refused, Renewed
from georeg.region.seen import Seen
from tests.region.cluster import ACCOUNT, LINK_MS, A, B, C, Cluster


def test_the_home_grants_and_the_start_is_admitted_as_borrowed(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")

    assert tv.admitted.basis is Basis.BORROWED
    assert tv.admitted.took_ms == 2 * LINK_MS
    assert cluster.usable(B) == 1


def test_the_home_and_every_region_that_is_up_are_asked_all_at_once(cluster: Cluster) -> None:
    pending = cluster.begin(B, "tv")

    assert [(s.target, s.at_ms) for s in cluster.messages(Borrow)] == [(A, cluster.now_ms)]
    assert [(s.target, s.at_ms) for s in cluster.messages(Confirm)] == [
        (A, cluster.now_ms), (C, cluster.now_ms),
    ]  # fmt: skip
    cluster.settled(pending)


def test_regions_that_are_down_are_not_asked(cluster: Cluster) -> None:
    cluster.kill(C)
    cluster.run(cluster.settings.region_down_ms + 2_000)
    cluster.sent.clear()
    cluster.start(B, "tv")

    assert {s.target for s in cluster.messages(Confirm)} == {A}


def test_l_devices_confirmed_during_the_request_refuse_it(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(10_000)
    refusal = cluster.refused(C, "phone")

    assert refusal.how is How.CONFIRMED
    (blocker,) = refusal.blockers
    assert (blocker.info.session, blocker.info.region, blocker.how) == (
        tv.session, B, How.CONFIRMED,
    )  # fmt: skip


def test_the_age_of_confirmed_evidence_is_at_most_the_time_of_the_request(
    cluster: Cluster,
) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(10_000)
    refusal = cluster.refused(C, "phone")

    assert refusal.took_ms == refusal.blockers[0].age_ms == 2 * LINK_MS
    seen_ms = refusal.blockers[0].info.last_seen_ms
    assert abs(seen_ms - tv.info.started_ms) <= refusal.took_ms


def test_sessions_that_the_view_does_not_show_yet_are_confirmed_too() -> None:
    cluster = Cluster(links_ms={(A, C): 30, (A, B): 30, (B, C): 30})
    cluster.start(B, "tv", deadline_ms=200)
    assert cluster.live(C) == []
    refusal = cluster.refused(C, "phone", deadline_ms=200)

    assert [b.info.device.id for b in refusal.blockers] == ["tv"]
    assert refusal.how is How.CONFIRMED


def test_a_remote_suspect_session_yields_at_the_homes_request_and_is_not_kicked(
    cluster: Cluster,
) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(66_000)
    phone = cluster.start(C, "phone")

    assert phone.admitted.basis is Basis.BORROWED
    assert cluster.counter(B, "released_displaced") == 1
    assert all(cluster.regions[r]._state.kicked(ACCOUNT, tv.session) is None for r in (A, B, C))
    answer = tv.beat()
    assert isinstance(answer, Ended)
    assert answer.reason is Reason.DISPLACED


def test_fewer_than_l_confirmed_never_admit_before_the_home_has_spoken(cluster: Cluster) -> None:
    cluster.lose(Borrow)
    pending = cluster.begin(B, "tv")
    cluster.run(cluster.settings.deadline_ms - 1)

    assert len(cluster.messages(Confirmed)) == 2
    assert pending.value is None
    cluster.run(1)
    assert isinstance(pending.value, Admitted)
    assert pending.value.basis is Basis.OVERDRAFT


def test_at_the_deadline_a_fresh_beacon_covers_what_did_not_answer(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    cluster.cut(C)
    refusal = cluster.refused(C, "phone")

    assert (refusal.how, refusal.took_ms) == (How.BEACON, cluster.settings.deadline_ms)
    (blocker,) = refusal.blockers
    assert (blocker.info.session, blocker.how) == (tv.session, How.BEACON)
    assert blocker.age_ms < cluster.settings.fresh_ms


def test_evidence_older_than_3_seconds_admits_as_overdraft(cluster: Cluster) -> None:
    cluster.start(B, "tv")
    cluster.run(1_000)
    cluster.cut(C)
    cluster.run(cluster.settings.fresh_ms)

    assert cluster.start(C, "phone").admitted.basis is Basis.OVERDRAFT


def test_what_a_region_answered_replaces_what_the_view_shows_of_it(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(1_000)
    cluster.cut_link(A, C)
    cluster.cut_link(B, C, both_ways=False)
    tv.stop()
    assert cluster.live(C) == ["tv"]
    cluster._cuts.discard((B, C))  # the stop is not yet told, the question gets through
    pending = cluster.begin(C, "phone")
    cluster.loses = lambda sent: sent.source == B and not isinstance(sent.message, Confirmed)
    outcome = cluster.settled(pending)

    assert cluster.live(C) == ["tv", "phone"]
    assert isinstance(outcome, Admitted)
    assert outcome.basis is Basis.OVERDRAFT


def test_an_unconfirmed_session_is_no_evidence(cluster: Cluster) -> None:
    cluster.start(B, "tv")
    cluster.run(2_000)
    cluster.kill(B)
    cluster.boot(B)
    cluster.run(3_000)
    assert cluster.live(C) == ["tv"]

    assert isinstance(cluster.settled(cluster.begin(C, "phone")), Admitted)


def test_nor_is_it_covered_by_a_beacon(cluster: Cluster) -> None:
    cluster.start(B, "tv")
    cluster.run(2_000)
    cluster.kill(B)
    cluster.boot(B)
    cluster.run(4_000)
    cluster.cut(C)
    assert cluster.live(C) == ["tv"]

    assert cluster.start(C, "phone").admitted.basis is Basis.OVERDRAFT


def test_one_request_for_slots_is_in_flight_per_region_and_account(cluster: Cluster) -> None:
    pending = [cluster.begin(B, f"d{i}") for i in range(5)]
    cluster.begin(B, "other", account="acc-2")

    assert [s.message.account for s in cluster.messages(Borrow)] == [ACCOUNT, "acc-2"]  # type: ignore[union-attr]
    cluster.run(100)
    assert [isinstance(p.value, Admitted) for p in pending] == [True] + [False] * 4


def test_starts_that_waited_take_what_the_one_answer_brought() -> None:
    cluster = Cluster(limit=4)
    pending = [cluster.begin(B, f"d{i}") for i in range(5)]
    cluster.run(100)

    assert [isinstance(p.value, Admitted) for p in pending] == [True] * 4 + [False]
    assert len(cluster.messages(Borrow)) == 1
    assert cluster.usable(B) == 4


def test_a_home_whose_round_trip_is_longer_than_the_deadline_is_asked_but_not_waited_for() -> None:
    cluster = Cluster(links_ms={(A, B): 60})
    cluster.run(2_000)
    cluster.sent.clear()
    pending = cluster.begin(B, "tv")
    cluster.run(0)

    assert len(cluster.messages(Borrow)) == 1
    assert isinstance(pending.value, Admitted)
    assert (pending.value.basis, pending.value.took_ms) == (Basis.OVERDRAFT, 0)
    cluster.run(200)
    assert cluster.usable(B) == 1  # its answer came all the same: the session is covered


def test_every_start_is_answered_by_the_deadline_whatever_the_others_do(cluster: Cluster) -> None:
    for lost in (Borrow, Slot, No, Confirm, Confirmed):
        cluster.lose(lost)
        pending = cluster.begin(B, f"d-{lost.__name__}", account=f"acc-{lost.__name__}")
        cluster.run(cluster.settings.deadline_ms)
        assert pending.value is not None


def test_200_simultaneous_starts_over_three_regions_leave_exactly_one_which_each_refusal_names(
    cluster: Cluster,
) -> None:
    pending = [cluster.begin((A, B, C)[i % 3], f"d{i}") for i in range(200)]
    cluster.run(1_000)
    outcomes = [p.value for p in pending]
    admitted = [o for o in outcomes if isinstance(o, Admitted)]
    refused = [o for o in outcomes if isinstance(o, Refused)]

    assert (len(admitted), len(refused)) == (1, 199)
    winner = admitted[0].info.session
    assert all([b.info.session for b in o.blockers] == [winner] for o in refused)
    assert [cluster.live(r) for r in (A, B, C)] == [[admitted[0].info.device.id]] * 3


def living(device: str, dot: Dot) -> Seen:
    """What a region might say of a session."""
    entry = Entry(
        dot, SessionId(dot), ACCOUNT, Device(device, "", ""), "", 0, 0, 9, 0, False, False
    )  # fmt: skip
    return Seen(entry, suspect=False, settled=True, silent_ms=0)


def test_no_stranger_is_believed_in_the_homes_name(cluster: Cluster) -> None:
    fake = living("x", dot_at(A, 1, shard_of(ACCOUNT), 1))
    cluster.lose(Borrow, Confirm)
    pending = cluster.begin(B, "phone")
    (borrow,) = cluster.messages(Borrow, B)[-1:]
    assert isinstance(borrow.message, Borrow)
    rid = borrow.message.rid
    receive = cluster.regions[B].receive
    receive(C, wire.encode(No(ACCOUNT, rid, ((A, (fake,)), (C, (fake,))))))
    receive(C, wire.encode(Slot(ACCOUNT, 0, 0, 1, 0, 200, rid)))
    receive(C, wire.encode(Confirmed(ACCOUNT, rid, (fake,))))
    assert pending.value is None

    assert isinstance(cluster.settled(pending), Admitted)
    assert cluster.usable(B) == 0


def test_the_home_is_not_believed_about_regions_that_nobody_knows(cluster: Cluster) -> None:
    stranger = RegionId(9)
    lie = living("x", dot_at(stranger, 1, shard_of(ACCOUNT), 1))
    cluster.lose(Borrow, Confirm)
    pending = cluster.begin(B, "phone")
    borrow = cluster.messages(Borrow, B)[-1].message
    assert isinstance(borrow, Borrow)
    cluster.regions[B].receive(A, wire.encode(No(ACCOUNT, borrow.rid, ((stranger, (lie,)),))))

    assert isinstance(cluster.settled(pending), Admitted)


def test_what_the_home_says_of_others_counts(cluster: Cluster) -> None:
    word = living("x", dot_at(C, 1, shard_of(ACCOUNT), 1))
    cluster.lose(Borrow, Confirm)
    pending = cluster.begin(B, "phone")
    borrow = cluster.messages(Borrow, B)[-1].message
    assert isinstance(borrow, Borrow)
    cluster.regions[B].receive(A, wire.encode(No(ACCOUNT, borrow.rid, ((C, (word,)),))))

    assert isinstance(pending.value, Refused)


def test_an_answer_to_a_former_process_is_not_taken_for_one_to_this_one(cluster: Cluster) -> None:
    cluster.start(B, "tv")
    before = {s.message.rid for s in cluster.messages(Confirm, B)}  # type: ignore[union-attr]
    cluster.kill(B)
    cluster.boot(B)
    cluster.run(15_000)
    cluster.sent.clear()
    cluster.start(B, "phone", account="acc-2")

    assert before.isdisjoint(s.message.rid for s in cluster.messages(Confirm, B))  # type: ignore[union-attr]


def test_inquiries_and_flights_are_forgotten(cluster: Cluster) -> None:
    cluster.lose(Borrow, Confirm)
    for i in range(10):
        cluster.begin(B, "tv", account=f"acc-{i}")
    cluster.run(5_000)
    asking = cluster.regions[B]._asking
    cluster.play(0)

    assert asking._flights.keys() <= {s.message.account for s in cluster.messages(Borrow)[-10:]}  # type: ignore[union-attr]
    for region in (A, C):
        assert not cluster.regions[region]._asking._open
    cluster.lose()
    cluster.run(10_000)
    assert not asking._flights
    assert not asking._by_account
    assert not asking._open


def test_a_message_that_was_lost_is_no_refusal(cluster: Cluster) -> None:
    cluster.start(C, "tv").stop()
    cluster.run(2_000)
    cluster.lose(Confirmed, No)
    outcome = cluster.settled(cluster.begin(B, "phone"))

    assert isinstance(outcome, Admitted)
    assert isinstance(outcome.info.session, int)


def test_a_session_that_is_renewed_stays_with_its_region(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.play(100_000, tv)

    assert isinstance(tv.beat(), Renewed)
    assert cluster.live(A) == ["tv"]
