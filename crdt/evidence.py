"""Evidence by beacon: how old is what one region knows of another one's sessions.

A beacon covers a session only if the log position that it names is applied here: what a peer
says of itself at position 90 proves nothing about what was read at 80. And it is as old as the own
beacon that it echoes, not as its receipt: a beacon that was delayed on the way proves only what was
so when its echo was sent.

Invariant: the age for a shard never understates: while a shard lags behind the newest beacon, its
evidence stays that of the last beacon up to which it was applied.

Cost: per peer a few numbers and one entry for each shard that lags at this moment; a beacon costs
nothing for shards that are quiet. All times are own monotonic milliseconds.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final

from crdt.dots import RegionId

SAMPLES: Final = 8
SAMPLES_MIN: Final = 2


class _Word:
    """What one peer's beacons prove."""

    __slots__ = ("evidence_ms", "lagging", "measured_from_ms", "round_trips_ms")

    def __init__(self) -> None:
        self.evidence_ms: int | None = None
        """Send time of the newest own beacon that it has echoed."""
        self.lagging: dict[int, tuple[int, int | None]] = {}
        """shard -> (position that must be applied, send time that is proven until then)."""
        self.round_trips_ms: deque[int] = deque(maxlen=SAMPLES)
        self.measured_from_ms = 0
        """Send time of the first own beacon that went and comes back the present way."""


class Evidence:
    """The words of all other regions."""

    __slots__ = ("_words",)

    def __init__(self, peers: Iterable[RegionId]) -> None:
        self._words: dict[RegionId, _Word] = {}
        self.set_peers(peers)

    def set_peers(self, peers: Iterable[RegionId]) -> None:
        """These are all other regions from now on; what is known of those that stay is kept."""
        self._words = {peer: self._words.get(peer) or _Word() for peer in sorted(peers)}

    def heard(
        self,
        peer: RegionId,
        sent_ms: int | None,
        held_ms: int,
        missing: Mapping[int, int],
        now_ms: int,
    ) -> None:
        """A new beacon echoes the own one sent at `sent_ms`, which the peer had for `held_ms`.

        `sent_ms` None: it echoes none that is remembered, so it proves nothing new. `missing`:
        shards whose log is not applied up to the beacon, with the position that it names.
        """
        word = self._words[peer]
        before_ms = word.evidence_ms
        word.lagging = {
            shard: (position, word.lagging[shard][1] if shard in word.lagging else before_ms)
            for shard, position in sorted(missing.items())
        }
        if sent_ms is None:
            return
        if sent_ms >= word.measured_from_ms:
            word.round_trips_ms.append(max(0, now_ms - sent_ms - held_ms))
        if before_ms is None or sent_ms > before_ms:
            word.evidence_ms = sent_ms

    def applied(self, peer: RegionId, shard: int, position: int) -> None:
        """The peer's log of a shard is applied up to a position now."""
        lagging = self._words[peer].lagging
        if shard in lagging and position >= lagging[shard][0]:
            del lagging[shard]

    def age_ms(self, peer: RegionId, shard: int, now_ms: int) -> int | None:
        """How old the newest proof is for the peer's sessions in a shard; None: there is none."""
        word = self._words.get(peer)
        if word is None:
            return None  # a region that was removed: nobody vouches for what it held
        lags = word.lagging.get(shard)
        proven_ms = word.evidence_ms if lags is None else lags[1]
        return None if proven_ms is None else now_ms - proven_ms

    def newest_age_ms(self, peer: RegionId, now_ms: int) -> int | None:
        """How old the newest proof of the peer's life is, whatever the shard."""
        proven_ms = self._words[peer].evidence_ms
        return None if proven_ms is None else now_ms - proven_ms

    def rerouted(self, peer: RegionId, now_ms: int) -> None:
        """The way to or from the peer has changed: round trips on the old one say nothing."""
        word = self._words[peer]
        word.round_trips_ms.clear()
        word.measured_from_ms = now_ms

    def lagging(self, peer: RegionId) -> dict[int, int]:
        """Shard -> position that the peer's newest beacon names and that is not applied here."""
        return {shard: position for shard, (position, _) in self._words[peer].lagging.items()}

    def round_trip_ms(self, peer: RegionId) -> int | None:
        """The shortest of the last few round trips to the peer; None: too few were measured.

        The shortest: a busy moment of either side makes a round trip longer, nothing makes it
        shorter.
        """
        samples = self._words[peer].round_trips_ms
        return min(samples) if len(samples) >= SAMPLES_MIN else None
