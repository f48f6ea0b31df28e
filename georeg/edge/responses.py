"""The bodies of answers as JSON Schema (2020-12), by the names under which they are documented.

`render.py` writes them; the tests check every answer that they see against these, so that the two
cannot part.
"""

from typing import Any, Final

from crdt.events import ActorKind, Reason
from georeg.edge.instants import INSTANT_PATTERN
from georeg.edge.schemas import SESSION_ID_SCHEMA
from georeg.region.model import Basis, How, State

Schema = dict[str, Any]


def ref(name: str) -> Schema:
    """A reference to a schema of this module."""
    return {"$ref": f"#/components/schemas/{name}"}


def record(**properties: Schema) -> Schema:
    """An object with exactly these members, all of them always there."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _may_have(schema: Schema, **properties: Schema) -> Schema:
    """The same record with members that may be left out."""
    return schema | {"properties": schema["properties"] | properties}


def _list_of(item: Schema) -> Schema:
    return {"type": "array", "items": item}


_TEXT: Final[Schema] = {"type": "string"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_NUMBER: Final[Schema] = {"type": "number", "minimum": 0}
_FLAG: Final[Schema] = {"type": "boolean"}
_TIME: Final[Schema] = {"type": "string", "format": "date-time", "pattern": INSTANT_PATTERN}
_PLACES: Final[Schema] = {
    "type": "array",
    "items": {"$ref": "#/components/schemas/Place"},
    "minItems": 1,
    "description": "This region is being drained: go on in the first of these that answers.",
}
_HOW: Final[Schema] = {"type": "string", "enum": [how.value for how in How]}
_REASONS: Final = [reason.name.lower() for reason in Reason if reason is not Reason.MOVED]

_SESSION: Final[dict[str, Schema]] = {
    "id": SESSION_ID_SCHEMA,
    "account": _TEXT,
    "device": record(id=_TEXT, name=_TEXT, kind=_TEXT),
    "region": _TEXT,
    "started_at": _TIME,
    "last_seen_at": _TIME,
    "state": {"type": "string", "enum": [state.value for state in State]},
    "title": _TEXT,
    "this_device": _FLAG,
}

RESPONSES: Final[dict[str, Schema]] = {
    "Session": record(**_SESSION),
    "BlockingSession": record(**_SESSION, evidence=record(how=_HOW, age_s=_NUMBER)),
    "Place": _may_have(record(name=_TEXT), url={"type": "string", "format": "uri"}),
    "Heartbeat": _may_have(
        record(session=SESSION_ID_SCHEMA, next_heartbeat_s=_NUMBER, lease_s=_NUMBER),
        token=_TEXT,
        regions=_PLACES,
    ),
    "Statuses": {
        "description": "A msgpack array with one status per token, in the same order.",
        "type": "array",
        "items": {"type": "integer", "enum": [200, 401, 410, 503]},
    },
    "Events": {
        "description": "Server-sent events: `ended` with the body of a 410; `drain` with "
        "`reconnect_in_s` and `regions`; comments.",
        "type": "string",
    },
    "Started": record(
        session=ref("Session"),
        token=_TEXT,
        heartbeat_interval_s=_NUMBER,
        lease_s=_NUMBER,
        decision=record(
            basis={"type": "string", "enum": [basis.value for basis in Basis]},
            limit=_COUNT,
            live=_COUNT,
            took_ms=_NUMBER,
        ),
        sessions=_list_of(ref("Session")),
    ),
    "Listing": record(
        account=_TEXT,
        plan=_TEXT,
        limit=_COUNT,
        sessions=_list_of(ref("Session")),
        regions_out_of_reach=_list_of(_TEXT),
    ),
    "Kicked": record(
        session=ref("Session"),
        effect={"type": "string", "enum": ["ended", "pending"]},
        waiting_for=_list_of(_TEXT),
    ),
    "PlanState": record(account=_TEXT, plan=_TEXT, limit=_COUNT, issued_at=_TIME),
    "Introspection": {
        "oneOf": [
            record(
                active={"const": True},
                sub=_TEXT,
                sid=SESSION_ID_SCHEMA,
                region=_TEXT,
                exp={"type": "integer"},
            ),
            record(active={"const": False}),
        ]
    },
    "Alive": record(alive={"const": True}),
    "Ready": record(ready={"const": True}),
    "Metrics": _TEXT,
    "Document": {"type": "object", "required": ["openapi", "info", "paths"]},
    "ProblemMeaning": _TEXT,
}


def problem_schema(uri: str, status: int, members: dict[str, Schema]) -> Schema:
    """A problem of one type, with what that type adds."""
    return record(
        type={"const": uri},
        title=_TEXT,
        status={"const": status},
        detail=_TEXT,
        **members,
    )


PROBLEM_MEMBERS: Final[dict[str, dict[str, Schema]]] = {
    "limit-reached": {
        "limit": _COUNT,
        "evidence": _HOW,
        "sessions": _list_of(ref("BlockingSession")),
        "slot_free_at": _TIME,
    },
    "session-ended": {
        "reason": {"type": "string", "enum": _REASONS},
        "by": record(
            kind={"type": "string", "enum": [actor.name.lower() for actor in ActorKind]},
            device=_TEXT,
        ),
        "at": _TIME,
        "retry": _FLAG,
    },
    "draining": {"regions": _PLACES},
    "invalid-request": {"errors": _list_of(record(field=_TEXT, message=_TEXT))},
}
"""What some types add to the four members of every problem."""
