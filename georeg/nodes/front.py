"""In front of the edge: each call goes to the node that runs its slice, wherever it came in.

Invariant: a call is decided by a node that runs its slice just now, or by nobody, and then the
answer says so (unchecked.py). While a slice changes hands its calls wait, so that callers notice a
few milliseconds; what they wait for has an end, and at the end is never anything that looks like a
refusal.

Calls that another node has passed on are answered here or sent back with `Georeg-Elsewhere`, never
passed on again: two nodes that disagree about a slice must not play ball with its calls.
Cost, measured: 4 us for a call that is decided here; where it is not, some 110 us more of both
nodes together. Heartbeats, most of all calls, go to the other node together (renewals.py).
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import msgpack
from aiohttp import web

from georeg.edge import paths
from georeg.edge.bodies import BODY, read_body
from georeg.edge.context import Edge
from georeg.edge.problems import Problem, unavailable
from georeg.nodes.addressing import Where, slice_of, slice_of_body
from georeg.nodes.carrying import Carrying
from georeg.nodes.parts import not_here
from georeg.nodes.passing import PASSED_ON, Address, Passing
from georeg.nodes.unchecked import ASKED, Asked

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

PAUSES_S: Final = (0.002, 0.005, 0.01, 0.02, 0.05)
"""Before the owner of a slice is looked up again; then always the last."""
HEARTBEAT_WAIT_S: Final = 0.5
OTHER_WAIT_S: Final = 3.0
"""Longer than a slice takes to change hands when its node was killed."""
NODE: Final = web.RequestKey("node", str)
"""Which node has passed a call on, or made it, where it has proven to be one (calls.py)."""
STORE_PATH: Final = "/nodes/store/"
"""Followed by a slice: another node asks whether this one would take it; not there for others."""
RUNS_PATH: Final = "/nodes/runs"
"""Where another node asks which slices this one runs; the same."""
RENEWALS_PATH: Final = "/nodes/renewals"
"""Where another node sends heartbeats (renewals.py); not there for anybody else."""
UNTOLD_PATH: Final = "/nodes/untold"
"""Where another node tells what was said without the slice (telling.py); the same."""


class Routes(Protocol):
    """Who runs which slice, as this node knows (duties.py)."""

    def runs(self, number: int) -> bool:
        """Whether this node runs the slice and may decide for it now."""

    async def may_run(self, number: int) -> bool:
        """The same after a look into the store, where this node does not know for sure."""

    def node_of(self, number: int) -> Address | None:
        """The other node that runs it; None: nobody that is known."""

    async def look_again(self) -> None:
        """Learn anew who runs what."""

    async def can_take(self, number: int) -> bool:
        """Whether this node would take the slice, were it to run it; it looks into the store."""


class Answering(Protocol):
    """What other nodes say to slices that are run here (telling.py)."""

    def answer(self, body: bytes) -> web.Response:
        """To another node."""


class Renewing(Answering, Protocol):
    """Heartbeats that are renewed by other nodes (renewals.py)."""

    async def renewed(self, node: Address, request: web.Request) -> bool:
        """Whether the node has renewed the session of a heartbeat. False: pass the call on."""


class Front:
    """Between the sockets of one node and its edge."""

    def __init__(
        self, edge: Edge, routes: Routes, passing: Passing, carrying: Carrying, slices: int
    ) -> None:
        self._edge = edge
        self._routes = routes
        self._passing = passing
        self._carrying = carrying
        self._slices = slices
        self._handler: Handler | None = None
        self.busy: Counter[int] = Counter()
        """Slice -> calls that are being decided here."""
        self.batch: Handler | None = None
        """Set by batch.py: takes heartbeats that came together."""
        self.renewals: Renewing | None = None
        """Set by renewals.py; None: heartbeats are passed on like other calls."""
        self.telling: Answering | None = None
        """Set by telling.py; None: slices are told nothing yet."""

    def before(self, handler: Handler) -> Handler:
        """Stand in front of this handler, which is the whole edge."""
        self._handler = handler
        return self.dispatch

    @property
    def handler(self) -> Handler:
        """The edge itself."""
        assert self._handler is not None, "before nothing"
        return self._handler

    async def dispatch(self, request: web.Request) -> web.StreamResponse:
        """Answer one call."""
        number = slice_of(request, self._slices)
        try:
            if NODE in request and (answer := await self._to_node(request)) is not None:
                return answer
            if number is Where.EACH:
                assert self.batch is not None
                return await self.batch(request)
            if number is Where.BODY:
                body = request[BODY] = await self.body_of(request)
                number = slice_of_body(request.rel_url.raw_path, body, self._slices)
            if isinstance(number, Where):
                return await self.handler(request)
            if self._routes.runs(number):
                return await self._here(request, number)
            return await self._elsewhere(request, number)
        except Problem as problem:
            return problem.response()

    async def _to_node(self, request: web.Request) -> web.Response | None:
        """What only other nodes ask; None: it is a call that one of them has passed on."""
        path = request.raw_path
        if path.startswith(STORE_PATH):
            return await self._can_take(path.removeprefix(STORE_PATH))
        if path == RUNS_PATH:
            return web.Response(body=msgpack.packb(self._running()))
        if path == RENEWALS_PATH and self.renewals is not None:
            return self.renewals.answer(request[BODY])
        if path == UNTOLD_PATH and self.telling is not None:
            return self.telling.answer(request[BODY])
        if self._handler is None:
            raise not_here("all")  # the edge has not begun
        return None

    def _running(self) -> list[int]:
        return [number for number in range(self._slices) if self._routes.runs(number)]

    async def _can_take(self, slice_text: str) -> web.Response:
        """To another node, which asks about a slice."""
        is_slice = slice_text.isascii() and slice_text.isdigit() and int(slice_text) < self._slices
        can_take = is_slice and await self._routes.can_take(int(slice_text))
        return web.Response(status=200 if can_take else 503)

    async def body_of(self, request: web.Request) -> bytes:
        """The body, which may be asked for again. Raises Problem 413."""
        return await read_body(request, self.body_max(request))

    def body_max(self, request: web.Request) -> int:
        """How large the body of a call may be, in bytes."""
        settings = self._edge.settings
        is_batch = request.rel_url.raw_path in (paths.HEARTBEATS, RENEWALS_PATH, UNTOLD_PATH)
        return settings.batch_body_max if is_batch else settings.body_max

    async def _here(self, request: web.Request, number: int) -> web.StreamResponse:
        """Decide here. A slice that was taken away meanwhile has decided nothing."""
        if request.rel_url.raw_path == paths.EVENTS:
            return await self.handler(request)
        self.busy[number] += 1
        try:
            response = await self.handler(request)
        finally:
            self.busy[number] -= 1
        if response.status != 503 or self._routes.runs(number) or self._was_read(request):
            return response
        return await self._elsewhere(request, number)

    def _was_read(self, request: web.Request) -> bool:
        """Whether the body is gone: then the caller must send the call again."""
        return BODY not in request and request.body_exists

    async def _elsewhere(self, request: web.Request, number: int) -> web.StreamResponse:
        """Let the node answer that runs the slice; look for it until the call can wait no longer.
        """
        if _is_passed_on(request):
            if await self._routes.may_run(number):
                return await self._here(request, number)
            raise not_here(number)
        body = request[BODY] = await self.body_of(request)
        if self._edge.stalls.is_recent():
            await self._edge.stalls.let_leave(request)  # the other node cannot see how old it is
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self.wait_s(request)
        attempt = 0
        while True:
            if await self._routes.may_run(number):
                return await self._here(request, number)
            node = self._routes.node_of(number)
            if node is not None and not self._passing.is_silent(node.name):
                if attempt == 0 and await self._is_renewed(node, request):
                    return await self._handled(request, Asked.RENEWED)
                if (answer := await self._ask(node, request, body)) is not None:
                    return answer
            if request.transport is None and request.rel_url.raw_path == paths.EVENTS:
                # Nobody would read it, and each try to open it would count as a heartbeat.
                raise unavailable("the device has hung up", self._edge.settings.retry_after_s)
            if loop.time() >= until_s:
                return await self.last_resort(request)
            await asyncio.sleep(PAUSES_S[min(attempt, len(PAUSES_S) - 1)])
            attempt += 1
            await self._routes.look_again()

    async def _ask(
        self, node: Address, request: web.Request, body: bytes
    ) -> web.StreamResponse | None:
        """What another node answers; None: it does not."""
        if request.rel_url.raw_path == paths.EVENTS:
            return await self._carrying.ask(node.edge_url, request, body)
        return await self._passing.ask(node, request, body)

    async def _is_renewed(self, node: Address, request: web.Request) -> bool:
        """Whether it is a heartbeat, and the node has renewed it."""
        is_heartbeat = request.rel_url.raw_path == paths.HEARTBEAT and request.method == "POST"
        return (
            is_heartbeat
            and self.renewals is not None
            and await self.renewals.renewed(node, request)
        )

    def wait_s(self, request: web.Request) -> float:
        """How long a call may wait for somebody to run its slice."""
        path = request.rel_url.raw_path
        if path in (paths.HEARTBEAT, paths.STOP):
            return HEARTBEAT_WAIT_S
        if request.method == "POST" and path.startswith(paths.ACCOUNTS):
            return self._edge.region.settings.deadline_ms / 1000
        return OTHER_WAIT_S

    async def last_resort(self, request: web.Request) -> web.StreamResponse:
        """Nobody runs the slice: what can be said without it is said, by the same handlers."""
        path = request.rel_url.raw_path
        is_start = request.method == "POST" and path.startswith(paths.ACCOUNTS)
        if not is_start and path not in (paths.HEARTBEAT, paths.STOP):
            raise unavailable(
                "no node answers for this account at the moment", self._edge.settings.retry_after_s
            )
        return await self._handled(request, Asked.NOBODY)

    async def _handled(self, request: web.Request, asked: Asked) -> web.StreamResponse:
        """The answer of a handler that does not ask the slice."""
        token = ASKED.set(asked)
        try:
            return await self.handler(request)
        finally:
            ASKED.reset(token)


def _is_passed_on(request: web.Request) -> bool:
    """Whether another node has got the call; who pretends that gets fewer answers, not more."""
    return PASSED_ON in request.headers
