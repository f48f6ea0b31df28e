"""The connection to another node, on which it is called: many calls at once, answered one by one.

Calls that come while a message is being sent share the next one; answers come back in whatever
order the other node has them, so one that waits for its deadline holds up nobody. The connection is
dialled as soon as the node is known, and again whenever it is lost.

Invariant: each call ends. With its answer; or with None, as soon as the connection is lost, or when
the node, which owes answers, has said nothing for SILENT_S: one that is merely slow says now and
then that it is there (calls.py), one that stands still, or is cut off, does not. Then the
connection is dropped, by which a node that wakes up sees that what it had not read yet is old; and
until it is there again calls end at once. A call may have been run when its answer is lost: every
call of the API is made so that twice is as once (a start of the same device supersedes its own).
Bounded: CALLS_MAX under way, and as many messages as they fill.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog
from aiohttp import ClientError, ClientWebSocketResponse, WSMsgType

from georeg.mesh.errors import PeerError
from georeg.nodes.frames import CALLS_MAX, Answer, Call, answers_in, framed, packed_call

SILENT_S: Final = 2.0
"""As long as a dead node is in the registry: one that is only busy may owe answers for a while."""
DIAL_S: Final = 2.0
"""Longest for a connection with its proofs; calls wait for it the first time only."""
REDIAL_S: Final = 0.05
REDIAL_S_MAX: Final = 1.0
"""Pauses between two attempts double up to this."""
log = structlog.get_logger("georeg.nodes")

Dial = Callable[[], Awaitable[ClientWebSocketResponse]]


class Line:
    """The way to one node. `close` it, or `hang_up`."""

    def __init__(self, node: str, dial: Dial) -> None:
        """`dial`: gives a connection whose proofs are over; its errors are of the network, or
        PeerError. Called on the running loop."""
        self._node = node
        self._dial = dial
        self._loop = asyncio.get_running_loop()
        self._waiting: list[bytes] = []
        """Calls that are not sent yet."""
        self._has_waiting = asyncio.Event()
        self._owed: dict[int, asyncio.Future[Answer | None]] = {}
        self._number = 0
        self._heard_s = 0.0
        """When something came last, or the first answer began to be owed."""
        self._watch: asyncio.TimerHandle | None = None
        self._socket: ClientWebSocketResponse | None = None
        self.is_down = False
        """Whether the node is out of reach or stands still, as far as is known: it is not called
        before it is there again."""
        self._task = self._loop.create_task(self._go_on(), name=f"line-{node}")

    @property
    def is_full(self) -> bool:
        """Whether as many calls are under way as may be."""
        return len(self._owed) >= CALLS_MAX

    async def call(
        self, method: str, path: str, headers: Sequence[str], body: bytes, *, keeps: bool = True
    ) -> Answer | None:
        """The node's answer; None: there is none. Not for a line that is full."""
        if self.is_down or self.is_full:
            return None
        self._number += 1
        number = self._number
        answer: asyncio.Future[Answer | None] = self._loop.create_future()
        if not self._owed:
            self._heard_s = self._loop.time()
            if self._watch is None:
                self._watch = self._loop.call_later(SILENT_S, self._look, self._heard_s + SILENT_S)
        self._owed[number] = answer
        self._waiting.append(packed_call(Call(number, method, path, headers, body, keeps)))
        self._has_waiting.set()
        try:
            return await answer
        finally:
            self._owed.pop(number, None)

    @property
    def is_over(self) -> bool:
        """Whether it was hung up, and nothing of it is left."""
        return self._task.done()

    def hang_up(self) -> None:
        """For good; calls that are under way end with None."""
        self._task.cancel()

    async def close(self) -> None:
        """Hang up, and wait for its end."""
        self.hang_up()
        await asyncio.wait((self._task,))

    # ---- the connection ----------------------------------------------------------------------

    async def _go_on(self) -> None:
        pause_s = REDIAL_S
        try:
            while True:
                try:
                    async with asyncio.timeout(DIAL_S):
                        self._socket = await self._dial()
                    self.is_down, pause_s = False, REDIAL_S
                    await self._carry(self._socket)
                except (PeerError, ClientError, OSError, TimeoutError) as error:
                    if not self.is_down:
                        log.info("line_down", node=self._node, reason=str(error))
                except Exception:  # a bug there must not cut this node off from the other
                    log.exception("line_failed", node=self._node)
                self._lost()
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, REDIAL_S_MAX)
        finally:
            self._lost()
            if self._watch is not None:
                self._watch.cancel()

    async def _carry(self, socket: ClientWebSocketResponse) -> None:
        """Send and receive until the connection is over."""
        sending = self._loop.create_task(self._send(socket))
        try:
            while (message := await socket.receive()).type is WSMsgType.BINARY:
                self._heard_s = self._loop.time()
                for answer in answers_in(message.data):
                    asked = self._owed.get(answer.number)
                    if asked is not None and not asked.done():
                        asked.set_result(answer)
        finally:
            sending.cancel()
            await asyncio.wait((sending,))
            _abort(socket)

    async def _send(self, socket: ClientWebSocketResponse) -> None:
        try:
            while True:
                await self._has_waiting.wait()
                self._has_waiting.clear()
                while self._waiting:
                    await socket.send_bytes(framed(self._waiting))
        except ConnectionError:
            _abort(socket)  # by which whoever receives sees it

    def _lost(self) -> None:
        """The node does not answer."""
        self.is_down = True
        if self._socket is not None:
            _abort(self._socket)
            self._socket = None
        self._waiting.clear()
        owed, self._owed = self._owed, {}
        for answer in owed.values():
            if not answer.done():
                answer.set_result(None)

    def _look(self, due_s: float) -> None:
        """Whether it gives answers, if it owes any."""
        self._watch = None
        if not self._owed:
            return
        now_s = self._loop.time()
        if now_s - due_s > SILENT_S / 2:
            self._heard_s = now_s  # it is this process that stood still
        left_s = self._heard_s + SILENT_S - now_s
        if left_s <= 0:
            log.warning("node_silent", node=self._node, calls=len(self._owed))
            self._lost()
        else:
            self._watch = self._loop.call_later(left_s, self._look, now_s + left_s)


def _abort(socket: ClientWebSocketResponse) -> None:
    """Drop the connection now. aiohttp has no public way: closing waits for buffers that a node
    which stands still never empties."""
    connection = socket._response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    socket._response.close()
