"""The OpenAPI 3.1 document, made from the table of routes, the request shapes and the schemas.

Invariant: a path, method, body, status or problem is in the document exactly when the table says
so, and the table is what the router was built from.
"""

import json
import re
from collections.abc import Sequence
from typing import Any, Final

from georeg import __version__
from georeg.edge.bodies import FORM_TYPE, MSGPACK_TYPE, TEXT_TYPE
from georeg.edge.problems import KINDS, MEDIA_TYPE, Kind
from georeg.edge.responses import PROBLEM_MEMBERS, RESPONSES, Schema, problem_schema, ref
from georeg.edge.routes import Route
from georeg.edge.schemas import (
    ACCOUNT_SCHEMA,
    KEY_LENGTH_MAX,
    SESSION_ID_SCHEMA,
    WAIT_S_MAX,
    WAIT_S_MIN,
)

_PARAMETER: Final = re.compile(r"{(\w+)}")

_BODIES: Final[dict[str, Schema]] = {
    TEXT_TYPE: {"type": "string", "description": "The session's token, if no header has it."},
    MSGPACK_TYPE: {
        "type": "array",
        "items": {"type": "string"},
        "description": "A msgpack array of tokens, as text or decoded.",
    },
    FORM_TYPE: {
        "type": "object",
        "properties": {"token": {"type": "string"}, "token_type_hint": {"type": "string"}},
        "required": ["token"],
        "additionalProperties": False,
    },
}
"""Request bodies that are not JSON."""

_PARAMETERS: Final[dict[str, Schema]] = {
    "account": {"name": "account", "in": "path", "required": True, "schema": ACCOUNT_SCHEMA},
    "session": {"name": "session", "in": "path", "required": True, "schema": SESSION_ID_SCHEMA},
    "name": {
        "name": "name",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "enum": [kind.name for kind in KINDS]},
    },
    "device": {
        "name": "device",
        "in": "query",
        "description": "The caller's own device; marks its session with `this_device`.",
        "schema": ACCOUNT_SCHEMA,
    },
    "Idempotency-Key": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A retry with the same key gets the first answer.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 2 * KEY_LENGTH_MAX + 2},
    },
    "Prefer": {
        "name": "Prefer",
        "in": "header",
        "description": f"`wait=SECONDS`: decide within {WAIT_S_MIN} to {WAIT_S_MAX} seconds.",
        "schema": {"type": "string"},
    },
}

_SECURITY: Final[dict[str, Schema]] = {
    "entitlement": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The account's entitlement. Under --dev it may be left out.",
    },
    "backend": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "NAME.SECRET",
        "description": "A backend's API key. Under --dev it may be left out.",
    },
    "session": {
        "type": "http",
        "scheme": "bearer",
        "description": "The token that the start answered.",
    },
}


def build_document(routes: Sequence[Route], public_url: str = "") -> bytes:
    """The document as JSON. `public_url`: of this server; empty: wherever it was fetched from."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    problems = {
        _problem_name(kind): problem_schema(
            kind.uri, kind.status, PROBLEM_MEMBERS.get(kind.name, {})
        )
        for kind in KINDS
    }
    document = {
        "openapi": "3.1.0",
        "info": {
            "title": "georeg",
            "version": __version__,
            "description": "Concurrent-stream limits. A player goes on playing on any answer but "
            "409, 410, 401 and 403.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        **({"servers": [{"url": public_url}]} if public_url else {}),
        "paths": paths,
        "components": {
            "schemas": {**RESPONSES, **problems},
            "parameters": _PARAMETERS,
            "securitySchemes": _SECURITY,
        },
    }
    return json.dumps(document, indent=1).encode()


def _operation(route: Route) -> dict[str, Any]:
    """One call."""
    names = (*_PARAMETER.findall(route.path), *route.query, *route.headers)
    operation: dict[str, Any] = {
        "operationId": route.name,
        "summary": route.summary,
        "security": [{name: []} for name in route.callers],
        "responses": _responses(route),
    }
    if names:
        operation["parameters"] = [{"$ref": f"#/components/parameters/{name}"} for name in names]
    if route.body is not None or route.body_type in _BODIES:
        schema = route.body.schema() if route.body is not None else _BODIES[route.body_type]
        operation["requestBody"] = {
            "required": route.body_required,
            "content": {route.body_type: {"schema": schema}},
        }
    return operation


def _responses(route: Route) -> dict[str, Any]:
    """Success, and each status of its problems; types that share a status are alternatives."""
    success: dict[str, Any] = {"description": "Success"}
    if route.answer is not None:
        success["content"] = {route.answer_type: {"schema": ref(route.answer)}}
    responses = {str(route.status): success}
    for status in sorted({kind.status for kind in route.problems}):
        kinds = [kind for kind in route.problems if kind.status == status]
        schemas = [ref(_problem_name(kind)) for kind in kinds]
        responses[str(status)] = {
            "description": " / ".join(kind.title for kind in kinds),
            "content": {
                MEDIA_TYPE: {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas}}
            },
        }
        if status in (429, 503):
            seconds = {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds."}
            responses[str(status)]["headers"] = {"Retry-After": seconds}
    return responses


def _problem_name(kind: Kind) -> str:
    """`limit-reached` -> `LimitReached`."""
    return "".join(part.capitalize() for part in kind.name.split("-"))
