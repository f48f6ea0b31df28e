"""`POST /v1/introspect` (RFC 7662): a licence server asks whether a session's token still counts.

Answers from what this region knows, without renewing anything. `exp` is when the session would
lapse without another heartbeat, so a licence that ends then never outlives its session by much.
"""

from urllib.parse import parse_qsl

from aiohttp import web

from georeg.edge.answers import json_answer
from georeg.edge.auth import require_backend
from georeg.edge.bodies import FORM_TYPE, read_body, require_type
from georeg.edge.context import Edge
from georeg.edge.errors import TokenError
from georeg.edge.problems import invalid
from georeg.edge.render import Json
from georeg.region.model import Claims

FIELDS_MAX = 4


async def introspect(edge: Edge, request: web.Request) -> web.StreamResponse:
    """200, active or not; nothing else is said about a token that is not."""
    await require_backend(edge, request)
    body = await read_body(request, edge.settings.body_max)
    require_type(request, FORM_TYPE)
    try:
        claims = edge.keys.verify(_token(body))
    except TokenError:
        return json_answer({"active": False})
    return json_answer(_active(edge, claims) if edge.region.is_live(claims) else {"active": False})


def _token(body: bytes) -> str:
    """The form's token. Raises Problem 422."""
    try:
        pairs = parse_qsl(
            body.decode(),
            keep_blank_values=True,
            strict_parsing=bool(body),
            max_num_fields=FIELDS_MAX,
            errors="strict",
        )
    except (ValueError, UnicodeError):
        raise invalid(("body", "must be a form")) from None
    form = dict(pairs)
    unknown = sorted(form.keys() - {"token", "token_type_hint"})
    if unknown:
        raise invalid(*((name[:40], "is not a field of this request") for name in unknown))
    if "token" not in form or len(form) != len(pairs):
        raise invalid(("token", "must be there once"))
    return form["token"]


def _active(edge: Edge, claims: Claims) -> Json:
    """What is said about a live session."""
    listed = edge.region.sessions(claims.account).sessions
    info = next((info for info in listed if info.session == claims.session), None)
    lease_ends_ms = edge.clock.wall_ms() + edge.region.settings.client_lease_ms
    lapses_ms = info.lapses_ms if info is not None else lease_ends_ms
    return {
        "active": True,
        "sub": claims.account,
        "sid": edge.render.session_id(claims.session),
        "region": edge.render.name_of(info.region if info is not None else claims.region),
        "exp": min(lapses_ms // 1000, claims.deadline_s),
    }
