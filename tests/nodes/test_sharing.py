"""Who should run which slice: fair, the same everywhere, and moved no more than it must be."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from georeg.nodes.sharing import shares

NODES = st.sets(st.text("abcdef-0123456789", min_size=1, max_size=12), min_size=1, max_size=9)
SLICES = st.sampled_from([1, 2, 4, 8, 16, 32, 64])


@given(SLICES, NODES)
def test_every_slice_is_dealt_out_and_no_node_has_more_than_its_share(
    slices: int, nodes: set[str]
) -> None:
    shared = shares(slices, nodes)
    assert sorted(shared) == list(range(slices))
    most = -(-slices // len(nodes))
    assert max(Counter(shared.values()).values()) <= most


@given(SLICES, NODES)
def test_nodes_that_know_the_same_nodes_agree(slices: int, nodes: set[str]) -> None:
    assert shares(slices, sorted(nodes)) == shares(slices, sorted(nodes, reverse=True))


def test_without_nodes_nothing_is_shared() -> None:
    assert shares(4, []) == {}


def test_a_node_that_goes_moves_little_but_its_own() -> None:
    nodes = [f"node-{number}" for number in range(8)]
    before, after = shares(64, nodes), shares(64, nodes[:-1])
    moved = [number for number in range(64) if before[number] != after[number]]
    had = [number for number in range(64) if before[number] == nodes[-1]]
    assert set(had) <= set(moved)
    assert len(moved) <= 3 * len(had)
