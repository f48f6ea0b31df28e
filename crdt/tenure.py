"""How long a region may act as home under a lock that somebody else keeps.

The lock service (georeg/region/ports.py) gives a lock to one owner at a time, with a number above
all that it gave before, and takes it back when its time has run out there. Invariant: while `runs`,
no other owner has the lock, so at most one region acts for a seat (rule 6, book.py), though nobody
asks the service at the moment of acting. For this
- the time counts from when the request was *sent*, since the service may have handled it at once;
- it is shorter than the service's by the largest drift of both clocks (lease.py);
- only an answer for the number that is held makes it longer, and a process that begins anew holds
  none: its number before is somebody else's.
"""

from typing import Final

from crdt.errors import LocalError
from crdt.lease import owner_wait_ms

_NEVER: Final = -(1 << 62)


class Tenure:
    """One process's hold of one lock. Times are its own monotonic clock, ms."""

    __slots__ = ("_wait_ms", "number", "until_ms")

    def __init__(self, ttl_ms: int, drift: float) -> None:
        """`ttl_ms`: as it is asked of the service. Raises LocalError for a time or drift that does
        not fit.
        """
        self._wait_ms = owner_wait_ms(ttl_ms, drift)
        self.number = 0
        """The fencing number under which the lock is held; 0: it is not."""
        self.until_ms = _NEVER

    def acquired(self, number: int, sent_ms: int) -> None:
        """The service gave the lock under this number, asked at `sent_ms`."""
        if number <= 0:
            raise LocalError(f"fencing numbers begin at 1, not {number}")
        self.number, self.until_ms = number, sent_ms + self._wait_ms

    def renewed(self, number: int, sent_ms: int) -> None:
        """The service let the lock of this number last on, asked at `sent_ms`."""
        if number == self.number:
            self.until_ms = max(self.until_ms, sent_ms + self._wait_ms)

    def end(self) -> None:
        """Act no more, whatever the service says."""
        self.number, self.until_ms = 0, _NEVER

    def runs(self, now_ms: int) -> bool:
        """Whether nobody else can have the lock."""
        return now_ms < self.until_ms
