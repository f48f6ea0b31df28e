"""One region's place in the world: its host, its disk, and the process that lives there now."""

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crdt.versions import NEWEST
from georeg.store.errors import JournalError
from region_sim.kernel.machine import Machine
from region_sim.world.ground import Process
from region_sim.world.lock_line import LockCut

SYNC_US = 300
"""What a sync of a good disk takes."""


@dataclass(slots=True)
class Disk:
    """A region's disk, over all lives of its process."""

    directory: Path
    syncs_s: list[float] = field(default_factory=list)
    """Seconds a sync, of the faults that make it slow."""
    refusals: list[float] = field(default_factory=list)
    """Faults that make it refuse."""

    def sync_us(self) -> int:
        """How long the next sync takes."""
        return int(max(self.syncs_s) * 1e6) if self.syncs_s else SYNC_US

    def error(self) -> BaseException | None:
        """What it answers instead of working."""
        return JournalError("the disk is full (a fault of this run)") if self.refusals else None

    def wipe(self) -> None:
        """Everything on it is lost."""
        shutil.rmtree(self.directory, ignore_errors=True)


@dataclass(slots=True)
class Slot:
    """One region."""

    name: str
    number: int
    disk: Disk
    machine: Machine | None = None
    process: Process | None = None
    is_ready: bool = False
    protocol_max: int = NEWEST
    """What the next process that lives here speaks at most."""
    boots: int = 0
    downs: int = 0
    """Faults because of which it must not run."""
    pauses: int = 0
    drains: int = 0
    """Faults because of which it is to take no starts, although it runs."""
    drained: int = 0
    """How often its operator has drained it."""
    lock_cut: LockCut = field(default_factory=LockCut)
    """Faults on its line to the lock service."""
    own_drift: float = 0.0
    """Rate error of its clocks, over all lives."""
    drifts: list[float] = field(default_factory=list)
    """Rate errors that faults give it instead; the newest counts."""
    starting: Any = None
    stopping: Any = None
    """The tasks that start and stop its process; held, as asyncio asks."""
    jump_ms: int = 0

    def drift(self) -> float:
        """Rate error of its clocks now."""
        return self.drifts[-1] if self.drifts else self.own_drift

    @property
    def is_running(self) -> bool:
        """Whether a process lives here."""
        return self.machine is not None and self.machine.is_alive
