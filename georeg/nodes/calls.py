"""Calls of other nodes, as they come in: each is served by the handler of every call.

A call becomes a request like one that a device has sent here itself, but for where its body was
read and who got it first, and goes through `Front` as all do. Its answer is not written to the
connection, but handed back: as the bytes that they are, or by status, headers and body.

Invariant: nobody is served who has not proven to be a node of this region (proof.py); who has can
do no more than any caller, but ask what nodes ask each other: each call carries its caller's own
credentials. What a node sends that is no call costs it its connection and changes nothing.
Bounded: CALLS_MAX of a connection under way; a node that sends more has a bug, or is none.
"""

import asyncio
from typing import Final

import structlog
from aiohttp import WSMsgType, hdrs, web
from aiohttp.http import HttpVersion11, RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from georeg.edge import paths
from georeg.edge.bodies import BODY
from georeg.edge.problems import plain
from georeg.edge.whole import WholeAnswer
from georeg.mesh.door import Door
from georeg.mesh.errors import Closing, PeerError
from georeg.nodes.frames import (
    CALLS_MAX,
    FRAME_BYTES_MAX,
    Answer,
    Call,
    calls_in,
    framed,
    packed_answer,
)
from georeg.nodes.front import NODE, Front
from georeg.nodes.parts import ELSEWHERE
from georeg.nodes.passing import PASSED_ON
from georeg.nodes.proof import Proof

PROOF_S: Final = 2.0
ALIVE_S: Final = 0.5
"""So often a node that owes answers says that it is there, also where it has none yet."""
_CLOSE_S: Final = 0.25
_ELSEWHERE: Final = f"\r\n{ELSEWHERE}: ".encode()
log = structlog.get_logger("georeg.nodes")


class Calls:
    """What other nodes dial at the port of the mesh."""

    def __init__(self, front: Front, proof: Proof, door: Door) -> None:
        self._front = front
        self._proof = proof
        self._door = door

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The life of one connection."""
        socket = web.WebSocketResponse(
            compress=False, max_msg_size=FRAME_BYTES_MAX, timeout=_CLOSE_S
        )
        await socket.prepare(request)
        try:
            async with asyncio.timeout(PROOF_S):
                node = await self._proof.accepted(socket)
            self._door.proven += 1
            try:
                await _Caller(node, socket, request, self._front).serve()
            finally:
                self._door.proven -= 1
        except PeerError as error:
            log.warning("calls_refused", remote=request.remote, reason=str(error))
            await socket.close(code=error.closing, message=str(error).encode())
        except (ConnectionError, TimeoutError):
            await socket.close(code=Closing.SILENT, message=b"no proof in time")
        return socket


class _Caller:
    """A node that calls."""

    def __init__(
        self, node: str, socket: web.WebSocketResponse, upgraded: web.BaseRequest, front: Front
    ) -> None:
        self._node = node
        self._socket = socket
        self._upgraded = upgraded
        self._front = front
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._answers: list[bytes] = []
        self._has_answers = asyncio.Event()
        self._is_quiet = False
        """Whether it is time to send a message, if only an empty one."""

    async def serve(self) -> None:
        """Until the connection is over. Raises PeerError."""
        sending = self._loop.create_task(self._send())
        self._say_alive()
        try:
            while (message := await self._socket.receive()).type is WSMsgType.BINARY:
                calls = calls_in(message.data)
                if len(self._tasks) + len(calls) > CALLS_MAX:
                    raise PeerError(Closing.TOO_FAST, "more calls under way than may be")
                for call in calls:
                    task = self._loop.create_task(self._serve(call, self._request(call)))
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)
        finally:
            # What is being decided is finished: its caller's node asks again, and is told.
            sending.cancel()
            self._alive.cancel()
            await asyncio.wait((sending,))

    def _say_alive(self) -> None:
        if self._tasks:
            self._is_quiet = True
            self._has_answers.set()
        self._alive = self._loop.call_later(ALIVE_S, self._say_alive)

    def _request(self, call: Call) -> web.Request:
        """The call as if it had been made here. Raises PeerError for what no node passes on."""
        headers = CIMultiDict(zip(call.headers[::2], call.headers[1::2], strict=True))
        headers[PASSED_ON] = self._node
        path, _, query = call.path.partition("?")
        if path == paths.EVENTS or hdrs.EXPECT in headers:
            raise PeerError(Closing.UNEXPECTED, "a call that goes another way between nodes")
        message = RawRequestMessage(
            call.method, call.path, HttpVersion11, CIMultiDictProxy(headers), (), not call.keeps,
            None, False, False, URL.build(path=path, query_string=query, encoded=True),
        )  # fmt: skip
        upgraded, task = self._upgraded, asyncio.current_task()
        assert task is not None
        request = web.Request(
            message, EMPTY_PAYLOAD, upgraded.protocol, upgraded.writer, task, self._loop
        )
        if len(call.body) > self._front.body_max(request):
            raise PeerError(Closing.UNEXPECTED, "a body that is too large to be passed on")
        request[BODY] = call.body
        request[NODE] = self._node
        return request

    async def _serve(self, call: Call, request: web.Request) -> None:
        response: web.StreamResponse
        try:
            response = await self._front.dispatch(request)
        except ConnectionError:
            return  # the node has hung up: nobody waits for it
        except Exception as error:  # noqa: BLE001 - the boundary: a bug here is one 500, no more
            log.error("call_failed", error=type(error).__name__)
            response = plain(500, "an error of the service; go on playing").response()
        self._answers.append(packed_answer(_answer(call.number, response)))
        self._has_answers.set()

    async def _send(self) -> None:
        try:
            while True:
                await self._has_answers.wait()
                self._has_answers.clear()
                while self._answers or self._is_quiet:
                    self._is_quiet = False
                    await self._socket.send_bytes(framed(self._answers))
        except ConnectionError:
            return  # whoever receives sees it as well


def _answer(number: int, response: web.StreamResponse) -> Answer:
    """A response, not written anywhere, as it is sent back."""
    if isinstance(response, WholeAnswer):
        if response.status == 503 and _ELSEWHERE in response.data:
            return Answer(number)
        return Answer(number, response.status, response.data)
    if ELSEWHERE in response.headers:
        return Answer(number)
    assert isinstance(response, web.Response)
    body = response.body
    assert body is None or isinstance(body, bytes), "bodies of the API are bytes"
    headers = [part for pair in response.headers.items() for part in pair]
    return Answer(number, response.status, body or b"", headers)
