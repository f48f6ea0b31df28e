"""One store for the world, in a home region; every other region forwards each call to it.

The forwarding is what reverse proxies do: the request as it came, over kept connections, its answer
as it comes, and one timeout for the whole. When the home does not answer in time the design has to
choose: let everybody in, or nobody. This one fails closed, as such services mostly do: 503, for
starts and for everything else. Players go on on 503, so running streams survive; a heartbeat that
never reached the home renews nothing, though, and a cut longer than the client lease frees the
slots of streams that are still running.

What the design gives: one decision at a time per account, so never a race and never more than L
from starts alone. What it gives up: beyond a cut, or while the home is down, nobody can start,
stop, list or kick; and each start pays a round trip to the home.

`TIMEOUT_S`: longer, and a viewer waits longer for nothing; shorter, and far regions lose answers
that were on their way. A start whose answer is late may have taken a slot at the home all the same:
a phantom until its lease runs out, or until its device starts again.
"""

from typing import Final

from aiohttp import ClientError, ClientSession, ClientTimeout, web
from multidict import CIMultiDict

from georeg.edge.bodies import read_body
from georeg.edge.problems import unavailable
from region_sim.baselines.service import (
    BODY_MAX,
    FORWARDED_BY,
    RETRY_AFTER_S,
    Service,
    answering,
    listen,
)
from region_sim.baselines.setup import Setup

TIMEOUT_S: Final = 1.0
"""The usual timeout of a call inside a back end."""
_PASSED_ON: Final = ("Authorization", "Content-Type", "Idempotency-Key", "Prefer")
_PASSED_BACK: Final = ("Content-Type", "WWW-Authenticate", "Retry-After", "Cache-Control")


class Central:
    """One region: the home with the store, or one that forwards to it."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._runner: web.AppRunner | None = None
        self._http: ClientSession | None = None
        self._service: Service | None = None
        self._is_draining = False
        if setup.is_home:
            store = setup.disk.open(setup.settings, setup.clock, setup.random)
            self._service = Service(setup, store)

    async def start(self) -> None:
        """Listen. Raises OSError when the address is taken."""
        if self._service is not None:
            routes = self._service.routes()
        else:
            self._http = self._setup.session()
            path = "/v1/{path:(?!sessions/events).*}"
            routes = [web.route("*", path, answering(self._forward))]
        self._runner = await listen(routes, self._setup.host, self._setup.port)

    async def stop(self) -> None:
        """Let running requests end, then leave. Harmless when not started."""
        runner, self._runner = self._runner, None
        http, self._http = self._http, None
        if runner is not None:
            await runner.cleanup()
        if http is not None:
            await http.close()

    def drain(self, *, is_on: bool = True) -> None:
        """Take no more starts here; the store serves the other regions as before."""
        self._is_draining = is_on
        if self._service is not None:
            self._service.is_draining = is_on

    async def _forward(self, request: web.Request) -> web.Response:
        """The home's answer, or 503 when there is none in time."""
        assert self._http is not None, "not started"
        if self._is_draining and request.method == "POST" and "/accounts/" in request.path:
            raise unavailable("this region is draining; start in another", RETRY_AFTER_S)
        headers = CIMultiDict({FORWARDED_BY: self._setup.name})
        for name in _PASSED_ON:
            if name in request.headers:
                headers[name] = request.headers[name]
        try:
            async with self._http.request(
                request.method,
                self._setup.peers[self._setup.home] + request.path_qs,
                headers=headers,
                data=await read_body(request, BODY_MAX),
                timeout=ClientTimeout(total=TIMEOUT_S),
            ) as answer:
                body = await answer.read()
        except (TimeoutError, ClientError):
            raise unavailable("the home region does not answer", RETRY_AFTER_S) from None
        back = {name: answer.headers[name] for name in _PASSED_BACK if name in answer.headers}
        return web.Response(status=answer.status, body=body, headers=back)
