"""One shard's sessions in columns, against a plain dict of entries."""

import gc
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt.accounts import NONE, AccountTable
from crdt.digest import mix
from crdt.dots import RegionId
from crdt.errors import PeerError
from crdt.events import Device, Entry
from crdt.interner import Interner
from crdt.lapses import lapsed, overdue
from crdt.sessions import NEVER, SessionSet
from crdt.slab import Slab
from tests.crdt.samples import ACCOUNTS, DEADLINE_S, ONE, STARTED_MS, entry

DEVICES = [
    Device("d1", "Living room", "tv"), Device("d2", "", ""), Device("d" * 70, "Kitchen", "pad"),
]  # fmt: skip
TITLES = ["", "Title", "t" * 300]


def sessions(labels: int = 100) -> SessionSet:
    return SessionSet(AccountTable(Slab()), Interner(labels))


def nth(n: int) -> Entry:
    """A different session for each number; three regions, four accounts."""
    return entry(
        1 + n // 3,
        region=1 + n % 3,
        account=ACCOUNTS[n % 4],
        device=DEVICES[n % 3],
        title=TITLES[n // 2 % 3],
        placed_ms=STARTED_MS - n,
        deadline_s=DEADLINE_S + n,
        hop=n,
        provisional=n % 5 == 0,
        unconfirmed=n % 7 == 0,
    )


@settings(max_examples=150)
@given(
    st.lists(st.tuples(st.sampled_from(["insert", "remove"]), st.integers(0, 25))), st.booleans()
)
def test_it_holds_what_was_inserted_and_not_removed(
    steps: list[tuple[str, int]], crowded: bool
) -> None:
    """With an interner that has room for all labels, or for two."""
    held = sessions(2 if crowded else 100)
    known: dict[int, Entry] = {}
    for step, n in steps:
        one = nth(n)
        if step == "insert":
            row = held.insert(one, n if one.region == ONE else NEVER)
            assert held.entry(row) == one
            known[one.dot] = one
        else:
            assert held.remove(one.account, one.dot) == (one.dot in known)
            known.pop(one.dot, None)
    for account in ACCOUNTS[:4]:
        found = [held.entry(row) for row in held.rows(account)]
        assert sorted(found) == sorted(e for e in known.values() if e.account == account)
    for region in (1, 2, 3):
        dots = sorted(dot for dot in known if dot >> 56 == region)
        assert [held.dots[row] for row in held.rows_of(RegionId(region))] == dots
        hashed = 0
        for dot in dots:
            hashed ^= mix(dot)
        assert held.hash_of(RegionId(region)) == hashed
    assert (held.count, held.own_count) == (
        len(known),
        sum(e.region == ONE for e in known.values()),
    )


def test_a_dot_with_two_contents_is_refused_and_nothing_changes() -> None:
    held = sessions()
    row = held.insert(entry())
    assert held.insert(entry()) == row
    with pytest.raises(PeerError, match="double-spent"):
        held.insert(entry(hop=1))

    assert held.entry(row) == entry()
    assert held.count == 1


def test_a_heartbeat_finds_only_what_this_region_holds() -> None:
    held = sessions()
    own = held.insert(entry(1), heard_ms=5)
    held.insert(entry(2, region=2))
    moved = held.insert(entry(3, session=entry(2, region=2).session, hop=1), heard_ms=6)

    assert held.own_row(ACCOUNTS[0], entry(1).session) == own
    assert held.own_row(ACCOUNTS[0], entry(2, region=2).session) == moved
    assert held.own_row(ACCOUNTS[1], entry(1).session) == NONE
    assert held.own_row(ACCOUNTS[0], 12345) == NONE


def test_the_highest_hop_and_then_the_highest_dot_holds_a_session() -> None:
    held = sessions()
    session = entry(1).session
    for one in (
        entry(1),
        entry(4, session=session, hop=2),
        entry(3, region=2, session=session, hop=2),
        entry(9, session=session, hop=1),
        entry(8, hop=7),
    ):
        held.insert(one)

    assert held.holder(ACCOUNTS[0], session) == (2, entry(3, region=2).dot)
    assert held.holder(ACCOUNTS[0], 12345) == held.holder(ACCOUNTS[3], session) == (0, 0)


def test_a_sweep_finds_own_lapsed_and_overdue_rows_in_its_part_of_the_table() -> None:
    held = sessions()
    for position in range(1, 201):
        held.insert(
            entry(position, deadline_s=DEADLINE_S + position),
            heard_ms=position if position % 2 else NEVER,
        )
    held.remove(ACCOUNTS[0], entry(1).dot)

    assert lapsed(held, 10, 0, 1000) == [2, 4, 6, 8]
    assert lapsed(held, 10, 3, 4) == [4, 6]
    assert lapsed(held, 10, 5000, 10) == []
    assert overdue(held, DEADLINE_S + 7, 0, 1000) == [2, 4, 6]
    assert overdue(held, DEADLINE_S + 7, 3, 2) == [4]
    held.heard[4] = 500
    assert lapsed(held, 10, 0, 1000) == [2, 6, 8]


def test_what_one_look_saw_hides_no_row_that_lapses_later() -> None:
    held = sessions()
    random = Random(7)
    rows: dict[int, int] = {}
    position = quiet = 0
    for now_ms in range(1000, 4000):
        if rows and random.random() < 0.3:
            row = random.choice(sorted(rows))
            held.heard[row] = rows[row] = now_ms
        if random.random() < 0.05:  # now, or as it was before this region began anew
            position += 1
            heard_ms = now_ms - random.choice((0, 0, 90))
            rows[held.insert(entry(position), heard_ms=heard_ms)] = heard_ms
        first_row, count = random.choice(((0, 1000), (0, 1000), (0, 7), (5, 4)))
        before_ms = now_ms - 100
        assert held.heard_since_ms <= min(rows.values(), default=NEVER)
        is_quiet = held.heard_since_ms >= before_ms
        found = [] if is_quiet else lapsed(held, before_ms, first_row, count)
        quiet += is_quiet

        assert found == [
            row for row in range(first_row, first_row + count) if rows.get(row, now_ms) < before_ms
        ]
        for row in found:
            held.remove(ACCOUNTS[0], held.dots[row])
            del rows[row]
    assert position > 100
    assert quiet > 500


def test_a_settled_session_stays_settled_and_its_row_does_not_pass_it_on() -> None:
    held = sessions()
    row = held.insert(entry(1, provisional=True), heard_ms=0)
    assert not held.is_settled(row)
    held.settle(row)

    assert held.is_settled(row)
    assert held.entry(row).provisional
    held.remove(ACCOUNTS[0], entry(1).dot)
    assert held.insert(entry(2), heard_ms=0) == row
    assert not held.is_settled(row)


def test_dropping_a_writer_leaves_the_others_and_frees_accounts() -> None:
    held = sessions()
    for n in range(30):
        held.insert(nth(n))

    assert held.drop_writer(RegionId(2)) == 10
    assert held.rows_of(RegionId(2)) == []
    assert held.count == 20
    assert held.drop_writer(RegionId(1)) + held.drop_writer(RegionId(3)) == 20
    assert all(held.rows(account) == [] for account in ACCOUNTS[:4])


def test_rows_are_used_again() -> None:
    held = sessions()
    for _ in range(5):
        for n in range(60):
            held.insert(nth(n))
        for region in (1, 2, 3):
            held.drop_writer(RegionId(region))

    assert held.capacity == 60


def test_a_session_is_no_object_for_the_garbage_collector() -> None:
    held = sessions()
    held.insert(nth(0))
    entries = [nth(n) for n in range(1, 2001)]
    gc.collect()
    before = len(gc.get_objects())
    for one in entries:
        held.insert(one)
    gc.collect()

    assert len(gc.get_objects()) - before < 20
