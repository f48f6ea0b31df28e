"""The sweep: bounded in each step, complete in each walk."""

import pytest

from crdt.events import Reason
from crdt.lapses import lapsed
from crdt.sessions import SessionSet
from georeg.region import sweep
from georeg.region.model import Renewed
from tests.region.cluster import A, Cluster

LEASE_MS = 90_000


def crowd(count: int) -> Cluster:
    """A lone region that holds `count` sessions of as many accounts."""
    cluster = Cluster(A)
    for i in range(count):
        cluster.start(A, "tv", account=f"acc-{i}")
    return cluster


def freeze(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> sweep.Sweep:
    """No step but the test's own from now on."""
    region = cluster.regions[A]
    own = sweep.Sweep(region._state)
    monkeypatch.setattr(region._sweep, "step", lambda: True)
    return own


def everybody_is_heard(cluster: Cluster) -> None:
    """Each lease begins anew, now."""
    state = cluster.regions[A]._state
    for shard in state.shards:
        for row in shard.sessions.rows_of(A):
            shard.sessions.heard[row] = state.clock.now_ms()


def test_sessions_at_which_nobody_looks_lapse_within_a_second() -> None:
    cluster = crowd(300)
    cluster.run(LEASE_MS + 1_500)

    assert cluster.regions[A].status().sessions == 0
    assert cluster.counter(A, "released_lapsed") == 300


def test_one_step_releases_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = crowd(300)
    own = freeze(cluster, monkeypatch)
    cluster.run(LEASE_MS + 1)
    counts = [300]
    while counts[-1]:
        own.step()
        counts.append(cluster.regions[A].status().sessions)
    released = [a - b for a, b in zip(counts, counts[1:], strict=False)]

    assert max(released) <= sweep.RELEASES_MAX
    assert sum(released) == 300


def test_one_step_looks_at_a_bounded_number_of_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "ROWS_MAX", 20)
    cluster = crowd(200)
    own = freeze(cluster, monkeypatch)
    cluster.run(LEASE_MS + 1)
    everybody_is_heard(cluster)
    looked: list[int] = []

    def count(sessions: SessionSet, before_ms: int, first_row: int, rows: int) -> list[int]:
        looked.append(rows)
        return lapsed(sessions, before_ms, first_row, rows)

    monkeypatch.setattr(sweep, "lapsed", count)
    steps = 0
    while not own.step():
        assert max(looked) <= 20
        looked.clear()
        steps += 1

    assert steps >= 200 // 20


def test_a_shard_in_which_no_lease_can_have_run_out_is_not_looked_at(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = crowd(200)
    looked: list[int] = []

    def count(sessions: SessionSet, before_ms: int, first_row: int, rows: int) -> list[int]:
        looked.append(rows)
        return lapsed(sessions, before_ms, first_row, rows)

    monkeypatch.setattr(sweep, "lapsed", count)
    cluster.run(LEASE_MS - 2_000)
    slowly = len(looked)
    assert 64 <= slowly < 3 * 64  # each shard once a minute, for what else there is to find
    everybody_is_heard(cluster)
    cluster.run(3_000)
    once = len(looked)
    assert slowly < once < slowly + 3 * 64
    cluster.run(30_000)

    assert len(looked) < once + 64
    assert cluster.regions[A].status().sessions == 200
    cluster.run(LEASE_MS - 30_000)
    assert cluster.regions[A].status().sessions == 0


@pytest.mark.parametrize("rows_max", [1, 3, 7, 1000])
def test_a_walk_over_all_shards_misses_nothing(
    monkeypatch: pytest.MonkeyPatch, rows_max: int
) -> None:
    monkeypatch.setattr(sweep, "ROWS_MAX", rows_max)
    cluster = crowd(150)
    own = freeze(cluster, monkeypatch)
    cluster.run(LEASE_MS + 1)
    while not own.step():
        pass

    assert cluster.regions[A].status().sessions == 0


def test_whoever_looks_at_an_account_sees_lapsed_sessions_as_gone_before_the_sweep_has_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cluster = crowd(1)
    freeze(cluster, monkeypatch)
    cluster.run(LEASE_MS + 1)

    assert cluster.live(A, "acc-0") == cluster.listed(A, "acc-0") == []
    assert cluster.start(A, "phone", account="acc-0").admitted.live == 1
    assert cluster.counter(A, "released_lapsed") == 1
    assert cluster.counter(A, "released_displaced") == 0


def test_what_is_heard_in_time_is_left_alone() -> None:
    cluster = Cluster(A)
    kept = cluster.start(A, "tv")
    cluster.start(A, "tv", account="acc-2")
    cluster.play(LEASE_MS + 5_000, kept)

    assert isinstance(kept.beat(), Renewed)
    assert cluster.regions[A].status().sessions == 1


def test_ends_kicks_and_plans_are_forgotten_in_time() -> None:
    cluster = Cluster(A)
    for _ in range(5):
        cluster.start(A, "tv")
        cluster.start(A, "phone", account="acc-2").stop()
    state = cluster.regions[A]._state
    assert sum(len(s.stops) for s in state.shards) > 0
    assert cluster.regions[A].status().kicks_remembered > 0
    assert state.plan_of("acc-1") is not None
    cluster.run(2 * LEASE_MS + cluster.settings.ends_memory_ms)
    assert sum(len(s.stops) for s in state.shards) == 0
    cluster.wall_jump_ms = (cluster.settings.plan_memory_s + 2 * 86_400) * 1000
    cluster.run(sweep.SLOW_WALKS * 2 * cluster.settings.beacon_ms)

    assert cluster.regions[A].status().kicks_remembered == 0
    assert state.plan_of("acc-1") is None


def test_a_session_that_lapsed_is_told_to_its_watcher() -> None:
    cluster = Cluster(A)
    tv = cluster.start(A, "tv")
    ends: list[Reason] = []
    cluster.regions[A].watch(tv.session, lambda end: ends.append(end.reason))
    cluster.run(LEASE_MS + 2_000)

    assert ends == [Reason.LAPSED]
