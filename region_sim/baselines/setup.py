"""What a baseline is given: its place in the cluster, keys, time, lines out, and what survives."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from aiohttp import ClientSession

from crdt.dots import RegionId
from georeg.edge.backends import BackendKeys
from georeg.edge.entitlements import EntitlementVerifier
from georeg.edge.tokens import KeyRing
from georeg.region.settings import Settings
from region_sim.baselines.records import Clock
from region_sim.baselines.store import Store


class Baseline(Protocol):
    """One region's process."""

    async def start(self) -> None:
        """Listen. Raises OSError when the address is taken."""

    async def stop(self) -> None:
        """Let running requests end, then leave."""

    def drain(self, *, is_on: bool = True) -> None:
        """Take no more starts, or take them again; everything else goes on."""


@dataclass(slots=True)
class Disk:
    """What a region keeps when its process crashes, and loses when its disk is wiped.

    Writing costs nothing here, which flatters the baselines a little.
    """

    store: Store | None = None

    def open(self, settings: Settings, clock: Clock, random: Random) -> Store:
        """The store that was kept, or a new one."""
        if self.store is None:
            self.store = Store(settings, clock, random)
        else:
            self.store.reopen(clock)
        return self.store


@dataclass(frozen=True, slots=True)
class Setup:
    """One region."""

    name: str
    numbers: Mapping[str, RegionId]
    """All regions of the cluster, this one included: they stand in session ids and tokens."""
    peers: Mapping[str, str]
    """The other regions: name -> base URL."""
    host: str
    port: int
    home: str
    """The region that keeps the one store (central)."""
    settings: Settings
    """Heartbeat, client lease, suspect time, plans; as georeg's."""
    keys: KeyRing
    clock: Clock
    random: Random
    """For ids and jitter."""
    session: Callable[[], ClientSession]
    """A new session on the lines to the other regions; called on the running loop."""
    entitlements: EntitlementVerifier = field(default_factory=lambda: EntitlementVerifier(()))
    backends: BackendKeys = field(default_factory=lambda: BackendKeys({}))
    is_dev: bool = False
    """Calls of accounts and backends need no Authorization; for tests on loopback."""
    disk: Disk = field(default_factory=Disk)

    @property
    def number(self) -> RegionId:
        """The own number."""
        return self.numbers[self.name]

    @property
    def is_home(self) -> bool:
        """Whether the one store is here."""
        return self.name == self.home
