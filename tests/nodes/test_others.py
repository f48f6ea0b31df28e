"""What nodes say of themselves to one that does not reach the store."""

import asyncio
from collections.abc import AsyncIterator

import msgpack
import pytest

from georeg.nodes.front import RUNS_PATH
from georeg.nodes.others import Others
from georeg.nodes.passing import PASSED_ON, Address
from tests.nodes.world import SLICES, World


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as world:
        yield world


def others_of(world: World) -> Others:
    """As node a asks them."""
    passing = world.nodes["a"].passing
    return Others(passing, SLICES, lambda: [world.table.addresses["b"]])


async def test_each_says_what_it_runs_now(world: World) -> None:
    b = world.table.addresses["b"]
    assert await others_of(world).who_runs() == {2: b, 3: b}
    world.take(3)
    assert await others_of(world).who_runs() == {2: b}
    await world.nodes["b"].stop()
    assert await others_of(world).who_runs() == {}


async def test_one_that_says_it_can_is_enough(world: World) -> None:
    assert await others_of(world).can_take(0)
    world.table.has_store = False
    assert not await others_of(world).can_take(0)


async def test_nobody_but_a_node_is_told(world: World) -> None:
    for headers in ({}, {PASSED_ON: "b"}):
        assert (await world.call("a", "POST", RUNS_PATH, headers=headers))[0] == 404


@pytest.mark.parametrize("said", [b"\xc1", b"\x07", b"", None, msgpack.packb([0, "x"])])
async def test_an_answer_that_is_none_names_nobody(
    world: World, monkeypatch: pytest.MonkeyPatch, said: bytes | None
) -> None:
    async def post(_node: Address, _path: str, _body: bytes) -> bytes | None:
        return said

    monkeypatch.setattr(world.nodes["a"].passing, "post", post)
    assert await others_of(world).who_runs() == {}


async def test_slices_that_are_none_are_nobodys(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def post(_node: Address, _path: str, _body: bytes) -> bytes | None:
        return bytes(msgpack.packb([-1, 1, SLICES]))

    monkeypatch.setattr(world.nodes["a"].passing, "post", post)
    assert list(await others_of(world).who_runs()) == [1]


async def test_who_stands_still_is_not_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def post(_node: Address, _path: str, _body: bytes) -> bytes | None:
        await asyncio.sleep(60)
        return None

    monkeypatch.setattr("georeg.nodes.others.ANSWER_S", 0.01)
    monkeypatch.setattr(world.nodes["a"].passing, "post", post)
    async with asyncio.timeout(5):
        assert await others_of(world).who_runs() == {}
