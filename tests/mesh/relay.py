"""A TCP relay between two nodes that can swallow the bytes of either direction, or kill everything.

A swallowed direction loses its ends too: who closes is not heard, as behind a router that drops.
"""

import asyncio
from contextlib import suppress
from types import TracebackType


class Relay:
    """Listens on a free port of 127.0.0.1 and passes on to `target_port`."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.swallows_there = False
        """What the dialler sends is lost."""
        self.swallows_back = False
        """What the listener sends is lost."""
        self.reads = asyncio.Event()
        """Cleared: nothing is read from the dialler, so that its socket fills."""
        self.reads.set()
        self._ended: list[str] = []
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Relay":
        self._server = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._server.close()
        self.kill()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)

    def cut(self) -> None:
        """Swallow both directions."""
        self.swallows_there = self.swallows_back = True

    def heal(self) -> None:
        """Pass on what comes from now on."""
        self.swallows_there = self.swallows_back = False

    def ended_by(self, sender: str) -> bool:
        """Whether the "dialler" or the "listener" has closed its end of some connection."""
        return sender in self._ended

    def kill(self) -> None:
        """Reset every connection."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        self._writers += [writer, there_writer]
        loop = asyncio.get_running_loop()
        self._tasks += [
            loop.create_task(self._pump(reader, there_writer, "dialler")),
            loop.create_task(self._pump(there_reader, writer, "listener")),
        ]

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, sender: str
    ) -> None:
        def swallows() -> bool:
            return self.swallows_there if sender == "dialler" else self.swallows_back

        with suppress(ConnectionError):
            while data := await reader.read(65536):
                if sender == "dialler":
                    await self.reads.wait()
                if not swallows():
                    writer.write(data)
                    await writer.drain()
        self._ended.append(sender)
        if not swallows():
            writer.transport.abort()
