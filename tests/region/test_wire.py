"""The wire form: what is said is what is heard, and anything else raises PeerError."""

from typing import Any

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt.dots import DOT_MAX, INCARNATION_MAX, SHARDS, SessionId, dot_at, shard_of
from crdt.errors import PeerError
from crdt.events import Device, Entry, Reason
from georeg.region import messages, wire
from georeg.region.messages import Message
from tests.region.hostile import ANY, MESSAGES

ENTRY = Entry(
    dot_at(1, 1, shard_of("acc"), 1), SessionId(7), "acc", Device("d", "n", "k"), "", 5_000, 5_000,
    90, 1, True, False,
)  # fmt: skip


def test_every_message_has_its_strategy() -> None:
    assert set(MESSAGES) == set(Message.__args__)


@pytest.mark.parametrize("kind", MESSAGES, ids=lambda kind: kind.__name__)
def test_what_is_said_is_what_is_heard(kind: type) -> None:
    @settings(max_examples=40, deadline=None)
    @given(MESSAGES[kind])
    def check(message: Message) -> None:
        again = wire.decode(wire.encode(message))
        assert again == message
        assert type(again) is kind

    check()


@settings(max_examples=300, deadline=None)
@given(ANY, st.data())
def test_changed_bytes_decode_or_raise_a_peer_error(message: Message, data: st.DataObject) -> None:
    payload = bytearray(wire.encode(message))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(payload) - 1))
        payload[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.just(len(payload)) | st.integers(0, len(payload)))
    try:
        again = wire.decode(bytes(payload[:cut]))
    except PeerError:
        return
    assert wire.decode(wire.encode(again)) == again


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_any_bytes_decode_or_raise_a_peer_error(payload: bytes) -> None:
    try:
        wire.decode(payload)
    except PeerError:
        return


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.text() | st.binary()
    | st.floats(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(ANY, st.data())
def test_a_field_of_any_other_kind_raises_a_peer_error_or_is_in_bounds(
    message: Message, data: st.DataObject
) -> None:
    body: list[Any] = msgpack.unpackb(wire.encode(message))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(PLAIN)
    try:
        again = wire.decode(msgpack.packb(body))
    except PeerError:
        return
    assert wire.decode(wire.encode(again)) == again


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (7, "a message is a non-empty array"),
        ([], "a message is a non-empty array"),
        ([0], "unknown message 0"),
        ([True], "unknown message"),
        (["x" * 500], "unknown message x"),
        ([4], "Fetch has 1 fields, got 0"),
        ([4, 1, 2], "Fetch has 1 fields, got 2"),
        ([4, -1], "Fetch: expected an integer from 0"),
        ([4, True], "Fetch: expected an integer"),
        ([5, 1, INCARNATION_MAX, 0], "Fetched: expected an integer"),
        ([11, "", 1], "Confirm: expected a text"),
        ([11, "a" * 129, 1], "Confirm: expected a text of at most 128 bytes"),
        ([11, b"a", 1], "Confirm: expected a text"),
        ([3, 1, 0, 1, 1, 0, 1, "text"], "SnapshotPart: expected at most"),
        ([3, 1, 0, 1, 1, 2, 2, b""], "SnapshotPart: no part 2 of 2"),
        ([13, 1, 0, 0, 0, 0, 1, 1, [], 0], "Renew: no part 1 of 1"),
        ([16, SHARDS], "Repair: expected an integer"),
        ([9, "acc", 1, 1, [[1, int(Reason.MOVED)]], "", 0], "hands a slot over for the reason 9"),
        ([9, "acc", 1, 1, [[1]], "", 0], "Recall: expected an array of 2"),
        ([9, "acc", 1, 256, [], "", 0], "Recall: expected an integer from 0 to 255"),
        (
            [1, 1, 1, 0, 0, 0, [[0, 1, DOT_MAX]] * (SHARDS + 1), [], False, b"", [], [], [], 0, []],
            "an array of at most 64",
        ),
        ([1, 1, 1, 0, 0, 0, [], [], False, b"\2\1", [], [], [], 0, []], "region numbers in order"),
        ([1, 1, 1, 0, 0, 0, [], [], False, b"\1\1", [], [], [], 0, []], "region numbers in order"),
        ([1, 1, 1, 0, 0, 0, [], [], False, b"\0\1", [], [], [], 0, []], "region numbers in order"),
        ([1, 1, 1, 0, 0, 0, [], [], False, "us", [], [], [], 0, []], "region numbers in order"),
        ([1, 1, 1, 0, 0, 0, [], [], False, b"", [], [], [], 3, []], "integer from 0 to 2"),
        ([1, 1, 1, 0, 0, 0, [], [], False, b"", [], [], [], 2, [[0, 1]]], "integer from 1 to 255"),
        ([15, 1, 256], "Void: expected an integer from 0 to 255"),
        ([2, 0, 1, 1, [None] * (messages.EVENTS_MAX + 1)], "an array of at most 2000"),
    ],
)
def test_what_is_wrong_is_said(body: object, why: str) -> None:
    with pytest.raises(PeerError, match=why):
        wire.decode(msgpack.packb(body))


@pytest.mark.parametrize(
    ("entry", "why"),
    [
        (ENTRY._replace(dot=1), "is not a dot"),  # type: ignore[arg-type]
        (ENTRY._replace(dot=dot_at(1, 1, (shard_of("acc") + 1) % SHARDS, 1)), "of the shard"),
        (ENTRY._replace(deadline_s=4), "a session from 5000 ms to 4 s"),
        (ENTRY._replace(deadline_s=5 + (1 << 20)), "a session from"),
        (ENTRY._replace(started_ms=1 << 50), "expected an integer"),
        (ENTRY._replace(placed_ms=1 << 50), "expected an integer"),
        (ENTRY._replace(hop=1 << 16), "expected an integer"),
        (ENTRY._replace(title="x" * 513), "expected a text"),
        (ENTRY._replace(device=Device("", "", "")), "expected a text"),
    ],
)
def test_an_entry_that_cannot_be_is_refused(entry: Entry, why: str) -> None:
    payload = wire.encode(messages.Recalled("acc", 0, 0, 0, 0, (), (entry,)))

    with pytest.raises(PeerError, match=why):
        wire.decode(payload)


def test_a_message_beyond_the_size_limit_is_not_even_parsed() -> None:
    with pytest.raises(PeerError, match="at most"):
        wire.decode(bytes(messages.MESSAGE_BYTES_MAX + 1))
