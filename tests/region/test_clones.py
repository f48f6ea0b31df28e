"""Two hands on one token are noticed; what one device alone can do never is."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count

import pytest

from crdt.dots import RegionId
from crdt.events import ActorKind, Reason
from georeg.region import clones
from georeg.region.model import Ended, Renewed
from georeg.region.settings import OnClone, PlanPolicy, Settings
from tests.region.cluster import ACCOUNT, HEARTBEAT_MS, A, B, Cluster, Stream


class Hand:
    """Somebody with a token of a session: its mark, and that of the token before it."""

    def __init__(self, stream: Stream, marks: Iterator[int]) -> None:
        self.stream, self._marks = stream, marks
        self.mark, self.parent = next(marks), 0

    def copied(self) -> "Hand":
        """Another one with the same token."""
        other = Hand(self.stream, self._marks)
        other.mark, other.parent = self.mark, self.parent
        return other

    def beat(self, at: RegionId = A) -> Renewed | Ended:
        """A heartbeat whose answer carries no token, or is lost."""
        cluster = self.stream.cluster
        region = cluster.regions[at]
        if region.renew(self.stream.session, ACCOUNT, self.mark, self.parent):
            return Renewed(self.stream.session)
        return cluster.settled(region.heartbeat(self.stream.claims))

    def roll(self, at: RegionId = A) -> None:
        """A heartbeat that is answered with the next token."""
        self.beat(at)
        self.mark, self.parent = next(self._marks), self.mark


@pytest.fixture
def hand(cluster: Cluster) -> Hand:
    return Hand(cluster.start(A, "tv"), count(1))


def found(cluster: Cluster, at: RegionId = A) -> int:
    return cluster.counter(at, "clones")


def in_turn(cluster: Cluster, *acts: Callable[[], object], times: int = 1) -> None:
    """Each act, spread over one heartbeat interval, so often."""
    for _ in range(times):
        for act in acts:
            act()
            cluster.run(HEARTBEAT_MS // len(acts))


def test_two_that_take_rolled_tokens_are_found_and_counted_once(
    cluster: Cluster, hand: Hand
) -> None:
    other = hand.copied()
    in_turn(cluster, hand.beat, other.beat)
    in_turn(cluster, hand.roll, other.roll)
    assert found(cluster) == 0
    in_turn(cluster, hand.beat, other.beat, times=3)
    assert found(cluster) == 1
    in_turn(cluster, hand.roll, other.roll, hand.beat, other.beat, times=9)
    assert found(cluster) == 1


def test_one_that_keeps_the_old_token_is_found_beside_one_that_does_not(
    cluster: Cluster, hand: Hand
) -> None:
    other = hand.copied()
    hand.roll()
    in_turn(cluster, hand.beat, other.beat, times=4)
    assert found(cluster) == 1


def test_three_that_come_in_turn_are_found(cluster: Cluster, hand: Hand) -> None:
    hands = [hand, hand.copied(), hand.copied()]
    in_turn(cluster, *(h.roll for h in hands))
    in_turn(cluster, *(h.beat for h in hands), times=4)
    assert found(cluster) == 1


def test_a_device_that_takes_its_tokens_is_not_suspected(cluster: Cluster, hand: Hand) -> None:
    in_turn(cluster, hand.beat, times=5)
    in_turn(cluster, hand.roll, times=20)
    assert found(cluster) == 0
    assert cluster.regions[A]._heartbeats._clones._suspicions == {}


def test_a_retry_after_a_lost_answer_is_not_suspected(cluster: Cluster, hand: Hand) -> None:
    for _ in range(20):
        for _ in range(4):
            hand.beat()  # its answer had a token, and was lost
            cluster.run(2_000)
        in_turn(cluster, hand.roll)
    assert found(cluster) == 0
    assert cluster.regions[A]._heartbeats._clones._suspicions == {}


def test_a_doubled_heartbeat_whose_answers_both_arrive_is_no_clone(
    cluster: Cluster, hand: Hand
) -> None:
    for _ in range(20):
        late = hand.copied()
        hand.roll()
        in_turn(cluster, hand.beat)
        late.roll()
        hand.mark, hand.parent = late.mark, late.parent
        in_turn(cluster, hand.beat)
    assert found(cluster) == 0


def test_a_heartbeat_that_comes_long_after_the_next_token_is_no_clone(
    cluster: Cluster, hand: Hand
) -> None:
    for _ in range(clones.TURNS - 1):
        late = hand.copied()
        hand.roll()
        in_turn(cluster, hand.beat, late.beat, hand.beat)
    in_turn(cluster, hand.roll, times=20)
    assert found(cluster) == 0
    cluster.play((clones.TURNS_WITHIN + 1) * cluster.settings.client_lease_ms, hand.stream)
    late = hand.copied()
    hand.roll()
    in_turn(cluster, hand.beat, late.beat, hand.beat)
    assert found(cluster) == 0


def test_a_device_that_is_restored_with_an_old_token_again_and_again_is_no_clone(
    cluster: Cluster, hand: Hand
) -> None:
    first = hand.copied()
    for _ in range(20):
        hand.mark, hand.parent = first.mark, first.parent
        in_turn(cluster, hand.beat, hand.roll, hand.beat, hand.roll, hand.beat)
    assert found(cluster) == 0


def test_a_device_that_moves_to_and_fro_is_no_clone_also_beyond_a_cut(
    cluster: Cluster, hand: Hand
) -> None:
    for _ in range(10):
        in_turn(cluster, hand.roll, lambda: hand.roll(B), lambda: hand.roll(B))
    cluster.cut(A)
    for _ in range(10):
        in_turn(cluster, hand.roll, lambda: hand.roll(B), lambda: hand.roll(B))
    assert found(cluster, A) == found(cluster, B) == 0


def test_a_region_that_restarted_suspects_nobody(cluster: Cluster, hand: Hand) -> None:
    other = hand.copied()
    in_turn(cluster, hand.roll, other.roll)
    cluster.kill(A)
    cluster.boot(A)
    cluster.run(5_000)
    in_turn(cluster, hand.beat, other.beat)
    assert cluster.counter(A, "adopted") == 1
    assert cluster.regions[A]._heartbeats._clones._suspicions == {}


def test_what_a_gateway_or_an_event_stream_says_is_not_judged(cluster: Cluster, hand: Hand) -> None:
    old = hand.stream
    hand.roll()

    def by_gateway() -> None:
        assert cluster.regions[A].renewer()(old.session, ACCOUNT.encode())

    in_turn(cluster, hand.beat, by_gateway, old.beat, times=60)
    assert found(cluster) == cluster.counter(A, "clones_by_pace") == 0


def test_two_that_ignore_rolled_tokens_are_counted_by_their_pace(
    cluster: Cluster, hand: Hand
) -> None:
    other = hand.copied()
    in_turn(cluster, hand.beat, other.beat, times=30)
    assert cluster.counter(A, "clones_by_pace") == 0
    in_turn(cluster, hand.beat, other.beat, times=5)
    assert cluster.counter(A, "clones_by_pace") == 1
    assert found(cluster) == 0


def test_one_that_is_a_little_fast_or_retries_in_bursts_keeps_its_pace(
    cluster: Cluster, hand: Hand
) -> None:
    for _ in range(80):
        hand.beat()
        cluster.run(HEARTBEAT_MS * 17 // 20)
    for _ in range(6):
        for gap_ms in (1_000, 2_000, 4_000, 8_000, 16_000):
            hand.beat()
            cluster.run(gap_ms)
        in_turn(cluster, hand.beat, times=20)
    assert cluster.counter(A, "clones_by_pace") == 0


def to_and_fro(cluster: Cluster, hand: Hand, times: int, step_ms: int) -> None:
    for number in range(times):
        hand.beat((A, B)[number % 2])
        cluster.run(step_ms)


def test_two_in_two_regions_are_counted_by_how_soon_their_session_comes_back(
    cluster: Cluster, hand: Hand
) -> None:
    to_and_fro(cluster, hand, 60, HEARTBEAT_MS // 2)
    assert cluster.counter(A, "clones_by_pace") == cluster.counter(B, "clones_by_pace") == 0
    to_and_fro(cluster, hand, 10, HEARTBEAT_MS // 2)
    assert cluster.counter(A, "clones_by_pace") + cluster.counter(B, "clones_by_pace") >= 1
    assert found(cluster) == found(cluster, B) == 0


def test_one_that_goes_to_two_regions_in_turn_keeps_its_pace(cluster: Cluster, hand: Hand) -> None:
    to_and_fro(cluster, hand, 80, HEARTBEAT_MS * 9 // 10)
    assert cluster.counter(A, "clones_by_pace") == cluster.counter(B, "clones_by_pace") == 0
    assert cluster.regions[A]._heartbeats._clones._returns == {}


def test_of_sessions_that_come_back_fast_so_many_are_remembered(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clones, "SUSPICIONS_MAX", 1)
    cluster = Cluster(limit=2)
    for device in ("tv", "phone"):
        to_and_fro(cluster, Hand(cluster.start(A, device), count(1)), 4, HEARTBEAT_MS // 2)
    assert len(cluster.regions[A]._heartbeats._clones._returns) == 1


def ending(clones: OnClone) -> Cluster:
    return Cluster(settings=replace(Settings(), plans={"basic": PlanPolicy(1, clones=clones)}))


@pytest.mark.parametrize("policy", OnClone)
def test_the_plan_says_whether_the_session_ends(policy: OnClone) -> None:
    cluster = ending(policy)
    hand = Hand(cluster.start(A, "tv"), count(1))
    other = hand.copied()
    in_turn(cluster, hand.roll, other.roll)
    answers = []
    in_turn(cluster, lambda: answers.append(hand.beat()), lambda: answers.append(other.beat()),
            times=3)  # fmt: skip
    assert found(cluster) == 1
    ends = [answer for answer in answers if isinstance(answer, Ended)]
    assert bool(ends) is (policy is OnClone.END)
    assert {(e.reason, e.actor, e.retry) for e in ends} <= {
        (Reason.KICKED, ActorKind.SYSTEM, False)
    }
    assert cluster.live(B) == ([] if ends else ["tv"])


def test_what_is_suspected_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clones, "SUSPICIONS_MAX", 3)
    cluster = Cluster(limit=4)
    for name in ("tv", "phone", "browser", "tablet"):
        hand = Hand(cluster.start(A, name), count(1))
        other = hand.copied()
        in_turn(cluster, hand.roll, other.roll, hand.beat, other.beat)
    assert len(cluster.regions[A]._heartbeats._clones._suspicions) == 3


def test_a_row_that_is_used_again_remembers_no_token(cluster: Cluster, hand: Hand) -> None:
    hand.beat()
    hand.stream.stop()
    next_one = Hand(cluster.start(A, "phone"), count(100))
    in_turn(cluster, next_one.beat)
    assert cluster.regions[A]._heartbeats._clones._suspicions == {}
