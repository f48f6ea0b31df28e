"""A Toxiproxy server of our own, and two small ends to hang links between."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from georeg.cli.demo.ports import HOST, free_ports
from region_sim.live.links import Links
from region_sim.live.toxiproxy import ToxiproxyServer, find_server

QUIET_S = 0.3
"""Nothing came within this: on one machine, bytes that are not held are there much earlier."""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[ToxiproxyServer]:
    """A running Toxiproxy server."""
    server = ToxiproxyServer(find_server(), tmp_path / "toxiproxy.log")
    try:
        await server.start()
        yield server
    finally:
        await server.stop()


class Wire:
    """One connection through a proxy, with both its ends in hand."""

    def __init__(
        self,
        near: tuple[asyncio.StreamReader, asyncio.StreamWriter],
        far: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        self.near_reads, self.near_writes = near
        self.far_reads, self.far_writes = far

    async def carries(self, data: bytes) -> bool:
        """Whether bytes from the side that dialled arrive while one may wait for them."""
        self.near_writes.write(data)
        return await arrives(self.far_reads, data)

    async def brings_back(self, data: bytes) -> bool:
        """Whether bytes from the side that listens arrive."""
        self.far_writes.write(data)
        return await arrives(self.near_reads, data)

    def close(self) -> None:
        self.near_writes.close()
        self.far_writes.close()


async def arrives(reads: asyncio.StreamReader, data: bytes) -> bool:
    """Whether exactly these bytes come next; False when nothing comes, or the end."""
    try:
        async with asyncio.timeout(QUIET_S):
            return await reads.readexactly(len(data)) == data
    except (TimeoutError, asyncio.IncompleteReadError, OSError):
        return False


async def ends(reads: asyncio.StreamReader) -> bool:
    """Whether the connection is over; waits for it."""
    try:
        async with asyncio.timeout(5):
            while await reads.read(1 << 16):
                pass
    except ConnectionError:
        pass
    except TimeoutError:
        return False
    return True


class Ends:
    """Regions a and b as bare listeners, and the proxies between them."""

    def __init__(self, links: Links, listens: dict[tuple[str, str], int]) -> None:
        self.links = links
        self.listens = listens
        self._far: dict[str, asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]]] = {
            "a": asyncio.Queue(),
            "b": asyncio.Queue(),
        }
        self._wires: list[Wire] = []

    def listener(self, name: str):  # type: ignore[no-untyped-def]
        async def accept(reads: asyncio.StreamReader, writes: asyncio.StreamWriter) -> None:
            self._far[name].put_nowait((reads, writes))

        return accept

    async def dial(self, source: str, target: str) -> Wire:
        """A connection over the link source>target. Raises OSError when it is refused."""
        near = await asyncio.open_connection(HOST, self.listens[source, target])
        async with asyncio.timeout(5):
            far = await self._far[target].get()
        wire = Wire(near, far)
        self._wires.append(wire)
        return wire

    def close(self) -> None:
        for wire in self._wires:
            wire.close()


@asynccontextmanager
async def open_ends(server: ToxiproxyServer) -> AsyncIterator[Ends]:
    """Both regions listening, both links open."""
    ports = free_ports(4)
    listens = {("a", "b"): ports[0], ("b", "a"): ports[1]}
    upstreams = {"a": ports[2], "b": ports[3]}
    found = Ends(Links(server), listens)
    listeners = [
        await asyncio.start_server(found.listener(name), HOST, port)
        for name, port in upstreams.items()
    ]
    try:
        await found.links.open(
            {pair: (listen, upstreams[pair[1]]) for pair, listen in listens.items()}
        )
        yield found
    finally:
        found.close()
        for listener in listeners:
            listener.close()


@pytest.fixture
async def ends_of(server: ToxiproxyServer) -> AsyncIterator[Ends]:
    """Two regions with a link each way."""
    async with open_ends(server) as found:
        yield found
