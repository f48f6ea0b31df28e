"""What stands in Redis: one value per session, kick and plan, and blocks of times of heartbeats.

    session   version, started as 4 bytes, msgpack [dot or 0, add]   field: its id, 8 bytes
    kick      version, at_ms as 8 bytes, msgpack event               field: its session, 8 bytes
    plan      version, issued as 8 bytes, msgpack event              field: its account
    home      version, number as 8 bytes, msgpack event              field: its account
    heard     written_ms as 8 bytes, ids of sessions, then one byte each: silent for so many seconds

A dot of 0 is the session's own id, as it mostly is; `started` is when, in seconds of Redis' clock,
0 when it was stored later than that. Numbers are big-endian, so that the script
can compare those of 8 bytes without rounding. Nothing has a checksum: unlike a disk's, these
bytes never outlive the process that checks its own.

Cost: 64 bytes a session with a UUID and a name of 12 characters, some 140 in Redis' memory; 9 more
for its time.
"""

import sys
from array import array
from typing import Final, TypeVar

from crdt.codec import encode_event, pack, plain, read_add, read_other, unpack
from crdt.dots import DOT_MAX, Dot
from crdt.events import Entry, HomeSet, Kick, PlanSet
from georeg.store.rows import EVENT_BYTES_MAX, WRONG, Damage, key

__all__ = [
    "SILENT_MAX_S", "WRONG", "heard_block", "home_value", "kick_value", "plan_value", "read_heard",
    "read_home", "read_kick", "read_plan", "read_session", "session_value", "started_s",
]  # fmt: skip

T = TypeVar("T", Kick, HomeSet, PlanSet)
VERSION: Final = b"\x01"
SILENT_MAX_S: Final = 255
"""Longest silence that a block tells; it is beyond every lease, and means: not known."""
_TIME_BYTES: Final = 4
"""Seconds since 1970 until 2106."""


def session_value(entry: Entry, now_s: int) -> bytes:
    """The value of a session. `now_s`: of Redis; 0: it may have been started long ago.

    A start is a sign of life; a session that moved, or is held on after a takeover, shows none.
    """
    is_first = entry.dot ^ entry.session == 0
    at_s = now_s if is_first and not entry.unconfirmed else 0
    body = pack([0 if is_first else entry.dot, plain(entry)])
    return VERSION + at_s.to_bytes(_TIME_BYTES, "big") + body


def started_s(value: bytes) -> int:
    """When the session of this value was started, on Redis' clock; 0: not known."""
    return int.from_bytes(value[1 : 1 + _TIME_BYTES], "big") if value[:1] == VERSION else 0


def read_session(field: bytes, value: bytes) -> Entry:
    """The session in a field. Raises one of WRONG."""
    session = _number(field)
    body = unpack(_versioned(value)[_TIME_BYTES:], EVENT_BYTES_MAX)
    if type(body) is not list or len(body) != 2 or type(body[1]) is not list:
        raise Damage("a session is a dot and an add")
    dot, add = body
    if type(dot) is not int or not 0 <= dot <= DOT_MAX:
        raise Damage("a session has no dot")
    entry = read_add(add, Dot(dot or session))
    if entry.session != session:
        raise Damage("a session stands in another one's field")
    return entry


def kick_value(kick: Kick) -> bytes:
    """The value of a kick."""
    return VERSION + key(kick.at_ms) + encode_event(kick)


def read_kick(field: bytes, value: bytes) -> Kick:
    """The kick in a field. Raises one of WRONG."""
    ranked, kick = _ranked(value, Kick)
    if (key(kick.session), key(kick.at_ms)) != (field, ranked):
        raise Damage("a kick stands in another one's field")
    return kick


def home_value(home: HomeSet) -> bytes:
    """The value of a home that has moved."""
    return VERSION + key(home.number) + encode_event(home)


def read_home(field: bytes, value: bytes) -> HomeSet:
    """The home in a field. Raises one of WRONG."""
    ranked, home = _ranked(value, HomeSet)
    if (home.account.encode(), key(home.number)) != (field, ranked):
        raise Damage("a home stands in another one's field")
    return home


def plan_value(plan: PlanSet) -> bytes:
    """The value of a plan."""
    return VERSION + key(plan.issued) + encode_event(plan)


def read_plan(field: bytes, value: bytes) -> PlanSet:
    """The plan in a field. Raises one of WRONG."""
    ranked, plan = _ranked(value, PlanSet)
    if (plan.account.encode(), key(plan.issued)) != (field, ranked):
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


def _ranked(value: bytes, kind: type[T]) -> tuple[bytes, T]:
    """A value by whose eight bytes the script tells which of two stands, and its event."""
    body = _versioned(value)
    return body[:8], read_other(unpack(body[8:], EVENT_BYTES_MAX), kind)


def _number(data: bytes) -> int:
    if len(data) != 8:
        raise Damage("a number has eight bytes")
    return int.from_bytes(data, "big")
