"""What a region remembers of its decisions, in scripted clusters: what is noted, and how much."""

from dataclasses import replace

import pytest

from crdt.dots import RegionId
from crdt.events import ActorKind
from georeg.region.decisions import Decision, Keeping, Kind
from georeg.region.messages import Slot
from georeg.region.records import ACCOUNT_BYTES_MAX, Records
from georeg.region.settings import OnLimit, PlanPolicy, Settings
from tests.region.cluster import ACCOUNT, A, B, C, Cluster


def told(cluster: Cluster, at: RegionId, account: str = ACCOUNT) -> list[Decision]:
    return cluster.regions[at].report.decisions.of(account)


def kinds(cluster: Cluster, at: RegionId) -> list[tuple[Kind, str, str]]:
    return [(d.kind, d.device, d.word) for d in told(cluster, at)]


def test_a_refusal_is_kept_with_the_evidence_that_it_rested_on() -> None:
    cluster = Cluster(limit=1, home=B)
    stream = cluster.start(A, "tv")
    cluster.run(1_000)
    refused = cluster.refused(B, "phone")
    (decision,) = told(cluster, B)
    assert (decision.kind, decision.device, decision.session) == (Kind.REFUSED, "phone", 0)
    assert (decision.plan, decision.limit, decision.live) == ("basic", 1, 1)
    assert decision.word == refused.how.value == "confirmed"
    (witness,) = decision.seen
    assert (witness.session, witness.device, witness.region) == (stream.session, "tv", A)
    assert (witness.how, witness.age_ms) == ("confirmed", refused.blockers[0].age_ms)


def test_an_admission_is_kept_with_its_basis_and_who_played_beside_it() -> None:
    cluster = Cluster(limit=2)
    cluster.start(A, "tv")
    cluster.run(1_000)
    cluster.start(B, "phone")
    assert kinds(cluster, A) == [(Kind.ADMITTED, "tv", "granted")]
    (admitted,) = told(cluster, B)
    assert (admitted.word, admitted.live, admitted.limit) == ("borrowed", 2, 2)
    assert [(w.device, w.region) for w in admitted.seen] == [("tv", A)]


def test_what_a_start_supersedes_or_replaces_is_kept_before_it() -> None:
    cluster = Cluster(limit=1)
    first = cluster.start(A, "tv")
    again = cluster.start(A, "tv")
    cluster.start(A, "phone", replace=(again.session,))
    assert kinds(cluster, A) == [
        (Kind.ADMITTED, "tv", "granted"),
        (Kind.KICKED, "tv", "superseded"),
        (Kind.ADMITTED, "tv", "granted"),
        (Kind.KICKED, "tv", "replaced"),
        (Kind.ADMITTED, "phone", "granted"),
    ]
    assert [d.session for d in told(cluster, A)][1::2] == [first.session, again.session]


def test_an_eviction_by_policy_is_kept_as_the_limits_by_the_device() -> None:
    plans = {"basic": PlanPolicy(1, on_limit=OnLimit.END_OLDEST)}
    cluster = Cluster(limit=1, settings=replace(Settings(), plans=plans))
    cluster.start(A, "tv")
    cluster.start(A, "phone")
    assert kinds(cluster, A)[1:] == [
        (Kind.KICKED, "tv", "limit"),
        (Kind.ADMITTED, "phone", "granted"),
    ]
    assert told(cluster, A)[1].actor == "device"


def test_a_disproved_overdraft_is_kept_as_ended_by_the_system() -> None:
    cluster = Cluster(limit=1)
    cluster.cut(B)
    cluster.start(A, "tv")
    cluster.start(B, "phone")
    assert kinds(cluster, B) == [(Kind.ADMITTED, "phone", "overdraft")]
    cluster.heal()
    cluster.run(5_000)
    assert (told(cluster, B)[1].kind, told(cluster, B)[1].word) == (Kind.KICKED, "limit")
    assert told(cluster, B)[1].actor == "system"


def test_an_overdraft_that_is_disproved_late_is_kept_as_one_that_may_finish() -> None:
    cluster = Cluster(limit=1)
    cluster.cut(B)
    streams = (cluster.start(A, "tv"), cluster.start(B, "phone"))
    cluster.play(40_000, *streams)
    cluster.heal()
    cluster.play(10_000, *streams)
    assert (Kind.MAY_FINISH, "phone", "") in kinds(cluster, B)


def test_an_overdraft_that_a_grant_covers_is_kept_as_covered() -> None:
    cluster = Cluster(limit=2)
    cluster.lose(Slot)
    cluster.start(B, "phone")
    assert kinds(cluster, B) == [(Kind.ADMITTED, "phone", "overdraft")]
    cluster.lose()
    cluster.run(3_000)
    assert kinds(cluster, B)[1:] == [(Kind.COVERED, "phone", "")]


def test_only_what_was_not_covered_before_is_kept_as_covered() -> None:
    cluster = Cluster(limit=3)
    cluster.start(A, "radio")
    cluster.run(1_000)
    cluster.start(B, "tv")
    cluster.lose(Slot)
    cluster.start(B, "phone")
    assert kinds(cluster, B)[-1] == (Kind.ADMITTED, "phone", "overdraft")
    cluster.lose()
    cluster.run(3_000)
    assert kinds(cluster, B)[2:] == [(Kind.COVERED, "phone", "")]


def test_a_session_that_moves_is_kept_on_both_sides() -> None:
    cluster = Cluster(limit=1)
    stream = cluster.start(A, "tv")
    cluster.run(1_000)
    stream.beat(B)
    cluster.run(1_000)
    assert (told(cluster, B)[0].kind, told(cluster, B)[0].region) == (Kind.ADOPTED, A)
    assert (told(cluster, A)[-1].kind, told(cluster, A)[-1].region) == (Kind.MOVED, B)


