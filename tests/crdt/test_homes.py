"""The register of homes that have moved: the highest number wins, in whatever order it is told."""

from itertools import permutations

import pytest

from crdt import codec
from crdt.accounts import NONE, AccountTable
from crdt.dots import RegionId, shard_of
from crdt.errors import LocalError, PeerError
from crdt.events import HomeSet, Kick, Plan, PlanSet
from crdt.homes import MOVES_MAX, read_home
from crdt.older import events_in
from crdt.shard import Shard
from crdt.slab import Slab
from crdt.snapshot import decode_snapshot, encode_snapshot

A, B, C = RegionId(1), RegionId(2), RegionId(3)
ACCOUNT = "acc-1"
FIRST = HomeSet(ACCOUNT, B, 1, A, 1_700_000_000)
SECOND = HomeSet(ACCOUNT, C, 2, B, 1_700_090_000)


def shard(me: RegionId, incarnation: int = 1) -> Shard:
    made = Shard(shard_of(ACCOUNT), me)
    made.begin(incarnation)
    return made


def test_an_event_comes_back_as_it_was_encoded() -> None:
    data = codec.encode_event(FIRST)
    (read,) = codec.decode_events(
        [codec.unpack(data, len(data))], A, shard_of(ACCOUNT), 1, 1
    )
    assert read == FIRST
    assert codec.read_other(codec.unpack(data, len(data)), HomeSet) == FIRST


@pytest.mark.parametrize(
    "wrong",
    [
        [5, ACCOUNT, 0, 1, 1, 1], [5, ACCOUNT, 2, 0, 1, 1], [5, ACCOUNT, 2, 1, 0, 1],
        [5, ACCOUNT, 2, MOVES_MAX + 1, 1, 1], [5, ACCOUNT, 2, 1, 1, -1], [5, ACCOUNT, 2, 1, 1],
        [5, "", 2, 1, 1, 1], [5, ACCOUNT, 2, True, 1, 1], [5, ACCOUNT, 256, 1, 1, 1],
    ],
)  # fmt: skip
def test_a_statement_out_of_bounds_is_refused(wrong: list[object]) -> None:
    with pytest.raises(PeerError):
        read_home(wrong)


def test_a_statement_out_of_bounds_is_never_said() -> None:
    with pytest.raises(LocalError, match="number of moves"):
        codec.encode_event(FIRST._replace(number=0))


def test_statements_in_any_order_give_the_same() -> None:
    updates = [FIRST, SECOND, FIRST._replace(home=C), SECOND._replace(at_s=SECOND.at_s + 1)]
    for order in permutations(updates):
        table = AccountTable(Slab())
        for update in order:
            table.set_home(update)
            assert not table.set_home(update)
        assert table.home(ACCOUNT) == updates[-1]
        assert table.moved() == [updates[-1]]
        assert table.homes.count == 1


def test_an_account_whose_home_has_moved_keeps_its_row() -> None:
    """Whoever forgot that it has given a home away would lend its slots again."""
    table = AccountTable(Slab())
    table.set_plan(PlanSet(ACCOUNT, Plan("basic", 1, 0), 5))
    table.set_home(FIRST)
    assert table.forget_plans(6, 0, 64) == 1
    assert table.find(ACCOUNT) != NONE
    assert table.home(ACCOUNT) == FIRST
    assert table.say_homes_again(C) == []
    assert table.say_homes_again(A) == table.say_homes_again(B) == [FIRST]


def test_a_row_that_is_used_again_has_no_home_of_before() -> None:
    table = AccountTable(Slab())
    table.set_plan(PlanSet("other", Plan("basic", 1, 0), 5))
    table.set_home(FIRST)
    table.forget_plans(6, 0, 64)
    table.set_plan(PlanSet("third", Plan("basic", 1, 0), 5))
    assert table.home("third") is None


def test_another_region_hears_of_it_by_log_and_by_snapshot() -> None:
    here, there, third = shard(A), shard(B), shard(C)
    here.set_home(FIRST)
    _, logged = here.log.range(0, 10, 1 << 20) or (0, [])
    events = codec.decode_events([codec.unpack(e, len(e)) for e in logged], A, here.index, 1, 1)
    assert there.apply(A, 1, 1, events, 0) == [FIRST]
    assert there.accounts.home(ACCOUNT) == FIRST
    told = decode_snapshot(encode_snapshot(there.snapshot(B)))
    assert FIRST in third.install(told, 0)
    assert third.accounts.home(ACCOUNT) == FIRST
    assert third.install(told, 0) == []


def test_a_new_incarnation_says_again_what_moved_to_it_or_away_from_it() -> None:
    """The log in which it stood may be lost; the others must hear of it all the same."""
    for me, is_said in ((A, True), (B, True), (C, False)):
        one = shard(me)
        one.accounts.set_home(FIRST)
        one.begin(2)
        assert (one.log.top == 1) is is_said


def test_each_is_said_once_in_an_incarnation_however_often_it_is_heard() -> None:
    """Two regions that say it again whenever the other one does would never end."""
    here = shard(A)
    assert here.set_home(FIRST)
    assert not here.set_home(FIRST)
    here.accounts.set_home(SECOND)
    assert not here.set_home(FIRST)
    assert here.set_home(SECOND)
    here.begin(2)
    assert here.log.top == 0
    assert here.set_home(SECOND)


def test_a_region_of_version_1_is_not_told() -> None:
    here = shard(A)
    here.set_home(FIRST)
    assert events_in([codec.encode_event(FIRST)], 1) == [codec.NOTHING]
    older = decode_snapshot(encode_snapshot(here.snapshot(A), 1))
    assert older.homes == ()
    assert older.position == here.position(A)


def test_another_kind_of_event_is_no_home_set() -> None:
    data = codec.encode_event(FIRST)
    with pytest.raises(PeerError, match="Kick"):
        codec.read_other(codec.unpack(data, len(data)), Kick)
