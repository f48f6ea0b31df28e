"""Replicated events: what one costs to decode, check, apply and react to, by size of the region.

The events go in through `Region.receive`, as the mesh hands them over: half are starts, half ends,
in ranges as they come after a flush. Busy regions send long ranges, quiet ones single events.
Counted is CPU time, which other work on the machine does not lengthen.
"""

import time
from collections import deque
from typing import Final

from bench.figures import Figure, at_most, figure
from bench.population import EPOCH_MS, watchers
from bench.progress import say
from bench.regions import joined_region
from bench.scale import Scale
from crdt.codec import encode_event
from crdt.dots import SHARDS, Dot, RegionId, SessionId, dot_at, shard_of
from crdt.events import Device, Entry, Reason, Release
from georeg.region.wire import encode_range

_WRITER: Final = RegionId(2)
_INCARNATION: Final = 1
_EVENTS: Final = 20_000
"""Applied in one round."""
_LONG: Final = 100
"""Events in a range of a busy region."""
_PLAYING: Final = 50
"""Sessions of a shard that begin before the first of them ends."""


class Writer:
    """Another region, as its peers see it: a log per shard."""

    def __init__(self) -> None:
        self._people = watchers(seed=5)
        self._tops = [0] * SHARDS
        self._playing: list[deque[Entry]] = [deque() for _ in range(SHARDS)]
        self._waiting: list[list[bytes]] = [[] for _ in range(SHARDS)]

    def write(self, events: int, length: int, *, with_ends: bool) -> list[bytes]:
        """That many events as ranges of `length`, in the order in which they are to be sent."""
        ranges: list[bytes] = []
        written = 0
        while written < events:
            watcher = next(self._people)
            shard = shard_of(watcher.account)
            playing, waiting = self._playing[shard], self._waiting[shard]
            if with_ends and len(playing) >= _PLAYING:
                waiting.append(self._end(shard, playing.popleft()))
                written += 1
            entry = self._entry(shard, watcher.account, watcher.device)
            if with_ends:
                playing.append(entry)
            waiting.append(encode_event(entry))
            written += 1
            while len(self._waiting[shard]) >= length:
                ranges.append(self._range(shard, length))
        for shard, waiting in enumerate(self._waiting):
            if waiting:
                ranges.append(self._range(shard, len(waiting)))
        return ranges

    def _next_dot(self, shard: int) -> Dot:
        self._tops[shard] += 1
        return dot_at(_WRITER, _INCARNATION, shard, self._tops[shard])

    def _entry(self, shard: int, account: str, device: Device) -> Entry:
        dot = self._next_dot(shard)
        return Entry(
            dot, SessionId(dot), account, device, "", EPOCH_MS, EPOCH_MS,
            EPOCH_MS // 1000 + 86_400, 0, False, False,
        )  # fmt: skip

    def _end(self, shard: int, entry: Entry) -> bytes:
        self._next_dot(shard)
        return encode_event(Release(entry.dot, entry.session, entry.account, 0, Reason.STOPPED))

    def _range(self, shard: int, length: int) -> bytes:
        waiting = self._waiting[shard]
        events, self._waiting[shard] = waiting[:length], waiting[length:]
        first = self._tops[shard] - len(waiting) + 1
        return encode_range(shard, _INCARNATION, first, events)


def run(scale: Scale) -> list[Figure]:
    """The same events at both sizes."""
    figures = []
    for sessions in (scale.few_sessions, scale.sessions):
        figures += _at_size(sessions, scale)
    return figures


def _at_size(sessions: int, scale: Scale) -> list[Figure]:
    region, _, clock = joined_region()
    writer = Writer()
    filled = 0
    while filled < sessions:
        some = min(_EVENTS, sessions - filled)
        for payload in writer.write(some, _LONG, with_ends=False):
            region.receive(_WRITER, payload)
        filled += some
        clock.advance(1)
    known = region.status().sessions_known
    assert known == sessions, f"{known} sessions are known instead of {sessions}"
    say(f"apply: filled with {sessions:,} sessions")
    figures = []
    for length, target in ((_LONG, at_most(5)), (1, None)):
        events = min(_EVENTS, 4 * sessions)
        for payload in writer.write(2 * SHARDS * _PLAYING, length, with_ends=True):
            region.receive(_WRITER, payload)  # now every start is met by an end
        took_us = []
        for _ in range(scale.rounds):
            ranges = writer.write(events, length, with_ends=True)
            began_ns = time.process_time_ns()
            for payload in ranges:
                region.receive(_WRITER, payload)
            took_us.append((time.process_time_ns() - began_ns) / 1000 / events)
            clock.advance(1)
        name = f"apply an event at {sessions:,} sessions, {length} a range"
        figures.append(figure(name, took_us, "us", target=target))
    return figures
