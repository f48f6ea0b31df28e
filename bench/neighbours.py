"""The two other regions, played by a few lines, for benchmarks of one region's code.

They answer at once and in full: a request for slots is granted, positions are acknowledged, leases
are renewed, nobody else watches. So the region under measurement takes its usual paths (granted,
borrowed, flushed, trimmed) and the process holds one region's state only. Real regions over real
links are measured in parts/wire.py.
"""

import heapq
from collections.abc import Callable

import msgpack

from bench.population import EPOCH_MS
from crdt.dots import RegionId
from georeg.region import wire
from georeg.region.messages import (
    Beacon,
    Borrow,
    Confirm,
    Confirmed,
    Fetch,
    Fetched,
    Leased,
    Message,
    Renew,
    Slot,
)  # fmt: skip
from georeg.region.ports import Clock
from georeg.region.region import Region

_RANGE = 2
"""Number of the Range message on the wire (wire.py)."""
_TERM = 1
_HEAD_BYTES = 32
"""A Range's fields before its events fit into this."""


class _Call:
    """A timer of the clock below."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self.callback = None


class BenchClock:
    """Time that moves when the benchmark says so: filling a region must not let leases lapse."""

    def __init__(self) -> None:
        self._now_ms = 1_000_000
        self._wall_base_ms = EPOCH_MS
        self._calls: list[tuple[int, int, _Call]] = []
        self._count = 0

    def now_ms(self) -> int:
        """Monotonic milliseconds."""
        return self._now_ms

    def wall_ms(self) -> int:
        """Milliseconds since 1970."""
        return self._wall_base_ms + self._now_ms

    def call_later(self, delay_ms: int, callback: Callable[[], None]) -> _Call:
        """Run the callback when `advance` passes its time."""
        self._count += 1
        call = _Call(callback)
        heapq.heappush(self._calls, (self._now_ms + max(0, delay_ms), self._count, call))
        return call

    def advance(
        self, by_ms: int, run: Callable[[Callable[[], None]], None] = lambda call: call()
    ) -> None:
        """Let time pass; `run` gets each callback that is due, to call it."""
        end_ms = self._now_ms + by_ms
        while self._calls and self._calls[0][0] <= end_ms:
            self._now_ms, _, call = heapq.heappop(self._calls)
            if call.callback is not None:
                run(call.callback)
        self._now_ms = end_ms


class Neighbours:
    """The mesh of the region under measurement, with everybody at its other end."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._region: Region | None = None
        self._beacons = 0
        self._incarnation = 0
        self._applied: dict[RegionId, dict[int, int]] = {}
        self.bytes_sent = 0
        self.is_cut = False
        """Whether nothing gets through any more."""

    def serve(self, region: Region) -> None:
        """Answer this region from now on."""
        self._region = region

    def send(self, peer: RegionId, payload: bytes) -> None:
        """What the region says to one of its peers."""
        if self.is_cut:
            return
        self.bytes_sent += len(payload)
        if payload[1] == _RANGE:
            self._note_range(peer, payload)
            return
        answer = self._answer(peer, wire.decode(payload))
        if answer is not None:
            told = wire.encode(answer)
            self._clock.call_later(1, lambda: self._deliver(peer, told))

    def _deliver(self, peer: RegionId, payload: bytes) -> None:
        if self._region is not None and not self.is_cut:
            self._region.receive(peer, payload)

    def _note_range(self, peer: RegionId, payload: bytes) -> None:
        reader = msgpack.Unpacker()
        reader.feed(payload[:_HEAD_BYTES])
        reader.read_array_header()
        _, shard, self._incarnation, first = (reader.unpack() for _ in range(4))
        top = first + reader.read_array_header() - 1
        self._applied.setdefault(peer, {})[shard] = top

    def _answer(self, peer: RegionId, message: Message) -> Message | None:
        match message:
            case Fetch(nonce):
                return Fetched(nonce, 0)
            case Beacon():
                self._beacons += 1
                applied = self._applied.pop(peer, {})
                acks = tuple((s, self._incarnation, top) for s, top in sorted(applied.items()))
                return Beacon(
                    _TERM, self._beacons, message.incarnation, message.number, 0, (), acks
                )
            case Renew():
                return Leased(message.generation, _TERM, message.sent_ms)
            case Borrow():
                return Slot(
                    message.account, message.request, message.generation, _TERM,
                    message.sent_ms, message.plan.limit or message.want, message.rid,
                )  # fmt: skip
            case Confirm():
                return Confirmed(message.account, message.rid, ())
            case _:
                return None
