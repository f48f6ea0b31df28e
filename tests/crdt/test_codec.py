"""Events as bytes: what is encoded comes back, and anything else is refused."""

from typing import Any

import msgpack
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crdt import codec
from crdt.dots import DOT_MAX, POSITION_MAX, Dot, RegionId, SessionId, dot_at, shard_of
from crdt.errors import LocalError, PeerError
from crdt.events import (
    ActorKind,
    Device,
    Entry,
    Event,
    Kick,
    Nothing,
    Plan,
    PlanSet,
    Reason,
    Release,
    Stop,
)
from crdt.releases import SILENT_MS_MAX
from tests.crdt.samples import ACCOUNTS, SHARD, entry, kick

POSITION = 1000


def text(low: int, high: int) -> st.SearchStrategy[str]:
    """Texts by their length in bytes, of one to four bytes a character."""
    return st.text(min_size=low, max_size=high).filter(lambda s: low <= len(s.encode()) <= high)


numbers = st.integers(1, DOT_MAX)
accounts = st.sampled_from(ACCOUNTS)
times_ms = st.integers(0, codec.TIME_MS_MAX)
hops = st.integers(0, codec.HOP_MAX)
devices = st.builds(Device, text(1, 128), text(0, 256), text(0, 32))


@st.composite
def entries(draw: st.DrawFn, position: int = POSITION) -> Entry:
    dot = dot_at(3, 7, SHARD, position)
    started_ms = draw(times_ms)
    return Entry(
        dot,
        SessionId(draw(st.just(dot) | numbers)),
        draw(accounts),
        draw(devices),
        draw(text(0, 512)),
        started_ms,
        draw(st.just(started_ms) | times_ms),
        started_ms // 1000 + draw(st.integers(0, codec.LENGTH_S_MAX)),
        draw(hops),
        draw(st.booleans()),
        draw(st.booleans()),
    )


released = st.integers(1, POSITION - 1).map(lambda position: dot_at(3, 7, SHARD, position))
releases = released.flatmap(
    lambda dot: st.builds(
        Release, st.just(dot), st.just(dot) | numbers, accounts, hops, st.sampled_from(Reason),
        st.integers(0, SILENT_MS_MAX), st.integers(0, DOT_MAX),
    )  # fmt: skip
)
kicks = st.builds(
    Kick,
    numbers,
    accounts,
    st.integers(0, codec.TIME_S_MAX),
    st.sampled_from(Reason),
    st.sampled_from(ActorKind),
    text(0, 256),
    times_ms,
    devices,
    times_ms,
    st.integers(1, 255),
)
plans = st.builds(
    PlanSet,
    accounts,
    st.builds(Plan, text(0, 64), st.integers(0, 255), st.integers(0, 255)),
    st.integers(0, DOT_MAX),
)
events = st.one_of(
    entries(), releases, st.builds(Stop, numbers, accounts), kicks, plans, st.just(Nothing())
)


def decode(data: bytes, first: int = POSITION) -> list[Event]:
    """The events of a range that holds this encoded array."""
    raw = codec.unpack(data, 1 << 20)
    if type(raw) is not list:
        raise PeerError("a range is an array")
    return codec.decode_events(raw, RegionId(3), SHARD, 7, first)


@given(events)
def test_what_was_encoded_comes_back(event: Event) -> None:
    assert decode(codec.concatenated([codec.encode_event(event)])) == [event]


@given(st.lists(releases | kicks | plans, max_size=20))
def test_a_range_is_its_events_one_after_another(several: list[Event]) -> None:
    encoded = [codec.encode_event(event) for event in several]

    assert decode(codec.concatenated(encoded)) == several


def test_the_positions_of_a_range_grow_from_its_first() -> None:
    sent = [codec.encode_event(entry(p, region=3, incarnation=7)) for p in (8, 9, 10)]

    assert decode(codec.concatenated(sent), 8) == [
        entry(p, region=3, incarnation=7) for p in (8, 9, 10)
    ]


@settings(max_examples=500)
@given(st.binary(max_size=60))
@example(b"\xdd\xff\xff\xff\xff")
@example(b"\x91" * 60)
@example(b"\x91\xc7\x0c\xff" + bytes(12))
@example(b"\xd6\xff" + bytes(4))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    try:
        codec.unpack(data, 1 << 20)
        decode(data)
    except PeerError:
        pass


