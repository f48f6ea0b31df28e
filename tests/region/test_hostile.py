"""Peers with a bug or a grudge: nothing but PeerError, nothing half done, no lies about others."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crdt.dots import SHARDS, SessionId, dot_at, shard_of
from crdt.errors import PeerError
from crdt.events import Device, Entry, Reason
from georeg.region import wire
from georeg.region.messages import Borrow, Confirm, Confirmed, Message, Recall, Recalled, Slot
from georeg.region.model import Admitted, Renewed
from georeg.region.seen import Seen
from tests.region.cluster import ACCOUNT, EPOCH_MS, ISSUED, A, B, C, Cluster
from tests.region.hostile import ANY, MESSAGES

FEW = settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))


def busy() -> Cluster:
    """A cluster with sessions, a grant, a start under way and a request that waits at home."""
    cluster = Cluster(limit=2)
    cluster.start(A, "tv", account="acc-2")
    cluster.start(B, "tv")
    cluster.run(500)
    cluster.lose(Recalled)
    cluster.begin(C, "phone")
    cluster.begin(A, "laptop")
    cluster.run(6)
    cluster.has_liars = True
    return cluster


def picture(cluster: Cluster) -> Any:
    """All that a message could change in us."""
    region = cluster.regions[A]
    state, book = region._state, region._state.seats.terms[region.id].book
    now_ms = cluster.clocks[A].now_ms()
    return (
        region.status(),
        [(s.context.as_tuple(), s.ledger.hash, s.stops.all()) for s in state.shards],
        [[s.state_hash(w) for w in (A, B, C)] for s in state.shards],
        [book.valid(a, now_ms) for a in (ACCOUNT, "acc-2")],
        [region.sessions(a) for a in (ACCOUNT, "acc-2")],
        dict(state.hints._accounts),
    )


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_a_message_is_taken_whole_or_raises_a_peer_error_and_changes_nothing(kind: type) -> None:
    @FEW
    @given(st.lists(MESSAGES[kind], min_size=1, max_size=6))
    def check(said: list[Message]) -> None:
        cluster = busy()
        for message in said:
            before = picture(cluster)
            try:
                cluster.regions[A].receive(B, wire.encode(message))
            except PeerError:
                assert picture(cluster) == before
        cluster.loses = lambda sent: False
        cluster.run(1_500)

    check()


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(st.sampled_from([B, C]), ANY), min_size=3, max_size=20))
def test_no_course_of_messages_stops_a_region_from_answering_its_devices(
    said: list[tuple[Any, Message]],
) -> None:
    cluster = busy()
    region = cluster.regions[A]
    for peer, message in said:
        try:
            region.receive(peer, wire.encode(message))
        except PeerError:
            continue
        finally:
            cluster.run(3)

    for at in range(3):
        pending = cluster.begin(A, f"d{at}", plan=None)
        cluster.run(cluster.settings.deadline_ms)
        assert pending.value is not None
        if isinstance(pending.value, Admitted):
            region.kick(ACCOUNT, pending.value.info.session, 1)  # type: ignore[arg-type]
    region.sessions(ACCOUNT)
    region.status()


def liar(device: str, region: int, account: str = ACCOUNT) -> Seen:
    dot = dot_at(region, 1, shard_of(account), 999)
    entry = Entry(
        dot, SessionId(dot), account, Device(device, device, ""), "", EPOCH_MS, EPOCH_MS,
        EPOCH_MS // 1000 + 900, 0, False, False,
    )  # fmt: skip
    return Seen(entry, suspect=False, settled=True, silent_ms=0)


@pytest.mark.parametrize("about", [A, C, 9])
def test_a_peer_that_vouches_for_sessions_of_others_is_not_believed(about: int) -> None:
    cluster = Cluster(home=C)
    cluster.lose(Borrow, Confirm)
    pending = cluster.begin(A, "tv")
    (asked, *_) = cluster.messages(Confirm, A)
    assert isinstance(asked.message, Confirm)
    answer = Confirmed(ACCOUNT, asked.message.rid, (liar("x", about),))
    cluster.regions[A].receive(B, wire.encode(answer))

    assert isinstance(cluster.settled(pending), Admitted)


def test_its_word_on_its_own_sessions_counts() -> None:
    cluster = Cluster(home=C)
    cluster.lose(Borrow, Confirm)
    pending = cluster.begin(A, "tv")
    (asked, *_) = cluster.messages(Confirm, A)
    assert isinstance(asked.message, Confirm)
    answer = Confirmed(ACCOUNT, asked.message.rid, (liar("x", B),))
    cluster.regions[A].receive(B, wire.encode(answer))

    assert not isinstance(pending.value, Admitted)


@pytest.mark.parametrize("about", [A, C])
def test_the_home_believes_a_holder_about_its_own_sessions_only(about: int) -> None:
    cluster = Cluster()
    tv = cluster.start(B, "tv")
    cluster.run(500)
    tv.stop()
    cluster.lose(Recalled, Confirm)
    pending = cluster.begin(C, "phone")
    cluster.run(6)
    recall = cluster.messages(Recall)[-1].message
    assert isinstance(recall, Recall)
    generation = cluster.regions[B]._budget.holder.generation(A)
    lie = Recalled(ACCOUNT, recall.wid, 1 << 60, generation, 0, (liar("x", about),), ())
    cluster.regions[A].receive(B, wire.encode(lie))

    assert isinstance(cluster.settled(pending), Admitted)


def test_a_borrower_cannot_take_more_than_the_limit() -> None:
    cluster = Cluster()
    generation = cluster.regions[B]._budget.holder.generation(A)
    greedy = Borrow(
        ACCOUNT, generation << 40, generation, 1, 1, 255, (), "", 1, cluster.plan, ISSUED
    )
    cluster.regions[A].receive(B, wire.encode(greedy))
    slot = cluster.messages(Slot, A)[-1].message

    assert isinstance(slot, Slot)
    assert slot.amount == 1


def test_a_recall_displaces_no_session_that_is_not_suspect() -> None:
    cluster = Cluster()
    tv = cluster.start(B, "tv")
    take = ((tv.session, int(Reason.DISPLACED)),)
    cluster.regions[B].receive(A, wire.encode(Recall(ACCOUNT, 1, 1, take, "")))

    assert isinstance(tv.beat(), Renewed)


def test_an_answer_names_no_more_sessions_than_its_receiver_accepts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = Cluster(limit=1)
    state = cluster.regions[B]._state
    for i in range(300):  # all of them roamed to one region
        state.hold(
            ACCOUNT, Device(f"d{i}", "", ""), started_ms=EPOCH_MS, placed_ms=EPOCH_MS,
            deadline_s=EPOCH_MS // 1000 + 9_000, hop=1,
        )  # fmt: skip
    cluster.run(1_000)

    for region in (A, B, C):
        assert len(cluster.refused(region, "tv").blockers) >= 1


def test_the_positions_of_all_shards_survive_a_flood_of_garbage() -> None:
    cluster = busy()
    before = [s.context.as_tuple() for s in cluster.regions[A]._state.shards]
    for payload in (b"", b"\xc1", b"\xdf" + b"\xff" * 8, b"\x94" * 2_000, bytes(1 << 16)):
        with pytest.raises(PeerError):
            cluster.regions[A].receive(B, payload)

    assert [s.context.as_tuple() for s in cluster.regions[A]._state.shards] == before
    assert len(before) == SHARDS
