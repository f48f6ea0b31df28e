"""The cluster grows or shrinks while it runs: what one region does when its config says so.

Homes move by the rule of members.py. An added region is dialled and joins as any region that
begins. A removed one is asked and told nothing more, its lease with this region runs out, and the
log no longer waits for it. What it held is hidden at once, as that of a region that is down, and
dropped after one client lease: until then its devices arrive elsewhere, and their names are taken
from there. Not kept until the hard deadlines, since a region that is gone for good would be carried
for a day, and what it held counts for nothing anyway.

Invariant: a removed region may come back at any time, as a new one. Cost: O(regions), and one walk
over the shards for each region that was removed.
"""

from collections.abc import Mapping
from functools import partial

from crdt.dots import RegionId
from georeg.region.beacons import Beacons
from georeg.region.evidence import Evidence
from georeg.region.replication import Replication
from georeg.region.state import RegionState
from georeg.region.ways import Ways


class Growing:
    """Takes regions in and lets them go."""

    def __init__(
        self,
        state: RegionState,
        replication: Replication,
        beacons: Beacons,
        evidence: Evidence,
        ways: Ways,
    ) -> None:
        self._state = state
        self._replication = replication
        self._beacons = beacons
        self._evidence = evidence
        self._ways = ways

    def change(self, names: Mapping[RegionId, str]) -> None:
        """The cluster has these regions from now on, this one included."""
        state = self._state
        assert state.region in names, "a region does not leave its own cluster"
        removed = [peer for peer in state.peers if peer not in names]
        state.members.change(names, self._beacons.next_number)
        state.set_peers()
        self._evidence.set_peers()
        self._ways.set_peers(state.peers, state.clock.now_ms())
        self._replication.set_peers()
        for peer in removed:
            self._beacons.forget(peer)
            state.clock.call_later(state.settings.client_lease_ms, partial(self._drop, peer))

    def _drop(self, removed: RegionId) -> None:
        """Drop what a removed region held, unless it is back."""
        if removed in self._state.members.regions:
            return
        for shard in self._state.shards:
            shard.renounce(removed, shard.position(removed).incarnation + 1)
