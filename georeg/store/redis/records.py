"""What stands in Redis: one value per session, kick and plan, and blocks of times of heartbeats.

    session   version, msgpack [heard, dot or 0, add]     field: its id, 8 bytes
    kick      version, at_ms as 8 bytes, msgpack event    field: its session, 8 bytes
    plan      version, issued as 8 bytes, msgpack event   field: its account
    heard     written_ms as 8 bytes, ids of sessions, then one byte each: silent for so many seconds

A dot of 0 is the session's own id, as it mostly is; `heard` is when the session was started, in
seconds of Redis' clock, 0 when that is not what stored it. Numbers of 8 bytes are big-endian, so
that the script can compare them without rounding. Nothing has a checksum: unlike a disk's, these
bytes never outlive the process that checks its own.

Cost: 64 bytes a session with a UUID and a name of 12 characters, some 140 in Redis' memory; 9 more
for its time.
"""

import sys
from array import array
from typing import Final, NamedTuple

from crdt.codec import encode_event, pack, plain, read_add, read_other, unpack
from crdt.dots import DOT_MAX, Dot
from crdt.events import Entry, Kick, PlanSet
from georeg.store.rows import EVENT_BYTES_MAX, WRONG, Damage, key

__all__ = [
    "SILENT_MAX_S", "WRONG", "Stored", "heard_block", "kick_value", "plan_value", "read_heard",
    "read_kick", "read_plan", "read_session", "session_value",
]  # fmt: skip

VERSION: Final = b"\x01"
SILENT_MAX_S: Final = 255
"""Longest silence that a block tells; it is beyond every lease, and means: not known."""
_TIME_S_MAX: Final = (1 << 40) - 1


class Stored(NamedTuple):
    """A session as it was read."""

    entry: Entry
    heard_s: int
    """When it was started, on Redis' clock; 0: something else has stored it."""


def session_value(entry: Entry, now_s: int) -> bytes:
    """The value of a session. A start is a sign of life; holding on after a takeover is none."""
    is_first = entry.dot ^ entry.session == 0
    heard_s = now_s if is_first and not entry.unconfirmed else 0
    return VERSION + pack([heard_s, 0 if is_first else entry.dot, plain(entry)])


def read_session(field: bytes, value: bytes) -> Stored:
    """The session in a field. Raises one of WRONG."""
    session = _number(field)
    body = unpack(_versioned(value), EVENT_BYTES_MAX)
    if type(body) is not list or len(body) != 3 or type(body[2]) is not list:
        raise Damage("a session is a list of three")
    heard_s, dot, add = body
    if type(heard_s) is not int or not 0 <= heard_s <= _TIME_S_MAX:
        raise Damage("a session was heard at no time")
    if type(dot) is not int or not 0 <= dot <= DOT_MAX:
        raise Damage("a session has no dot")
    entry = read_add(add, Dot(dot or session))
    if entry.session != session:
        raise Damage("a session stands in another one's field")
    return Stored(entry, heard_s)


def kick_value(kick: Kick) -> bytes:
    """The value of a kick."""
    return VERSION + key(kick.at_ms) + encode_event(kick)


def read_kick(field: bytes, value: bytes) -> Kick:
    """The kick in a field. Raises one of WRONG."""
    body = _versioned(value)
    kick = read_other(unpack(body[8:], EVENT_BYTES_MAX), Kick)
    if (key(kick.session), key(kick.at_ms)) != (field, body[:8]):
        raise Damage("a kick stands in another one's field")
    return kick


def plan_value(plan: PlanSet) -> bytes:
    """The value of a plan."""
    return VERSION + key(plan.issued) + encode_event(plan)


def read_plan(field: bytes, value: bytes) -> PlanSet:
    """The plan in a field. Raises one of WRONG."""
    body = _versioned(value)
    plan = read_other(unpack(body[8:], EVENT_BYTES_MAX), PlanSet)
    if (plan.account.encode(), key(plan.issued)) != (field, body[:8]):
        raise Damage("a plan stands in another one's field")
    return plan


def heard_block(sessions: "array[int]", silent_s: bytes, now_ms: int) -> bytes:
    """Times of sessions whose devices have been silent for so long at `now_ms` of Redis."""
    assert len(sessions) == len(silent_s)
    if sys.byteorder == "big":
        sessions = sessions[:]
        sessions.byteswap()
    return key(now_ms) + sessions.tobytes() + silent_s


def read_heard(block: bytes) -> dict[int, int]:
    """Session -> when its device was heard, ms on Redis' clock. Raises one of WRONG."""
    count, rest = divmod(len(block) - 8, 9)
    if rest or count < 0:
        raise Damage("a block of times has another length")
    written_ms = _number(block[:8])
    sessions = array("Q")
    sessions.frombytes(block[8 : 8 + 8 * count])
    if sys.byteorder == "big":
        sessions.byteswap()
    return {
        session: written_ms - 1000 * silent_s
        for session, silent_s in zip(sessions, block[8 + 8 * count :], strict=True)
        if session and silent_s < SILENT_MAX_S
    }


def _versioned(value: bytes) -> bytes:
    if value[:1] != VERSION or len(value) > EVENT_BYTES_MAX:
        raise Damage("it is of another version")
    return value[1:]


def _number(data: bytes) -> int:
    if len(data) != 8:
        raise Damage("a number has eight bytes")
    return int.from_bytes(data, "big")
