"""Hashes of sets of dots."""

from hypothesis import given
from hypothesis import strategies as st

from crdt.digest import mix, mix_all

numbers = st.integers(0, (1 << 64) - 1)


@given(st.sets(numbers, max_size=50))
def test_mixing_is_one_to_one(values: set[int]) -> None:
    assert len({mix(value) for value in values}) == len(values)
    assert all(0 <= mix(value) < 1 << 64 for value in values)


def test_neighbouring_dots_do_not_cancel() -> None:
    """XOR of unmixed neighbours would: 1 ^ 2 == 3. Every pair of the first thousand differs."""
    mixed = [mix(n << 6) for n in range(1, 1001)]

    assert len({a ^ b for i, a in enumerate(mixed) for b in mixed[:i]}) == 1000 * 999 // 2


def test_several_numbers_mix_with_their_order() -> None:
    assert mix_all((1, 2)) != mix_all((2, 1))
    assert mix_all((1,)) != mix_all((1, 0))
