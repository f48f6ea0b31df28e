"""One direction of a line: how long bytes take."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from region_sim.kernel.links import RETRY_FIRST_US, Link

TRIP_US = 10_000


def link(*, jitter: float = 0.0, seed: int = 0) -> Link:
    return Link("a", "b", TRIP_US, jitter, Random(seed))


def test_bytes_take_the_latency_however_many_they_are() -> None:
    assert link().arrival_us(5, 1) == link().arrival_us(5, 10**9) == 5 + TRIP_US


@given(st.integers(0, 10_000))
def test_jitter_adds_at_most_its_share(seed: int) -> None:
    assert TRIP_US <= link(jitter=0.5, seed=seed).trip_us() <= TRIP_US * 1.5


def test_lag_is_added_and_taken_away() -> None:
    one = link()
    one.lag_us += 300_000
    assert one.arrival_us(0, 1) == 310_000
    one.lag_us -= 300_000
    assert one.arrival_us(0, 1) == TRIP_US


def test_with_little_bandwidth_bytes_queue() -> None:
    one = link()
    one.narrows += [5_000.0, 1_000.0]
    assert one.arrival_us(0, 500) == 500_000 + TRIP_US, "the narrowest counts"
    assert one.arrival_us(100_000, 500) == 1_000_000 + TRIP_US, "behind the first"
    assert one.arrival_us(5_000_000, 500) == 5_500_000 + TRIP_US, "nobody before it"
    one.narrows.clear()
    assert one.arrival_us(5_000_001, 500) == 5_000_001 + TRIP_US


def test_lost_segments_come_later_by_the_pauses_of_tcp() -> None:
    one = link(seed=4)
    one.losses.append(0.5)
    late_us = [one.arrival_us(0, 1) - TRIP_US for _ in range(400)]
    first_us = RETRY_FIRST_US + 2 * TRIP_US
    assert set(late_us) <= {first_us * (2**n - 1) for n in range(7)}
    assert 150 < late_us.count(0) < 250
    assert 60 < late_us.count(first_us) < 140


def test_without_loss_nothing_is_drawn_for_it() -> None:
    one, other = link(jitter=0.3), link(jitter=0.3)
    one.losses.append(0.2)
    one.losses.remove(0.2)
    assert [one.trip_us() for _ in range(9)] == [other.trip_us() for _ in range(9)]


def test_what_waits_for_a_stall_goes_on_when_the_last_stall_is_over() -> None:
    one, flown = link(), []
    one.stalls += 2
    one.on_flow.append(lambda: flown.append(1))
    one.unstall()
    assert flown == []
    one.unstall()
    assert flown == [1]
    one.stalls += 1
    one.unstall()
    assert flown == [1], "it waits only once"


@pytest.mark.parametrize("what", ["drops", "rejects"])
def test_a_link_is_cut_until_its_last_cut_is_over(what: str) -> None:
    one = link()
    for count, is_cut in ((2, True), (1, True), (0, False)):
        setattr(one, what, count)
        assert one.is_cut == is_cut


def test_everything_that_is_sent_is_counted() -> None:
    one = link()
    for size in (1, 10, 0):
        one.arrival_us(0, size)
    assert (one.bytes, one.chunks) == (11, 3)
