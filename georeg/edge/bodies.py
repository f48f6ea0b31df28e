"""Bodies of requests: read up to a limit, of one media type, decoded strictly.

Invariant: never more than the limit (and one chunk) is held, whatever Content-Length says, and any
bytes either decode or become a problem, within `BODY_S`. A body that is too large is 413. A wrong
Content-Type or Content-Encoding is 422 naming the header: the API has no 415, since to a player
both mean the same, "go on playing", and its developer reads the message.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgpack
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

_Bytes = TypeVar("_Bytes", bytes, bytearray)


def has_body(request: web.Request) -> bool:
    """Whether there is one, read already or not.

    A request is asked for its length first, since looking for a key that is not there costs 1 us.
    """
    return request.can_read_body or (len(request) > 0 and bool(request.get(BODY)))


async def read_body(request: web.Request, limit: int) -> bytes:
    """The whole body. Raises Problem 413 when it has more than `limit` bytes."""
    is_here = request.can_read_body and request.content.is_eof()
    read: bytes | None = None if is_here else request.get(BODY)
    if read is not None:
        return read
    encoding = request.headers.get("Content-Encoding")
    if encoding is not None and encoding.lower() != "identity":
        raise invalid(("Content-Encoding", "bodies are taken as they are, not compressed"))
    try:
        if is_here:  # nearly always: nothing to wait for, which saves 1.5 us
            return _bounded(request.content.read_nowait(), limit)
        if (request.content_length or 0) > limit:
            raise too_large(limit, "bytes")
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
        _bounded(parts, limit)
    return bytes(parts)


def _bounded(body: _Bytes, limit: int) -> _Bytes:
    """The same. Raises Problem 413 when it has more than `limit` bytes."""
    if len(body) > limit:
        raise too_large(limit, "bytes")
    return body


def require_type(request: web.Request, media_type: str) -> None:
    """Raise Problem 422 unless the body is declared as of this type; parameters are ignored."""
    declared = request.headers.get("Content-Type", "")
    if declared != media_type and declared.partition(";")[0].strip().lower() != media_type:
        raise invalid(("Content-Type", f"must be {media_type}"))


async def read_json(
    request: web.Request,
    shape: Shape,
    limit: int,
    *,
    usual: Callable[[bytes], dict[str, object] | None] | None = None,
) -> dict[str, object]:
    """The body as an object of this shape. Raises Problem 413 or 422.

    `usual` reads the most common bodies of the shape faster, and says None to all others.
    """
    body = await read_body(request, limit)
    require_type(request, JSON_TYPE)
    if usual is not None and (read := usual(body)) is not None:
        return read
    errors: Errors = []
    checked = shape.check(parse_json(body), "", errors)
    if errors:
        raise invalid(*errors[:ERRORS_MAX])
    assert isinstance(checked, dict), "request bodies are objects"
    return checked


def array_in(body: bytes, items_max: int, *, bytes_max: int = -1) -> list[Any] | None:
    """The items of a msgpack array, strings as bytes of at most `bytes_max` (-1: the whole body);
    None: it is none, or one with more items, or with something that is no array, string or number.
    """
    try:
        found = msgpack.unpackb(
            body, raw=True, max_array_len=items_max, max_bin_len=bytes_max,
            max_map_len=0, max_ext_len=0,
        )  # fmt: skip
    except (ValueError, msgpack.UnpackException, RecursionError):
        return None
    return found if isinstance(found, list) else None
