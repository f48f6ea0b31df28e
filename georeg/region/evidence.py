"""Evidence by beacon: how old is what we know of another region's sessions.

A beacon vouches only for positions that are already applied here, and is as old as the own beacon
that it echoes, not as its receipt: a delayed beacon proves nothing. Kept per region, with the
exceptions per shard (those whose log lags behind the beacon), so that a beacon costs nothing for
the shards that are quiet.
"""

from dataclasses import dataclass, field

from crdt.dots import RegionId, shard_of_dot
from crdt.events import Entry
from georeg.region.state import RegionState


@dataclass(slots=True)
class _Vouch:
    evidence_ms: int | None = None
    """Send time of the own beacon that the newest one echoes."""
    lagging: dict[int, tuple[int, int | None]] = field(default_factory=dict)
    """shard -> (position that must be applied, evidence until then)."""
    round_trip_ms: int | None = None


class Evidence:
    """What the beacons of all other regions prove."""

    def __init__(self, state: RegionState) -> None:
        self._state = state
        self._vouches = {peer: _Vouch() for peer in state.peers}

    def beacon(
        self, peer: RegionId, sent_ms: int | None, held_ms: int, missing: dict[int, int]
    ) -> None:
        """A beacon came; it echoes the own one of `sent_ms`, held by the peer for `held_ms`.

        `missing`: shards whose log is not applied up to the beacon, with the position it names.
        """
        vouch = self._vouches[peer]
        if sent_ms is not None:
            vouch.round_trip_ms = max(0, self._state.clock.now_ms() - sent_ms - held_ms)
        before = vouch.evidence_ms
        lagging = {}
        for shard, position in missing.items():
            known = vouch.lagging.get(shard)
            lagging[shard] = (position, known[1] if known is not None else before)
        vouch.lagging = lagging
        if sent_ms is not None and (before is None or sent_ms > before):
            vouch.evidence_ms = sent_ms

    def applied(self, peer: RegionId, shard: int, position: int) -> None:
        """The peer's log of a shard was applied up to a position."""
        vouch = self._vouches[peer]
        lagging = vouch.lagging.get(shard)
        if lagging is not None and position >= lagging[0]:
            del vouch.lagging[shard]

    def age_ms(self, entry: Entry) -> int:
        """Age of the newest evidence for a session of another region."""
        vouch = self._vouches[entry.region]
        lagging = vouch.lagging.get(shard_of_dot(entry.dot))
        evidence_ms = vouch.evidence_ms if lagging is None else lagging[1]
        return 1 << 40 if evidence_ms is None else self._state.clock.now_ms() - evidence_ms

    def covers(self, entry: Entry) -> bool:
        """Whether a beacon that is fresh enough covers the session."""
        return self.age_ms(entry) < self._state.settings.fresh_ms

    def peer_age_ms(self, peer: RegionId) -> int | None:
        """Age of the newest evidence of a region, whatever the shard; None: there is none."""
        evidence_ms = self._vouches[peer].evidence_ms
        return None if evidence_ms is None else self._state.clock.now_ms() - evidence_ms

    def round_trip_ms(self, peer: RegionId) -> int | None:
        """The last measured round trip; None: never measured."""
        return self._vouches[peer].round_trip_ms

    def is_far(self, home: RegionId, deadline_ms: int) -> bool:
        """Whether the home's answer cannot be here by the deadline: ask, but do not wait."""
        if home == self._state.region:
            return False
        round_trip_ms = self._vouches[home].round_trip_ms
        return round_trip_ms is not None and round_trip_ms > deadline_ms
