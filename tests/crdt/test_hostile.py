"""Bytes from a peer with a bug or a grudge: taken in as a whole or refused, and nothing else.

Valid ranges and snapshots are damaged and given to a shard that has state. Whatever happens, the
shard's columns must still agree with one another.
"""

from collections.abc import Callable

import msgpack
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt.codec import concatenated, decode_events, unpack
from crdt.digest import mix
from crdt.dots import region_of
from crdt.errors import PeerError
from crdt.shard import Shard
from crdt.snapshot import decode_snapshot, encode_snapshot
from tests.crdt.replicas import World, entries, random_program, value
from tests.crdt.samples import SHARD, THREE, TWO

damages = st.lists(
    st.tuples(
        st.sampled_from(["set", "cut", "drop", "double"]), st.integers(0), st.integers(0, 255)
    ),
    min_size=1,
    max_size=3,
)


def damaged(data: bytes, steps: list[tuple[str, int, int]]) -> bytes:
    """The bytes with a few of them changed, cut off, left out or doubled."""
    body = bytearray(data)
    for how, at, byte in steps:
        at %= len(body) or 1
        if how == "set":
            body[at : at + 1] = bytes([byte])
        elif how == "cut":
            del body[at:]
        elif how == "drop":
            del body[at : at + 1]
        else:
            body[at:at] = body[at : at + 1 + byte % 16]
    return bytes(body)


def some_world(seed: int) -> World:
    world = World()
    world.run(random_program(seed, 60))
    return world


def check_takes_all_or_nothing(shard: Shard, take: Callable[[], object]) -> None:
    """Run a change; a refusal leaves no trace, and the columns agree with one another."""
    before = value(shard)
    try:
        take()
    except PeerError:
        assert value(shard) == before
    held = 0
    for region in sorted({region_of(dot) for dot in shard.sessions.dots if dot}):
        hashed = 0
        for entry in entries(shard, region):
            hashed ^= mix(entry.dot)
            assert shard.sessions.row_of(entry.account, entry.dot) != -1
        assert shard.state_hash(region) == hashed
        held += len(entries(shard, region))
    assert held == shard.sessions.count


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 20), damages)
def test_a_damaged_range_is_taken_in_whole_or_not_at_all(
    seed: int, steps: list[tuple[str, int, int]]
) -> None:
    world = some_world(seed)
    author, reader = world.shards[TWO], world.shards[THREE]
    incarnation = author.position(TWO).incarnation
    reader.renounce(TWO, incarnation)
    part = author.log.range(reader.position(TWO).top, 1000, 1 << 20)
    assert part is not None
    data = damaged(concatenated(part[1]), steps)

    def take() -> None:
        raw = unpack(data, 1 << 20)
        if type(raw) is not list:
            raise PeerError("not a range")
        reader.apply(
            TWO, incarnation, part[0], decode_events(raw, TWO, SHARD, incarnation, part[0]), 0
        )

    check_takes_all_or_nothing(reader, take)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 20), damages)
def test_a_damaged_snapshot_is_taken_in_whole_or_not_at_all(
    seed: int, steps: list[tuple[str, int, int]]
) -> None:
    world = some_world(seed)
    reader = world.shards[THREE]
    data = damaged(encode_snapshot(world.shards[TWO].snapshot(TWO)), steps)

    check_takes_all_or_nothing(reader, lambda: reader.install(decode_snapshot(data), 0))


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 20), st.integers(0, 3), st.integers(0, 1000))
def test_a_snapshot_at_a_made_up_position_is_taken_in_whole_or_not_at_all(
    seed: int, incarnation: int, top: int
) -> None:
    """The right shape, entries that may contradict what is known."""
    world = some_world(seed)
    reader = world.shards[THREE]
    body = msgpack.unpackb(encode_snapshot(world.shards[TWO].snapshot(TWO)))
    body[3:5] = incarnation, top
    data = msgpack.packb(body)

    check_takes_all_or_nothing(reader, lambda: reader.install(decode_snapshot(data), 0))