def test_a_session_that_lapses_and_comes_back_is_kept_as_ended_and_revived() -> None:
    cluster = Cluster(limit=1)
    stream = cluster.start(A, "tv")
    cluster.run(100_000)
    stream.beat()
    cluster.run(100)
    assert kinds(cluster, A) == [
        (Kind.ADMITTED, "tv", "granted"),
        (Kind.ENDED, "tv", "lapsed"),
        (Kind.REVIVED, "tv", "granted"),
    ]


def test_a_suspect_session_that_makes_room_is_kept_as_displaced() -> None:
    cluster = Cluster(limit=1)
    cluster.start(A, "tv")
    cluster.run(70_000)
    cluster.start(A, "phone")
    assert kinds(cluster, A)[1:] == [
        (Kind.ENDED, "tv", "displaced"),
        (Kind.ADMITTED, "phone", "granted"),
    ]


def test_a_kick_is_kept_with_who_did_it_and_where_it_is_heard_of() -> None:
    cluster = Cluster(limit=1)
    stream = cluster.start(A, "tv")
    cluster.run(1_000)
    cluster.settled(cluster.regions[B].kick(ACCOUNT, stream.session, ActorKind.OPERATOR, "ann"))
    cluster.run(200)
    made, heard = told(cluster, B)[0], told(cluster, A)[-1]
    assert (made.kind, made.word, made.region, made.actor, made.who) == (
        Kind.KICKED, "kicked", A, "operator", "ann"
    )  # fmt: skip
    assert heard == made._replace(kind=Kind.HEARD_KICK, wall_ms=heard.wall_ms)


def test_a_stop_is_kept_where_it_came_where_it_took_effect_and_where_it_is_heard_of() -> None:
    cluster = Cluster(limit=1)
    stream = cluster.start(A, "tv")
    cluster.run(1_000)
    stream.stop(at=B)
    cluster.run(1_000)
    assert kinds(cluster, B)[0][0] is Kind.STOP_PASSED_ON
    assert (Kind.ENDED, "tv", "stopped") in kinds(cluster, A)
    heard = [d for d in told(cluster, C) if d.kind is Kind.HEARD_STOP]
    assert {d.session for d in heard} == {stream.session}
    assert A in {d.region for d in heard}


def test_names_of_devices_are_kept_only_if_the_config_wants_it() -> None:
    cluster = Cluster(limit=2)
    cluster.start(A, "tv")
    decisions = cluster.regions[A].report.decisions
    decisions.configure(Keeping(names=True))
    cluster.start(A, "tv")
    assert {d.name for d in told(cluster, A)[:1]} == {""}
    assert {d.name for d in told(cluster, A)[1:]} == {"the tv"}
    decisions.configure(Keeping(names=False))
    assert told(cluster, A) == []


def test_nothing_is_kept_when_the_config_wants_nothing() -> None:
    cluster = Cluster(limit=1)
    cluster.start(A, "tv")
    cluster.regions[A].report.decisions.configure(Keeping(records_max=0))
    cluster.refused(A, "phone")
    assert told(cluster, A) == []


class Hands:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.time_ms = 1_000

    def now_ms(self) -> int:
        return self.time_ms

    def wall_ms(self) -> int:
        return self.time_ms

    def call_later(self, *_: object) -> None:  # type: ignore[override]
        raise AssertionError("records have no timers")


@pytest.fixture
def clock() -> Hands:
    return Hands()


def records(clock: Hands, keep_s: int = 100, records_max: int = 1_000) -> Records:
    return Records(clock, keep_s, records_max)  # type: ignore[arg-type]


def test_a_noisy_account_loses_its_own_oldest_and_pushes_out_nobody(clock: Hands) -> None:
    kept = records(clock)
    kept.note("quiet", b"q")
    for number in range(900):
        clock.time_ms += 1
        kept.note("noisy", b"%04d" % number + bytes(96))
    assert kept.of("quiet") == [b"q"]
    noisy = kept.of("noisy")
    assert [one[:4] for one in noisy] == [b"%04d" % n for n in range(900 - len(noisy), 900)]
    assert ACCOUNT_BYTES_MAX - 110 < 110 * len(noisy) <= ACCOUNT_BYTES_MAX
    assert kept.count == len(noisy) + 1
    assert kept.complete_since_ms("quiet") == 1_000
    assert kept.complete_since_ms("noisy") == clock.time_ms - len(noisy) + 1


def test_beyond_the_bound_the_account_at_rest_for_longest_loses_its_oldest(clock: Hands) -> None:
    kept = records(clock, records_max=4)
    for account in ("a", "b", "a", "c", "c"):
        clock.time_ms += 10
        kept.note(account, account.encode())
    assert [len(kept.of(a)) for a in "abc"] == [2, 0, 2]
    assert kept.count == 4
    assert kept.complete_since_ms("a") == 1_021


def test_what_is_too_old_is_neither_told_nor_kept(clock: Hands) -> None:
    kept = records(clock, keep_s=1)
    kept.note("a", b"1")
    clock.time_ms += 1_000
    assert kept.of("a") == [b"1"]
    clock.time_ms += 1
    assert kept.of("a") == []
    kept.note("a", b"2")
    assert (kept.count, kept.of("a")) == (1, [b"2"])
    clock.time_ms += 1_001
    kept.tick()
    assert kept.count == 0


def test_smaller_bounds_take_effect_at_once(clock: Hands) -> None:
    kept = records(clock)
    for account in "abcd":
        kept.note(account, b"x")
    kept.bound(100, 2)
    assert [len(kept.of(a)) for a in "abcd"] == [0, 0, 1, 1]
