"""New connections are accepted while the loop is busy, on both kinds of loop."""

import asyncio
import socket
from contextlib import ExitStack

import pytest
import uvloop

from georeg.edge.listening import ACCEPTS
from tests.edge.world import World

TURNS = 4


async def accepted() -> int:
    """Of two dozen connections that wait, how many are accepted within a few turns of the loop."""
    async with World() as world:
        metrics, port = world.edges["us"].metrics, world.servers["us"].port
        with ExitStack() as stack:
            for _ in range(24):
                stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            before = metrics.connections
            for _ in range(TURNS):
                await asyncio.sleep(0)
            return metrics.connections - before


@pytest.mark.parametrize("make", [uvloop.new_event_loop, asyncio.new_event_loop])
def test_several_connections_are_accepted_in_a_turn(make: object) -> None:
    with asyncio.Runner(loop_factory=make) as runner:  # type: ignore[arg-type]
        assert runner.run(accepted()) > 2 * TURNS


async def serves_again() -> bool:
    """Whether the port is free after a stop, and what listened is closed."""
    async with World() as world:
        port = world.servers["us"].port
        await world.servers["us"].stop()
        with socket.create_server(("127.0.0.1", port)):
            return True


def test_all_of_them_are_closed() -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(serves_again())
    assert ACCEPTS > 1
