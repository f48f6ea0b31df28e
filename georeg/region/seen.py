"""A session as somebody vouches for it, and how sessions are counted.

What is counted is always distinct devices: one device never blocks itself, and a session that
moves from region to region never counts twice.
"""

from collections.abc import Iterable
from typing import NamedTuple

from crdt.dots import Dot, RegionId, SessionId
from crdt.events import Entry


class Seen(NamedTuple):
    """A live session as the region that holds it saw it a moment ago."""

    entry: Entry
    suspect: bool
    """Missed two heartbeats: may yield its slot."""
    settled: bool
    """Was covered by a grant at least once: is never ended for the limit."""
    silent_ms: int
    """Since its last heartbeat, when this was said."""

    @property
    def session(self) -> SessionId:
        return self.entry.session

    @property
    def device(self) -> str:
        return self.entry.device.id

    @property
    def region(self) -> RegionId:
        return self.entry.region

    @property
    def place(self) -> tuple[int, Dot]:
        """Place in the order in which overdraft sessions are disproved."""
        return (self.entry.placed_ms, self.entry.dot)

    @property
    def firm(self) -> bool:
        """Whether it is evidence: neither suspect nor unconfirmed."""
        return not self.suspect and not self.entry.unconfirmed

    @property
    def yields(self) -> bool:
        """Whether it may be released for a new start."""
        return self.suspect and not self.entry.unconfirmed


def vouch(
    entry: Entry, silent_ms: int, suspect_ms: int, is_settled: bool, is_inherited: bool
) -> Seen:
    """A session as the region that holds it vouches for it.

    `is_inherited`: only an earlier process has heard its device, perhaps once more than it could
    write down (times.py). So it is evidence for as long as it surely was heard, and unconfirmed
    from then on.
    """
    is_suspect = silent_ms > suspect_ms
    if is_suspect and is_inherited:
        entry = entry._replace(unconfirmed=True)
    return Seen(entry, is_suspect, is_settled, silent_ms)


def vouched(region: RegionId, account: str, seen: Iterable[Seen]) -> tuple[Seen, ...]:
    """What counts of an answer: a region vouches for its own sessions of one account only."""
    return tuple(s for s in seen if s.region == region and s.entry.account == account)


def devices(sessions: Iterable[Seen | Entry]) -> int:
    """How many distinct devices the sessions are on."""
    return len({s.device if isinstance(s, Seen) else s.device.id for s in sessions})
