"""What stands in front of a region's nodes: one address, whose connections go to the nodes in turn.

It knows nothing but TCP: a node that refuses is passed over, one that stands still is not noticed.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

from region_sim.kernel.machine import Machine


class Balancer:
    """Listens on one machine for all nodes."""

    def __init__(self, machine: Machine, name: str, nodes: Sequence[str]) -> None:
        """`name`: of its host; `nodes`: the hosts of the nodes."""
        self.machine = machine
        self.name = name
        self.nodes = list(nodes)
        self._turn = 0
        self.tasks: set[asyncio.Task[None]] = set()

    async def listen(self, port: int) -> None:
        """Take connections to this port to the same port of a node."""
        await self.machine.create_server(lambda: _Near(self, port), self.name, port)

    async def reach(self, port: int, near: "_Near") -> None:
        """Connect the two ends, by the first node that listens."""
        self._turn += 1
        first = self._turn % len(self.nodes)
        for node in self.nodes[first:] + self.nodes[:first]:
            try:
                await self.machine.create_connection(
                    lambda: _Far(near), node, port, source=self.name
                )
            except OSError:
                continue
            return
        near.close()


class _Near(asyncio.Protocol):
    """The caller's end."""

    def __init__(self, balancer: Balancer, port: int) -> None:
        self._balancer = balancer
        self._port = port
        self._transport: Any = None
        self._far: Any = None
        self._waiting: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        balancer = self._balancer
        task = balancer.machine.create_task(balancer.reach(self._port, self), name="reach")
        balancer.tasks.add(task)
        task.add_done_callback(balancer.tasks.discard)

    def reached(self, far: Any) -> None:
        """A node has taken the connection."""
        self._far = far
        if self._transport.is_closing():
            far.abort()
            return
        for data in self._waiting:
            far.write(data)
        self._waiting.clear()

    def data_received(self, data: bytes) -> None:
        if self._far is None:
            self._waiting.append(data)
        else:
            self._far.write(data)

    def send(self, data: bytes) -> None:
        """To the caller."""
        self._transport.write(data)

    def close(self, *, is_reset: bool = True) -> None:
        """The node's end is over."""
        if is_reset:
            self._transport.abort()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._far is not None:
            if exc is None:
                self._far.close()
            else:
                self._far.abort()


class _Far(asyncio.Protocol):
    """The node's end."""

    def __init__(self, near: _Near) -> None:
        self._near = near

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._near.reached(transport)

    def data_received(self, data: bytes) -> None:
        self._near.send(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._near.close(is_reset=exc is not None)
