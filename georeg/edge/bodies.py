"""Bodies of requests: read up to a limit, of one media type, decoded strictly.

Invariant: never more than the limit (and one chunk) is held, whatever Content-Length says, and any
bytes either decode or become a problem, within `BODY_S`. A body that is too large is 413. A wrong
Content-Type or Content-Encoding is 422 naming the header: the API has no 415, since to a player
both mean the same, "go on playing", and its developer reads the message.
"""

import asyncio
from typing import Final

from aiohttp import web

from georeg.edge.jsons import parse_json
from georeg.edge.problems import invalid, plain, too_large
from georeg.edge.shapes import ERRORS_MAX, Errors, Shape

JSON_TYPE: Final = "application/json"
MSGPACK_TYPE: Final = "application/msgpack"
FORM_TYPE: Final = "application/x-www-form-urlencoded"
TEXT_TYPE: Final = "text/plain"
BODY: Final = web.RequestKey("body", bytes)
"""The body, where something in front of the handler has read it already."""
BODY_S: Final = 10.0
"""A body that takes longer is given up: nobody holds a handler by sending slowly."""


def has_body(request: web.Request) -> bool:
    """Whether there is one, read already or not."""
    return request.can_read_body or bool(request.get(BODY))


async def read_body(request: web.Request, limit: int) -> bytes:
    """The whole body. Raises Problem 413 when it has more than `limit` bytes."""
    read: bytes | None = request.get(BODY)
    if read is not None:
        return read
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise invalid(("Content-Encoding", "bodies are taken as they are, not compressed"))
    if (request.content_length or 0) > limit:
        raise too_large(limit, "bytes")
    try:
        if request.content.is_eof():
            return await _read_up_to(request, limit)
        async with asyncio.timeout(BODY_S):
            return await _read_up_to(request, limit)
    except TimeoutError:
        raise plain(408, f"the body did not arrive within {BODY_S:g} seconds") from None
    except web.RequestPayloadError:
        raise plain(400, "the body is not what its headers say") from None


async def _read_up_to(request: web.Request, limit: int) -> bytes:
    parts = bytearray()
    while part := await request.content.readany():
        parts += part
        if len(parts) > limit:
            raise too_large(limit, "bytes")
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
