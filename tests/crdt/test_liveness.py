"""Up, suspect, down."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.dots import RegionId
from crdt.errors import LocalError
from crdt.liveness import RegionState, RegionTable

EU, AP = RegionId(2), RegionId(3)
UP, SUSPECT, DOWN = RegionState.UP, RegionState.SUSPECT, RegionState.DOWN


def table() -> RegionTable:
    return RegionTable([AP, EU], suspect_ms=5_000, down_ms=15_000, now_ms=0)


def test_silence_makes_a_region_suspect_and_then_down() -> None:
    regions = table()
    regions.heard(EU, 1, 1, 1_000)

    states = [regions.state(EU, at) for at in (1_000, 5_999, 6_000, 15_999, 16_000)]
    assert states == [UP, UP, SUSPECT, SUSPECT, DOWN]


def test_a_region_that_was_never_heard_is_suspect_first_and_down_in_the_end() -> None:
    assert [table().state(EU, at) for at in (0, 14_999, 15_000)] == [SUSPECT, SUSPECT, DOWN]


def test_a_beacon_that_is_not_newer_renews_nothing() -> None:
    regions = table()
    assert regions.heard(EU, 2, 5, 1_000)
    for incarnation, number in ((2, 5), (2, 4), (1, 9)):
        assert not regions.heard(EU, incarnation, number, 9_000)

    assert regions.state(EU, 9_000) is SUSPECT
    assert regions.heard(EU, 3, 1, 9_000)
    assert regions.state(EU, 9_000) is UP


def test_one_region_down_changes_nothing_for_the_others() -> None:
    regions = table()
    regions.heard(EU, 1, 1, 0)
    regions.heard(AP, 1, 1, 10_000)

    assert regions.up(15_000) == [AP]
    assert regions.up(10_000) == [EU, AP] == list(regions.peers)


def test_a_region_that_is_added_is_suspect_before_it_is_down_and_a_removed_one_is_down() -> None:
    regions = table()
    regions.heard(EU, 1, 1, 20_000)
    regions.set_peers([EU, RegionId(9)], 20_000)
    assert regions.peers == (EU, 9)
    assert regions.state(EU, 20_001) is RegionState.UP
    assert regions.state(RegionId(9), 20_001) is RegionState.SUSPECT
    assert regions.state(AP, 20_001) is RegionState.DOWN


def test_an_unknown_region_and_thresholds_out_of_order_are_bugs() -> None:
    with pytest.raises(LocalError):
        table().peer(RegionId(9))
    with pytest.raises(LocalError):
        RegionTable([EU], suspect_ms=5, down_ms=4, now_ms=0)


@given(st.lists(st.tuples(st.integers(1, 3), st.integers(1, 5), st.integers(0, 900))))
def test_the_newest_beacon_alone_counts(beacons: list[tuple[int, int, int]]) -> None:
    """Under loss, doubling and reordering: as if only the records of the sequence had come."""
    regions = table()
    now_ms = best = last_ms = 0
    newest = (0, 0)
    for incarnation, number, wait_ms in beacons:
        now_ms += wait_ms
        regions.heard(EU, incarnation, number, now_ms)
        if (incarnation, number) > newest:
            newest, last_ms, best = (incarnation, number), now_ms, best + 1
    if best:
        assert regions.peer(EU).heard_ms == last_ms
