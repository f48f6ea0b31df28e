"""Shared values by number."""

from hypothesis import given
from hypothesis import strategies as st

from crdt.interner import FULL, Interner


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6))))
def test_a_number_means_its_value_from_the_first_use_to_the_last(
    steps: list[tuple[bool, int]],
) -> None:
    """Against a plain multiset; room for four values of seven."""
    table: Interner[str] = Interner(4)
    uses: list[tuple[int, str]] = []
    for takes, n in steps:
        if takes or not uses:
            number = table.take(f"name {n}")
            in_use = {value for _, value in uses}
            assert (number == FULL) == (len(in_use) == 4 and f"name {n}" not in in_use)
            if number != FULL:
                uses.append((number, f"name {n}"))
        else:
            table.drop(uses.pop(n % len(uses))[0])
        assert all(table.value(number) == value for number, value in uses)
        assert len(table) == len({value for _, value in uses})
