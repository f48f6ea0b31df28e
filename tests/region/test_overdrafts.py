"""Rule 5: overdraft sessions go on asking in the background, and are covered or disproved."""

from dataclasses import replace

import pytest

from crdt.dots import RegionId
from crdt.events import ActorKind, Reason
from georeg.region.messages import Borrow, Confirm
from georeg.region.model import Basis, Ended, Renewed
from georeg.region.settings import Excess, PlanPolicy, Settings
from tests.region.cluster import ACCOUNT, PLANS, A, B, C, Cluster, D, Stream

END = Settings(plans={name: PlanPolicy(limit, excess=Excess.END) for limit, name in PLANS.items()})


def overdrawn(cluster: Cluster, cut_ms: int = 4_000) -> tuple[Stream, Stream]:
    """A settled session at the home, and one that region C admitted without hearing of it."""
    cluster.cut(C)
    cluster.run(100)
    tv = cluster.start(A, "tv")
    phone = cluster.start(C, "phone")
    assert phone.admitted.basis is Basis.OVERDRAFT
    cluster.play(cut_ms, tv, phone)
    return tv, phone


def is_settled(cluster: Cluster, region: RegionId, stream: Stream) -> bool:
    sessions = cluster.regions[region]._state.shard(ACCOUNT).sessions
    return sessions.is_settled(sessions.own_row(ACCOUNT, stream.session))


def test_an_overdraft_session_is_provisional_until_it_is_covered(cluster: Cluster) -> None:
    cluster.cut(B)
    tv = cluster.start(B, "tv")
    assert not is_settled(cluster, B, tv)
    assert cluster.regions[B].status().overdraft == 1

    cluster.heal()
    cluster.run(3_000)

    assert is_settled(cluster, B, tv)
    assert cluster.usable(B) == 1
    assert cluster.regions[B].status().overdraft == 0


def test_covered_once_it_is_settled_for_good_also_when_the_lease_runs_out(
    cluster: Cluster,
) -> None:
    tv = cluster.start(B, "tv")
    cluster.cut(B)
    cluster.play(20_000, tv)

    assert cluster.usable(B) == 0
    assert is_settled(cluster, B, tv)


@pytest.mark.parametrize("jump_ms", [3_600_000, -3_600_000])
def test_a_wall_clock_that_jumps_makes_no_session_older_or_younger(
    cluster: Cluster, jump_ms: int
) -> None:
    _, phone = overdrawn(cluster, cut_ms=4_000 if jump_ms > 0 else 14_000)
    cluster.wall_jump_ms = jump_ms
    cluster.heal()
    cluster.run(3_000)

    is_ended = isinstance(phone.beat(), Ended)
    assert is_ended == (jump_ms > 0)  # young when the regions met again, or no longer


def test_disproved_while_young_it_is_ended_for_the_limit(cluster: Cluster) -> None:
    tv, phone = overdrawn(cluster)
    cluster.heal()
    cluster.run(3_000)

    answer = phone.beat()
    assert isinstance(answer, Ended)
    assert (answer.reason, answer.actor, answer.retry) == (Reason.LIMIT, ActorKind.SYSTEM, False)
    assert isinstance(tv.beat(), Renewed)


def test_later_it_may_finish_and_new_starts_are_refused(cluster: Cluster) -> None:
    tv, phone = overdrawn(cluster, cut_ms=12_000)
    cluster.heal()
    cluster.play(60_000, tv, phone)

    assert isinstance(phone.beat(), Renewed)
    assert isinstance(tv.beat(), Renewed)
    for region in (A, B, C):
        assert len(cluster.refused(region, "laptop").blockers) >= 1


def test_with_excess_end_exactly_the_excess_ends_newest_first() -> None:
    cluster = Cluster(limit=2, settings=END)
    cluster.cut(C)
    cluster.run(100)
    tv = cluster.start(A, "tv")
    older = cluster.start(C, "phone")
    cluster.run(1_000)
    newer = cluster.start(C, "laptop")
    cluster.play(12_000, tv, older, newer)
    cluster.heal()
    cluster.run(4_000)

    assert isinstance(tv.beat(), Renewed)
    assert isinstance(older.beat(), Renewed)
    answer = newer.beat()
    assert isinstance(answer, Ended)
    assert answer.reason is Reason.LIMIT


