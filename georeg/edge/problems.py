"""Problems: every answer that is not a success, as `application/problem+json` (RFC 9457).

One table of types for the whole edge: code raises `Problem`, and one wrapper (`app.py`) turns it
into a response. A type is a path of this server, `/problems/NAME`, which explains it; statuses that
need no type of their own (400, 405, 500) are `about:blank`, as the RFC has it.

Invariant: only 409, 410, 401 and 403 are refusals. Everything else tells the caller's player to go
on playing, so trouble of the service never stops a stream.
"""

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final, NamedTuple

from aiohttp import web

MEDIA_TYPE: Final = "application/problem+json"
TYPE_PREFIX: Final = "/problems/"
PROBLEM_HEADERS: Final = {"Content-Type": MEDIA_TYPE, "Cache-Control": "no-store"}


_ENCODER: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False)


def to_json(document: object) -> bytes:
    """Compact JSON in ASCII; made of plain values that do not contain themselves."""
    return _ENCODER.encode(document).encode()


class Kind(NamedTuple):
    """One type of problem."""

    name: str
    status: int
    title: str
    meaning: str
    """What the caller should make of it."""

    @property
    def uri(self) -> str:
        """The `type` member."""
        return TYPE_PREFIX + self.name if self.name else "about:blank"


LIMIT_REACHED: Final = Kind(
    "limit-reached",
    409,
    "Stream limit reached",
    "As many devices as the plan allows are playing; `sessions` names them with the evidence. "
    "Stop one, or start again with its id in `replace`.",
)
SESSION_ENDED: Final = Kind(
    "session-ended",
    410,
    "The session has ended",
    "Stop playing and tell the viewer `reason` and `by`. With `retry` true start again at once.",
)
PLAN_OUTDATED: Final = Kind(
    "plan-outdated",
    409,
    "A newer plan is known",
    "The plan was issued before the one that is in force; nothing has changed.",
)
UNAUTHORIZED: Final = Kind(
    "unauthorized",
    401,
    "Not authorized",
    "The credentials are missing, not valid or too old. Get new ones.",
)
FORBIDDEN: Final = Kind(
    "forbidden",
    403,
    "Not allowed",
    "The credentials are valid, but not for this account or this call.",
)
NOT_FOUND: Final = Kind("not-found", 404, "Not found", "There is nothing under this address.")
INVALID_REQUEST: Final = Kind(
    "invalid-request",
    422,
    "The request is not valid",
    "`errors` names each field or header and what is wrong with it. Go on playing.",
)
TOO_LARGE: Final = Kind(
    "too-large", 413, "The request is too large", "The body is over the limit. Go on playing."
)
TOO_MANY_REQUESTS: Final = Kind(
    "too-many-requests",
    429,
    "Too many requests",
    "Wait as long as Retry-After says, then try again. Go on playing.",
)
UNAVAILABLE: Final = Kind(
    "unavailable",
    503,
    "Not available at the moment",
    "Wait as long as Retry-After says, then try again, here or in another region. Go on playing.",
)
DRAINING: Final = Kind(
    "draining",
    503,
    "This region is being drained",
    "Ask again at once at the first of `regions` that answers, and go on there. Go on playing.",
)

KINDS: Final = (
    LIMIT_REACHED,
    SESSION_ENDED,
    PLAN_OUTDATED,
    UNAUTHORIZED,
    FORBIDDEN,
    NOT_FOUND,
    INVALID_REQUEST,
    TOO_LARGE,
    TOO_MANY_REQUESTS,
    UNAVAILABLE,
    DRAINING,
)


class Problem(Exception):
    """An answer that is not a success. Raised anywhere below a handler."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        headers: dict[str, str] | None = None,
        members: Mapping[str, object] | None = None,
        written: str = "",
    ) -> None:
        """`members`: what it has besides; `written`: such members too, but as JSON already."""
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.headers = headers
        self.members = members
        self.written = written

    def document(self) -> dict[str, object]:
        """The body, but for the members that are written already."""
        return {
            "type": self.kind.uri,
            "title": self.kind.title,
            "status": self.kind.status,
            "detail": self.detail,
            **(self.members or {}),
        }

    def response(self) -> web.Response:
        """The response; a new one each time, since aiohttp writes into it."""
        return web.Response(
            status=self.kind.status, body=self.body(), headers=self.all_headers()
        )

    def body(self) -> bytes:
        """The body as JSON."""
        body = to_json(self.document())
        return b"%b,%b}" % (body[:-1], self.written.encode()) if self.written else body

    def all_headers(self) -> dict[str, str]:
        """The headers of the answer, but for those that HTTP itself needs."""
        return PROBLEM_HEADERS if self.headers is None else PROBLEM_HEADERS | self.headers


def plain(status: int, detail: str, *, headers: dict[str, str] | None = None) -> Problem:
    """A problem whose HTTP status says it all."""
    kind = Kind("", status, HTTPStatus(status).phrase, HTTPStatus(status).description)
    return Problem(kind, detail, headers=headers)


def invalid(*errors: tuple[str, str]) -> Problem:
    """422 with one (field or header, message) for each mistake."""
    detail = "; ".join(f"{field}: {message}" for field, message in errors)
    listed = [{"field": field, "message": message} for field, message in errors]
    return Problem(INVALID_REQUEST, detail, members={"errors": listed})


def unauthorized(detail: str) -> Problem:
    """401 with the challenge of RFC 6750."""
    return Problem(UNAUTHORIZED, detail, headers={"WWW-Authenticate": 'Bearer realm="georeg"'})


def forbidden(detail: str) -> Problem:
    """403."""
    return Problem(FORBIDDEN, detail)


def not_found(detail: str) -> Problem:
    """404."""
    return Problem(NOT_FOUND, detail)


def too_large(maximum: int, unit: str) -> Problem:
    """413; the body may have `maximum` of the unit."""
    return Problem(TOO_LARGE, f"the body may have {maximum} {unit} at most")


def too_many(detail: str, retry_after_s: int) -> Problem:
    """429; `retry_after_s` is whole seconds, at least 1."""
    return Problem(TOO_MANY_REQUESTS, detail, headers={"Retry-After": str(retry_after_s)})


def unavailable(detail: str, retry_after_s: int) -> Problem:
    """503; `retry_after_s` is whole seconds, at least 1."""
    return Problem(UNAVAILABLE, detail, headers={"Retry-After": str(retry_after_s)})
