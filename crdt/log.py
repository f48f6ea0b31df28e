"""A region's own log of one shard: what it wrote, as bytes that are ready to send.

Positions are 1, 2, 3, ... Peers say how far they have applied it, and get the next range. What all
have, or what no longer fits, is dropped from the front: the floor rises, and a peer below the floor
gets a snapshot instead.

A range never carries an add that is over within the range: its place is kept by a Nothing. Only
within the range: a receiver that stops between the add and its release must have the session, or
two regions at equal positions would differ.

Invariant: events floor + 1 to top are there. Bounded in events and bytes. Cost: an append and a
range of its own length; 41 B of bookkeeping an event.
"""

from collections.abc import Iterator
from typing import Final

from crdt.codec import NOTHING
from crdt.errors import LocalError, PeerError

CAPACITY_EVENTS: Final = 4096
CAPACITY_BYTES: Final = 1 << 18


class Log:
    """Encoded events by position. A larger log bridges longer partitions without a snapshot."""

    __slots__ = (
        "_bytes", "_closed", "_events", "capacity_bytes", "capacity_events", "floor", "top",
    )  # fmt: skip

    def __init__(
        self, capacity_events: int = CAPACITY_EVENTS, capacity_bytes: int = CAPACITY_BYTES
    ) -> None:
        if capacity_events < 1 or capacity_bytes < 1:
            raise LocalError("a log holds at least one event")
        self.capacity_events = capacity_events
        self.capacity_bytes = capacity_bytes
        self.floor = 0
        """Events up to here are gone."""
        self.top = 0
        """Position of the latest event; 0 before the first. Invariant: floor + events kept."""
        self._events: list[bytes] = []
        self._closed: dict[int, int] = {}
        """Position of an add -> position of its release, where both are in the log."""
        self._bytes = 0

    def append(self, event: bytes) -> int:
        """Add one encoded event and return its position; drops the oldest beyond capacity."""
        self._events.append(event)
        self.top += 1
        self._bytes += len(event)
        if len(self._events) > self.capacity_events or self._bytes > self.capacity_bytes:
            self._drop_oldest()
        return self.top

    def blank(self, position: int, by: int) -> None:
        """Note that the add at `position` is over by the release at `by`.

        Raises LocalError unless position < by <= top.
        """
        if not 0 < position < by <= self.top:
            raise LocalError(f"the event at {position} cannot be over by {by}; top is {self.top}")
        if position > self.floor:
            self._closed[position] = by

    def range(
        self, after: int, limit_events: int, limit_bytes: int
    ) -> tuple[int, list[bytes]] | None:
        """The first position after `after` and the events from there on; None below the floor.

        At least one event if there is any, then as many as fit both limits. Empty when the reader
        has everything. Raises PeerError for a reader that claims more than was ever written.
        """
        if after > self.top:
            raise PeerError(f"a reader claims event {after} of a log that ends at {self.top}")
        if after < self.floor:
            return None
        end = after
        size = 0
        for event in self._events[after - self.floor : after - self.floor + limit_events]:
            size += len(event)
            if size > limit_bytes and end > after:
                break
            end += 1
        return after + 1, list(self._sent(after, end))

    def trim(self, upto: int) -> None:
        """Drop the events up to a position that every peer has. Never raises the top."""
        self._drop(min(upto, self.top) - self.floor)

    def _sent(self, after: int, end: int) -> Iterator[bytes]:
        closed, events, floor = self._closed, self._events, self.floor
        for position in range(after + 1, end + 1):
            if closed and closed.get(position, end + 1) <= end:
                yield NOTHING
            else:
                yield events[position - floor - 1]

    def _drop_oldest(self) -> None:
        """Below both capacities again, and by an eighth more: seldom instead of at each append."""
        count = max(0, len(self._events) - self.capacity_events * 7 // 8)
        excess = self._bytes - sum(map(len, self._events[:count])) - self.capacity_bytes * 7 // 8
        while excess > 0:
            excess -= len(self._events[count])
            count += 1
        self._drop(count)

    def _drop(self, count: int) -> None:
        if count <= 0:
            return
        self._bytes -= sum(map(len, self._events[:count]))
        del self._events[:count]
        if self._closed:
            for position in range(self.floor + 1, self.floor + count + 1):
                self._closed.pop(position, None)
        self.floor += count