@pytest.mark.parametrize("home", [A, B])
def test_two_provisional_sessions_never_end_one_another(home: RegionId) -> None:
    cluster = Cluster(home=home, settings=replace(END, young_ms=60_000))
    cluster.cut(B)
    cluster.cut(C)
    cluster.cut(A)
    cluster.run(16_000)
    streams = [cluster.start(r, f"d{r}") for r in (A, B, C)]
    cluster.heal()
    cluster.run(5_000)

    assert [isinstance(s.beat(), Renewed) for s in streams].count(True) == 1


def test_of_provisional_ones_the_earlier_start_precedes() -> None:
    cluster = Cluster(A, B, C, D, home=D)  # the home is lost: nobody can be covered
    for region in (B, C, D):
        cluster.cut(region)
    cluster.run(100)
    first = cluster.start(B, "tv")
    cluster.run(100)
    second = cluster.start(C, "phone")
    cluster.heal()
    cluster.cut(D)
    cluster.run(5_000)

    assert isinstance(first.beat(), Renewed)
    assert isinstance(second.beat(), Ended)


def test_a_settled_session_precedes_an_earlier_provisional_one(cluster: Cluster) -> None:
    cluster.cut(C)
    phone = cluster.start(C, "phone")
    cluster.run(1_000)
    tv = cluster.start(A, "tv")
    cluster.heal()
    cluster.run(3_000)

    assert isinstance(tv.beat(), Renewed)
    assert isinstance(phone.beat(), Ended)


def test_a_suspect_session_yields_before_a_provisional_one_is_ended() -> None:
    cluster = Cluster(limit=2)
    silent = cluster.start(C, "tv")
    cluster.run(55_000)
    laptop = cluster.start(A, "laptop")
    cluster.cut(C)
    cluster.run(4_000)
    phone = cluster.start(C, "phone")
    assert phone.admitted.basis is Basis.OVERDRAFT
    cluster.run(7_000)  # the first is suspect now
    cluster.heal()
    cluster.run(4_000)

    end = silent.beat()
    assert isinstance(end, Ended)
    assert end.reason is Reason.DISPLACED
    assert isinstance(phone.beat(), Renewed)
    assert isinstance(laptop.beat(), Renewed)


def test_it_asks_each_beacon_round_until_it_is_covered(cluster: Cluster) -> None:
    cluster.lose(Borrow)
    cluster.start(B, "tv")
    cluster.run(5_000)
    asked = len(cluster.messages(Borrow, B))
    cluster.lose()
    cluster.run(2_000)
    cluster.sent.clear()
    cluster.run(10_000)

    assert 4 <= asked <= 12
    assert cluster.messages(Borrow, B) == cluster.messages(Confirm, B) == []


def test_after_a_lost_lease_the_home_is_told_again_of_what_lives(cluster: Cluster) -> None:
    tv = cluster.start(B, "tv")
    cluster.cut(B)
    cluster.play(20_000, tv)
    cluster.heal()
    cluster.play(20_000, tv)

    assert cluster.usable(B) == 1


def test_a_round_is_bounded(monkeypatch: pytest.MonkeyPatch, cluster: Cluster) -> None:
    monkeypatch.setattr("georeg.region.overdrafts.ROUND_MAX", 4)
    cluster.lose(Borrow)
    for i in range(20):
        cluster.begin(B, "tv", account=f"acc-{i}")
    cluster.run(500)
    cluster.sent.clear()
    rounds = []
    for _ in range(5):
        cluster.run(1_000)
        rounds.append({s.message.account for s in cluster.messages(Borrow, B)})  # type: ignore[union-attr]
        cluster.sent.clear()

    assert all(len(accounts) <= 4 for accounts in rounds)
    assert len(set().union(*rounds)) == 20  # and each is in turn


def test_granted_starts_do_not_join_the_queue(cluster: Cluster) -> None:
    for i in range(50):
        cluster.start(A, "tv", account=f"acc-{i}")
    overdrafts = cluster.regions[A]._overdrafts

    assert not overdrafts._provisional
    assert not overdrafts._settled
