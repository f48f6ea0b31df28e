"""A release as bytes, and back (see codec.py).

    [1, position, account, hop << 4 | reason]  + [session] if it is not the dot
                                               + [session or 0, silent_ms, after] if they are told

Only an end by silence, and the release of a session that has moved, tell how long the device had
been silent: whoever has heard it since then knows that it plays.
"""

from typing import Any, Final

from crdt.dots import DOT_MAX, POSITION_MAX, SHARD_BITS, Dot, SessionId, position_of
from crdt.errors import PeerError
from crdt.events import SILENCE, Entry, Reason, Release
from crdt.fields import HOP_MAX, account_name, number

RELEASE: Final = 1
"""The number of the event."""
SILENT_MS_MAX: Final = (1 << 32) - 1
_REASONS: Final = {int(reason): reason for reason in Reason}
_SHORT, _WITH_SESSION, _WITH_SILENCE = 4, 5, 7


def release_of(entry: Entry, reason: Reason, silent_ms: int, after: int = 0) -> Release:
    """The release of an entry, which tells of the silence only where that means anything."""
    is_told = reason in SILENCE or after
    told_ms = min(max(0, silent_ms), SILENT_MS_MAX) if is_told else 0
    return Release(entry.dot, entry.session, entry.account, entry.hop, reason, told_ms, after)


def plain_release(event: Release) -> list[Any]:
    """What msgpack packs. Raises PeerError when a field is out of bounds."""
    dot, session, account, hop, reason, silent_ms, after = event
    account_name(account)
    number(hop, 0, HOP_MAX, "hop")
    body = [RELEASE, position_of(dot), account, hop << 4 | reason]
    other = 0 if session ^ dot == 0 else session
    if silent_ms or after:
        number(silent_ms, 0, SILENT_MS_MAX, "silence")
        number(after, 0, DOT_MAX, "beacon")
        return [*body, other, silent_ms, after]
    return [*body, other] if other else body


def read_release(item: list[Any], dot: Dot) -> Release:
    """The release of an unpacked event that stands at this dot. Raises PeerError."""
    fields = len(item)
    if fields == _SHORT:
        _, position, account, end = item
        session = silent_ms = after = 0
    elif fields in (_WITH_SESSION, _WITH_SILENCE):
        _, position, account, end, session, silent_ms, after = (*item, 0, 0)[:_WITH_SILENCE]
        number(session, int(fields == _WITH_SESSION), DOT_MAX, "session")
        number(silent_ms, 0, SILENT_MS_MAX, "silence")
        number(after, 0, DOT_MAX, "beacon")
    else:
        raise PeerError(f"a release has 4, 5 or 7 fields, got {fields}")
    number(position, 1, POSITION_MAX, "position")
    number(end, 0, HOP_MAX << 4 | 15, "end")
    if position >= position_of(dot):
        raise PeerError("a release names an earlier event of the same log")
    released = Dot(dot - (position_of(dot) - position << SHARD_BITS))
    reason = _REASONS.get(end & 15)
    if reason is None:
        raise PeerError(f"unknown reason {end & 15}")
    return Release(
        released, SessionId(session or released), account_name(account), end >> 4, reason,
        silent_ms, after,
    )  # fmt: skip
