"""What an operator does to regions that go on: drains them, takes them out, puts them back.

Draining to stop a process is `World.drain`: that is how a process ends in order.
"""

from region_sim.history import Life
from region_sim.world.ground import Process
from region_sim.world.slot import Slot
from region_sim.world.world import World

EXPIRY_SLACK = 1.03
"""Clocks of regions are up to 2 % slow."""
CONFIG_S = 0.7
"""Between the change of one region's config and that of the next one."""


class Operator:
    """Of one simulated cluster."""

    def __init__(self, world: World) -> None:
        self._world = world

    # ---- draining ----------------------------------------------------------------------------

    def drain_for(self, region: str, for_s: float | None) -> None:
        """Drain a region that is to go on, until `undrain` or for a time."""
        slot = self._world.slot(region)
        slot.drains += 1
        slot.drained += 1
        if slot.machine is not None and slot.is_ready:
            slot.machine.call_soon(self._drain_for, slot, slot.process, for_s)

    def _drain_for(self, slot: Slot, process: Process, for_s: float | None) -> None:
        """On its machine."""
        world = self._world
        if not process.drain_for(None if for_s is None else round(for_s * 1000)):
            world.trace.change(world.now_us, f"{slot.name} refuses to be drained")
            return
        world.tell(slot, Life.DRAINING, "operator")
        if for_s is not None:
            over_us = world.now_us + round(for_s * 1e6 * EXPIRY_SLACK)
            world.viewers.call_true(over_us, self._expired, slot, process, slot.drained)

    def _expired(self, slot: Slot, process: Process, drained: int) -> None:
        """By now the drain must be over by itself, unless the region was drained again."""
        if slot.process is process and slot.drained == drained:
            self._world.tell(slot, Life.UNDRAINED)

    def undrain(self, region: str) -> None:
        """One reason less to take no starts; with the last one the operator says so."""
        slot = self._world.slot(region)
        slot.drains -= 1
        if slot.drains == 0 and slot.machine is not None and slot.is_ready:
            slot.machine.call_soon(self._undrain, slot, slot.process)

    def _undrain(self, slot: Slot, process: Process) -> None:
        process.undrain()
        self._world.tell(slot, Life.UNDRAINED)

    # ---- the regions of the cluster ----------------------------------------------------------

    def leave(self, region: str) -> None:
        """Drain and stop a region, and take it out of the others' configs."""
        self._world.drain(region)
        self._change(tuple(r for r in self._world.members if r != region), first_s=4.0)

    def join(self, region: str) -> None:
        """Put the region back into the others' configs; it begins anew, with an empty disk."""
        world = self._world
        world.slot(region).disk.wipe()
        members = tuple(r for r in world.scenario.regions if r in (*world.members, region))
        done_s = self._change(members, first_s=0.2)
        world.viewers.call_true(world.now_us + round(done_s * 1e6), world.revive, region)

    def _change(self, members: tuple[str, ...], first_s: float) -> float:
        """Change the configs of all members one after another; in how many seconds all have it."""
        world, at_s = self._world, first_s
        world.members = members
        for name in members:
            world.viewers.call_true(world.now_us + round(at_s * 1e6), self._reload, name)
            at_s += CONFIG_S
        world.changed_us = world.now_us + round(at_s * 1e6)
        return at_s

    def _reload(self, region: str) -> None:
        slot = self._world.slot(region)
        if slot.process is not None and slot.machine is not None and slot.is_running:
            slot.machine.call_soon(slot.process.reload, self._world.members)
