"""Every call of the operators' API in one table: who may make it, and what the audit log says."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from aiohttp import web

from georeg.ops import actions, decisions, shadow, views
from georeg.ops.context import Ops
from georeg.ops.keys import May, Operator

Handler = Callable[[Ops, Operator, web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class OpsRoute:
    """One call."""

    name: str
    """What the audit log calls it."""
    method: str
    path: str
    handler: Handler
    may: May = May.READ
    """What a key must be good for."""
    is_audited: bool = False
    """Whether a call that is let through gets its lines: actions, and looks at people's data."""


def action(name: str, method: str, path: str, handler: Handler) -> OpsRoute:
    """A call that changes something."""
    return OpsRoute(name, method, path, handler, may=May.OPERATE, is_audited=True)


ROUTES: Final = (
    OpsRoute("status", "GET", "/v1/status", views.status),
    OpsRoute("peers", "GET", "/v1/peers", views.peers),
    OpsRoute("quota", "GET", "/v1/quota", views.quota, is_audited=True),
    OpsRoute("account", "GET", "/v1/accounts/{account}", views.account, is_audited=True),
    OpsRoute(
        "explain", "GET", "/v1/accounts/{account}/decisions", decisions.decisions, is_audited=True
    ),
    OpsRoute("shadow", "GET", "/v1/shadow", shadow.shadow),
    OpsRoute("keys", "GET", "/v1/keys", views.keys),
    action("kick", "DELETE", "/v1/accounts/{account}/sessions/{session}", actions.kick),
    action("kick all", "DELETE", "/v1/accounts/{account}/sessions", actions.kick_all),
    action("plan", "PUT", "/v1/accounts/{account}/plan", actions.set_plan),
)
"""Other parts of the API add theirs where the app is made: `create_ops_app(ops, more=...)`."""
