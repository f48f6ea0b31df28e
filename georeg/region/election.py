"""Who is home: the region that leases out an account's slots.

Static: the first region in the account's order, pinned in the entitlement, else by rendezvous
hash, which moves only the accounts of a region that is added or removed. Whether that region can
be reached plays no part, so two sides of a cut never both believe to be home.
"""

from collections.abc import Iterable
from hashlib import blake2b
from typing import Protocol

from crdt.dots import RegionId


class Election(Protocol):
    """Names the home of an account."""

    def home(self, account: str, pinned: int) -> RegionId:
        """The home; `pinned` 0 means that the entitlement names none."""


class StaticElection:
    """Pinned, else rendezvous over all regions of the cluster. Cost: one hash a region."""

    def __init__(self, regions: Iterable[RegionId]) -> None:
        self._regions = tuple(sorted(regions))
        self._hashes = [(r, blake2b(digest_size=8, salt=bytes([r]))) for r in self._regions]

    def home(self, account: str, pinned: int) -> RegionId:
        if pinned in self._regions:
            return RegionId(pinned)
        text, home, highest = account.encode(), RegionId(0), b""
        for region, salted in self._hashes:
            rank = salted.copy()  # half as dear as a new one with the same salt
            rank.update(text)
            if (digest := rank.digest()) > highest:
                home, highest = region, digest
        return home
