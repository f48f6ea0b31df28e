"""What peers of an older version are told of events and snapshots."""

from typing import Any

import msgpack
import pytest

from crdt.codec import NOTHING, encode_event, pack
from crdt.dots import RegionId, SessionId, dot_at, shard_of
from crdt.errors import LocalError
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
from crdt.older import events_in, snapshot_in
from crdt.snapshot import encode_snapshot
from crdt.versions import NEWEST
from tests.crdt.test_snapshot import SAMPLE

SHARD = shard_of("acc")
DOT = dot_at(1, 1, SHARD, 1)
KICK = Kick(
    SessionId(7), "acc", 90, Reason.KICKED, ActorKind.DEVICE, "n", 6000, Device("d", "n", "k"),
    5000, RegionId(1),
)  # fmt: skip
AS_SAID_IN_VERSION_1: list[tuple[Event, str]] = [
    (
        Entry(DOT, SessionId(7), "acc", Device("d", "n", "k"), "t", 5000, 5001, 90, 1, True, False),
        "99a3616363a164a16ea16bcf00000004e2000155a1740107cd1389",
    ),
    (Release(DOT, SessionId(DOT), "acc", 1, Reason.STOPPED), "940101a361636316"),
    (Release(DOT, SessionId(7), "acc", 1, Reason.MOVED), "950101a36163631907"),
    (Stop(SessionId(7), "acc"), "930207a3616363"),
    (KICK, "9d0307a36163635a0102a16ecd1770a164a16ea16bcd138801"),
    (PlanSet("acc", Plan("basic", 1, 2), 5), "9604a3616363a56261736963010205"),
    (Nothing(), "c0"),
]
"""Written by the code of version 1."""


@pytest.mark.parametrize(("event", "said"), AS_SAID_IN_VERSION_1)
def test_an_event_of_version_1_is_said_as_it_was_said_then(event: Event, said: str) -> None:
    assert events_in([encode_event(event)], 1)[0].hex() == said


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        ([1, 1, "acc", 0x16, 7, 2_000], [1, 1, "acc", 0x16, 7]),
        ([1, 1, "acc", 0x17, 0, 2_000, 9], [1, 1, "acc", 0x17]),
        ([1, 1, "acc", 0x1A], [1, 1, "acc", 0x10 | Reason.LAPSED]),
        ([2, 7, "acc", "more"], [2, 7, "acc"]),
        ([3, 7, "acc", 90, 10, *range(8)], [3, 7, "acc", 90, 1, *range(8)]),
        ([3, 7, "acc", 90, 1, *range(9)], [3, 7, "acc", 90, 1, *range(8)]),
        ([4, "acc", "basic", 1, 2, 5, 6], [4, "acc", "basic", 1, 2, 5]),
        (["acc", "d", "n", "k", 1, "t", 1, 7, 5, True], ["acc", "d", "n", "k", 1, "t", 1, 7, 5]),
        ([9, "an event that version 1 does not know"], None),
    ],
)
def test_what_came_later_is_left_out(newer: list[Any], older: list[Any] | None) -> None:
    event = pack(newer)
    assert events_in([event], 1) == [pack(older)]
    assert events_in([event], NEWEST) == [event]


def test_a_snapshot_is_shortened_in_all_its_parts() -> None:
    body = msgpack.unpackb(encode_snapshot(SAMPLE))
    newer = [*body[:6], *([[*item, "more"] for item in part] for part in body[6:])]
    newer[6] = [[*(item if len(item) == 9 else [*item, "", 0, 0, 5]), 1] for item in body[6]]
    newer[8][0][4] = 10
    older = snapshot_in(newer, 1)
    assert [len(item) for part in older[6:] for item in part] == [9, 9, 9, 13, 13, 5, 6]
    assert older[7] == body[7]
    assert older[8][0] == [*body[8][0][:4], Reason.LAPSED]
    assert older[9] == body[9]
    assert snapshot_in(newer, NEWEST) is newer


def test_a_snapshot_of_version_1_is_said_as_it_was_said_then() -> None:
    assert encode_snapshot(SAMPLE, 1) == encode_snapshot(SAMPLE)


def test_a_version_that_nobody_speaks_is_a_mistake_here() -> None:
    with pytest.raises(LocalError, match="nobody speaks protocol version 0"):
        events_in([NOTHING], 0)
    with pytest.raises(LocalError, match="nobody speaks protocol version 0"):
        encode_snapshot(SAMPLE, 0)
