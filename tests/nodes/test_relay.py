"""Connections of other regions to a slice that another node runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from georeg.mesh import open_session
from georeg.mesh.door import Door
from georeg.mesh.errors import Closing
from georeg.mesh.slices import Slice
from georeg.nodes.passing import Address
from georeg.nodes.relay import Relay
from tests.mesh.nodes import EU, NOWHERE, QUICK, US, node, until, url

SECOND = Slice(1, 2)


class Entrance:
    """A node of EU that runs nothing, and what it believes of who runs the second slice."""

    def __init__(self) -> None:
        self.owner: Address | None = None
        self.relay = Relay("here", QUICK, lambda number: self.owner, open_session, None)
        self.door = self.relay.door = Door(QUICK, None, slices=2, elsewhere=self.relay.pass_on)

    def points_at(self, port: int) -> None:
        self.owner = Address("there", "", url(port), "")


@asynccontextmanager
async def entrance() -> AsyncIterator[Entrance]:
    made = Entrance()
    await made.door.start("127.0.0.1", 0)
    try:
        yield made
    finally:
        await made.door.stop()
        await made.relay.close()


@asynccontextmanager
async def owner() -> AsyncIterator[Door]:
    door = Door(QUICK, None, slices=2)
    await door.start("127.0.0.1", 0)
    try:
        yield door
    finally:
        await door.stop()


async def test_a_connection_is_passed_through_with_its_proof_and_its_messages() -> None:
    async with (
        owner() as door,
        node(EU, {US: NOWHERE}, slice_=SECOND, door=door) as (eu, theirs),
        entrance() as here,
    ):
        here.points_at(door.port)
        async with node(US, {EU: url(here.door.port)}, slice_=SECOND) as (us, mine):
            assert await mine.change() == ("up", EU)
            us.send(EU, b"hello")
            assert await theirs.message() == (US, b"hello")
            assert eu.links()[US].accepted
            assert here.door.proven == 1
            await until(lambda: us.links()[EU].round_trip_ms is not None)
        await until(lambda: here.door.proven == 0)


async def test_the_other_way_is_taken_when_the_slice_has_moved() -> None:
    async with entrance() as here, node(US, {EU: url(here.door.port)}, slice_=SECOND) as (us, mine):
        said = f"closed by the peer: {Closing.ELSEWHERE.value} slice 1-of-2 is not run here just"
        await until(lambda: us.links()[EU].last_error.startswith(said))
        for _ in range(2):
            async with owner() as door, node(EU, {US: NOWHERE}, slice_=SECOND, door=door):
                here.points_at(door.port)
                assert await mine.change() == ("up", EU)
            assert await mine.change() == ("down", EU)


async def test_a_connection_is_passed_on_once() -> None:
    async with entrance() as first, entrance() as second:
        first.points_at(second.door.port)
        second.points_at(first.door.port)
        async with node(US, {EU: url(first.door.port)}, slice_=SECOND) as (us, mine):
            said = "slice 1-of-2 is not run here just now"
            await until(lambda: us.links()[EU].last_error.endswith(said))
            assert mine.versions == []
        await until(lambda: first.door.proven == second.door.proven == 0)


async def test_a_node_that_cannot_be_reached_is_told_as_such() -> None:
    async with entrance() as here:
        here.owner = Address("there", "", NOWHERE, "")
        async with node(US, {EU: url(here.door.port)}, slice_=SECOND) as (us, _):
            await until(lambda: us.links()[EU].last_error.endswith("cannot be reached"))
