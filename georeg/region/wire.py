"""How the messages of regions look on the wire.

A message is a msgpack array: its number, then its fields in order. `decode` checks every field
before anybody sees the message: a peer with a bug or a grudge gets a PeerError and changes nothing.
Log events and snapshots travel in the forms of `crdt/codec.py`; a range's events are checked when
it is known whose log they are of (replication.py).

Versions: the table `_KINDS` is the newest version; `_OLDER` says which messages the older ones
have, and how many of their fields. So a new field or message needs no word about versions: it is
left out for peers that are older, and what they leave out gets its default. The entry of a version
is written when the next one begins, and never changed.

Why a table: a message's readers stand in the order of its fields, so that what is accepted can be
read at a glance. Cost: 10 to 30 us a message; the many events are in few messages.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgpack

from crdt import codec
from crdt.dots import (
    DOT_MAX,
    INCARNATION_MAX,
    POSITION_MAX,
    REGION_MAX,
    SHARDS,
    Dot,
    SessionId,
    incarnation_of,
    position_of,
    region_of,
    shard_of,
    shard_of_dot,
)
from crdt.errors import PeerError
from crdt.events import Device, Entry, Plan, Reason
from crdt.fields import (
    ACCOUNT_BYTES_MAX,
    DEVICE_BYTES_MAX,
    HOP_MAX,
    KIND_BYTES_MAX,
    LENGTH_S_MAX,
    NAME_BYTES_MAX,
    PLAN_BYTES_MAX,
    TIME_MS_MAX,
    TIME_S_MAX,
    TITLE_BYTES_MAX,
)
from crdt.versions import NEWEST, OLDEST
from georeg.region.messages import (
    AMOUNT_MAX,
    CLAIM_PARTS_MAX,
    CLAIMS_MAX,
    ELECTIONS,
    EVENTS_MAX,
    LIST_MAX,
    MESSAGE_BYTES_MAX,
    NUMBER_MAX,
    PART_BYTES,
    PARTS_MAX,
    RELAYED_BYTES_MAX,
    TERM_MAX,
    VERSION_BYTES_MAX,
    Beacon,
    Borrow,
    Bundle,
    Confirm,
    Confirmed,
    Fetch,
    Fetched,
    Leased,
    Message,
    No,
    Range,
    Recall,
    Recalled,
    Relayed,
    Renew,
    Repair,
    Slot,
    SnapshotPart,
    Vitals,
    Void,
)  # fmt: skip
from georeg.region.seen import Seen


def has(kind: type, version: int) -> bool:
    """Whether a version of the protocol has this kind of message."""
    return version == NEWEST or kind in _OLDER[version]


def encode(message: Message, version: int = NEWEST) -> bytes:
    """The wire form of a message that the version has and that is not a Range of encoded events."""
    kind = type(message)
    fields = message if version == NEWEST else message[: _OLDER[version][kind]]
    plain = map(_plain, fields) if kind in _NAMING_SESSIONS else fields
    return codec.pack((_NUMBERS[kind], *plain))


def encode_range(shard: int, incarnation: int, first: int, events: Sequence[bytes]) -> bytes:
    """The wire form of a Range whose events are encoded already: the log keeps them so.

    The same in every version; its events may differ (crdt/older.py).
    """
    packer = msgpack.Packer()
    head = packer.pack_array_header(5)
    head += b"".join(packer.pack(x) for x in (_NUMBERS[Range], shard, incarnation, first))
    return head + packer.pack_array_header(len(events)) + b"".join(events)  # type: ignore[no-any-return]


def decode(payload: bytes, version: int = NEWEST) -> Message:
    """The message as a peer that speaks this version says it, fully checked. Raises PeerError."""
    body = codec.unpack(payload, MESSAGE_BYTES_MAX)
    if not isinstance(body, list | tuple) or not body:
        raise PeerError("a message is a non-empty array")
    kind = _KINDS.get(body[0]) if type(body[0]) is int else None
    if kind is None or not has(kind[0], version):
        raise PeerError(f"unknown message {str(body[0])[:20]} in protocol version {version}")
    cls, readers = kind
    if version != NEWEST:
        readers = readers[: _OLDER[version][cls]]
    if len(body) != len(readers) + 1:
        raise PeerError(f"{cls.__name__} has {len(readers)} fields, got {len(body) - 1}")
    try:
        message = cls(*[read(field) for read, field in zip(readers, body[1:], strict=True)])
    except _Wrong as wrong:
        raise PeerError(f"{cls.__name__}: {wrong}") from None
    if isinstance(message, SnapshotPart | Renew) and message.part >= message.parts:
        raise PeerError(f"{cls.__name__}: no part {message.part} of {message.parts}")
    return message  # type: ignore[no-any-return]  # the table says so


class _Wrong(Exception):
    """A field that is not what it should be; becomes a PeerError that names the message."""


def _plain(value: Any) -> Any:
    """Nested values as arrays: what msgpack does with tuples, but for the seen and the entries."""
    if isinstance(value, Seen):
        return [*_plain(value.entry), value.suspect, value.settled, value.silent_ms]
    if isinstance(value, Entry):
        return [
            value.dot, value.session, value.account, *value.device, value.title, value.started_ms,
            value.placed_ms, value.deadline_s, value.hop, value.provisional, value.unconfirmed,
        ]  # fmt: skip
    if isinstance(value, tuple):
        return [_plain(x) for x in value]
    return value


def _int(low: int, high: int) -> Callable[[Any], int]:
    def read(value: Any) -> int:
        if type(value) is not int or not low <= value <= high:
            raise _Wrong(f"expected an integer from {low} to {high}")
        return value

    return read


def _text(limit: int, *, may_be_empty: bool = False) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if type(value) is not str or len(value.encode()) > limit or not (value or may_be_empty):
            raise _Wrong(f"expected a text of at most {limit} bytes")
        return value

    return read


def _flag(value: Any) -> bool:
    if type(value) is not bool:
        raise _Wrong("expected true or false")
    return value


def _bytes(limit: int) -> Callable[[Any], bytes]:
    def read(value: Any) -> bytes:
        if type(value) is not bytes or len(value) > limit:
            raise _Wrong(f"expected at most {limit} bytes")
        return value

    return read


def _items(value: Any, limit: int) -> Sequence[Any]:
    if not isinstance(value, list | tuple) or len(value) > limit:
        raise _Wrong(f"expected an array of at most {limit}")
    return value


def _many(read: Callable[[Any], Any], limit: int) -> Callable[[Any], tuple[Any, ...]]:
    return lambda value: tuple([read(item) for item in _items(value, limit)])


def _fields(*readers: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    def read(value: Any) -> tuple[Any, ...]:
        items = _items(value, len(readers))
        if len(items) != len(readers):
            raise _Wrong(f"expected an array of {len(readers)}")
        return tuple([read_one(item) for read_one, item in zip(readers, items, strict=True)])

    return read


_number = _int(0, NUMBER_MAX)
_amount = _int(0, AMOUNT_MAX)
_region = _int(1, REGION_MAX)
_seat = _int(0, REGION_MAX)
_shard = _int(0, SHARDS - 1)
_incarnation = _int(0, INCARNATION_MAX)
_position = _int(0, POSITION_MAX)
_dot = _int(1, DOT_MAX)
_account = _text(ACCOUNT_BYTES_MAX)
_name = _text(NAME_BYTES_MAX, may_be_empty=True)
_time = _int(0, TIME_MS_MAX)
_part = _bytes(PART_BYTES)

_HAND_OVERS: Final = frozenset({Reason.SUPERSEDED, Reason.REPLACED, Reason.LIMIT, Reason.DISPLACED})
"""Why a session may have to make room for a start."""
_read_end = _fields(_dot, _number)

_entry_fields = (
    _dot, _dot, _account, _text(DEVICE_BYTES_MAX),
    _text(NAME_BYTES_MAX, may_be_empty=True), _text(KIND_BYTES_MAX, may_be_empty=True),
    _text(TITLE_BYTES_MAX, may_be_empty=True), _time, _time, _int(0, TIME_S_MAX),
    _int(0, HOP_MAX), _flag, _flag,
)  # fmt: skip
_read_entry = _fields(*_entry_fields)
_read_seen = _fields(*_entry_fields, _flag, _flag, _number)
_read_plan = _fields(_text(PLAN_BYTES_MAX, may_be_empty=True), _amount, _int(0, REGION_MAX))


def _end(value: Any) -> tuple[int, int]:
    session, reason = _read_end(value)
    if reason not in _HAND_OVERS:
        raise _Wrong(f"nobody hands a slot over for the reason {reason}")
    return session, reason


def _entry(value: Any) -> Entry:
    return _as_entry(_read_entry(value))


def _as_entry(f: tuple[Any, ...]) -> Entry:
    dot, account, started_ms, deadline_s = f[0], f[2], f[7], f[9]
    if not (region_of(dot) and incarnation_of(dot) and position_of(dot)):
        raise _Wrong(f"{dot:#x} is not a dot")
    if shard_of_dot(dot) != shard_of(account):
        raise _Wrong(f"{dot:#x} is not a dot of the shard of {account!r}")
    if not 0 <= deadline_s - started_ms // 1000 <= LENGTH_S_MAX:
        raise _Wrong(f"a session from {started_ms} ms to {deadline_s} s")
    return Entry(Dot(dot), SessionId(f[1]), f[2], Device(f[3], f[4], f[5]), *f[6:13])


def _seen(value: Any) -> Seen:
    f = _read_seen(value)
    return Seen(_as_entry(f), *f[13:])


def _plan(value: Any) -> Plan:
    return Plan(*_read_plan(value))


def _raw_events(value: Any) -> tuple[Any, ...]:
    return tuple(_items(value, EVENTS_MAX))


def _regions(value: Any) -> bytes:
    if type(value) is not bytes or list(value) != sorted({*value} - {0}):
        raise _Wrong("expected region numbers in order, a byte each")
    return value


_ends = _many(_end, LIST_MAX)
_heads = _many(_fields(_shard, _position, _int(0, DOT_MAX)), SHARDS)
_acks = _many(_fields(_shard, _incarnation, _position), SHARDS)
_seens = _many(_seen, LIST_MAX)
_read_vitals = _fields(_text(VERSION_BYTES_MAX), *[_number] * 10)


def _vitals(value: Any) -> Vitals:
    return Vitals(*_read_vitals(value))


_KINDS: Final[dict[int, tuple[Any, tuple[Callable[[Any], Any], ...]]]] = {
    1: (
        Beacon,
        (
            _incarnation, _number, _incarnation, _number, _number, _heads, _acks, _flag, _regions,
            _many(_vitals, 1),
            _many(_region, REGION_MAX), _many(_fields(_region, _number), REGION_MAX),
            _int(0, len(ELECTIONS) - 1), _many(_fields(_region, _int(0, TERM_MAX)), REGION_MAX),
        ),
    ),
    2: (Range, (_shard, _incarnation, _position, _raw_events)),
    3: (
        SnapshotPart,
        (_region, _shard, _incarnation, _position, _int(0, PARTS_MAX), _int(1, PARTS_MAX), _part),
    ),
    4: (Fetch, (_number,)),
    5: (  # so that there is an incarnation above it
        Fetched, (_number, _int(0, INCARNATION_MAX - 1), _int(0, SHARDS)),
    ),
    6: (
        Borrow,
        (
            _account, _number, _number, _number, _amount, _amount, _ends, _name, _number, _plan,
            _int(0, DOT_MAX), _seat,
        ),
    ),
    7: (Slot, (_account, _number, _number, _number, _number, _amount, _number, _seat)),
    8: (No, (_account, _number, _many(_fields(_region, _seens), REGION_MAX))),
    9: (Recall, (_account, _number, _amount, _ends, _name, _seat)),
    10: (
        Recalled,
        (_account, _number, _number, _number, _amount, _seens, _many(_entry, LIST_MAX), _seat),
    ),
    11: (Confirm, (_account, _number)),
    12: (Confirmed, (_account, _number, _seens)),
    13: (
        Renew,
        (
            _number, _number, _int(0, TERM_MAX), _number, _number, _int(0, CLAIM_PARTS_MAX),
            _int(1, CLAIM_PARTS_MAX), _many(_fields(_account, _amount), CLAIMS_MAX), _seat,
        ),
    ),
    14: (Leased, (_number, _number, _number, _seat)),
    15: (Void, (_number, _seat)),
    16: (Repair, (_shard,)),
    17: (Bundle, (_many(_part, SHARDS),)),
    18: (Relayed, (_region, _region, _int(OLDEST, NEWEST), _bytes(RELAYED_BYTES_MAX))),
}  # fmt: skip
_NAMING_SESSIONS: Final = frozenset({No, Recalled, Confirmed})
_NUMBERS: Final[dict[type, int]] = {cls: number for number, (cls, _) in _KINDS.items()}

_OLDER: Final[dict[int, dict[type, int]]] = {
    1: {
        Beacon: 7, Range: 4, SnapshotPart: 7, Fetch: 1, Fetched: 2, Borrow: 11, Slot: 7, No: 3,
        Recall: 5, Recalled: 7, Confirm: 2, Confirmed: 3, Renew: 8, Leased: 3, Void: 1, Repair: 1,
        Bundle: 1,
    },
}  # fmt: skip
"""Version before the newest -> its messages, and how many fields of each; fixed for ever."""
