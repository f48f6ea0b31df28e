"""One other region as this one sees it now, for metrics and operators: no rule rests on it."""

from crdt.dots import RegionId
from georeg.region.drain import Drain
from georeg.region.evidence import Evidence
from georeg.region.model import PeerStatus
from georeg.region.replication import Replication
from georeg.region.state import RegionState
from georeg.region.ways import Ways


def peer_status(
    peer: RegionId,
    state: RegionState,
    replication: Replication,
    evidence: Evidence,
    ways: Ways,
    drain: Drain,
) -> PeerStatus:
    """How it is, how far it is behind, and by which way it is reached."""
    link, now_ms = replication.links[peer], state.clock.now_ms()
    return PeerStatus(
        region=peer,
        state=str(state.regions.state(peer, now_ms)),
        beacon_age_ms=evidence.peer_age_ms(peer),
        round_trip_ms=evidence.round_trip_ms(peer),
        events_behind=sum(shard.log.top - link.acked[shard.index] for shard in state.shards),
        is_direct=ways.is_proven(peer, now_ms),
        via=ways.taken(peer) or None,
        heard_via=ways.heard_via(peer) or None,
        is_draining=drain.is_draining(peer),
    )
