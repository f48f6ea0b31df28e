"""What a merge costs: the length of the range, whatever the number of sessions stored.

Counted are the lines that the interpreter runs and the items of columns that are read, not time.
"""

import sys
from array import array
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

import pytest

from crdt.dots import SessionId
from crdt.events import Event, Reason, Release
from crdt.shard import Shard
from tests.crdt.samples import ONE, SHARD, TWO, entry

RANGE: list[Event] = [
    *(entry(p, account=f"{p}-of-the-range") for p in range(1, 11)),
    *(
        Release(entry(p).dot, SessionId(entry(p).dot), f"{p}-of-the-range", 0, Reason.LAPSED)
        for p in range(1, 6)
    ),
]


def lines_of(call: Callable[[], Any]) -> int:
    """How many lines of Python a call runs; a comprehension counts each of its rounds."""
    count = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        call()
    finally:
        sys.settrace(before)
    return count


class Watched(array):  # type: ignore[type-arg]  # array.array is not generic at run time in 3.11
    """A column that counts how many of its items are read."""

    reads = 0

    def __getitem__(self, at: Any) -> Any:
        Watched.reads += 1 if isinstance(at, int) else len(range(*at.indices(len(self))))
        return super().__getitem__(at)

    def __iter__(self) -> Iterator[Any]:
        Watched.reads += len(self)
        return super().__iter__()


def filled(sessions: int) -> Shard:
    """A shard with that many sessions of another region, each of an account of its own.

    The table of accounts is made large first, so that no rehash falls into the measured range.
    """
    shard = Shard(SHARD, TWO)
    shard.accounts.heads = array("i", [-1]) * (1 << 15)
    shard.accounts._mask = (1 << 15) - 1
    for p in range(1, sessions + 1):
        shard.sessions.insert(entry(p, region=3, account=f"account-{p}"))
    for name in ("dots", "sessions", "heard", "_next", "deadlines_s"):
        column = getattr(shard.sessions, name)
        setattr(shard.sessions, name, Watched(column.typecode, column.tobytes()))
    return shard


def cost(sessions: int, change: Callable[[Shard], Any]) -> tuple[int, int]:
    """Lines run and items read by one change of a shard with that many sessions."""
    shard = filled(sessions)
    Watched.reads = 0
    lines = lines_of(lambda: change(shard))
    return lines, Watched.reads


def apply(shard: Shard) -> None:
    shard.apply(ONE, 1, 1, RANGE, 0)
    assert shard.sessions.count >= 5


def scan(shard: Shard) -> None:
    """What a textbook join does: look at every stored dot."""
    for dot in shard.sessions.dots:
        shard.context.has(dot)


@pytest.mark.parametrize("sessions", [1_000, 20_000])
def test_applying_a_range_costs_the_same_at_any_number_of_sessions(sessions: int) -> None:
    few_lines, few_reads = cost(10, apply)
    lines, reads = cost(sessions, apply)

    assert lines <= few_lines * 1.2
    assert reads <= few_reads * 1.2 + 10


def test_the_count_notices_a_scan() -> None:
    (few_lines, few_reads), (lines, reads) = cost(10, scan), cost(1_000, scan)

    assert lines > few_lines * 2
    assert reads > few_reads * 2


def test_finding_a_session_for_a_heartbeat_reads_two_items() -> None:
    shard = filled(1_000)
    row = shard.sessions.insert(entry(1, account="one-more"), heard_ms=0)
    Watched.reads = 0

    assert shard.sessions.own_row("one-more", entry(1).session) == row
    assert Watched.reads == 2


def test_a_household_pays_for_its_own_sessions_only() -> None:
    """The chain of an account is walked; thirty sessions of one account are thirty steps."""
    shard = filled(1_000)
    for p in range(1, 31):
        shard.sessions.insert(entry(p, region=4, account="busy"))
    Watched.reads = 0
    shard.sessions.rows("busy")

    assert Watched.reads == 30
