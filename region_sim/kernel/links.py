"""One direction between two hosts: how long bytes take, and what is wrong with it.

Faults add up and are taken away again one by one, so that overlapping ones leave nothing behind.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final

RETRY_FIRST_US: Final = 200_000
"""TCP's first retransmission, apart from the round trip; doubled each time (RFC 6298, Linux)."""
RETRY_MAX_US: Final = 30_000_000
_LOSSES_MAX: Final = 6
_QUEUE_US: Final = 1_000_000
"""What waits for a narrow link is queued in it for so long, and beyond that by its sender."""


@dataclass(slots=True, eq=False)
class Link:
    """From one host to another. Times are microseconds of true time."""

    source: str
    target: str
    latency_us: int
    jitter: float
    """Share of the latency that is added at random."""
    random: Random
    """The stream of the network."""
    drops: int = 0
    """Faults that swallow everything."""
    rejects: int = 0
    """Faults that answer with a reset."""
    stalls: int = 0
    """Faults that hold everything back until they are over."""
    lag_us: int = 0
    losses: list[float] = field(default_factory=list)
    """Shares of segments that get lost; the largest counts."""
    narrows: list[float] = field(default_factory=list)
    """Bytes a second that pass; the smallest counts, none is as many as you like."""
    bytes: int = 0
    chunks: int = 0
    on_flow: list[Callable[[], None]] = field(default_factory=list)
    """Who waits for a stall to be over, or for room in a narrow link."""
    _free_us: int = 0
    _wakes_us: int = 0

    @property
    def is_cut(self) -> bool:
        """Whether nothing that is sent now arrives."""
        return self.drops > 0 or self.rejects > 0

    def trip_us(self) -> int:
        """How long one small message takes now."""
        usual = self.latency_us
        return usual + self.lag_us + int(usual * self.jitter * self.random.random())

    def arrival_us(self, now_us: int, size: int) -> int:
        """When a segment that is sent now arrives, waits and retransmissions included."""
        self.bytes += size
        self.chunks += 1
        sent_us = now_us
        if self.narrows:
            self._free_us = max(now_us, self._free_us) + int(size / min(self.narrows) * 1e6)
            sent_us = self._free_us
        arrival_us = sent_us + self.trip_us()
        if self.losses:
            loss = max(self.losses)
            wait_us = RETRY_FIRST_US + 2 * self.latency_us
            for _ in range(_LOSSES_MAX):
                if self.random.random() >= loss:
                    break
                arrival_us += wait_us
                wait_us *= 2
        return arrival_us

    def is_full(self, now_us: int) -> bool:
        """Whether a narrow link takes nothing more for the moment."""
        return self._free_us > now_us + _QUEUE_US

    def next_wake_us(self, now_us: int) -> int | None:
        """When to call `flow` for those who wait for room; None: somebody does already."""
        if self._wakes_us > now_us:
            return None
        self._wakes_us = self._free_us - _QUEUE_US
        return self._wakes_us

    def unstall(self) -> None:
        """One stall is over; with the last one everything that was held back goes on."""
        self.stalls -= 1
        self.flow()

    def widen(self) -> None:
        """A narrow time is over, or the sender has died: the link is empty and free."""
        self._free_us = self._wakes_us = 0
        self.flow()

    def flow(self) -> None:
        """Let those try again who wait for the link."""
        if not self.stalls:
            waiting, self.on_flow = self.on_flow, []
            for flow in waiting:
                flow()
