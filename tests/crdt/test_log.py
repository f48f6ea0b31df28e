"""A region's own log of one shard."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.codec import NOTHING
from crdt.errors import LocalError, PeerError
from crdt.log import Log


def log_of(count: int, **limits: int) -> Log:
    log = Log(**limits)
    for n in range(1, count + 1):
        assert log.append(b"%04d" % n) == n
    return log


def test_a_range_begins_right_after_the_reader_and_keeps_both_limits() -> None:
    log = log_of(10)

    assert log.range(3, 2, 1000) == (4, [b"0004", b"0005"])
    assert log.range(3, 100, 12) == (4, [b"0004", b"0005", b"0006"])
    assert log.range(10, 5, 1000) == (11, [])


def test_one_event_is_sent_even_if_it_is_larger_than_the_limit() -> None:
    assert log_of(3).range(0, 10, 1) == (1, [b"0001"])


def test_a_reader_below_the_floor_gets_nothing_and_one_ahead_is_refused() -> None:
    log = log_of(10)
    log.trim(4)

    assert log.range(3, 10, 1000) is None
    assert log.range(4, 1, 1000) == (5, [b"0005"])
    with pytest.raises(PeerError):
        log.range(11, 1, 1000)


def test_trimming_never_passes_the_top_and_never_goes_back() -> None:
    log = log_of(5)
    log.trim(3)
    log.trim(1)
    assert (log.floor, log.top) == (3, 5)
    log.trim(100)
    assert (log.floor, log.top) == (5, 5)
    assert log.append(b"next") == 6


@given(st.integers(1, 300), st.integers(1, 50), st.integers(1, 400))
def test_it_stays_within_its_capacity_and_keeps_the_latest(
    count: int, events: int, size: int
) -> None:
    log = log_of(count, capacity_events=events, capacity_bytes=max(4, size))

    kept = log.range(log.floor, 1000, 10_000)
    assert kept is not None
    assert kept[1] == [b"%04d" % n for n in range(log.floor + 1, count + 1)]
    assert len(kept[1]) <= events
    assert sum(map(len, kept[1])) <= max(4, size)
    assert log.top == count


def test_an_add_that_is_over_within_the_range_is_not_sent() -> None:
    log = log_of(6)
    log.blank(2, by=5)

    assert log.range(0, 5, 1000) == (1, [b"0001", NOTHING, b"0003", b"0004", b"0005"])


def test_an_add_whose_release_is_beyond_the_range_is_sent() -> None:
    log = log_of(6)
    log.blank(2, by=5)

    assert log.range(0, 4, 1000) == (1, [b"0001", b"0002", b"0003", b"0004"])


def test_an_add_is_over_only_by_a_later_event_of_the_log() -> None:
    log = log_of(6)
    for position, by in ((5, 5), (5, 4), (0, 3), (5, 7)):
        with pytest.raises(LocalError):
            log.blank(position, by)
    log.trim(3)
    log.blank(2, by=6)
    assert log.range(3, 3, 1000) == (4, [b"0004", b"0005", b"0006"])


def test_a_log_without_room_is_a_bug() -> None:
    with pytest.raises(LocalError):
        Log(capacity_events=0)
