"""Which regions are up, as one region sees them: by beacons, timed at receipt on its own clock.

Up, suspect (silent for `suspect_ms`), down (silent for `down_ms`). Down hides a region's sessions
from counts; nothing is deleted, so its return costs nothing either.

When a beacon arrived decides up and down; what it proves of the peer's sessions is another
matter (evidence.py), since it may have been delayed on the way.

Invariants: beacons count only in growing (incarnation, number) order, so duplicates and late ones
renew nothing; the time never goes back. Nobody's clock but the own one is read.
Cost: one small object per peer, whatever the number of sessions.
Source: memberlist's states, without the gossip: every region hears every other one.
"""

from collections.abc import Iterable
from enum import StrEnum

from crdt.dots import RegionId
from crdt.errors import LocalError


class RegionState(StrEnum):
    """What one region thinks of another."""

    UP = "up"
    SUSPECT = "suspect"
    DOWN = "down"


class Peer:
    """One other region's signs of life; times are own monotonic milliseconds."""

    __slots__ = ("heard_ms", "incarnation", "number", "since_ms")

    def __init__(self, since_ms: int) -> None:
        self.since_ms = since_ms
        """Since when it is listened for."""
        self.incarnation = 0
        """Of its newest beacon, or as it was remembered; 0: neither."""
        self.number = 0
        self.heard_ms: int | None = None


class RegionTable:
    """All other regions. One that was never heard is suspect, and down after `down_ms`.

    `suspect_ms`, `down_ms`: shorter notices a lost region sooner, and takes a slow one for lost.
    `now_ms`: when this region began to listen.
    """

    __slots__ = ("_peers", "down_ms", "suspect_ms")

    def __init__(
        self, peers: Iterable[RegionId], *, suspect_ms: int, down_ms: int, now_ms: int
    ) -> None:
        if not 0 < suspect_ms <= down_ms:
            raise LocalError(f"need 0 < suspect_ms <= down_ms, got {suspect_ms} and {down_ms}")
        self.suspect_ms = suspect_ms
        self.down_ms = down_ms
        self._peers: dict[RegionId, Peer] = {}
        self.set_peers(peers, now_ms)

    def set_peers(self, peers: Iterable[RegionId], now_ms: int) -> None:
        """These are all other regions from now on; what is known of those that stay is kept."""
        self._peers = {p: self._peers.get(p) or Peer(now_ms) for p in sorted(peers)}

    @property
    def peers(self) -> tuple[RegionId, ...]:
        """All other regions, in order."""
        return tuple(self._peers)

    def peer(self, region: RegionId) -> Peer:
        """What is kept of one region. Raises LocalError for one that is not in the table."""
        peer = self._peers.get(region)
        if peer is None:
            raise LocalError(f"region {region} is not one of {list(self._peers)}")
        return peer

    def remember(self, region: RegionId, incarnation: int) -> None:
        """An earlier life of this region heard beacons of this incarnation: lower ones are old."""
        peer = self.peer(region)
        if incarnation > peer.incarnation:
            peer.incarnation, peer.number = incarnation, 0

    def heard(self, region: RegionId, incarnation: int, number: int, now_ms: int) -> bool:
        """A beacon arrived. False, and nothing changes, unless it is newer than the last one."""
        peer = self.peer(region)
        if (incarnation, number) <= (peer.incarnation, peer.number):
            return False
        peer.incarnation, peer.number = incarnation, number
        peer.heard_ms = now_ms
        return True

    def state(self, region: RegionId, now_ms: int) -> RegionState:
        """Up, suspect or down, by the silence since its newest beacon; a removed one is down."""
        peer = self._peers.get(region)
        if peer is None:
            return RegionState.DOWN
        heard_ms = peer.heard_ms
        silent_ms = now_ms - (peer.since_ms if heard_ms is None else heard_ms)
        if silent_ms >= self.down_ms:
            return RegionState.DOWN
        if heard_ms is None or silent_ms >= self.suspect_ms:
            return RegionState.SUSPECT
        return RegionState.UP

    def up(self, now_ms: int) -> list[RegionId]:
        """The regions that are not down, in order: those worth asking."""
        return [r for r in self._peers if self.state(r, now_ms) is not RegionState.DOWN]
