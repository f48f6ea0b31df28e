"""Which regions the cluster has, and whether all of them say so: what lets it grow and shrink.

The regions stand in each region's config, and the configs change one after another. The home of an
account follows from them (election.py), so while two regions name different ones they may name two
homes for one account. Rule: since a region's set has changed, and until every other region of it
has said the same set, an account whose home was not the same in all sets since the last agreement
has no usable slots here: as home nothing of it is lent or used, as holder nothing. Its starts are
decided on evidence, as when its home is out of reach. All other accounts are not concerned.

Regions say their sets in their beacons, and a beacon counts only if it echoes one that was sent
here with the set of now: so it was said by who had heard of the change. And it counts when all that
its sender had written by then is applied here: homes move only while regions agree (moves.py), so
whoever agrees knows what had moved before. Hence two regions that have
agreed at one moment have agreed on the same set: of the two that changed last, the word of the
other one is younger than that change. And one that has not agreed uses nothing of the accounts
about which it could differ. No clock plays a part, so the configs may change days apart (P8).

A region that begins takes its config for agreed, unless it has no memory, since it is new or has
lost its disk: then it is home of nothing until all others have said that they know it, and have
told after that what they know of homes that have moved. So it cannot take itself for the home of
an account that it had given away (moves.py).

A peer that speaks protocol version 1 cannot say a set, and counts as saying this one. Cost: one
further hash a set and account while it lasts, else nothing.
"""

from collections.abc import Iterable, Mapping

from crdt.dots import RegionId
from georeg.region.election import Election, StaticElection


class Members:
    """The set of regions of one region, and who has said the same."""

    def __init__(
        self, region: RegionId, names: Mapping[RegionId, str], election: Election | None
    ) -> None:
        self.region = region
        self.names = dict(names)
        """Also of regions that were removed: ids of sessions that began there hold the number."""
        self.regions = tuple(sorted(names))
        self.peers = _others(region, names)
        """All but this one, in order."""
        self.election = election or StaticElection(names)
        self.since_number = 1
        """The first own beacon that said the set of now."""
        self._former: dict[tuple[RegionId, ...], Election] = {}
        """The sets since the last agreement, that one included; empty: agreed."""
        self._silent: set[RegionId] = set()
        """Who has not said the set of now."""
        self.untold: set[RegionId] = set()
        """Who has not told this region yet, which has no memory, which homes have moved."""

    @property
    def said(self) -> bytes:
        """The set as a beacon says it."""
        return bytes(self.regions)

    @property
    def are_agreed(self) -> bool:
        """Whether no region is known to be missing from the agreement."""
        return not self._former

    @property
    def silent(self) -> tuple[RegionId, ...]:
        """Who has not said the same set yet, in order; empty: agreed."""
        return tuple(sorted(self._silent | self.untold)) if self._former else ()

    def change(self, names: Mapping[RegionId, str], next_number: int) -> None:
        """Another set from now on; the own beacon `next_number` will be the first to say it."""
        self._former[self.regions] = self.election
        self.names |= names
        self.regions = tuple(sorted(names))
        self.peers = _others(self.region, names)
        self.election = StaticElection(names)
        self.untold &= set(self.peers)
        self._ask_all(next_number)

    def doubt(self) -> None:
        """This region has no memory: others may not know it, or have got homes that it had."""
        if self.peers:
            self._former[self.peers] = StaticElection(self.peers)
            self.untold = set(self.peers)
            self._ask_all(1)

    def begin(self) -> None:
        """Beacons are counted from 1 again: what was echoed of the ones before is void."""
        if self._former:
            self._ask_all(1)

    def _ask_all(self, number: int) -> None:
        self.since_number = number
        self._silent = set(self.peers)
        self._agree_if_all()

    def heard(self, peer: RegionId, said: bytes, echoed: int) -> None:
        """A peer says its set, in answer to the own beacon `echoed`; 0: to none of this life."""
        if self._former and echoed >= self.since_number and said in (b"", self.said):
            self._silent.discard(peer)
            self._agree_if_all()

    def told(self, peer: RegionId) -> None:
        """A peer that knows of this life has told all homes that have moved."""
        self.untold.discard(peer)
        self._agree_if_all()

    def _agree_if_all(self) -> None:
        if not self._silent and not self.untold:
            self._former.clear()

    def home(self, account: str, pinned: int, moved: int = 0) -> RegionId:
        """The account's home: pinned, else where it has moved, else by hash. 0: there is no such
        region; one that the cluster does not have is as good as none.
        """
        return self.election.home(account, pinned if pinned in self.regions else moved)

    def is_moving(self, account: str, pinned: int, moved: int = 0) -> bool:
        """Whether regions may differ about the account's home: nobody may use slots of it."""
        if not self._former:
            return False
        home = self.home(account, pinned, moved)
        return any(
            former.home(account, pinned if pinned in regions else moved) != home
            for regions, former in self._former.items()
        )


def _others(region: RegionId, names: Iterable[RegionId]) -> tuple[RegionId, ...]:
    return tuple(r for r in sorted(names) if r != region)