fields = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 20), st.integers(0, DOT_MAX), st.text(max_size=9),
    st.floats(), st.binary(max_size=5), accounts, st.lists(st.integers(0, 9), max_size=2),
    st.just("x" * 600), st.just(float("nan")), st.datetimes().map(lambda at: msgpack.Timestamp(5)),
)  # fmt: skip


@settings(max_examples=500)
@given(events, st.integers(0, 13), fields, st.sampled_from(["replace", "insert", "delete"]))
def test_an_event_with_one_field_changed_decodes_in_bounds_or_is_refused(
    event: Event, at: int, field: Any, how: str
) -> None:
    """What decodes can be encoded again: that is what the encoder's checks are for."""
    item = codec.plain(event)
    if item is None:
        item = [None]
    elif how == "insert":
        item.insert(at % (len(item) + 1), field)
    elif how == "delete":
        del item[at % len(item)]
    else:
        item[at % len(item)] = field
    try:
        (decoded,) = decode(msgpack.packb([item]))
    except PeerError:
        return
    assert decode(codec.concatenated([codec.encode_event(decoded)])) == [decoded]


@given(st.lists(events.filter(lambda e: type(e) is not Entry), min_size=1, max_size=3), st.data())
def test_a_range_cut_short_anywhere_is_refused(several: list[Event], data: st.DataObject) -> None:
    whole = codec.concatenated([codec.encode_event(event) for event in several])
    cut = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(PeerError):
        decode(whole[:cut])
    with pytest.raises(PeerError):
        decode(whole + b"\xc0")


@pytest.mark.parametrize(
    "change",
    [
        {"account": ""},
        {"account": "x" * 129},
        {"device": Device("", "", "")},
        {"device": Device("d", "n" * 257, "")},
        {"device": Device("d", "n" * 86 + "\N{PILE OF POO}" * 43, "")},
        {"device": Device("d", "", "k" * 33)},
        {"device": Device("\ud800", "", "")},
        {"title": "t" * 513},
        {"hop": codec.HOP_MAX + 1},
        {"hop": -1},
        {"started_ms": -1},
        {"deadline_s": 0},
        {"placed_ms": codec.TIME_MS_MAX + 1},
        {"session": 1 << 64},
    ],
)
def test_an_own_event_out_of_bounds_is_a_bug(change: dict[str, Any]) -> None:
    with pytest.raises(LocalError):
        codec.encode_event(entry(**change))


def test_an_account_of_another_shard_is_refused() -> None:
    stranger = next(a for a in map(str, range(100)) if shard_of(a) != SHARD)
    with pytest.raises(PeerError, match="another shard"):
        decode(codec.concatenated([codec.encode_event(entry(account=stranger))]))


@pytest.mark.parametrize("position", [0, POSITION, POSITION + 1])
def test_a_release_names_an_earlier_position_of_its_log(position: int) -> None:
    with pytest.raises(PeerError):
        decode(msgpack.packb([[1, position, ACCOUNTS[0], 1]]))


@pytest.mark.parametrize(("first", "count"), [(0, 1), (POSITION_MAX, 2), (POSITION_MAX + 1, 0)])
def test_a_range_beyond_the_last_position_is_refused(first: int, count: int) -> None:
    with pytest.raises(PeerError):
        decode(codec.concatenated([codec.NOTHING] * count), first)


def test_a_message_longer_than_its_limit_is_not_parsed() -> None:
    with pytest.raises(PeerError, match="11 bytes"):
        codec.unpack(b"\xc0" * 11, 10)


def test_a_start_and_its_end_are_at_most_100_bytes() -> None:
    """36 characters of device id, 12 of name, 10 of account; 200,000 events before it."""
    dot = dot_at(3, 7, SHARD, 200_000)
    start = entry()._replace(
        dot=dot,
        session=SessionId(dot),
        account="acct-12345",
        device=Device("x" * 36, "Living room.", "phone"),
    )
    end = Release(Dot(dot), SessionId(dot), "acct-12345", 0, Reason.STOPPED)

    assert len(codec.encode_event(start)) + len(codec.encode_event(end)) <= 100


def test_a_kick_that_the_ledger_keeps_comes_back() -> None:
    assert codec.decode_kick(codec.encode_event(kick())) == kick()
