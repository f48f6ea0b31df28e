"""The hybrid logical clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.errors import LocalError
from crdt.hlc import WALL_MS_MAX, Hlc, hlc_at, wall_ms_of


@given(st.lists(st.integers(0, 1 << 40), min_size=1))
def test_it_grows_whatever_the_wall_clock_does(walls: list[int]) -> None:
    clock = Hlc()
    times = [clock.tick(wall_ms) for wall_ms in walls]

    assert times == sorted(set(times))
    assert all(wall_ms_of(time) >= wall_ms for time, wall_ms in zip(times, walls, strict=True))


def test_what_comes_after_a_seen_time_is_higher() -> None:
    clock = Hlc()
    clock.observe(hlc_at(1_400) + 3, 1_000)

    assert clock.tick(1_000) == hlc_at(1_400) + 4


def test_a_time_too_far_in_the_future_is_not_followed() -> None:
    clock = Hlc(ahead_ms_max=500)
    assert not clock.observe(hlc_at(1_501), 1_000)
    assert clock.last == 0
    assert clock.observe(hlc_at(1_500), 1_000)

    assert clock.last == hlc_at(1_500)


@pytest.mark.parametrize("wall_ms", [-1, WALL_MS_MAX + 1])
def test_a_wall_clock_out_of_range_is_a_bug(wall_ms: int) -> None:
    with pytest.raises(LocalError):
        Hlc().tick(wall_ms)
