"""The device API of a baseline: HTTP in, the decisions of one store, georeg's shapes out.

Paths, shapes, statuses, tokens, entitlements and session ids are georeg's own code, so the same
viewers and the same oracle work on every system. What georeg has beyond this (event streams,
batches, introspection) answers 404.

Another region that forwards a call names itself and where the call came in by `FORWARDED_BY`. A
real deployment would prove that; here nobody lies.
"""

from collections.abc import Awaitable, Callable
from typing import Final, cast

from aiohttp import web

from crdt.dots import RegionId
from crdt.events import ActorKind, Device, Plan
from crdt.hlc import hlc_at
from georeg.edge.answers import json_answer
from georeg.edge.auth import bearer
from georeg.edge.bodies import read_body, read_json
from georeg.edge.entitlements import Entitlement
from georeg.edge.errors import EntitlementError, TokenError
from georeg.edge.instants import instant
from georeg.edge.problems import (
    LIMIT_REACHED,
    PLAN_OUTDATED,
    SESSION_ENDED,
    Problem,
    forbidden,
    invalid,
    not_found,
    unauthorized,
    unavailable,
)
from georeg.edge.render import Renderer, seconds
from georeg.edge.schemas import PLAN, START, account_of, idempotency_key_of, this_device_of
from georeg.region.model import (
    Admitted,
    Claims,
    Ended,
    Kicked,
    KickOutcome,
    NoSession,
    Refused,
    StartRequest,
)
from region_sim.baselines.setup import Setup
from region_sim.baselines.store import Store

