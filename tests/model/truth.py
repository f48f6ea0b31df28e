"""When a session really lived, and how many devices of an account really streamed at once.

A session lives from its admission until it is ended by the region that holds it, or until a client
lease after its last heartbeat that was answered 200.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

LEASE_S = 90.0
EPSILON_S = 1e-9


@dataclass
class Truth:
    """One session as it really was."""

    session: int
    account: str
    device: str
    region: int
    heard_s: float
    spans: list[list[float | None]] = field(default_factory=list)
    kicked_s: float | None = None
    why: str | None = None
    ended_by: str = ""
    """The device whose start ended it."""
    ended_at: tuple[int, float] | None = None
    """Region and time of its end."""
    excused: bool = False
    """Ended for the limit on the word of a session whose end was spoken beyond a cut."""
    regions: set[int] = field(default_factory=set)
    last: int = 0
    """The region that answered its last heartbeat."""

    def close(self, at_s: float) -> None:
        if self.spans[-1][1] is None:
            self.spans[-1][1] = min(at_s, self.heard_s + LEASE_S)

    def intervals(self) -> list[tuple[float, float]]:
        return [(a or 0.0, self.heard_s + LEASE_S if b is None else b) for a, b in self.spans]

    def lived(self, from_s: float, to_s: float) -> bool:
        """Whether it lived at some moment between."""
        return any(a <= to_s + EPSILON_S and b >= from_s - EPSILON_S for a, b in self.intervals())

    def lives(self, at_s: float) -> bool:
        return any(a <= at_s + EPSILON_S and b > at_s + EPSILON_S for a, b in self.intervals())


class Episode(NamedTuple):
    """A time in which more devices of an account streamed than a bound."""

    account: str
    start_s: float
    length_s: float
    peak: int


def episodes(account: str, truths: Iterable[Truth], bound: int) -> Iterator[Episode]:
    """All times at which more than `bound` distinct devices streamed."""
    changes = sorted(
        change
        for truth in truths
        for a, b in truth.intervals()
        if b > a
        for change in ((a, 1, truth.device), (b, -1, truth.device))
    )
    on: Counter[str] = Counter()
    begin, peak = None, 0
    for at_s, step, device in changes:
        on[device] += step
        count = sum(n > 0 for n in on.values())
        if count > bound:
            begin, peak = (at_s, count) if begin is None else (begin, max(peak, count))
        elif begin is not None:
            if at_s - begin > 1e-6:
                yield Episode(account, begin, at_s - begin, peak)
            begin = None
