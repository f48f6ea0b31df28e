"""Events as bytes, and back: what travels between regions and what the log keeps.

One event is one msgpack value, so that a message holds a range of them by mere concatenation:

    add        [account, device id, name, kind, when]  + [title, hop, session, placed_ms] if unusual
    release    [1, position, account, hop << 4 | reason]  + what is unusual: see releases.py
    stop       [2, session, account]
    kick       [3, session, account, expires_s, reason, actor, actor_device, at_ms, device id, name,
                kind, started_ms, region]
    plan set   [4, account, name, limit, home, issued]
    home set   [5, account, home, number, by, at_s]
    nothing    nil

`when` is start ms << 22 | seconds to the deadline << 2 | unconfirmed << 1 | provisional. The dot of
an add is not sent: it is the one at its position. A UUID as device id is 16 bytes. A start and its
end are 77 bytes together, with a UUID, a name of 12 characters and an account of 10.

Invariant: what `decode_*` returns is in bounds in every field, so that nobody behind it checks
again; anything else raises PeerError before anything has changed. What `encode_*` gets is checked
by the same bounds (LocalError): a region never says what its peers would refuse.

Cost: 1 to 2 us an event either way; the parsing itself is msgpack's C code.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, NoReturn, TypeVar

import msgpack

from crdt.device_ids import lengthened, shortened
from crdt.dots import (
    DOT_MAX,
    REGION_MAX,
    SHARD_BITS,
    Dot,
    RegionId,
    SessionId,
    dot_at,
    shard_of,
)  # fmt: skip
from crdt.errors import CrdtError, LocalError, PeerError
from crdt.events import (
    ActorKind,
    Device,
    Entry,
    Event,
    HomeSet,
    Kick,
    Nothing,
    Plan,
    PlanSet,
    Reason,
    Release,
    Stop,
)
from crdt.fields import (
    ACCOUNT_BYTES_MAX,
    DEVICE_BYTES_MAX,
    HOP_MAX,
    KIND_BYTES_MAX,
    LENGTH_S_MAX,
    LIMIT_MAX,
    NAME_BYTES_MAX,
    PLAN_BYTES_MAX,
    TIME_MS_MAX,
    TIME_S_MAX,
    TITLE_BYTES_MAX,
    account_name,
    number,
    text,
)
from crdt.homes import HOME, plain_home, read_home
from crdt.releases import RELEASE, plain_release, read_release

__all__ = [
    "ACCOUNT_BYTES_MAX", "DEVICE_BYTES_MAX", "HOP_MAX", "KIND_BYTES_MAX", "LENGTH_S_MAX",
    "LIMIT_MAX", "NAME_BYTES_MAX", "NOTHING", "PLAN_BYTES_MAX", "TIME_MS_MAX", "TIME_S_MAX",
    "TITLE_BYTES_MAX", "concatenated", "decode_events", "decode_kick", "encode_event", "pack",
    "plain", "read_add", "read_other", "unpack",
]  # fmt: skip

ARRAY_MAX: Final = 1 << 16
"""Longest array: msgpack makes room for what a header claims before it reads the items."""

NOTHING: Final = b"\xc0"

_STOP, _KICK, _PLAN = 2, 3, 4
_REASONS: Final = {int(reason): reason for reason in Reason}
_ACTORS: Final = {int(actor): actor for actor in ActorKind}
_PROVISIONAL, _UNCONFIRMED = 1, 2
_SHORT, _LONG = 5, 9
_WHEN_MAX: Final = TIME_MS_MAX << 22 | (1 << 22) - 1
T = TypeVar("T", Kick, PlanSet, HomeSet)

pack: Final[Callable[[Any], bytes]] = msgpack.Packer().pack
"""One plain value as msgpack."""


def unpack(data: bytes, bytes_max: int) -> Any:
    """Parse one msgpack value: nil, booleans, numbers, text, bytes, arrays, maps of text.

    Whoever reads it checks types exactly: timestamps and floats may be among them. Raises PeerError
    for anything malformed, longer than `bytes_max`, too deep, or with bytes left over.
    """
    if len(data) > bytes_max:
        raise PeerError(f"{len(data)} bytes; at most {bytes_max} are accepted")
    array_max = min(len(data), ARRAY_MAX)
    try:
        return msgpack.unpackb(data, ext_hook=_refuse_ext, max_array_len=array_max)
    except CrdtError:
        raise
    except (ValueError, TypeError, OverflowError, RecursionError, msgpack.UnpackException) as wrong:
        raise PeerError(f"not a msgpack value: {type(wrong).__name__} {wrong}"[:200]) from None


def _refuse_ext(code: int, _data: bytes) -> NoReturn:
    raise PeerError(f"msgpack extension {code} is not accepted")


def concatenated(events: Sequence[bytes]) -> bytes:
    """The msgpack array of values that are encoded already."""
    header: bytes = msgpack.Packer().pack_array_header(len(events))
    return header + b"".join(events)


def encode_event(event: Event) -> bytes:
    """One event as bytes. Raises LocalError when a field is out of bounds."""
    try:
        return pack(plain(event))
    except (PeerError, UnicodeError) as wrong:
        raise LocalError(f"cannot encode {type(event).__name__}: {wrong}") from None


def plain(event: Event) -> list[Any] | None:
    """One event as what msgpack packs. Raises PeerError when a field is out of bounds."""
    if type(event) is Entry:
        return _plain_add(event)
    if type(event) is Release:
        return plain_release(event)
    if type(event) is Stop:
        account_name(event.account)
        return [_STOP, number(event.session, 1, DOT_MAX, "session"), event.account]
    if type(event) is Kick:
        return _plain_kick(event)
    if type(event) is PlanSet:
        account, (name, limit, home), issued = event
        _check_plan(account, name, limit, home, issued)
        return [_PLAN, account, name, limit, home, issued]
    if type(event) is HomeSet:
        return plain_home(event)
    assert type(event) is Nothing
    return None


def _plain_add(entry: Entry) -> list[Any]:
    (
        dot, session, account, device, title, started_ms, placed_ms, deadline_s, hop, provisional,
        unconfirmed,
    ) = entry  # fmt: skip
    length_s = deadline_s - started_ms // 1000
    flags = provisional * _PROVISIONAL | unconfirmed * _UNCONFIRMED
    number(length_s, 0, LENGTH_S_MAX, "time to the deadline")
    number(started_ms, 0, TIME_MS_MAX, "start")
    device_id, name, kind = device
    short = shortened(device_id)
    _check_texts(account, short, name, kind)
    body = [account, short, name, kind, started_ms << 22 | length_s << 2 | flags]
    is_first = session ^ dot == 0
    if title or hop or not is_first or placed_ms != started_ms:
        _check_unusual(title, hop, session, placed_ms)
        body += title, hop, 0 if is_first else session, placed_ms
    return body


def _check_unusual(title: Any, hop: Any, session: Any, placed_ms: Any) -> None:
    text(title, 0, TITLE_BYTES_MAX, "title")
    number(hop, 0, HOP_MAX, "hop")
    number(session, 0, DOT_MAX, "session")
    number(placed_ms, 0, TIME_MS_MAX, "place")


def _plain_kick(kick: Kick) -> list[Any]:
    body = [
        _KICK, kick.session, kick.account, kick.expires_s, kick.reason, kick.actor,
        kick.actor_device, kick.at_ms, *kick.device, kick.started_ms, kick.region,
    ]  # fmt: skip
    account_name(kick.account)
    _read_kick([*body[:4], int(kick.reason), int(kick.actor), *body[6:]])
    return body


def decode_events(
    raw: Sequence[Any], writer: RegionId, shard: int, incarnation: int, first: int
) -> list[Event]:
    """The events of a range, from unpacked values. Raises PeerError unless all are in bounds.

    `first` is the position of the first one; accounts must belong to the shard.
    """
    try:
        dot = dot_at(writer, incarnation, shard, first)
        dot_at(writer, incarnation, shard, first + max(0, len(raw) - 1))
    except LocalError as wrong:
        raise PeerError(f"a range of {len(raw)} events: {wrong}") from None
    events: list[Event] = []
    step = 1 << SHARD_BITS
    for item in raw:
        event = _read_event(item, dot)
        if not isinstance(event, Nothing) and shard_of(event.account) != shard:
            raise PeerError(f"an event in shard {shard} speaks of an account of another shard")
        events.append(event)
        dot = Dot(dot + step)
    return events


def decode_kick(data: bytes) -> Kick:
    """A kick that was encoded here."""
    return _read_kick(msgpack.unpackb(data))


def read_other(item: Any, kind: type[T]) -> T:
    """An unpacked kick, plan set or home set. Raises PeerError, also for another kind of event."""
    event = None if item is None else _read_event(item, Dot(1))
    if type(event) is not kind:
        raise PeerError(f"expected a {kind.__name__}")
    return event


def _read_event(item: Any, dot: Dot) -> Event:
    if item is None:
        return Nothing()
    if type(item) is not list or not item:
        raise PeerError("an event is nil or a non-empty array")
    kind = item[0]
    if type(kind) is str:
        return read_add(item, dot)
    if type(kind) is not int:
        raise PeerError("an event begins with an account or a number")
    if kind == RELEASE:
        return read_release(item, dot)
    if kind == _STOP:
        _length(item, 3)
        session = number(item[1], 1, DOT_MAX, "session")
        return Stop(SessionId(session), account_name(item[2]))
    if kind == _KICK:
        return _read_kick(item)
    if kind == _PLAN:
        return _read_plan(item)
    if kind == HOME:
        return read_home(item)
    raise PeerError(f"unknown event {kind}; known are 1 to 5")


def read_add(item: list[Any], dot: Dot) -> Entry:
    """The entry of an unpacked add that stands at this dot. Raises PeerError."""
    # Checks are written out: this is what a region does for each session of all others.
    if len(item) == _SHORT:
        account, device_id, name, kind, when = item
        title, hop, session, placed_ms = "", 0, 0, None
    elif len(item) == _LONG:
        account, device_id, name, kind, when, title, hop, session, placed_ms = item
        _check_unusual(title, hop, session, placed_ms)
    else:
        raise PeerError(f"an add has {_SHORT} or {_LONG} fields, got {len(item)}")
    if type(when) is not int or not 0 <= when <= _WHEN_MAX:
        raise PeerError("an add's times are one 64-bit number")
    _check_texts(account, device_id, name, kind)
    if type(device_id) is bytes:
        device_id = lengthened(device_id)
    started_ms = when >> 22
    return tuple.__new__(
        Entry,
        (
            dot,
            session or dot,
            account,
            tuple.__new__(Device, (device_id, name, kind)),
            title,
            started_ms,
            started_ms if placed_ms is None else placed_ms,
            started_ms // 1000 + (when >> 2 & LENGTH_S_MAX),
            hop,
            when & _PROVISIONAL != 0,
            when & _UNCONFIRMED != 0,
        ),
    )


def _check_texts(account: Any, device_id: Any, name: Any, kind: Any) -> None:
    # A character is at most 4 bytes, so most texts need not be encoded to be measured.
    if type(account) is not str or not 0 < len(account) <= 32:
        account_name(account)
    if type(device_id) is not bytes and (
        type(device_id) is not str or not 0 < len(device_id) <= 32
    ):
        text(device_id, 1, DEVICE_BYTES_MAX, "device id")
    if type(name) is not str or len(name) > 64:
        text(name, 0, NAME_BYTES_MAX, "name")
    if type(kind) is not str or len(kind) > 8:
        text(kind, 0, KIND_BYTES_MAX, "kind")


def _read_kick(item: list[Any]) -> Kick:
    _length(item, 13)
    (
        _, session, account, expires_s, reason, actor, actor_device, at_ms, device_id, name, kind,
        started_ms, region,
    ) = item  # fmt: skip
    number(reason, 1, max(_REASONS), "reason")
    number(actor, 1, max(_ACTORS), "actor")
    return Kick(
        SessionId(number(session, 1, DOT_MAX, "session")),
        account_name(account),
        number(expires_s, 0, TIME_S_MAX, "expiry"),
        _REASONS[reason],
        _ACTORS[actor],
        text(actor_device, 0, NAME_BYTES_MAX, "actor's device"),
        number(at_ms, 0, TIME_MS_MAX, "time"),
        Device(
            text(device_id, 1, DEVICE_BYTES_MAX, "device id"),
            text(name, 0, NAME_BYTES_MAX, "name"),
            text(kind, 0, KIND_BYTES_MAX, "kind"),
        ),
        number(started_ms, 0, TIME_MS_MAX, "start"),
        RegionId(number(region, 1, REGION_MAX, "region")),
    )


def _read_plan(item: list[Any]) -> PlanSet:
    _length(item, 6)
    _, account, name, limit, home, issued = item
    _check_plan(account, name, limit, home, issued)
    return PlanSet(account, Plan(name, limit, home), issued)


def _check_plan(account: Any, name: Any, limit: Any, home: Any, issued: Any) -> None:
    account_name(account)
    text(name, 0, PLAN_BYTES_MAX, "plan")
    number(limit, 0, LIMIT_MAX, "limit")
    number(home, 0, REGION_MAX, "home")
    number(issued, 0, DOT_MAX, "issue time")


def _length(item: list[Any], fields: int) -> None:
    if len(item) != fields:
        raise PeerError(f"event {item[0]} has {fields} fields, got {len(item)}")
