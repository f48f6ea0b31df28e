"""Evidence by beacon as the rules ask for it: by session, on this region's clock.

What is evidence and how old it is, is decided in `crdt/evidence.py`.
"""

from collections.abc import Mapping
from typing import Final

from crdt import evidence
from crdt.dots import RegionId, shard_of_dot
from crdt.events import Entry
from georeg.region.state import RegionState

NO_EVIDENCE_MS: Final = 1 << 40
"""The age of what was never proven: older than everything."""


class Evidence:
    """What the beacons of all other regions prove."""

    def __init__(self, state: RegionState) -> None:
        self._state = state
        self._words = evidence.Evidence(state.peers)

    def set_peers(self) -> None:
        """The cluster has grown or shrunk."""
        self._words.set_peers(self._state.peers)

    def beacon(
        self, peer: RegionId, sent_ms: int | None, held_ms: int, missing: Mapping[int, int]
    ) -> None:
        """A beacon came; see `crdt.evidence.Evidence.heard`."""
        self._words.heard(peer, sent_ms, held_ms, missing, self._state.clock.now_ms())

    def rerouted(self, peer: RegionId) -> None:
        """Messages to or from the peer take another way: its round trips are measured anew."""
        self._words.rerouted(peer, self._state.clock.now_ms())

    def applied(self, peer: RegionId, shard: int, position: int) -> None:
        """The peer's log of a shard was applied up to a position."""
        self._words.applied(peer, shard, position)

    def age_ms(self, entry: Entry) -> int:
        """Age of the newest evidence for a session of another region."""
        now_ms = self._state.clock.now_ms()
        age_ms = self._words.age_ms(entry.region, shard_of_dot(entry.dot), now_ms)
        return NO_EVIDENCE_MS if age_ms is None else age_ms

    def covers(self, entry: Entry) -> bool:
        """Whether a beacon that is fresh enough covers the session."""
        return self.age_ms(entry) < self._state.settings.fresh_ms

    def peer_age_ms(self, peer: RegionId) -> int | None:
        """Age of the newest evidence of a region, whatever the shard; None: there is none."""
        return self._words.newest_age_ms(peer, self._state.clock.now_ms())

    def oldest_age_ms(self, peer: RegionId) -> int | None:
        """Age of the evidence for a region's sessions where that is oldest; None: there is none."""
        now_ms = self._state.clock.now_ms()
        shards = self._words.lagging(peer)
        ages_ms = [self._words.age_ms(peer, shard, now_ms) for shard in shards]
        ages_ms.append(self._words.newest_age_ms(peer, now_ms))
        known_ms = [age_ms for age_ms in ages_ms if age_ms is not None]
        return max(known_ms) if len(known_ms) == len(ages_ms) else None

    def lagging(self, peer: RegionId) -> dict[int, int]:
        """Shard -> position of the peer's log that it has named and that is not applied here."""
        return self._words.lagging(peer)

    def round_trip_ms(self, peer: RegionId) -> int | None:
        """The last measured round trip; None: never measured."""
        return self._words.round_trip_ms(peer)

    def is_far(self, home: RegionId, deadline_ms: int) -> bool:
        """Whether the home's answer cannot be here by the deadline: ask, but do not wait."""
        if home not in self._state.peers:
            return False  # this region itself, or nobody
        round_trip_ms = self._words.round_trip_ms(home)
        return round_trip_ms is not None and round_trip_ms > deadline_ms
