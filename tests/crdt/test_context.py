"""What has been seen of each log."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.context import START, Context, Position
from crdt.dots import RegionId, dot_at
from crdt.errors import LocalError

contexts = st.dictionaries(
    st.integers(1, 4).map(RegionId),
    st.builds(Position, st.integers(0, 3), st.integers(0, 3)),
).map(Context)


def test_an_unknown_region_is_at_the_start() -> None:
    assert Context().get(RegionId(7)) == START


def test_a_position_never_goes_back() -> None:
    context = Context({RegionId(1): Position(2, 5)})
    for step in (Position(2, 5), Position(2, 4), Position(1, 9)):
        with pytest.raises(LocalError):
            context.advance(RegionId(1), step)
    context.advance(RegionId(1), Position(3, 0))

    assert context.get(RegionId(1)) == Position(3, 0)


def test_a_dot_is_seen_up_to_the_top_and_in_every_earlier_incarnation() -> None:
    context = Context({RegionId(1): Position(2, 5)})

    assert context.has(dot_at(1, 2, 9, 5))
    assert not context.has(dot_at(1, 2, 9, 6))
    assert context.has(dot_at(1, 1, 9, 1000))
    assert not context.has(dot_at(1, 3, 9, 1))
    assert not context.has(dot_at(2, 1, 9, 1))


@given(contexts, contexts)
def test_a_join_is_the_least_that_dominates_both(a: Context, b: Context) -> None:
    joined = a.copy()
    joined.join(b)
    other = b.copy()
    other.join(a)

    assert joined == other
    assert joined.dominates(a)
    assert joined.dominates(b)
    assert all(at in (a.get(region), b.get(region)) for region, at in joined.as_tuple())


def test_a_copy_is_independent_and_a_context_equals_only_contexts() -> None:
    context = Context({RegionId(1): Position(1, 1)})
    copy = context.copy()
    copy.advance(RegionId(1), Position(1, 2))

    assert copy != context
    assert context != "context"
    assert "top=1" in repr(context)
