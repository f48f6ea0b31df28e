"""Which way leads to each peer: its own link, or round a third region that hears us and reaches it.

Each region tells in its beacons whom it *hears* on their own links, and whom it *reaches*: who says
that he hears it. So each direction of a link is known apart, whichever way the beacons came, and a
link that is cut one way is told from one that works.

A link is *proven* by a beacon of the peer that names this region, for `silent_ms`. When the proof
stays away for longer, messages go by a third region whose own link is proven and which says that it
reaches the peer; if there is none they go directly, as good as that is. They come back to the link
after two proofs in a row: one that flaps is left alone. A peer that begins anew, or this region,
gets `silent_ms` for the first proof.

Invariants: only what is proven is told, so a relay that dies is used no longer than `silent_ms`;
the choice depends on nothing but what was heard and when. A region of protocol version 1 names
nobody: it is never taken for a relay, and nothing is relayed to it.

Cost: a few numbers per peer; a look is one comparison while the link is proven.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

from crdt.dots import RegionId

DIRECT: Final = RegionId(0)
"""No third region: the own link."""
PROOFS: Final = 2
UNMEASURED_MS: Final = 1 << 20
"""A relay whose round trip is not known yet comes after all that are."""


class _Peer:
    """What is known of one peer; times are own monotonic milliseconds."""

    __slots__ = (
        "beacon", "direct", "direct_ms", "good_ms", "heard_via", "proofs", "proven_ms", "reaches",
        "via",
    )  # fmt: skip

    def __init__(self, now_ms: int) -> None:
        self.beacon = (0, 0)
        """(incarnation, number) of its newest beacon, whichever way that came."""
        self.heard_via = DIRECT
        self.direct = (0, 0)
        """The same of those that came on its own link."""
        self.direct_ms: int | None = None
        self.proven_ms: int | None = None
        """When a beacon last named this region."""
        self.proofs = 0
        """How many in a row have done so in time."""
        self.good_ms: int | None = now_ms
        """Up to when nothing spoke against the link; None: it went down since."""
        self.reaches: dict[RegionId, int] = {}
        """Whom it reaches, with the round trip in milliseconds."""
        self.via = DIRECT


class Ways:
    """The ways from one region to all others.

    `silent_ms`: a link without proof for so long is gone round. Shorter: sooner round a cut; a
    beacon that is merely late costs a few relayed messages. `round_trip_ms`: as measured.
    """

    __slots__ = ("_peers", "_region", "_round_trip_ms", "_silent_ms")

    def __init__(
        self,
        region: RegionId,
        peers: Iterable[RegionId],
        silent_ms: int,
        round_trip_ms: Callable[[RegionId], int | None],
        now_ms: int,
    ) -> None:
        self._region = region
        self._peers = {peer: _Peer(now_ms) for peer in sorted(peers)}
        self._silent_ms = silent_ms
        self._round_trip_ms = round_trip_ms

    def begin(self, now_ms: int) -> None:
        """This region begins an incarnation: only from now on can anybody hear its beacons."""
        for known in self._peers.values():
            known.good_ms = now_ms

    def set_peers(self, peers: Iterable[RegionId], now_ms: int) -> None:
        """The cluster has these other regions from now on."""
        self._peers = {peer: self._peers.get(peer) or _Peer(now_ms) for peer in sorted(peers)}

    # ---- what is heard -----------------------------------------------------------------------

    def heard_directly(self, peer: RegionId, incarnation: int, number: int, now_ms: int) -> None:
        """A beacon came on the peer's own link, whether or not a third brought it before."""
        known = self._peers[peer]
        if (incarnation, number) > known.direct:
            known.direct, known.direct_ms = (incarnation, number), now_ms

    def heard(
        self,
        peer: RegionId,
        beacon: tuple[int, int],
        via: RegionId,
        hears: Sequence[RegionId],
        reaches: Iterable[tuple[RegionId, int]],
        now_ms: int,
    ) -> bool:
        """The peer's newest beacon says whom it hears and reaches; True: it came another way."""
        known = self._peers[peer]
        if beacon[0] > known.beacon[0]:
            known.good_ms = now_ms
        if self._region in hears:
            known.proofs = known.proofs + 1 if self.is_proven(peer, now_ms) else 1
            known.good_ms = known.proven_ms = now_ms
        else:
            known.proofs = 0
        known.beacon = beacon
        known.reaches = dict(reaches)
        has_changed, known.heard_via = known.heard_via != via, via
        return has_changed

    def lost(self, peer: RegionId) -> None:
        """The link to the peer has gone down: it has to be proven anew."""
        known = self._peers[peer]
        known.good_ms = known.proven_ms = None
        known.proofs = 0

    # ---- what is told ------------------------------------------------------------------------

    def hears(self, now_ms: int) -> tuple[RegionId, ...]:
        """Peers whose own link carries: not silent, and not rounds behind what a third brings."""
        return tuple(
            peer
            for peer, known in self._peers.items()
            if known.direct_ms is not None
            and now_ms - known.direct_ms <= self._silent_ms
            and known.direct >= (known.beacon[0], known.beacon[1] - 1)
        )

    def reaches(self, now_ms: int) -> tuple[tuple[RegionId, int], ...]:
        """Peers that hear this region on its own link, with the round trip in milliseconds."""
        return tuple(
            (peer, self._trip_ms(peer)) for peer in self._peers if self.is_proven(peer, now_ms)
        )

    # ---- the ways ----------------------------------------------------------------------------

    def is_proven(self, peer: RegionId, now_ms: int) -> bool:
        """Whether the peer has said just now that it hears this region on its own link."""
        proven_ms = self._peers[peer].proven_ms
        return proven_ms is not None and now_ms - proven_ms <= self._silent_ms

    def via(self, peer: RegionId, now_ms: int) -> RegionId:
        """The region by which messages to the peer go now; DIRECT: its own link."""
        known = self._peers[peer]
        if known.via == DIRECT:
            is_good = known.good_ms is not None and now_ms - known.good_ms <= self._silent_ms
            known.via = DIRECT if is_good else self._relay(peer, now_ms)
        elif known.proofs >= PROOFS and self.is_proven(peer, now_ms):
            known.via = DIRECT
        elif not self._can_relay(known.via, peer, now_ms):
            known.via = self._relay(peer, now_ms)
        return known.via

    def taken(self, peer: RegionId) -> RegionId:
        """The way that was taken last, without looking for a better one."""
        return self._peers[peer].via

    def heard_via(self, peer: RegionId) -> RegionId:
        """The region by way of which the peer's newest beacon came; DIRECT: on its own link."""
        return self._peers[peer].heard_via

    def _relay(self, peer: RegionId, now_ms: int) -> RegionId:
        """The third region by which the round trip is shortest, of equal ones the lowest number."""
        peers = self._peers
        return min(
            (relay for relay in peers if relay != peer and self._can_relay(relay, peer, now_ms)),
            key=lambda relay: (self._trip_ms(relay) + peers[relay].reaches[peer], relay),
            default=DIRECT,
        )

    def _can_relay(self, relay: RegionId, peer: RegionId, now_ms: int) -> bool:
        known = self._peers.get(relay)  # None: it was removed
        return known is not None and peer in known.reaches and self.is_proven(relay, now_ms)

    def _trip_ms(self, peer: RegionId) -> int:
        measured_ms = self._round_trip_ms(peer)
        return UNMEASURED_MS if measured_ms is None else measured_ms
