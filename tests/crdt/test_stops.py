"""Remembered ends."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.dots import SessionId
from crdt.events import Reason
from crdt.stops import End, Stops

S = SessionId(9)


def end(reason: Reason = Reason.LAPSED, hop: int = 0, dot: int = 9, session: int = 9) -> End:
    return End(SessionId(session), "account", hop, dot, reason)


def stops(held: tuple[int, int] = (0, 0), **limits: int) -> Stops:
    return Stops(lambda account, session: held, **limits)


def test_an_end_is_remembered_for_its_time_and_not_longer() -> None:
    ends = stops(memory_ms=100)
    ends.remember(end(), 0)

    assert ends.get(S, 99) == end()
    assert ends.get(S, 100) is None
    assert ends.expire(99) == 0
    assert ends.expire(100) == 1
    assert len(ends) == 0


@given(st.permutations([end(), end(hop=1), end(Reason.STOPPED), end(Reason.MOVED, 2), end(dot=10)]))
def test_the_highest_end_holds_in_whatever_order_they_come(order: list[End]) -> None:
    ends = stops()
    for one in order:
        ends.remember(one, 0)
        ends.remember(one, 0)

    assert ends.get(S, 0) == end(Reason.STOPPED)
    assert ends.is_stopped(S)


def test_an_add_beyond_an_end_hides_it_but_not_a_stop() -> None:
    for held, expected in (((0, 9), end()), ((0, 10), None), ((1, 1), None)):
        ends = stops(held)
        ends.remember(end(), 0)
        assert ends.get(S, 0) == expected
        ends.remember(end(Reason.STOPPED, 0, 0), 0)
        assert ends.is_stopped(S)
        assert ends.get(S, 0) is not None


def test_a_move_is_a_mark_that_nobody_sees() -> None:
    ends = stops()
    ends.remember(end(Reason.MOVED, hop=3), 0)
    ends.remember(end(Reason.LAPSED, hop=2), 0)

    assert ends.get(S, 0) is None
    assert ends.all() == [end(Reason.MOVED, hop=3)]


@pytest.mark.parametrize("again", [end(), end(Reason.DISPLACED)])
def test_an_end_that_says_nothing_new_lengthens_nothing(again: End) -> None:
    ends = stops(memory_ms=100)
    assert ends.remember(end(), 0)
    assert not ends.remember(again, 50)
    assert ends.get(S, 100) is None


def test_beyond_the_limit_the_oldest_is_forgotten() -> None:
    ends = stops(ends_max=3)
    for session in (5, 4, 3, 2):
        ends.remember(end(session=session), 0)

    assert [one.session for one in ends.all()] == [2, 3, 4]


def silent(silent_ms: int, hop: int = 1, reason: Reason = Reason.DISPLACED) -> End:
    return End(S, "account", hop, 9, reason, silent_ms)


@pytest.mark.parametrize(
    ("heard_ms", "outlived_ms"), [(30_000, None), (35_000, None), (35_001, 35_001)]
)
def test_whoever_heard_the_device_later_outlives_an_end_by_silence(
    heard_ms: int, outlived_ms: int | None
) -> None:
    for own_first in (True, False):
        ends = stops()
        own = (end(Reason.MOVED), 50_000, heard_ms)
        other = (silent(65_000), 100_000, 0)
        for one, now_ms, heard in (own, other) if own_first else (other, own):
            ends.remember(one, now_ms, heard)
        assert ends.outlived_ms(S) == outlived_ms


@pytest.mark.parametrize("reason", [Reason.STOPPED, Reason.KICKED, Reason.EXPIRED, Reason.MOVED])
def test_nothing_outlives_an_end_that_somebody_wanted(reason: Reason) -> None:
    ends = stops()
    ends.remember(end(Reason.MOVED), 50_000, 49_000)
    ends.remember(silent(0, reason=reason), 50_000)

    assert ends.outlived_ms(S) is None


def test_a_silence_that_is_not_told_is_none() -> None:
    ends = stops()
    ends.remember(end(Reason.MOVED), 50_000, 49_000)
    ends.remember(silent(0), 50_000)

    assert ends.outlived_ms(S) is None
