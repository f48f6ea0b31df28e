"""The bounds of every field that a region accepts, and the checks by which it accepts them.

One set for both directions: what a region says is checked like what it hears, so it never says what
its peers would refuse. Types are exact: a bool is no number, and bytes are no text.
"""

from typing import Any, Final

from crdt.errors import PeerError

ACCOUNT_BYTES_MAX: Final = 128
DEVICE_BYTES_MAX: Final = 128
NAME_BYTES_MAX: Final = 256
KIND_BYTES_MAX: Final = 32
TITLE_BYTES_MAX: Final = 512
PLAN_BYTES_MAX: Final = 64
LIMIT_MAX: Final = 255
HOP_MAX: Final = 0xFFFF
TIME_S_MAX: Final = (1 << 32) - 1
"""The year 2106, in seconds since 1970."""
LENGTH_S_MAX: Final = (1 << 20) - 1
"""Longest time from a session's start to its hard deadline: 12 days."""
TIME_MS_MAX: Final = (TIME_S_MAX - LENGTH_S_MAX) * 1000
"""So that every deadline fits 32 bits."""


def number(value: Any, low: int, high: int, what: str) -> int:
    """An integer from `low` to `high`. Raises PeerError."""
    if type(value) is not int or not low <= value <= high:
        raise PeerError(f"{what}: expected an integer from {low} to {high}")
    return value


def text(value: Any, low: int, high: int, what: str) -> str:
    """A text of `low` to `high` bytes of UTF-8. Raises PeerError."""
    if type(value) is not str or not low <= len(value.encode()) <= high:
        raise PeerError(f"{what}: expected a text of {low} to {high} bytes")
    return value


def account_name(value: Any) -> str:
    """The name of an account, 1 to 128 bytes. Raises PeerError."""
    return text(value, 1, ACCOUNT_BYTES_MAX, "account")
