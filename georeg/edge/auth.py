"""Who calls: an account by its entitlement, a backend by its key, a device by its session's token.

The three are told apart by their dots: a JWT has two, `NAME.SECRET` one, a session token none.
Invariant: a missing, wrong or old credential is 401, one that is for something else is 403, and
trouble of ours (the key set is out of reach) is 503, never a refusal.

Under `--dev` a call without Authorization is let through when its peer is a loopback address and no
proxy speaks for somebody else (a forwarding header would mean that loopback is not the caller).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

from aiohttp import web

from crdt.events import ActorKind, Plan
from crdt.hlc import hlc_at
from georeg.edge.context import Edge
from georeg.edge.entitlements import LEEWAY_MS
from georeg.edge.errors import EntitlementError, KeysUnavailableError, TokenError
from georeg.edge.problems import forbidden, unauthorized, unavailable
from georeg.region.model import Claims

_FORWARDING: Final = ("Forwarded", "X-Forwarded-For", "X-Real-IP")


class CallerKind(Enum):
    """On whose word a call is made."""

    ACCOUNT = "account"
    BACKEND = "backend"
    DEV = "dev"

    @property
    def actor(self) -> ActorKind:
        """Who has kicked, when this caller kicks."""
        return ActorKind.OPERATOR if self is CallerKind.BACKEND else ActorKind.ACCOUNT


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller whose credentials were good."""

    kind: CallerKind
    account: str = ""
    """The account that an entitlement is for."""
    plan: Plan | None = None
    plan_issued: int = 0
    """Hybrid logical time of the plan."""

    @property
    def states_plans(self) -> bool:
        """Whether the caller's own word on a plan counts."""
        return self.kind is not CallerKind.ACCOUNT


_DEV: Final = Caller(CallerKind.DEV)
_BACKEND: Final = Caller(CallerKind.BACKEND)


def bearer(headers: Mapping[str, str]) -> str | None:
    """The credential of the Authorization header; None without one. Raises Problem 401."""
    value = headers.get("Authorization")
    if value is None:
        return None
    if value.startswith("Bearer "):
        return value[7:]
    scheme, _, credential = value.partition(" ")
    if scheme.lower() != "bearer" or not credential:
        raise unauthorized("Authorization must be: Bearer CREDENTIAL")
    return credential.strip()


def session_claims(edge: Edge, token: str | None) -> Claims:
    """What a session's token says. Raises Problem 401."""
    if token is None:
        raise unauthorized("the session's token is missing: Authorization: Bearer TOKEN")
    try:
        return edge.keys.verify(token)
    except TokenError as error:
        raise unauthorized(f"the session's token is not valid: {error}") from None


async def caller_for(edge: Edge, request: web.Request, account: str) -> Caller:
    """Who calls about an account. Raises Problem 401, 403 or 503."""
    caller = await _caller(edge, request)
    if caller.kind is CallerKind.ACCOUNT and caller.account != account:
        raise forbidden("the entitlement is for another account")
    return caller


async def require_backend(edge: Edge, request: web.Request) -> None:
    """Let only backends through (under --dev unsigned callers too). Raises as `caller_for`."""
    if (await _caller(edge, request)).kind is CallerKind.ACCOUNT:
        raise forbidden("only a backend may call this")


async def _caller(edge: Edge, request: web.Request) -> Caller:
    credential = bearer(request.headers)
    if credential is None:
        if edge.settings.dev and is_loopback_peer(request):
            return _DEV
        raise unauthorized("Authorization is missing")
    dots = credential.count(".")
    if dots == 2:
        return await _account(edge, credential)
    if dots == 1 and credential.isascii() and edge.backends.verify(credential) is not None:
        return _BACKEND
    raise unauthorized("neither an entitlement nor a backend's key")


async def _account(edge: Edge, token: str) -> Caller:
    try:
        entitlement = await edge.entitlements.verify(token, edge.clock.wall_ms())
    except EntitlementError as error:
        raise unauthorized(str(error)) from None
    except KeysUnavailableError as error:
        raise unavailable(str(error), edge.settings.retry_after_s) from None
    plan = entitlement.resolve(edge.plan_limits, edge.render.regions)
    # Where this region's clock is behind, a fresh statement seems to come from the future. It
    # counts as made now: refusing it would refuse every viewer until the clock is put right.
    issued_ms = min(entitlement.issued_ms, edge.clock.wall_ms() + LEEWAY_MS)
    return Caller(CallerKind.ACCOUNT, entitlement.account, plan, hlc_at(issued_ms))


def is_loopback_peer(request: web.Request) -> bool:
    """Whether the caller is on this machine and speaks for itself."""
    headers = request.headers
    for name in _FORWARDING:
        if name in headers:
            return False
    peer = request.remote  # asked of the system once a connection, not once a call
    return peer is not None and is_loopback(peer)


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether an address is one of this machine's own; a name is only if it is `localhost`."""
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host == "localhost"
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
