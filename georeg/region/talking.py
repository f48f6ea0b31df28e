"""What this region says to the others and hears from them: to whom, in which version, which way.

The rules call `send` with a message and get theirs by its type; versions of the protocol, ways
round a third region and links that come and go are known here and below only. A message to this
region itself is handed over without the mesh: slots at once, since the home's own start takes its
slot now, all else in the next step.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from crdt.dots import RegionId
from georeg.region import messages, wire
from georeg.region.beacons import Beacons
from georeg.region.evidence import Evidence
from georeg.region.messages import Beacon, Message
from georeg.region.ports import Mesh
from georeg.region.relaying import Relaying
from georeg.region.replication import Replication
from georeg.region.state import RegionState
from georeg.region.ways import DIRECT, Ways

Handlers = Mapping[type, Callable[[RegionId, Any], None]]
_ONLY_JOINED: Final = frozenset(
    {messages.Borrow, messages.Recall, messages.Recalled, messages.Confirm, messages.Renew}
)
"""What a region that has not begun yet cannot answer truthfully; the peers ask again."""


class Talking:
    """Mouth and ears of a region. `wire` before anything is sent."""

    def __init__(self, state: RegionState, ways: Ways, evidence: Evidence, mesh: Mesh) -> None:
        self._state = state
        self._ways = ways
        self._evidence = evidence
        self._mesh = mesh
        self.relaying = Relaying(state, ways, self._send_directly, self._version, self._deliver)
        self.relaying.on_rerouted = self._rerouted
        self.is_open = False
        self.is_joined: Callable[[], bool] = lambda: False
        """Set by the region: whether it has begun an incarnation."""

    def wire(self, handlers: Handlers, beacons: Beacons, replication: Replication) -> None:
        """Who answers which message."""
        self._handlers: Handlers = {**handlers, messages.Relayed: self.relaying.on_relayed}
        self._beacons = beacons
        self._replication = replication

    # ---- out ---------------------------------------------------------------------------------

    def send(self, peer: RegionId, message: Message) -> None:
        """Say something to a region, this one included."""
        if peer != self._state.region:
            payload = self._encode(peer, message)
            if payload is not None:
                self.transmit(peer, payload)
        elif isinstance(message, messages.Slot | messages.No):
            self._handlers[type(message)](peer, message)
        else:
            handle = self._handlers[type(message)]
            self._state.clock.call_later(0, lambda: handle(peer, message))

    def transmit(self, peer: RegionId, payload: bytes) -> None:
        """Say something that is encoded already."""
        if self.is_open:
            self.relaying.send(peer, payload)

    def _send_directly(self, peer: RegionId, payload: bytes) -> None:
        self._mesh.send(peer, payload)

    def announce(self, peer: RegionId, beacon: Message) -> None:
        """Say it every way that there is."""
        payload = self._encode(peer, beacon)
        if self.is_open and payload is not None:
            self.relaying.announce(peer, payload)

    def _encode(self, peer: RegionId, message: Message) -> bytes | None:
        """None: it was removed while this was being prepared, or its version has no such thing."""
        if peer not in self._replication.links:
            return None
        version = self._version(peer)
        return wire.encode(message, version) if wire.has(type(message), version) else None

    def _version(self, peer: RegionId) -> int:
        return self._replication.links[peer].version

    # ---- in ----------------------------------------------------------------------------------

    def receive(self, peer: RegionId, payload: bytes, version: int) -> None:
        """A message of a peer, in the version of the connection that it came on."""
        if self.is_open and peer in self._replication.links:
            self._deliver(peer, wire.decode(payload, version), DIRECT)

    def _deliver(self, peer: RegionId, message: Message, via: RegionId) -> None:
        """A message of a region; `via`: the third region that brought it."""
        if not self.is_joined() and type(message) in _ONLY_JOINED:
            return
        if isinstance(message, Beacon):
            self._beacons.on_beacon(peer, message, via)
        else:
            self._handlers[type(message)](peer, message)

    # ---- links -------------------------------------------------------------------------------

    def peer_up(self, peer: RegionId, version: int) -> None:
        """A link to the peer has come up, in this version: what was under way is lost."""
        self._replication.links[peer].version = version
        if self._takes_part(peer):
            self._go_on(peer)

    def peer_down(self, peer: RegionId) -> None:
        """The link to the peer has gone down: what follows goes round a third, if one can."""
        if self._takes_part(peer):
            self.relaying.lost(peer)

    def _rerouted(self, peer: RegionId) -> None:
        """Messages to the peer take another way: round a third, or back to the own link."""
        if not self._takes_part(peer):
            return
        self._evidence.rerouted(peer)
        if self._ways.taken(peer) == DIRECT:
            self._beacons.send(peer)  # its echo tells what was overtaken on the longer way
        else:
            self._go_on(peer)  # what the silent link was given of late is lost

    def _go_on(self, peer: RegionId) -> None:
        """Send what the peer has not acknowledged, by the way that works now."""
        link = self._replication.links[peer]
        link.sent = list(link.acked)
        self._beacons.send(peer)
        self._replication.push_all(peer)

    def _takes_part(self, peer: RegionId) -> bool:
        return self.is_open and self.is_joined() and peer in self._replication.links
