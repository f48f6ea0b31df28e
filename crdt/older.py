"""Events and snapshots as regions read them that speak an older version of the protocol.

The log keeps each event as bytes in its newest form. For a peer that speaks an older version they
are made shorter on the way out: what came later stands at the end and is cut off; a reason that the
peer does not know is told as the nearest one that it knows; of an event that it does not know only
the place is kept. So every event has its position in every version, and the dots that a range adds
and releases are the same: state hashes agree between regions of different versions.

Rule for whoever adds a field to an event: at the end, and with every optional field before it
written out; 0 where it would be left out (a release's session), and `_item_in` takes that away.
Cost: an unpacking and a packing of each event, for peers of an older version only.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from crdt.codec import NOTHING, pack, unpack
from crdt.errors import LocalError
from crdt.events import Reason
from crdt.versions import NEWEST

_ADD, _RELEASE, _STOP, _KICK, _PLAN = 0, 1, 2, 3, 4
"""The numbers with which events begin; an add has none, it begins with the account."""
_REASON_BITS: Final = 15


@dataclass(frozen=True, slots=True)
class _Form:
    """What one version knows."""

    fields: dict[int, int]
    """Event -> the most fields that it has."""
    end_fields: int
    """Of an end in a snapshot."""
    reason_max: int


_FORMS: Final[dict[int, _Form]] = {
    1: _Form({_ADD: 9, _RELEASE: 5, _STOP: 3, _KICK: 13, _PLAN: 6}, end_fields=5, reason_max=9),
}
"""Of every version before the newest, whose form is what `codec.py` and `snapshot.py` write."""


def events_in(events: list[bytes], version: int) -> list[bytes]:
    """Encoded events in the form of a version. Raises LocalError for one that was never spoken."""
    if version == NEWEST:
        return events
    form = _form(version)
    return [_event_in(event, form) for event in events]


def snapshot_in(body: Sequence[Any], version: int) -> Sequence[Any]:
    """The body of a snapshot (see snapshot.py) in the form of a version. Raises LocalError."""
    if version == NEWEST:
        return body
    form = _form(version)
    *head, adds, kicks, ends, plans = body[:10]
    older = [[_item_in(item, form) for item in part] for part in (adds, kicks)]
    older_ends = [_end_in(item, form) for item in ends]
    return [*head, *older, older_ends, [_item_in(item, form) for item in plans]]


def _form(version: int) -> _Form:
    if version not in _FORMS:
        raise LocalError(f"nobody speaks protocol version {version}")
    return _FORMS[version]


def _event_in(event: bytes, form: _Form) -> bytes:
    if event == NOTHING:
        return event
    item = unpack(event, len(event))
    older = _item_in(item, form)
    return event if older is item else pack(older)


def _item_in(item: list[Any], form: _Form) -> list[Any] | None:
    """The same list when nothing is to be changed."""
    kind = item[0] if type(item[0]) is int else _ADD
    if kind not in form.fields:
        return None
    if len(item) > form.fields[kind]:
        item = item[: form.fields[kind]]
        if kind == _RELEASE and not item[-1]:
            item = item[:-1]  # the session is the dot
    if kind == _RELEASE and item[3] & _REASON_BITS > form.reason_max:
        return [*item[:3], item[3] & ~_REASON_BITS | Reason.LAPSED, *item[4:]]
    if kind == _KICK and item[4] > form.reason_max:
        return [*item[:4], int(Reason.KICKED), *item[5:]]
    return item


def _end_in(end: Sequence[Any], form: _Form) -> Sequence[Any]:
    older = end[: form.end_fields]
    return [*older[:4], int(Reason.LAPSED)] if older[4] > form.reason_max else older
