"""One region as a whole: its life, its numbers, who is told of ends, and the small parts."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from crdt.dots import SHARDS, RegionId, SessionId, dot_at, shard_of
from crdt.events import ActorKind, Device, Entry, Plan, Reason
from georeg.region import wire
from georeg.region.election import StaticElection
from georeg.region.ends import Watches
from georeg.region.messages import Beacon, Fetch, Range, Recalled
from georeg.region.model import Ended
from georeg.region.pending import Pending
from georeg.region.settings import Settings
from tests.region.cluster import ACCOUNT, EPOCH_MS, A, B, C, Cluster

# ---- what is known -----------------------------------------------------------------------------


def test_what_was_looked_up_before_a_plan_was_stated_says_what_the_plan_says(
    cluster: Cluster,
) -> None:
    """The look at an account is kept while its plan is stated; both when it is new and known."""
    region, account = cluster.regions[A], "acc-planned"
    state = region._state
    for issued, home in ((1, C), (2, B)):
        assert (state.limit_of(account), state.seat_of(account)) != (5 + issued, home)
        looked = state.look(account)
        assert region.set_plan(account, Plan("premium", 5 + issued, home), issued)

        assert (state.limit_of(account), state.seat_of(account)) == (5 + issued, home)
        assert looked is state.look(account), "it was looked up again"
        assert looked.plan == state.shard(account).plan(account)


# ---- life ------------------------------------------------------------------------------------


def test_closed_it_says_nothing_any_more(cluster: Cluster) -> None:
    cluster.start(A, "tv")  # its delta is due
    cluster.begin(A, "phone", account="acc-2")
    cluster.regions[A].close()
    cluster.sent.clear()
    cluster.run(5_000)

    assert [s for s in cluster.sent if s.source == A] == []


def test_closed_while_it_joins_it_never_begins() -> None:
    cluster = Cluster(begin=False)
    region = cluster.boot(A)
    region.close()
    cluster.run(10_000)

    assert not region.joined
    assert cluster.disks[A].last == 0


def test_messages_of_strangers_and_to_a_closed_region_are_ignored(cluster: Cluster) -> None:
    before = cluster.regions[A].status()
    cluster.regions[A].receive(RegionId(9), wire.encode(Fetch(1)))
    cluster.regions[A].receive(A, wire.encode(Fetch(1)))
    cluster.regions[B].close()
    cluster.regions[B].receive(A, wire.encode(Fetch(1)))

    assert cluster.regions[A].status() == before


def test_a_link_that_comes_up_is_told_at_once_what_its_peer_lacks(cluster: Cluster) -> None:
    cluster.cut(C)
    cluster.start(A, "tv")
    cluster.run(4_500)
    cluster.heal()
    cluster.regions[A].peer_up(C)
    cluster.run(10)

    assert cluster.live(C) == ["tv"]


# ---- numbers ---------------------------------------------------------------------------------


def test_its_status_says_what_it_holds_knows_and_lends() -> None:
    cluster = Cluster(limit=4)
    cluster.start(B, "tv")
    cluster.start(C, "phone")
    kicked = cluster.start(A, "laptop")
    cluster.regions[A].kick(ACCOUNT, kicked.session, ActorKind.ACCOUNT)
    cluster.run(3_000)
    home, eu = cluster.regions[A].status(), cluster.regions[B].status()

    assert (home.sessions, home.sessions_known, home.kicks_remembered) == (0, 2, 1)
    assert (eu.sessions, eu.sessions_known, eu.kicks_remembered) == (1, 2, 1)
    assert home.grants_lent == eu.grants_held + cluster.regions[C].status().grants_held
    assert eu.counters["admitted_borrowed"] == 1
    assert [(p.region, p.state, p.events_behind) for p in eu.peers] == [
        (A, "up", 0), (C, "up", 0),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("silent_ms", "state"), [(4_900, "up"), (5_100, "suspect"), (15_100, "down")]
)
def test_peers_are_up_suspect_or_down_by_their_silence(
    cluster: Cluster, silent_ms: int, state: str
) -> None:
    cluster.run(10)
    cluster.cut(C)
    cluster.run(silent_ms)

    assert cluster.regions[A].status().peers[1].state == state


# ---- watching --------------------------------------------------------------------------------


def watch(
    cluster: Cluster, at: RegionId, session: SessionId
) -> tuple[list[Ended], Callable[[], None]]:
    ends: list[Ended] = []
    return ends, cluster.regions[at].watch(session, ends.append)


@pytest.mark.parametrize("at", [A, B, C])
def test_whoever_watches_a_session_in_any_region_is_told_of_its_kick_at_once(
    cluster: Cluster, at: RegionId
) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(100)
    ends, _ = watch(cluster, at, tv.session)
    cluster.regions[B].kick(ACCOUNT, tv.session, ActorKind.OPERATOR)
    cluster.run(20)

    assert [(e.reason, e.actor) for e in ends] == [(Reason.KICKED, ActorKind.OPERATOR)]


@pytest.mark.parametrize("at", [A, B, C])
def test_and_of_its_stop(cluster: Cluster, at: RegionId) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(100)
    ends, _ = watch(cluster, at, tv.session)
    tv.stop(B)
    cluster.run(100)

    assert [e.reason for e in ends] == [Reason.STOPPED]


def test_of_a_stop_that_arrives_here_though_its_holder_is_out_of_reach(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(100)
    cluster.cut(A)
    ends, _ = watch(cluster, B, tv.session)
    tv.stop(B)

    assert [e.reason for e in ends] == [Reason.STOPPED]


@pytest.mark.parametrize("at", [A, B, C])
def test_and_of_its_lapse(cluster: Cluster, at: RegionId) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(100)
    ends, _ = watch(cluster, at, tv.session)
    cluster.run(92_000)

    assert [e.reason for e in ends] == [Reason.LAPSED]


def test_a_session_that_moves_has_not_ended(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(100)
    ends, _ = watch(cluster, A, tv.session)
    elsewhere, _ = watch(cluster, C, tv.session)
    tv.beat(B)
    cluster.run(1_000)

    assert ends == elsewhere == []


def test_who_watches_no_more_is_not_told(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    ends, unwatch = watch(cluster, A, tv.session)
    others, _ = watch(cluster, A, tv.session)
    unwatch()
    unwatch()
    tv.stop()

    assert ends == []
    assert len(others) == 1


def test_who_watches_is_bounded_and_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("georeg.region.ends.WATCHES_MAX", 3)
    watches, told = Watches(), list[Ended]()
    unwatch = [watches.watch(SessionId(1), told.append) for _ in range(5)]
    end = Ended(SessionId(1), Reason.STOPPED, ActorKind.DEVICE, "", 0, retry=False)
    watches.tell(end)
    assert len(told) == 3
    for stop in unwatch:
        stop()

    assert not watches.is_watched(SessionId(1))
    for _ in range(3):  # there is room again
        watches.watch(SessionId(2), told.append)
    watches.tell(replace(end, session=SessionId(2)))
    assert len(told) == 6


# ---- hints -----------------------------------------------------------------------------------


def entry_of(region: int, account: str = ACCOUNT, position: int = 1) -> Entry:
    dot = dot_at(region, 1, shard_of(account), position)
    return Entry(
        dot, SessionId(dot), account, Device(f"d{position}", "", ""), "", EPOCH_MS, EPOCH_MS,
        EPOCH_MS // 1000 + 86_400, 0, False, False,
    )  # fmt: skip


def test_a_hint_lives_until_its_authors_log_has_come(cluster: Cluster) -> None:
    hints = cluster.regions[A]._state.hints
    hints.note(ACCOUNT, [entry_of(B)])
    assert cluster.live(A) == ["d1"]
    cluster.start(B, "tv").stop()
    cluster.run(200)  # B's log is past the hinted position, and says that nothing lives

    assert cluster.live(A) == []


def test_a_log_that_does_not_come_in_time_wins_over_a_hint(cluster: Cluster) -> None:
    cluster.regions[A]._state.hints.note(ACCOUNT, [entry_of(B)])
    cluster.run(cluster.settings.region_down_ms)
    assert cluster.live(A) == ["d1"]
    cluster.run(1)

    assert cluster.live(A) == []


@pytest.mark.parametrize("entry", [entry_of(A), entry_of(9), entry_of(B, "acc-2")])
def test_hints_of_the_own_region_of_strangers_and_of_other_accounts_are_ignored(
    cluster: Cluster, entry: Entry
) -> None:
    generation = cluster.regions[B]._budget.holder.generation(A)
    message = Recalled(ACCOUNT, 0, 1 << 50, generation, 0, (), (entry,))
    cluster.regions[A].receive(B, wire.encode(message))

    assert cluster.live(A) == []
    assert cluster.live(A, "acc-2") == []


def test_hints_are_bounded(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> None:
    monkeypatch.setattr("georeg.region.hints.HINT_ACCOUNTS_MAX", 3)
    hints = cluster.regions[A]._state.hints
    hints.note(ACCOUNT, [entry_of(B, position=n) for n in range(1, 40)])
    assert len(cluster.live(A)) == 16
    for n in range(5):
        hints.note(f"acc-{n}", [entry_of(B, f"acc-{n}")])

    assert len(hints._accounts) == 3


# ---- small parts -----------------------------------------------------------------------------


def test_a_pending_value_is_told_to_everybody_who_waits_and_to_who_comes_later() -> None:
    pending, told = Pending[int](), list[int]()
    pending.then(told.append)
    pending.then(lambda value: told.append(value + 1))
    assert told == []
    pending.settle(5)
    pending.then(told.append)

    assert told == [5, 6, 5]
    with pytest.raises(AssertionError):
        pending.settle(6)


def test_the_home_is_pinned_else_by_rendezvous_which_moves_only_the_accounts_of_a_new_region() -> (
    None
):
    three, four = StaticElection([A, B, C]), StaticElection([A, B, C, RegionId(4)])
    accounts = [f"acc-{i}" for i in range(600)]
    before = {a: three.home(a, 0) for a in accounts}
    after = {a: four.home(a, 0) for a in accounts}

    assert three.home("acc-1", B) == B
    assert three.home("acc-1", 9) == before["acc-1"]  # pinned to a region that is no more
    assert {after[a] for a in accounts if after[a] != before[a]} == {4}
    assert all(150 < list(before.values()).count(r) < 250 for r in (A, B, C))


def test_the_usual_settings_for_another_pace_keep_their_proportions() -> None:
    settings = Settings.of(heartbeat_s=2)

    assert (settings.heartbeat_ms, settings.client_lease_ms) == (2_000, 6_000)
    assert 2 * settings.heartbeat_ms < settings.suspect_ms < settings.client_lease_ms
    assert Settings.of(heartbeat_s=30) == Settings()


def test_a_beacon_lists_only_what_the_receiver_lacks(cluster: Cluster) -> None:
    cluster.run(3_000)
    cluster.sent.clear()
    cluster.loses = lambda sent: isinstance(sent.message, Range) and sent.target == C
    cluster.start(A, "tv")
    cluster.run(3_500)
    listed = {
        s.target: {shard for shard, _, _ in s.message.heads}
        for s in cluster.messages(Beacon, A)
        if isinstance(s.message, Beacon)
    }

    assert shard_of(ACCOUNT) in listed[C]
    assert len(listed[B]) == 1 < SHARDS
