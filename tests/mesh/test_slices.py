"""Slices of a region: each finds the same slice of its peers, and nothing else."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from crdt.dots import SHARDS, dot_at, shard_of
from georeg.mesh import Closing, LocalError
from georeg.mesh.door import Door
from georeg.mesh.slices import WHOLE, Slice, slice_at, slice_of_account, slice_of_session
from tests.mesh.nodes import EU, NOWHERE, QUICK, US, node, until, url


@asynccontextmanager
async def opened(slices: int) -> AsyncIterator[Door]:
    door = Door(QUICK, None, slices=slices)
    await door.start("127.0.0.1", 0)
    try:
        yield door
    finally:
        await door.stop()


@pytest.mark.parametrize("count", [1, 2, 4, 8, 16, 32, 64])
def test_the_path_of_a_slice_means_that_slice(count: int) -> None:
    slices = [Slice(number, count) for number in range(count)]
    assert [slice_at(each.path) for each in slices] == slices
    assert len({each.signed for each in slices}) == count


@pytest.mark.parametrize(
    "path", ["/", "/mesh/", "/mesh/0", "/mesh/4-of-4", "/mesh/0-of-3", "/mesh/00-of-4", "/mesh/a"]
)
def test_other_paths_mean_none(path: str) -> None:
    assert slice_at(path) is None


@pytest.mark.parametrize(("number", "count"), [(0, 0), (1, 1), (-1, 2), (0, 3), (0, 128)])
def test_a_slice_that_cannot_be_is_refused(number: int, count: int) -> None:
    with pytest.raises(LocalError, match="slice"):
        Slice(number, count)


def test_an_account_and_its_sessions_are_in_one_slice() -> None:
    for account in (f"account-{number}" for number in range(200)):
        session = dot_at(EU, 7, shard_of(account), 123)
        for count in (1, 2, 8, SHARDS):
            number = slice_of_account(account, count)
            assert slice_of_session(session, count) == number < count


def test_a_region_in_one_piece_is_dialled_and_signed_as_it_always_was() -> None:
    assert (WHOLE.path, WHOLE.signed) == ("/mesh", b"")


async def test_slices_share_a_port_and_each_hears_its_own_peer_only() -> None:
    first, second = Slice(0, 2), Slice(1, 2)
    async with (
        opened(2) as door,
        node(EU, {US: NOWHERE}, slice_=first, door=door) as (_, at_first),
        node(EU, {US: NOWHERE}, slice_=second, door=door) as (_, at_second),
        node(US, {EU: url(door.port)}, slice_=second) as (us, mine),
    ):
        assert await mine.change() == ("up", EU)
        us.send(EU, b"for the second")
        assert await at_second.message() == (US, b"for the second")
        assert at_first.messages.empty()


@pytest.mark.parametrize(
    ("here", "there", "why"),
    [(Slice(0, 2), Slice(0, 4), "2 slices here, 4 there"), (WHOLE, Slice(0, 2), "1 slices here, 2"),
     (Slice(0, 2), WHOLE, "2 slices here, 1 there")],
    ids=["both sliced", "whole listens", "whole dials"],
)  # fmt: skip
async def test_another_number_of_slices_is_told_on_both_sides(
    here: Slice, there: Slice, why: str, logs: list[Any]
) -> None:
    async with (
        node(EU, {US: NOWHERE}, slice_=here) as (eu, theirs),
        node(US, {EU: url(eu.port)}, slice_=there) as (us, mine),
    ):
        said = f"closed by the peer: {Closing.SLICES.value} {why}"
        await until(lambda: us.links()[EU].last_error.startswith(said))
        assert mine.versions == []
        assert theirs.messages.empty()
    refused = [entry for entry in logs if entry["event"] == "mesh_refused"]
    assert refused[0]["code"] == Closing.SLICES
    assert refused[0]["reason"].startswith(why)


async def test_a_slice_that_runs_nowhere_says_so_and_is_reached_when_it_is_back() -> None:
    second = Slice(1, 2)
    async with opened(2) as door, node(US, {EU: url(door.port)}, slice_=second) as (us, mine):
        said = f"closed by the peer: {Closing.ELSEWHERE.value} slice 1-of-2 is not run here"
        await until(lambda: us.links()[EU].last_error == said)
        async with node(EU, {US: NOWHERE}, slice_=second, door=door):
            assert await mine.change() == ("up", EU)
        assert await mine.change() == ("down", EU)


async def test_the_nodes_of_a_region_are_dialled_in_turn() -> None:
    async with (
        node(EU, {US: NOWHERE}) as (eu, _),
        node(US, {EU: NOWHERE}, more_urls=(NOWHERE, url(eu.port))) as (_, mine),
    ):
        assert await mine.change() == ("up", EU)
