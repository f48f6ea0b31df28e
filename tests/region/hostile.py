"""Messages as Hypothesis makes them: every type, every field up to its bounds, and plausible ones.

Plausible values (accounts, regions, small numbers that really occur) come often, so that messages
get past the first check and reach the rules.
"""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from crdt import codec
from crdt.dots import (
    DOT_MAX,
    INCARNATION_MAX,
    POSITION_MAX,
    SHARDS,
    RegionId,
    SessionId,
    dot_at,
    shard_of,
)
from crdt.events import ActorKind, Device, Entry, Event, Kick, Plan, PlanSet, Reason, Release, Stop
from georeg.region import messages, wire
from georeg.region.messages import Message
from georeg.region.seen import Seen
from tests.region.cluster import ACCOUNT, EPOCH_MS, ISSUED, A, B, C

ACCOUNTS = st.sampled_from([ACCOUNT, "acc-2"]) | st.text(min_size=1, max_size=30)
REGIONS = st.sampled_from([A, B, C]) | st.integers(1, 255).map(RegionId)
SMALL = st.integers(0, 5)
NUMBERS = SMALL | st.integers(0, messages.NUMBER_MAX)
TERMS = SMALL | st.integers(0, messages.TERM_MAX)
SEATS = st.just(messages.OWN_SEAT) | REGIONS
AMOUNTS = SMALL | st.integers(0, 255)
SHARD = st.sampled_from([shard_of(ACCOUNT), shard_of("acc-2")]) | st.integers(0, SHARDS - 1)
INCARNATIONS = st.integers(0, 3) | st.integers(0, INCARNATION_MAX)
POSITIONS = SMALL | st.integers(0, POSITION_MAX)
TEXTS = st.sampled_from(["tv", "phone", ""]) | st.text(max_size=20)
DEVICES = st.builds(Device, st.sampled_from(["tv", "phone", "x"]), TEXTS, st.just("tv"))
PLANS = st.builds(
    Plan,
    st.sampled_from(["basic", "premium", "odd"]),
    SMALL,
    st.integers(0, 4) | st.integers(0, 255),
)
ISSUES = st.sampled_from([0, 1, ISSUED, ISSUED + 1]) | st.integers(0, DOT_MAX)


@st.composite
def entries(draw: st.DrawFn) -> Entry:
    account = draw(ACCOUNTS)
    dot = dot_at(draw(REGIONS), draw(st.integers(1, 3)), shard_of(account), draw(st.integers(1, 5)))
    started_ms = draw(st.sampled_from([0, EPOCH_MS, EPOCH_MS - 100_000, EPOCH_MS + 10_000]))
    return Entry(
        dot,
        draw(st.just(SessionId(dot)) | st.integers(1, DOT_MAX).map(SessionId)),
        account,
        draw(DEVICES),
        draw(TEXTS),
        started_ms,
        draw(st.sampled_from([0, EPOCH_MS])),
        started_ms // 1000 + draw(st.integers(0, 1_000_000)),
        draw(SMALL | st.integers(0, 65_535)),
        draw(st.booleans()),
        draw(st.booleans()),
    )


SEENS = st.builds(Seen, entries(), st.booleans(), st.booleans(), NUMBERS)
SESSIONS = st.integers(1, DOT_MAX) | entries().map(lambda e: e.session)
HAND_OVERS = st.sampled_from(
    [Reason.SUPERSEDED, Reason.REPLACED, Reason.LIMIT, Reason.DISPLACED]
).map(int)


def many(items: st.SearchStrategy[Any]) -> st.SearchStrategy[tuple[Any, ...]]:
    return st.lists(items, max_size=4).map(tuple)


