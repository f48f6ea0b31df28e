"""A complete snapshot of one writer's shard, and its bytes.

It says what the writer holds at one position, so that a region too far behind takes it in place of
the events up to there; and all that is known of kicks, ends, plans and homes of the shard, whoever
wrote it, since those only grow and may be joined at any time.

Invariant: complete or nothing. Part of the sessions with the full position would delete the rest
(delta_crdt_ex #65, cr-sqlite #299); so it is decoded and checked as a whole before anything is
installed, however many messages it took to carry it.

    [1, writer, shard, incarnation, top, [position of each add], [add], [kick], [end], [plan set],
     [home set] if there is any]

with adds, kicks, plan sets and home sets as in `codec.py`, and an end as [session, account, hop,
dot, reason] + [silent_ms] if it is told. Version 1 has no home sets.
Cost: 60 to 90 B and 5 us a session.
"""

from typing import Any, Final, NamedTuple, TypeVar

from crdt.codec import pack, plain, read_add, read_other, unpack
from crdt.context import Position
from crdt.dots import (
    DOT_MAX,
    INCARNATION_MAX,
    POSITION_MAX,
    REGION_MAX,
    SHARDS,
    RegionId,
    SessionId,
    dot_at,
    position_of,
    shard_of,
)
from crdt.errors import PeerError
from crdt.events import Entry, HomeSet, Kick, PlanSet, Reason
from crdt.fields import HOP_MAX, account_name, number
from crdt.older import snapshot_in
from crdt.releases import SILENT_MS_MAX
from crdt.stops import End
from crdt.versions import NEWEST

SNAPSHOT_BYTES_MAX: Final = 1 << 28
_FORMAT: Final = 1
_FIELDS: Final = 10

T = TypeVar("T", Entry, Kick, PlanSet, HomeSet, End)


class Snapshot(NamedTuple):
    """What one writer holds in one shard at a position, and the kicks, ends, plans and homes."""

    writer: RegionId
    shard: int
    position: Position
    entries: list[Entry]
    """All dots of the writer that live at the position, in the order of their dots."""
    kicks: list[Kick]
    ends: list[End]
    plans: list[PlanSet]
    homes: tuple[HomeSet, ...] = ()


def encode_snapshot(snapshot: Snapshot, version: int = NEWEST) -> bytes:
    """The snapshot as bytes, for a peer that speaks `version`; the caller cuts them into messages.

    Raises LocalError for a version that was never spoken.
    """
    writer, shard, (incarnation, top), entries, kicks, ends, plans, homes = snapshot
    body = [
        _FORMAT,
        writer,
        shard,
        incarnation,
        top,
        [position_of(entry.dot) for entry in entries],
        [plain(entry) for entry in entries],
        [plain(kick) for kick in kicks],
        [end if end.silent_ms else end[:-1] for end in ends],
        [plain(update) for update in plans],
    ]
    if homes:
        body.append([plain(update) for update in homes])
    return pack(snapshot_in(body, version))


def decode_snapshot(data: bytes, bytes_max: int = SNAPSHOT_BYTES_MAX) -> Snapshot:
    """The snapshot, every field in bounds. Raises PeerError."""
    body = unpack(data, bytes_max)
    if type(body) is not list or len(body) not in (_FIELDS, _FIELDS + 1) or body[0] != _FORMAT:
        raise PeerError(f"a snapshot is an array of {_FIELDS} fields or one more, {_FORMAT} first")
    body = (*body, [])[1 : _FIELDS + 1]
    writer, shard, incarnation, top, positions, adds, kicks, ends, plans, homes = body
    number(writer, 1, REGION_MAX, "writer")
    number(shard, 0, SHARDS - 1, "shard")
    number(incarnation, 0, INCARNATION_MAX, "incarnation")
    number(top, 0, POSITION_MAX, "top")
    if not all(type(part) is list for part in (positions, adds, kicks, ends, plans, homes)):
        raise PeerError("a snapshot's parts are arrays")
    return Snapshot(
        RegionId(writer),
        shard,
        Position(incarnation, top),
        _entries(positions, adds, RegionId(writer), shard, Position(incarnation, top)),
        [_of_shard(read_other(item, Kick), shard) for item in kicks],
        [_read_end(item, shard) for item in ends],
        [_of_shard(read_other(item, PlanSet), shard) for item in plans],
        tuple([_of_shard(read_other(item, HomeSet), shard) for item in homes]),
    )


def _entries(
    positions: list[Any], adds: list[Any], writer: RegionId, shard: int, at: Position
) -> list[Entry]:
    if len(positions) != len(adds):
        raise PeerError(f"a snapshot has {len(positions)} positions for {len(adds)} adds")
    entries = []
    before = 0
    for position, item in zip(positions, adds, strict=True):
        if type(position) is not int or not before < position <= at.top:
            raise PeerError("a snapshot's positions grow, from 1 to its top")
        before = position
        if type(item) is not list:
            raise PeerError("an add is an array")
        if at.incarnation == 0:
            raise PeerError("nobody has written in incarnation 0")
        dot = dot_at(writer, at.incarnation, shard, position)
        entries.append(_of_shard(read_add(item, dot), shard))
    return entries


def _of_shard(event: T, shard: int) -> T:
    if shard_of(event.account) != shard:
        raise PeerError(f"a snapshot of shard {shard} speaks of an account of another shard")
    return event


def _read_end(item: Any, shard: int) -> End:
    if type(item) is not list or len(item) not in (5, 6):
        raise PeerError("an end has 5 or 6 fields")
    session, account, hop, dot, reason, silent_ms = (*item, 0)[:6]
    end = End(
        SessionId(number(session, 1, DOT_MAX, "session")),
        account_name(account),
        number(hop, 0, HOP_MAX, "hop"),
        number(dot, 0, DOT_MAX, "dot"),
        Reason(number(reason, 1, max(Reason), "reason")),
        number(silent_ms, 0, SILENT_MS_MAX, "silence"),
    )
    return _of_shard(end, shard)
