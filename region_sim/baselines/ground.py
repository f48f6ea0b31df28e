"""The baselines as systems of the simulated world, in the place of georeg.

They stand on the same ground: the same hosts, links, clocks, keys and config. What they say to one
another goes from host to host like georeg's mesh, and its bytes are counted alike. `jumble` faults
act on georeg's messages only.
"""

from functools import partial
from typing import Any, Final

from region_sim.baselines.make import make, setup_from
from region_sim.baselines.records import Clock
from region_sim.baselines.setup import Baseline, Disk
from region_sim.kernel.machine import Machine
from region_sim.world.config import read_config
from region_sim.world.ground import EDGE_PORT, Ground
from region_sim.world.lines import open_lines

_MARK: Final = "baseline"
"""A file on the region's disk; when it is gone the disk was wiped."""


class BaselineProcess:
    """One life of a region."""

    def __init__(self, baseline: Baseline, machine: Machine) -> None:
        self._baseline, self._machine = baseline, machine

    async def start(self) -> None:
        """Take calls."""
        await self._baseline.start()

    async def stop(self) -> None:
        """As after SIGTERM."""
        await self._baseline.stop()

    def drain(self) -> None:
        """Take no more starts: it will be stopped soon."""
        self._baseline.drain()

    def drain_for(self, for_ms: int | None) -> bool:
        """Take no starts for so long; it never asks who else would."""
        self._baseline.drain()
        if for_ms is not None:
            self._machine.call_later(for_ms / 1000, self.undrain)
        return True

    def undrain(self) -> None:
        """Take starts again."""
        self._baseline.drain(is_on=False)

    def reload(self, members: tuple[str, ...]) -> None:
        """A region that has left is to it as one that is down."""

    def killed(self) -> None:
        """Nothing is held for it."""

    def probe(self) -> None:
        """It says nothing of itself."""


class BaselineSystem:
    """A baseline as the system that is simulated; one per run."""

    def __init__(self, kind: str) -> None:
        self.name = kind
        self._disks: dict[str, Disk] = {}

    def process(self, ground: Ground) -> BaselineProcess:
        """A new life of a region; called on its machine."""
        machine = ground.machine
        setup = setup_from(
            read_config(ground, ground.regions),
            urls={name: f"http://{name}:{EDGE_PORT}" for name in ground.regions},
            home=ground.regions[0],
            clock=Clock(lambda: int(machine.time() * 1000), machine.wall_ms),
            random=ground.random,
            session=partial(open_lines, machine, ground.name),
            disk=self._disk(ground),
        )
        return BaselineProcess(make(self.name, setup), machine)

    def _disk(self, ground: Ground) -> Disk:
        mark = ground.directory / _MARK
        if not mark.exists():
            mark.touch()
            self._disks[ground.name] = Disk()
        return self._disks[ground.name]

    def heads(self, processes: dict[str, Any]) -> Any:  # noqa: ARG002 - of the interface
        """Nothing to compare: what a baseline promises is judged from outside only."""
        return None

    def behind(self, heads: Any, processes: dict[str, Any]) -> list[str]:  # noqa: ARG002
        """As above."""
        return []

    def disagreements(self, processes: dict[str, Any]) -> list[str]:  # noqa: ARG002
        """As above."""
        return []

    def leftovers(self, processes: dict[str, Any]) -> list[str]:  # noqa: ARG002
        """As above."""
        return []
