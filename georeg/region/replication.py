"""Replication: the own logs go out, the others' logs are applied.

Each region pushes its own logs, shard by shard, to each other one. A range is sent once; what a
beacon exchange shows to be lost goes out again from the position that the peer has acknowledged,
and a peer that is behind the log's floor gets a snapshot. Ranges are applied contiguously or not
at all, snapshots are staged and committed at once, so a half-received state never exists.

Cost: a delta leaves within `flush_ms` of its event, once per peer, in one frame with those of other
shards; nothing is sent for heartbeats.
"""

from collections.abc import Callable, Iterable
from typing import Final

from crdt import codec, snapshot
from crdt.context import Position
from crdt.dots import SHARDS, RegionId
from crdt.errors import PeerError
from crdt.events import Event, PlanSet
from crdt.older import events_in
from crdt.versions import NEWEST
from georeg.region.evidence import Evidence
from georeg.region.messages import (
    EVENTS_MAX,
    PART_BYTES,
    Bundle,
    Message,
    Range,
    Repair,
    SnapshotPart,
)  # fmt: skip
from georeg.region.ports import Timer
from georeg.region.state import RegionState
from georeg.region.wire import decode, encode_range

STAGED_BYTES_MAX: Final = 256 << 20
"""A snapshot of one shard that is larger is refused: 64 shards of it would not fit in memory."""


class Link:
    """What one peer has of this region's logs, as far as is known here."""

    __slots__ = (
        "ack_due", "acked", "beacon", "incarnation", "repairing", "sent", "staged", "told",
        "version",
    )  # fmt: skip

    def __init__(self) -> None:
        self.incarnation = 0
        """The peer's, as of its newest beacon."""
        self.beacon = 0
        """That beacon: region, incarnation and number (`dots.pack`)."""
        self.acked = [0] * SHARDS
        self.sent = [0] * SHARDS
        """Invariant: acked <= sent <= top of the log, per shard."""
        self.ack_due: set[int] = set()
        """Shards of the peer's log that the next beacon acknowledges."""
        self.staged: list[SnapshotPart] = []
        self.repairing: set[int] = set()
        """Shards of the peer whose hash differed: the next snapshot replaces them."""
        self.told: set[int] = set()
        """Shards of which the peer has told this region, which has no memory, all that it knows."""
        self.version = NEWEST
        """Protocol of the connection to the peer: what it can read of what is sent."""

    def reset(self) -> None:
        """The peer has nothing (any more): a new incarnation of it, or of this region."""
        self.acked = [0] * SHARDS
        self.sent = [0] * SHARDS


