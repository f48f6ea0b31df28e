"""What is judged about a peer's range or snapshot before a shard changes anything for it; and what
of a snapshot belongs to no writer.

The codec has checked every field by itself; here the fields must fit together and fit what is known
already. A wrong one raises PeerError while the shard is still as it was.
Cost: a range its own length; a snapshot one walk over the shard's dots.
"""

from collections.abc import Sequence

from crdt.accounts import AccountTable
from crdt.dots import SEQUENCE_BITS, SHARD_BITS, Dot, RegionId, dot_at
from crdt.errors import PeerError
from crdt.events import Entry, Event, Reason, Release, Stop
from crdt.ledger import KickLedger
from crdt.sessions import SessionSet
from crdt.snapshot import Snapshot
from crdt.stops import Stops


def check_range(
    writer: RegionId, incarnation: int, shard: int, first: int, events: Sequence[Event]
) -> None:
    """Adds stand at their own dots; releases name earlier dots of the same log."""
    dot = dot_at(writer, incarnation, shard, first)
    for event in events:
        if type(event) is Entry:
            if event.dot != dot:
                raise PeerError(f"an add with dot {event.dot:#x} stands at {dot:#x}")
        elif type(event) is Release and not (
            event.dot < dot and dot >> SEQUENCE_BITS == event.dot >> SEQUENCE_BITS
        ):
            raise PeerError(f"the release at {dot:#x} is of {event.dot:#x}, not of its own")
        dot = Dot(dot + (1 << SHARD_BITS))


def compare(
    sessions: SessionSet, snapshot: Snapshot, repair: bool
) -> tuple[list[Entry], list[Entry]]:
    """Which of the writer's dots a snapshot takes away, and which it brings.

    A dot with another content than the known one is double-spent: an error, unless the snapshot is
    there to repair what is known.
    """
    listed = {entry.dot: entry for entry in snapshot.entries}
    left = []
    for row in sessions.rows_of(snapshot.writer):
        entry = sessions.entry(row)
        told = listed.get(entry.dot)
        if told == entry:
            del listed[entry.dot]
        elif told is None or repair:
            left.append(entry)
        else:
            raise PeerError(f"dot {entry.dot:#x} names two sessions: double-spent dot")
    return left, list(listed.values())


def join_rest(
    snapshot: Snapshot, ledger: KickLedger, stops: Stops, accounts: AccountTable, now_ms: int
) -> list[Event]:
    """Join kicks, ends, plans and homes of a snapshot into what is known; returns what was news."""
    news: list[Event] = [kick for kick in snapshot.kicks if ledger.join(kick)]
    news += [
        Stop(end.session, end.account)
        for end in snapshot.ends
        if stops.remember(end, now_ms) and end.reason is Reason.STOPPED
    ]
    news += [update for update in snapshot.plans if accounts.set_plan(update)]
    news += [update for update in snapshot.homes if accounts.set_home(update)]
    return news
