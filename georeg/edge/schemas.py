"""The bodies and headers of requests, as shapes: what is checked is what the document promises."""

import re
from typing import Final

from aiohttp import web

from crdt.codec import (
    ACCOUNT_BYTES_MAX,
    DEVICE_BYTES_MAX,
    KIND_BYTES_MAX,
    NAME_BYTES_MAX,
    PLAN_BYTES_MAX,
    TITLE_BYTES_MAX,
)
from georeg.edge import paths
from georeg.edge.problems import invalid
from georeg.edge.render import SESSION_PATTERN, SESSION_TEXT_MAX
from georeg.edge.shapes import Choice, Fields, Instant, ListOf, Text, has_control

REPLACE_MAX: Final = 16
KEY_LENGTH_MAX: Final = 128
WAIT_S_MIN: Final = 0.01
WAIT_S_MAX: Final = 2.0

DEVICE_ID: Final = Text(1, DEVICE_BYTES_MAX, "Stable over restarts of the device.")
DEVICE_NAME: Final = Text(0, NAME_BYTES_MAX, "What people call it.")
DEVICE_KIND: Final = Text(0, KIND_BYTES_MAX, "For instance tv, phone, browser.")
DEVICE: Final = Fields(
    required={"id": DEVICE_ID}, optional={"name": DEVICE_NAME, "kind": DEVICE_KIND}
)
TITLE: Final = Text(0, TITLE_BYTES_MAX, "What is played; opaque.")
START: Final = Fields(
    required={"device": DEVICE},
    optional={
        "title": TITLE,
        "replace": ListOf(
            Text(1, SESSION_TEXT_MAX, "Id of a session that the viewer gives up."), REPLACE_MAX
        ),
        "plan": Text(1, PLAN_BYTES_MAX, "Name of a plan; from backends only."),
    },
)
HEARTBEAT_BODY: Final = Fields(required={}, optional={"state": Choice(("playing", "paused"))})
PLAN: Final = Fields(
    required={"plan": Text(1, PLAN_BYTES_MAX, "Name of a plan."), "issued_at": Instant()},
    optional={},
)

ACCOUNT_SCHEMA: Final[dict[str, object]] = {
    "type": "string",
    "minLength": 1,
    "maxLength": ACCOUNT_BYTES_MAX,
}
SESSION_ID_SCHEMA: Final[dict[str, object]] = {"type": "string", "pattern": SESSION_PATTERN}
_SESSIONS_OF: Final = re.compile(
    paths.SESSIONS.format(account=f"([A-Za-z0-9._~-]{{1,{ACCOUNT_BYTES_MAX}}})")
)
"""With an account of characters that stand for themselves in a path (RFC 3986, 2.3)."""


def literal_account(path: str) -> str | None:
    """The account whose sessions such a raw path means letter by letter; None: it is of another
    call, or it has to be decoded first. An account that is found here is a valid one."""
    found = _SESSIONS_OF.fullmatch(path)
    return None if found is None else found[1]


def account_of(request: web.Request) -> str:
    """The account in the path. Raises Problem 422."""
    literal = literal_account(request.raw_path)
    if literal is not None:
        return literal  # the router may not even have been asked (shortcuts.py)
    account = request.match_info["account"]
    if not _is_text(account, ACCOUNT_BYTES_MAX):
        raise invalid(
            ("account", f"must have 1 to {ACCOUNT_BYTES_MAX} bytes, no control characters")
        )
    return account


def this_device_of(request: web.Request) -> str:
    """The caller's own device id from the query, or empty. Raises Problem 422."""
    for name in sorted(request.query):
        if name != "device":
            raise invalid((name[:40], "is not a parameter of this call"))
    device = request.query.get("device", "")
    if device and not _is_text(device, DEVICE_BYTES_MAX):
        raise invalid(("device", f"must have 1 to {DEVICE_BYTES_MAX} bytes, no control characters"))
    return device


def idempotency_key_of(request: web.Request) -> str:
    """The Idempotency-Key: a structured-field string or a bare token. Raises Problem 422."""
    value = request.headers.get("Idempotency-Key")
    if value is None:
        return ""
    key = _unquoted(value) if value.startswith('"') else value
    is_bare = not value.startswith('"')
    bad = not key or len(key) > KEY_LENGTH_MAX or not key.isascii() or not key.isprintable()
    if bad or (is_bare and any(character in ' ",;' for character in value)):
        message = f"must be a string of 1 to {KEY_LENGTH_MAX} printable ASCII characters"
        raise invalid(("Idempotency-Key", message))
    return key


def _unquoted(value: str) -> str:
    """The text of a structured-field string (RFC 9651, 3.3.3); empty when it is not one."""
    if len(value) < 2 or not value.endswith('"'):
        return ""
    text, escaped = [], False
    for character in value[1:-1]:
        if escaped and character not in '"\\':
            return ""
        if not escaped and character == '"':
            return ""
        escaped = not escaped and character == "\\"
        if not escaped:
            text.append(character)
    return "" if escaped else "".join(text)


def wait_ms_of(request: web.Request) -> int | None:
    """`Prefer: wait=SECONDS` in milliseconds, or None. Raises Problem 422.

    Other preferences are ignored, as RFC 7240 asks; fractions of a second are ours.
    """
    for header in request.headers.getall("Prefer", []):
        for preference in header.split(","):
            name, equals, value = preference.partition(";")[0].partition("=")
            if name.strip().lower() == "wait" and equals:
                return _wait_ms(value.strip().strip('"'))
    return None


def _wait_ms(text: str) -> int:
    try:
        wait_s = float(text) if text.isascii() and len(text) <= 16 else 0.0
    except ValueError:
        wait_s = 0.0
    if not WAIT_S_MIN <= wait_s <= WAIT_S_MAX:
        raise invalid(("Prefer", f"wait must be {WAIT_S_MIN} to {WAIT_S_MAX} seconds"))
    return round(wait_s * 1000)


def _is_text(text: str, bytes_max: int) -> bool:
    return bool(text) and not has_control(text) and len(text.encode()) <= bytes_max
