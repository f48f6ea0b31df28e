"""Complete snapshots as bytes."""

from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt.context import Position
from crdt.errors import PeerError
from crdt.events import Plan, PlanSet, Reason
from crdt.snapshot import Snapshot, decode_snapshot, encode_snapshot
from crdt.stops import End
from tests.crdt.samples import ACCOUNTS, ONE, SHARD, entry, kick

SAMPLE = Snapshot(
    ONE,
    SHARD,
    Position(1, 9),
    [entry(2), entry(5, title="film", hop=3), entry(9, account=ACCOUNTS[1])],
    [kick(5), kick(6)],
    [End(entry(1).session, ACCOUNTS[0], 2, 77, Reason.LAPSED)],
    [PlanSet(ACCOUNTS[0], Plan("basic", 1, 0), 5)],
)


def test_what_was_encoded_comes_back() -> None:
    assert decode_snapshot(encode_snapshot(SAMPLE)) == SAMPLE


def test_an_empty_one_of_an_unknown_writer_comes_back() -> None:
    empty = Snapshot(ONE, SHARD, Position(0, 0), [], [], [], [])

    assert decode_snapshot(encode_snapshot(empty)) == empty


def test_part_of_a_snapshot_is_none() -> None:
    data = encode_snapshot(SAMPLE)
    for cut in range(len(data)):
        with pytest.raises(PeerError):
            decode_snapshot(data[:cut])


fields = st.one_of(
    st.none(), st.integers(-1, 300), st.just(1 << 64 - 1), st.text(max_size=3), st.just([]),
    st.just([1]), st.just([None]), st.floats(), st.just({}),
)  # fmt: skip


def paths(value: Any, path: tuple[int, ...] = ()) -> list[tuple[int, ...]]:
    """The way to each element of nested lists."""
    if not isinstance(value, list):
        return [path]
    return [path] * bool(path) + [p for i, x in enumerate(value) for p in paths(x, (*path, i))]


@settings(max_examples=400)
@given(st.data(), fields)
def test_one_with_a_field_changed_decodes_in_bounds_or_is_refused(
    data: st.DataObject, field: Any
) -> None:
    body = msgpack.unpackb(encode_snapshot(SAMPLE))
    *way, last = data.draw(st.sampled_from(paths(body)))
    at = body
    for step in way:
        at = at[step]
    at[last] = field
    try:
        decoded = decode_snapshot(msgpack.packb(body))
    except PeerError:
        return
    assert decode_snapshot(encode_snapshot(decoded)) == decoded


@given(st.binary(max_size=50))
def test_any_bytes_are_refused(data: bytes) -> None:
    with pytest.raises(PeerError):
        decode_snapshot(data)


def test_one_beyond_the_limit_is_not_parsed() -> None:
    with pytest.raises(PeerError, match="at most 10"):
        decode_snapshot(encode_snapshot(SAMPLE), 10)


def test_an_end_tells_for_how_long_its_device_had_been_silent() -> None:
    end = End(entry(1).session, ACCOUNTS[0], 0, 78, Reason.DISPLACED, 65_432)
    silent = SAMPLE._replace(ends=[end])

    assert decode_snapshot(encode_snapshot(silent)) == silent
    assert decode_snapshot(encode_snapshot(silent, 1)).ends == [end._replace(silent_ms=0)]
