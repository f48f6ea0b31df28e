"""What the process of a region stands on, and what the world asks of it.

Two systems live on the same ground: georeg itself (georeg.py) and the baselines that it is compared
with. Neither knows that the world is not real.
"""

from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Protocol

from crdt.dots import RegionId
from georeg.region.ports import Locks
from region_sim.history import History
from region_sim.kernel.machine import Machine
from region_sim.kernel.network import Network
from region_sim.plan.scenario import Scenario

EDGE_PORT = 80
MESH_PORT = 7000
INSIDE = "."
"""Host `us.1` is the first node of region `us`."""
INSIDE_US = 100
"""One way between hosts of one region."""


@dataclass(slots=True)
class Ground:
    """What one life of a region's process is given."""

    name: str
    number: RegionId
    regions: tuple[str, ...]
    """All, this one included; the first has number 1."""
    members: tuple[str, ...]
    """Those that its config names when it begins, this one included."""
    boot: int
    """1 for its first life."""
    protocol_max: int
    """The highest version of the protocol that this life speaks."""
    machine: Machine
    network: Network
    directory: Path
    """Its disk."""
    random: Random
    secrets: "Secrets"
    scenario: Scenario
    history: History
    chaos: "Chaos"
    locks: Locks | None = None
    """Its line to the lock service, where the scenario has one."""


class Process(Protocol):
    """One life of a region."""

    async def start(self) -> None:
        """Returns when it takes calls."""

    async def stop(self) -> None:
        """In order, as after SIGTERM."""

    def drain(self) -> None:
        """Take no more starts: it will be stopped soon."""

    def drain_for(self, for_ms: int | None) -> bool:
        """Take no starts for so long, or until `undrain`; whether the region agrees to that."""

    def undrain(self) -> None:
        """Take starts again."""

    def reload(self, members: tuple[str, ...]) -> None:
        """Its config names these regions from now on."""

    def killed(self) -> None:
        """It is dead: let go of what the simulator's own process holds for it."""

    def probe(self) -> None:
        """Write down what it says of itself."""


class System(Protocol):
    """What is being simulated."""

    @property
    def name(self) -> str:
        """`georeg` or the name of a baseline."""

    def process(self, ground: Ground) -> Process:
        """A new life of a region; called on its machine."""

    def heads(self, processes: dict[str, Any]) -> Any:
        """How far the regions have written now, for `behind`."""

    def behind(self, heads: Any, processes: dict[str, Any]) -> list[str]:
        """In words, which region has not heard what had been written then; empty: converged."""

    def disagreements(self, processes: dict[str, Any]) -> list[str]:
        """In words, where the regions do not hold the same, when nothing happens any more."""

    def leftovers(self, processes: dict[str, Any]) -> list[str]:
        """In words, what is left although everybody has gone."""


@dataclass(frozen=True, slots=True)
class Secrets:
    """Keys of the cluster, drawn from the seed; base64url texts as in a config file."""

    cluster: str
    session: str
    entitlement: str
    backend_key: str
    backend_hash: str


@dataclass(slots=True)
class Chaos:
    """What goes wrong with messages between regions, above TCP."""

    random: Random
    """The stream of the network."""
    jumbled: dict[tuple[str, str], float]
    """Ordered pair -> share of messages that arrive twice or late."""
    late_us: dict[tuple[str, str], int] = field(default_factory=dict)
    """Ordered pair -> by how much each message may be late."""
    keeps_frames: bool = False