FORWARDED_BY: Final = "X-Region"
BODY_MAX: Final = 16 * 1024
RETRY_AFTER_S: Final = 1
SHUTDOWN_S: Final = 1.0
KEEPALIVE_S: Final = 75.0
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Service:
    """The handlers of one region."""

    def __init__(self, setup: Setup, store: Store) -> None:
        self._setup = setup
        self._store = store
        self._limits = {name: p.limit for name, p in sorted(setup.settings.plans.items())}
        self._render = Renderer({number: name for name, number in setup.numbers.items()})
        self.is_draining = False

    def routes(self) -> list[web.RouteDef]:
        """The calls that there are."""
        sessions = "/v1/accounts/{account}/sessions"
        return [
            web.post(sessions, answering(self._start)),
            web.get(sessions, answering(self._list), allow_head=False),
            web.delete(sessions + "/{session}", answering(self._kick)),
            web.put("/v1/accounts/{account}/plan", answering(self._set_plan)),
            web.post("/v1/sessions/heartbeat", answering(self._heartbeat)),
            web.post("/v1/sessions/stop", answering(self._stop)),
            web.get("/livez", _alive),
            web.get("/readyz", answering(self._readyz)),
        ]

    # ---- devices -----------------------------------------------------------------------------

    async def _start(self, request: web.Request) -> web.Response:
        account = account_of(request)
        entitlement = await self._caller(request, account)
        body = await read_json(request, START, BODY_MAX)
        region = self._came_in_at(request)
        if self.is_draining and region == self._setup.number:
            raise unavailable("this region is draining; start in another", RETRY_AFTER_S)
        asked = self._asked(account, body, entitlement, idempotency_key_of(request))
        outcome = self._store.start(asked, region)
        if isinstance(outcome, Admitted):
            return self._admitted(outcome)
        if isinstance(outcome, Refused):
            members = self._render.refused(outcome, asked.device.id)
            raise Problem(LIMIT_REACHED, "as many devices as may are playing", members=members)
        raise invalid(("Idempotency-Key", "was used for another request"))

    def _asked(
        self,
        account: str,
        body: dict[str, object],
        entitlement: Entitlement | None,
        key: str,
    ) -> StartRequest:
        """An entitlement says the plan; of a backend the body does."""
        device = cast(dict[str, str], body["device"])
        replaced = map(self._render.parse_session_id, cast(list[str], body.get("replace", [])))
        plan, issued = None, hlc_at(self._setup.clock.wall_ms())
        if entitlement is not None:
            plan = entitlement.resolve(self._limits, self._render.regions)
            issued = hlc_at(entitlement.issued_ms)
        elif "plan" in body:
            plan = self._named_plan(cast(str, body["plan"]))
        return StartRequest(
            account=account,
            device=Device(device["id"], device.get("name", ""), device.get("kind", "")),
            title=cast(str, body.get("title", "")),
            replace=tuple(session for session in replaced if session is not None),
            plan=plan,
            plan_issued=issued,
            idempotency_key=key,
        )

    def _admitted(self, outcome: Admitted) -> web.Response:
        info, settings = outcome.info, self._setup.settings
        token = self._setup.keys.sign(
            Claims(
                info.session,
                info.account,
                info.device.id,
                info.region,
                info.started_ms,
                info.deadline_s,
            )
        )
        heartbeat_s, lease_s = seconds(settings.heartbeat_ms), seconds(settings.client_lease_ms)
        return json_answer(self._render.admitted(outcome, token, heartbeat_s, lease_s), status=201)

    async def _heartbeat(self, request: web.Request) -> web.Response:
        claims = self._claims(bearer(request.headers))
        await read_body(request, BODY_MAX)
        answer = self._store.heartbeat(claims, self._came_in_at(request))
        if isinstance(answer, Ended):
            why = f"the session was ended: {answer.reason.name.lower()}"
            raise Problem(SESSION_ENDED, why, members=self._render.ended(answer))
        settings = self._setup.settings
        return json_answer(
            {
                "session": self._render.session_id(claims.session),
                "next_heartbeat_s": seconds(settings.heartbeat_ms),
                "lease_s": seconds(settings.client_lease_ms),
            }
        )

    async def _stop(self, request: web.Request) -> web.Response:
        body = await read_body(request, BODY_MAX)
        token = bearer(request.headers) or body.decode("ascii", "replace").strip() or None
        self._store.stop(self._claims(token), self._came_in_at(request))
        return web.Response(status=204)

    # ---- accounts and backends ---------------------------------------------------------------

    async def _list(self, request: web.Request) -> web.Response:
        account = account_of(request)
        await self._caller(request, account)
        listing = self._store.listing(account)
        return json_answer(self._render.listing(listing, this_device_of(request)))

    async def _kick(self, request: web.Request) -> web.Response:
        account = account_of(request)
        entitlement = await self._caller(request, account)
        session = self._render.parse_session_id(request.match_info["session"])
        actor = ActorKind.OPERATOR if entitlement is None else ActorKind.ACCOUNT
        outcome: KickOutcome = NoSession()
        if session is not None:
            outcome = self._store.kick(account, session, actor)
        if isinstance(outcome, NoSession):
            raise not_found("the account has no such session")
        assert isinstance(outcome, Kicked), "the disks of baselines never refuse"
        return json_answer(self._render.kicked(outcome))

    async def _set_plan(self, request: web.Request) -> web.Response:
        account = account_of(request)
        if await self._caller(request, account) is not None:
            raise forbidden("only a backend may call this")
        body = await read_json(request, PLAN, BODY_MAX)
        plan, issued_ms = self._named_plan(cast(str, body["plan"])), cast(int, body["issued_at"])
        if not self._store.set_plan(account, plan, hlc_at(issued_ms)):
            raise Problem(PLAN_OUTDATED, "a newer plan of this account is known")
        stated = {"plan": plan.name, "limit": plan.limit, "issued_at": instant(issued_ms)}
        return json_answer({"account": account, **stated})

    async def _readyz(self, request: web.Request) -> web.Response:  # noqa: ARG002 - a handler
        if self.is_draining:
            raise unavailable("this region is draining", RETRY_AFTER_S)
        return json_answer({"ready": True})

    # ---- who calls, and from where -----------------------------------------------------------

    def _came_in_at(self, request: web.Request) -> RegionId:
        name = request.headers.get(FORWARDED_BY, self._setup.name)
        return self._setup.numbers[name]

    def _claims(self, token: str | None) -> Claims:
        if token is None:
            raise unauthorized("the session's token is missing: Authorization: Bearer TOKEN")
        try:
            return self._setup.keys.verify(token)
        except TokenError as error:
            raise unauthorized(f"the session's token is not valid: {error}") from None

    async def _caller(self, request: web.Request, account: str) -> Entitlement | None:
        """The account's entitlement; None: a backend. Raises Problem 401 or 403."""
        credential = bearer(request.headers)
        if credential is None:
            if self._setup.is_dev:
                return None
            raise unauthorized("Authorization is missing")
        if self._setup.backends.verify(credential) is not None:
            return None
        try:
            found = await self._setup.entitlements.verify(credential, self._setup.clock.wall_ms())
        except EntitlementError as error:
            raise unauthorized(str(error)) from None
        if found.account != account:
            raise forbidden("the entitlement is for another account")
        return found

    def _named_plan(self, name: str) -> Plan:
        limit = self._limits.get(name)
        if limit is None:
            raise invalid(("plan", "must be one of " + ", ".join(self._limits)))
        return Plan(name, limit, 0)


def answering(handler: _Handler) -> _Handler:
    """The handler with its problems as answers."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except Problem as problem:
            return problem.response()

    return handle


async def _alive(_request: web.Request) -> web.Response:
    return json_answer({"alive": True})


@answering
async def _unknown(_request: web.Request) -> web.StreamResponse:
    raise not_found("there is nothing under this path")


async def listen(routes: list[web.RouteDef], host: str, port: int) -> web.AppRunner:
    """Serve the routes, and 404 for everything else. Raises OSError when the port is taken."""
    app = web.Application()
    app.add_routes([*routes, web.route("*", "/{path:.*}", _unknown)])
    runner = web.AppRunner(
        app,
        access_log=None,
        handle_signals=False,
        shutdown_timeout=SHUTDOWN_S,
        keepalive_timeout=KEEPALIVE_S,
    )
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner
