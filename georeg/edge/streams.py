"""The open event streams of one app, at most one per session and a fixed number in all.

A newer stream of a session takes the older one's place, so a device that reconnects is never locked
out by its own dead socket. Invariant: a stream is in the table exactly while its handler runs, and
after its last message nothing follows.
"""

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from georeg.edge.problems import Problem, to_json, unavailable

MESSAGES_MAX: Final = 4


class Message(NamedTuple):
    """Bytes for one stream."""

    data: bytes
    is_last: bool


COMMENT: Final = Message(b": still here\n\n", is_last=False)


def ended_message(problem: Problem) -> Message:
    """`event: ended` with the body that a heartbeat would get as 410."""
    data = to_json(problem.document())
    return Message(b"event: ended\ndata: %b\n\n" % data, is_last=True)


class Stream:
    """What is still to be sent to one device."""

    def __init__(self, session: int) -> None:
        self.session = session
        self._messages: asyncio.Queue[Message] = asyncio.Queue(MESSAGES_MAX)
        self._is_over = False

    def send(self, message: Message) -> None:
        """Queue a message; dropped after the last one."""
        if not self._is_over:
            self._is_over = message.is_last
            self._messages.put_nowait(message)

    async def next(self) -> Message:
        """The next message, as soon as there is one."""
        return await self._messages.get()


class Streams:
    """All open streams, by session."""

    def __init__(self, streams_max: int, retry_after_s: int) -> None:
        self._max = streams_max
        self._retry_after_s = retry_after_s
        self._open: dict[int, Stream] = {}

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def open(self, session: int) -> Stream:
        """A new stream for the session. Raises Problem 503 when there are too many."""
        older = self._open.pop(session, None)
        if older is not None:
            older.send(Message(b": replaced by a newer stream\n\n", is_last=True))
        elif len(self._open) >= self._max:
            raise unavailable(f"{self._max} event streams are open", self._retry_after_s)
        stream = self._open[session] = Stream(session)
        return stream

    def close(self, stream: Stream) -> None:
        """The stream's handler is done."""
        if self._open.get(stream.session) is stream:
            del self._open[stream.session]

    def end(
        self, message: Callable[[int], Message], of: Callable[[int], bool] = lambda session: True
    ) -> None:
        """Send the streams of these sessions their last message, which may depend on the session.
        """
        for stream in self._open.values():
            if of(stream.session):
                stream.send(message(stream.session))
