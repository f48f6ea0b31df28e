"""Byte strings without objects."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.errors import LocalError
from crdt.slab import LENGTH_MAX, Slab

strings = st.binary(max_size=80) | st.integers(60, LENGTH_MAX).map(lambda n: b"%d" % n * (n // 5))


@given(st.lists(st.tuples(st.booleans(), strings)))
def test_every_string_stays_what_it_was_until_it_is_freed(steps: list[tuple[bool, bytes]]) -> None:
    slab = Slab()
    kept: dict[int, bytes] = {}
    for puts, data in steps:
        data = data[:LENGTH_MAX]
        if puts or not kept:
            ref = slab.put(data)
            assert ref not in kept or not data
            kept[ref] = data
        else:
            ref = sorted(kept)[len(data) % len(kept)]
            slab.free(ref)
            del kept[ref]
        assert {ref: slab.get(ref) for ref in kept} == kept
        assert all(slab.holds(ref, data) for ref, data in kept.items())


def test_a_freed_slot_is_used_again() -> None:
    slab = Slab()
    refs = [slab.put(b"0123456789") for _ in range(10)]
    used = slab.bytes_used()
    for ref in refs:
        slab.free(ref)
    again = [slab.put(b"abcdefghij") for _ in range(10)]

    assert sorted(again) == sorted(refs)
    assert slab.bytes_used() == used == 100


@pytest.mark.parametrize("length", [1, 64, 65, 200, LENGTH_MAX])
def test_a_string_of_another_length_or_content_is_not_the_same(length: int) -> None:
    slab = Slab()
    ref = slab.put(b"a" * length)

    assert not slab.holds(ref, b"a" * (length - 1))
    assert not slab.holds(ref, b"a" * (length + 1))
    assert not slab.holds(ref, b"a" * (length - 1) + b"b")


def test_the_empty_string_takes_no_room() -> None:
    slab = Slab()
    slab.free(slab.put(b""))

    assert (slab.put(b""), slab.get(0), slab.bytes_used()) == (0, b"", 0)


def test_a_string_beyond_the_limit_is_refused() -> None:
    with pytest.raises(LocalError, match="4096"):
        Slab().put(bytes(LENGTH_MAX + 1))
