"""Token buckets, and that an honest sender is never found too fast."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from georeg.mesh.limits import Pace, TokenBucket
from georeg.mesh.settings import MeshSettings

SETTINGS = MeshSettings(frames_per_s=100, bytes_per_s=1 << 20, silence_ms=3_500)


def test_a_bucket_gives_its_burst_at_once_and_then_its_rate() -> None:
    bucket = TokenBucket(10.0, 5.0, 0.0)
    assert [bucket.take(1.0, 0.0) for _ in range(6)] == [True] * 5 + [False]
    assert bucket.wait_s(1.0, 0.0) == pytest.approx(0.1)
    assert bucket.take(1.0, 0.11)
    assert not bucket.take(1.0, 0.11)


def test_a_bucket_never_holds_more_than_its_burst() -> None:
    bucket = TokenBucket(10.0, 2.0, 0.0)
    assert [bucket.take(1.0, 1e6) for _ in range(3)] == [True, True, False]


def test_more_than_the_burst_passes_when_the_bucket_is_full_and_is_paid_for_later() -> None:
    bucket = TokenBucket(10.0, 5.0, 0.0)
    assert bucket.take(8.0, 0.0)
    assert bucket.wait_s(1.0, 0.0) == pytest.approx(0.4)


def send_all(sizes: list[int]) -> list[float]:
    """When a paced sender that always has something to say sends each frame."""
    pace = Pace.of_sender(SETTINGS, 0.0)
    now_s = 0.0
    times = []
    for size in sizes:
        now_s += pace.wait_s(size, now_s)
        pace.spend(size)
        times.append(now_s)
    return times


def is_borne(sizes: list[int], stall_s: float, receiver: Pace) -> bool:
    """Whether a receiver bears those frames over a link that stalls, then gives all at once."""
    arrivals = [max(sent_s, stall_s) for sent_s in send_all(sizes)]
    return all(receiver.take(size, at_s) for size, at_s in zip(sizes, arrivals, strict=True))


@given(
    st.lists(st.sampled_from([0, 20, 200, 60_000, 1 << 20]), min_size=1, max_size=800),
    st.floats(0.0, SETTINGS.silence_ms / 1000),
)
def test_a_receiver_bears_any_sender_that_paces_itself(sizes: list[int], stall_s: float) -> None:
    assert is_borne(sizes, stall_s, Pace.of_receiver(SETTINGS, 0.0))


def test_a_receiver_without_room_for_stalls_would_punish_an_honest_sender() -> None:
    assert not is_borne([200] * 800, 3.5, Pace.of_sender(SETTINGS, 0.0))


def test_a_sender_that_does_not_pace_itself_is_found() -> None:
    receiver = Pace.of_receiver(SETTINGS, 0.0)
    assert not all(receiver.take(200, 0.001 * number) for number in range(2_000))
