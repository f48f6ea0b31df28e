"""Messages that wait for one link: in order, bounded in frames and bytes.

A full outbox drops the newest: what is queued is a prefix of what was sent, and the region's rounds
repeat what is lost. While the link is down nothing is kept, since a message that was meant for the
state of then is of no use later. O(1) per message.
"""

import asyncio
from collections import deque


class Outbox:
    """One producer side (`put`, never waits) and one consumer (`wait`, then `pop`)."""

    __slots__ = (
        "_bytes_max",
        "_filled",
        "_frames",
        "_frames_max",
        "_open",
        "dropped",
        "queued_bytes",
    )

    def __init__(self, frames_max: int, bytes_max: int) -> None:
        self._frames_max = frames_max
        self._bytes_max = bytes_max
        self._frames: deque[bytes] = deque()
        self._filled = asyncio.Event()
        self._open = False
        self.queued_bytes = 0
        self.dropped = 0
        """Messages that were never handed to a connection, over the outbox's whole life."""

    def __len__(self) -> int:
        return len(self._frames)

    def open(self) -> None:
        """The link is up: messages are kept from now on."""
        self._open = True

    def close(self) -> None:
        """The link is down: what waits is dropped, and so is what comes."""
        self._open = False
        self.dropped += len(self._frames)
        self._frames.clear()
        self.queued_bytes = 0
        self._filled.clear()

    def put(self, frame: bytes) -> bool:
        """Queue a message at the end; False: dropped and counted."""
        queued_bytes = self.queued_bytes + len(frame)
        if (
            not self._open
            or len(self._frames) >= self._frames_max
            or queued_bytes > self._bytes_max
        ):
            self.dropped += 1
            return False
        self._frames.append(frame)
        self.queued_bytes = queued_bytes
        self._filled.set()
        return True

    def pop(self) -> bytes | None:
        """The oldest message, None: there is none."""
        if not self._frames:
            self._filled.clear()
            return None
        frame = self._frames.popleft()
        self.queued_bytes -= len(frame)
        return frame

    async def wait(self) -> None:
        """Return when there is a message."""
        await self._filled.wait()