def events(shard: int, incarnation: int, first: int) -> st.SearchStrategy[Sequence[Event]]:
    """A range of a log, most of which fits where it stands."""
    accounts = [a for a in (ACCOUNT, "acc-2") if shard_of(a) == shard]
    if not accounts or incarnation < 1 or not 0 < first < POSITION_MAX - 9:
        return st.just(())
    account = accounts[0]
    own = entries().map(lambda e: e._replace(account=account))
    return st.lists(
        own
        | st.builds(Stop, SESSIONS.map(SessionId), st.just(account))
        | st.builds(PlanSet, st.just(account), PLANS, ISSUES)
        | st.builds(
            Kick, SESSIONS.map(SessionId), st.just(account), st.just(EPOCH_MS // 1000 + 900),
            st.sampled_from(Reason), st.sampled_from(ActorKind), TEXTS, st.just(EPOCH_MS), DEVICES,
            st.just(EPOCH_MS), REGIONS,
        )
        | own.map(lambda e: Release(e.dot, e.session, account, e.hop, Reason.LAPSED)),
        max_size=4,
    )  # fmt: skip


@st.composite
def ranges(draw: st.DrawFn) -> messages.Range:
    """Of region B, with its events as they are on the wire."""
    shard, incarnation, first = draw(SHARD), draw(INCARNATIONS), draw(POSITIONS)
    raw = []
    for offset, event in enumerate(draw(events(shard, incarnation, first))):
        dot = dot_at(B, incarnation, shard, first + offset)
        if isinstance(event, Entry):
            event = event._replace(dot=dot)
        if isinstance(event, Release):
            if first + offset < 2:
                continue
            event = event._replace(dot=dot_at(B, incarnation, shard, first + offset - 1))
        raw.append(codec.unpack(codec.encode_event(event), 1 << 16))
    return messages.Range(shard, incarnation, first, tuple(raw))


VITALS = st.builds(
    messages.Vitals, st.text(min_size=1, max_size=8), st.just(EPOCH_MS) | SMALL, *[NUMBERS] * 9
)
MESSAGES: dict[type, st.SearchStrategy[Message]] = {
    messages.Beacon: st.builds(
        messages.Beacon, INCARNATIONS, NUMBERS, INCARNATIONS, NUMBERS, NUMBERS,
        many(st.tuples(SHARD, POSITIONS, st.integers(0, DOT_MAX))),
        many(st.tuples(SHARD, INCARNATIONS, POSITIONS)),
        st.booleans(),
        st.sets(st.integers(1, 255), max_size=4).map(lambda found: bytes(sorted(found))),
        st.lists(VITALS, max_size=1).map(tuple),
        many(REGIONS), many(st.tuples(REGIONS, NUMBERS)),
        st.integers(0, 2), many(st.tuples(REGIONS, TERMS)),
    ),
    messages.Range: ranges(),
    messages.SnapshotPart: st.builds(
        messages.SnapshotPart, REGIONS, SHARD, INCARNATIONS, POSITIONS, SMALL,
        st.integers(6, 9) | st.just(messages.PARTS_MAX), st.binary(max_size=30),
    ) | st.builds(
        messages.SnapshotPart, REGIONS, SHARD, INCARNATIONS, POSITIONS, st.just(0), st.just(1),
        st.binary(max_size=30),
    ),
    messages.Fetch: st.builds(messages.Fetch, NUMBERS),
    messages.Fetched: st.builds(
        messages.Fetched, NUMBERS, st.integers(0, INCARNATION_MAX - 1), st.integers(0, SHARDS)
    ),
    messages.Borrow: st.builds(
        messages.Borrow, ACCOUNTS, NUMBERS, NUMBERS, NUMBERS, AMOUNTS, AMOUNTS,
        many(st.tuples(SESSIONS.map(SessionId), HAND_OVERS)), TEXTS, NUMBERS, PLANS, ISSUES,
        SEATS,
    ),
    messages.Slot: st.builds(
        messages.Slot, ACCOUNTS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, AMOUNTS, NUMBERS, SEATS
    ),
    messages.No: st.builds(messages.No, ACCOUNTS, NUMBERS, many(st.tuples(REGIONS, many(SEENS)))),
    messages.Recall: st.builds(
        messages.Recall, ACCOUNTS, NUMBERS, AMOUNTS,
        many(st.tuples(SESSIONS.map(SessionId), HAND_OVERS)), TEXTS, SEATS,
    ),
    messages.Recalled: st.builds(
        messages.Recalled, ACCOUNTS, NUMBERS, NUMBERS, NUMBERS, AMOUNTS, many(SEENS),
        many(entries()), SEATS,
    ),
    messages.Confirm: st.builds(messages.Confirm, ACCOUNTS, NUMBERS),
    messages.Confirmed: st.builds(messages.Confirmed, ACCOUNTS, NUMBERS, many(SEENS)),
    messages.Renew: st.builds(
        messages.Renew, NUMBERS, NUMBERS, TERMS, NUMBERS, NUMBERS, st.just(0),
        st.integers(1, 2), many(st.tuples(ACCOUNTS, AMOUNTS)), SEATS,
    ),
    messages.Leased: st.builds(messages.Leased, NUMBERS, NUMBERS, NUMBERS, SEATS),
    messages.Void: st.builds(messages.Void, NUMBERS, SEATS),
    messages.Repair: st.builds(messages.Repair, SHARD),
    messages.Bundle: st.builds(messages.Bundle, many(st.binary(max_size=40))),
    messages.Relayed: st.builds(
        messages.Relayed, REGIONS, REGIONS, st.integers(1, 2),
        st.binary(max_size=40)
        | st.builds(messages.Confirm, ACCOUNTS, NUMBERS).map(wire.encode)
        | ranges().map(wire.encode),
    ),
}  # fmt: skip
ANY: st.SearchStrategy[Message] = st.one_of(*MESSAGES.values())