class Replication:
    """Logs out, logs in."""

    def __init__(
        self,
        state: RegionState,
        evidence: Evidence,
        react: Callable[[Event], None],
        send_payload: Callable[[RegionId, bytes], None],
        send: Callable[[RegionId, Message], None],
    ) -> None:
        """`react`: told of each event of another region, once it is applied."""
        self._state = state
        self._react = react
        self._evidence = evidence
        self._send_payload = send_payload
        self._send = send
        self.links = {peer: Link() for peer in state.peers}
        self._timer: Timer | None = None
        self._flushes_at_once = False
        self.is_open = False
        """Whether the own logs may go out: only after the incarnation has begun."""

    def set_peers(self) -> None:
        """The cluster has grown or shrunk: the logs are kept for those that belong to it."""
        self.links = {peer: self.links.get(peer) or Link() for peer in self._state.peers}

    # ---- out ---------------------------------------------------------------------------------

    def dirty(self, at_once: bool) -> None:
        """Something was logged: flush within `flush_ms`, or as soon as this step is over."""
        if self._timer is not None and (self._flushes_at_once or not at_once):
            return
        if self._timer is not None:
            self._timer.cancel()
        self._flushes_at_once = at_once
        delay_ms = 0 if at_once else self._state.settings.flush_ms
        self._timer = self._state.clock.call_later(delay_ms, self.flush)

    def flush(self) -> None:
        """Send what is new to every peer."""
        self._timer = None
        if not self.is_open:
            return
        shards = sorted(self._state.dirty)
        self._state.dirty.clear()
        for peer in self._state.peers:
            self._transmit(peer, [r for shard in shards for r in self._ranges(peer, shard)])

    def push(self, peer: RegionId, shard: int) -> None:
        """Send one shard's log from what was sent last, or a snapshot when that is too old."""
        self._transmit(peer, self._ranges(peer, shard))

    def _ranges(self, peer: RegionId, shard: int) -> list[bytes]:
        """What the peer has not been sent of one shard's log; a snapshot goes out by itself."""
        link, log = self.links[peer], self._state.shards[shard].log
        ranges = []
        while self.is_open and link.sent[shard] < log.top:
            found = log.range(link.sent[shard], EVENTS_MAX, PART_BYTES)
            if found is None:
                self.send_snapshot(peer, self._state.region, shard)
                link.sent[shard] = log.top
                return []
            first, events = found
            events = events_in(events, link.version)
            ranges.append(encode_range(shard, self._state.incarnation, first, events))
            link.sent[shard] = first + len(events) - 1
        return ranges

    def _transmit(self, peer: RegionId, ranges: list[bytes]) -> None:
        """Send ranges in as few frames as they fit into."""
        bundle: list[bytes] = []
        size = 0
        for payload in ranges:
            if bundle and (size + len(payload) > PART_BYTES or len(bundle) == SHARDS):
                self._transmit_one(peer, bundle)
                bundle, size = [], 0
            bundle.append(payload)
            size += len(payload)
        if bundle:
            self._transmit_one(peer, bundle)

    def _transmit_one(self, peer: RegionId, ranges: list[bytes]) -> None:
        if len(ranges) == 1:
            self._send_payload(peer, ranges[0])
        else:
            self._send(peer, Bundle(tuple(ranges)))

    def push_all(self, peer: RegionId, then: Callable[[], None] = lambda: None) -> None:
        """Send every shard that the peer lacks, one per turn of the loop; then call back."""

        def step(shard: int) -> None:
            if shard == SHARDS or peer not in self.links:
                then()
                return
            self.push(peer, shard)
            self._state.clock.call_later(0, lambda: step(shard + 1))

        step(0)

    def resend(self, peer: RegionId, shard: int) -> None:
        """What was sent did not arrive: go on from what the peer has acknowledged."""
        link = self.links[peer]
        link.sent[shard] = link.acked[shard]
        self._state.counters["resends"] += 1
        self.push(peer, shard)

    def acknowledged(self, peer: RegionId, shard: int, incarnation: int, position: int) -> None:
        """A peer says how far it has one shard's log; what all have is dropped from the log."""
        link, state = self.links[peer], self._state
        log = state.shards[shard].log
        if incarnation != state.incarnation:
            position = 0
        link.acked[shard] = position
        link.sent[shard] = max(link.sent[shard], position)
        log.trim(min(other.acked[shard] for other in self.links.values()))

    def check_acks(self, acks: Iterable[tuple[int, int, int]]) -> None:
        """Raises PeerError for an acknowledgement of what was never written."""
        for shard, incarnation, position in acks:
            top = self._state.shards[shard].log.top
            if incarnation == self._state.incarnation and position > top:
                raise PeerError(f"position {position} of shard {shard} is beyond its log: {top}")

    def send_snapshot(self, peer: RegionId, writer: RegionId, shard: int) -> None:
        """Send the complete state of one writer's shard, in parts."""
        if peer not in self.links:
            return  # it was removed meanwhile
        whole = self._state.shards[shard].snapshot(writer)
        data = snapshot.encode_snapshot(whole, self.links[peer].version)
        pieces = [data[i : i + PART_BYTES] for i in range(0, len(data), PART_BYTES)]
        incarnation, top = whole.position
        for part, piece in enumerate(pieces):
            self._send(
                peer,
                SnapshotPart(writer, shard, incarnation, top, part, len(pieces), piece),
            )
        self._state.counters["snapshots_sent"] += 1

    # ---- in ----------------------------------------------------------------------------------

    def on_range(self, peer: RegionId, message: Range) -> None:
        """A contiguous range of the peer's log: applied whole, from where it is new."""
        shard = self._state.shards[message.shard]
        events = codec.decode_events(
            message.events, peer, message.shard, message.incarnation, message.first
        )
        self._note_plans(events)
        now_ms = self._state.clock.now_ms()
        new = shard.apply(peer, message.incarnation, message.first, events, now_ms)
        self._applied(peer, message.shard, new)

    def on_bundle(self, peer: RegionId, message: Bundle) -> None:
        """Several ranges: all are decoded before the first is applied."""
        ranges = [decode(payload) for payload in message.ranges]
        if not all(isinstance(one, Range) for one in ranges):
            raise PeerError("a bundle of something else than ranges")
        for one in ranges:
            assert isinstance(one, Range)
            self.on_range(peer, one)

    def _note_plans(self, events: Iterable[Event]) -> None:
        """What is stated here from now on counts as later; clocks that are far apart are told."""
        wall_ms = self._state.clock.wall_ms()
        for event in events:
            if type(event) is PlanSet and not self._state.hlc.observe(event.issued, wall_ms):
                self._state.counters["plans_ahead_of_clock"] += 1

    def on_snapshot_part(self, peer: RegionId, part: SnapshotPart) -> None:
        """Stage one part; with the last one, check and commit the whole."""
        if part.writer not in (peer, self._state.region):
            raise PeerError(f"region {peer} sends a snapshot of region {part.writer}")
        link = self.links[peer]
        if part.part < len(link.staged) and link.staged[part.part] == part:
            return  # it came on the own link and round a third
        if part.part != len(link.staged) or (link.staged and not _continues(link.staged[0], part)):
            link.staged = []  # a part was lost, or the sender began anew
            if part.part != 0:
                return
        link.staged.append(part)
        if sum(len(p.data) for p in link.staged) > STAGED_BYTES_MAX:
            link.staged = []
            raise PeerError(f"a snapshot of more than {STAGED_BYTES_MAX} bytes")
        if len(link.staged) < part.parts:
            return
        data, link.staged = b"".join(p.data for p in link.staged), []
        whole = snapshot.decode_snapshot(data, STAGED_BYTES_MAX)
        if (whole.writer, whole.shard, *whole.position) != part[:4]:
            raise PeerError("a snapshot that is not what its parts say")
        if part.writer == self._state.region and self.is_open:
            if peer not in self._state.members.untold:
                return  # an answer to a Fetch that came too late: heartbeats adopt what it names
            whole = whole._replace(position=Position(0, 0), entries=[])
            link.told.add(part.shard)
        self._note_plans(whole.plans)
        repair = part.shard in link.repairing and part.writer == peer
        shard = self._state.shards[part.shard]
        changes = shard.install(whole, self._state.clock.now_ms(), repair=repair)
        if repair:
            link.repairing.discard(part.shard)
        self._applied(peer, part.shard, changes)

    def repair(self, peer: RegionId, shard: int) -> None:
        """At equal positions the hashes differ: a bug somewhere; replace the shard as a whole."""
        self._state.counters["state_mismatches"] += 1
        self.links[peer].repairing.add(shard)
        self._send(peer, Repair(shard))

    def on_repair(self, peer: RegionId, message: Repair) -> None:
        """A peer found that its copy of an own shard is not what it should be."""
        self.send_snapshot(peer, self._state.region, message.shard)

    def _applied(self, peer: RegionId, shard: int, events: Iterable[Event]) -> None:
        self.links[peer].ack_due.add(shard)
        for event in events:
            self._react(event)
        position = self._state.shards[shard].position(peer)
        if position.incarnation == self.links[peer].incarnation:
            self._evidence.applied(peer, shard, position.top)


def _continues(first: SnapshotPart, part: SnapshotPart) -> bool:
    return first[:4] == part[:4] and first.parts == part.parts
