"""Messages round a third region: what cannot go directly is handed to one that can pass it on.

A message to a peer that is not reached on its own link (ways.py) is wrapped as it is and given to
a relay, which hands the wrapping on unopened. So beacons, logs, confirmations, slots and leases all
go round, and none of them knows of it: evidence is as old as the own beacon that comes back as an
echo, a lease runs from its own request, and both are merely older by the longer way.

One hop only: a region passes on what its source itself sent, and nothing that was passed on before,
so nothing goes in circles. Beacons go both ways, to find out when the direct one works again; all
else goes one way, so that parts of snapshots stay in order. What a third brings and is malformed
costs nobody a link: it is dropped and counted, since the relay could not know.

Bounded: a region passes on at most FRAMES_PER_S and BYTES_PER_S to each peer, a quarter of what a
link may carry; the rest is dropped and counted, and goes out again like anything that was lost.
"""

from collections.abc import Callable
from typing import Final

from crdt.dots import RegionId
from crdt.errors import PeerError
from georeg.region import wire
from georeg.region.messages import RELAYED_BYTES_MAX, Message, Relayed
from georeg.region.state import RegionState
from georeg.region.ways import DIRECT, Ways

FRAMES_PER_S: Final = 5_000
BYTES_PER_S: Final = 16 << 20


class _Allowance:
    """What may still be passed on to one peer: one second's worth at most, filled as time goes."""

    __slots__ = ("_at_ms", "_bytes", "_frames")

    def __init__(self, now_ms: int) -> None:
        self._at_ms = now_ms
        self._frames = float(FRAMES_PER_S)
        self._bytes = float(BYTES_PER_S)

    def take(self, size: int, now_ms: int) -> bool:
        """Count one message; False: too many, nothing is counted."""
        passed_s = (now_ms - self._at_ms) / 1000
        self._at_ms = now_ms
        self._frames = min(FRAMES_PER_S, self._frames + passed_s * FRAMES_PER_S)
        self._bytes = min(BYTES_PER_S, self._bytes + passed_s * BYTES_PER_S)
        if self._frames < 1 or self._bytes < size:
            return False
        self._frames -= 1
        self._bytes -= size
        return True


class Relaying:
    """Sends by the way that works, and passes on for others."""

    def __init__(
        self,
        state: RegionState,
        ways: Ways,
        send_directly: Callable[[RegionId, bytes], None],
        version_of: Callable[[RegionId], int],
        deliver: Callable[[RegionId, Message, RegionId], None],
    ) -> None:
        """`version_of`: the version of the protocol that a peer speaks. `deliver`: takes a message
        of a region, and by way of which it came."""
        self._state = state
        self._ways = ways
        self._send_directly = send_directly
        self._version_of = version_of
        self._deliver = deliver
        self._allowances: dict[RegionId, _Allowance] = {}
        self._changed: set[RegionId] = set()
        self.on_rerouted: Callable[[RegionId], None] = lambda peer: None
        """Set by the region: the way to a peer has changed, what was on the old one may be lost."""

    # ---- own messages ------------------------------------------------------------------------

    def send(self, peer: RegionId, payload: bytes) -> None:
        """Send by the way that works now."""
        via = self._via(peer)
        if via == DIRECT:
            self._send_directly(peer, payload)
        else:
            self._send_round(peer, via, payload)

    def announce(self, peer: RegionId, payload: bytes) -> None:
        """Send a beacon: round a third if need be, and directly, to see whether that works."""
        via = self._via(peer)
        self._send_directly(peer, payload)
        if via != DIRECT:
            self._send_round(peer, via, payload)

    def lost(self, peer: RegionId) -> None:
        """The link to the peer has gone down."""
        self._ways.lost(peer)
        self._via(peer)

    def _send_round(self, peer: RegionId, via: RegionId, payload: bytes) -> None:
        if len(payload) > RELAYED_BYTES_MAX or not wire.has(Relayed, self._version_of(via)):
            self._state.counters["relay_dropped"] += 1
            return
        self._state.counters["relay_sent"] += 1
        relayed = Relayed(self._state.region, peer, self._version_of(peer), payload)
        self._send_directly(via, wire.encode(relayed))

    def _via(self, peer: RegionId) -> RegionId:
        before = self._ways.taken(peer)
        via = self._ways.via(peer, self._state.clock.now_ms())
        if via != before and peer not in self._changed:
            # After this step: the caller may be in the midst of sending what would go out again.
            self._changed.add(peer)
            self._state.clock.call_later(0, lambda: self._rerouted(peer))
        return via

    def _rerouted(self, peer: RegionId) -> None:
        self._changed.discard(peer)
        self._state.counters["relay_reroutes"] += 1
        self.on_rerouted(peer)

    # ---- messages of others ------------------------------------------------------------------

    def on_relayed(self, peer: RegionId, message: Relayed) -> None:
        """Pass on what a peer sends to another one, or take what another one sent here."""
        source, target, here = message.source, message.target, self._state.region
        if source == peer and target in self._state.peers and target != peer:
            self._pass_on(target, message)
        elif target == here and source in self._state.peers and source != peer:
            self._take(message, peer)
        else:
            self._state.counters["relay_refused"] += 1

    def _pass_on(self, target: RegionId, message: Relayed) -> None:
        now_ms = self._state.clock.now_ms()
        is_reached = self._ways.is_proven(target, now_ms) and wire.has(
            Relayed, self._version_of(target)
        )
        allowance = self._allowances.setdefault(target, _Allowance(now_ms))
        if not (is_reached and allowance.take(len(message.payload), now_ms)):
            self._state.counters["relay_dropped"] += 1
            return
        self._state.counters["relay_passed_on"] += 1
        self._send_directly(target, wire.encode(message))

    def _take(self, relayed: Relayed, via: RegionId) -> None:
        try:
            message = wire.decode(relayed.payload, relayed.version)
            if isinstance(message, Relayed):
                raise PeerError("what was passed on is not passed on again")
            self._deliver(relayed.source, message, via)
        except PeerError:
            self._state.counters["relay_refused"] += 1
            return
        self._state.counters["relay_received"] += 1
