"""Bodies of requests: read up to a limit, of one media type, decoded strictly.

Invariant: never more than the limit (and one chunk) is held, whatever Content-Length says, and any
bytes either decode or become a problem. A body that is too large is 413. A wrong Content-Type or
Content-Encoding is 422 naming the header: the API has no 415, since to a player both mean the same,
"go on playing", and its developer reads the message.

Why strict: a duplicate key, NaN or a number of a thousand digits means different things to
different parsers, and the one that checks must be the one that acts.
"""

import json
from typing import Final, NoReturn

from aiohttp import web

from georeg.edge.problems import Problem, invalid, plain, too_large
from georeg.edge.shapes import ERRORS_MAX, Errors, Shape

JSON_TYPE: Final = "application/json"
MSGPACK_TYPE: Final = "application/msgpack"
FORM_TYPE: Final = "application/x-www-form-urlencoded"
TEXT_TYPE: Final = "text/plain"


async def read_body(request: web.Request, limit: int) -> bytes:
    """The whole body. Raises Problem 413 when it has more than `limit` bytes."""
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise invalid(("Content-Encoding", "bodies are taken as they are, not compressed"))
    if (request.content_length or 0) > limit:
        raise too_large(limit, "bytes")
    parts = bytearray()
    try:
        while part := await request.content.readany():
            parts += part
            if len(parts) > limit:
                raise too_large(limit, "bytes")
    except web.RequestPayloadError:
        raise plain(400, "the body is not what its headers say") from None
    return bytes(parts)


def require_type(request: web.Request, media_type: str) -> None:
    """Raise Problem 422 unless the body is declared as of this type; parameters are ignored."""
    declared = request.headers.get("Content-Type", "")
    if declared.partition(";")[0].strip().lower() != media_type:
        raise invalid(("Content-Type", f"must be {media_type}"))


async def read_json(request: web.Request, shape: Shape, limit: int) -> dict[str, object]:
    """The body as an object of this shape. Raises Problem 413 or 422."""
    body = await read_body(request, limit)
    require_type(request, JSON_TYPE)
    errors: Errors = []
    checked = shape.check(parse_json(body), "", errors)
    if errors:
        raise invalid(*errors[:ERRORS_MAX])
    assert isinstance(checked, dict), "request bodies are objects"
    return checked


def parse_json(body: bytes) -> object:
    """Strict JSON. Raises Problem 422."""
    try:
        return json.loads(
            body.decode(),
            object_pairs_hook=_unique,
            parse_constant=_refuse_constant,
        )
    except UnicodeDecodeError:
        raise invalid(("body", "must be UTF-8")) from None
    except Problem:
        raise
    except (ValueError, RecursionError):
        raise invalid(("body", "must be JSON")) from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """An object whose keys are all different."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise invalid(("body", "must not repeat a field"))
    return members


def _refuse_constant(_name: str) -> NoReturn:
    """NaN and the infinities are not JSON."""
    raise ValueError
