"""A region of many nodes as one process of the simulated world: its life is theirs together.

Nothing of georeg is replaced but the client of Redis (store.py): each node is the real one, on a
machine and a host of its own. The region's own host has the balancer: devices and other regions
know no other address, and what goes out to other regions goes out from there.

What befalls the region as a whole befalls all its nodes; the store lives on.
"""

import asyncio
from collections.abc import Coroutine
from functools import partial
from typing import Any

from georeg.cli.nodes import StoreNode
from georeg.cli.surroundings import NodeSurroundings
from georeg.mesh.slices import slice_of_account
from georeg.nodes.runner import Made
from georeg.region.ports import Journal
from georeg.region.region import Region
from region_sim.history import Probe
from region_sim.kernel.connector import SimConnector
from region_sim.kernel.machine import Machine, new_machine
from region_sim.nodes.balancer import Balancer
from region_sim.nodes.store import SimRedis, StoreHost
from region_sim.world.config import read_config
from region_sim.world.ground import EDGE_PORT, INSIDE, MESH_PORT, Ground
from region_sim.world.lines import open_lines
from region_sim.world.tap import Tap


class SimNode(StoreNode):
    """The real node, listened to."""

    process: "NodesProcess"

    def _make_slice(self, number: int, journal: Journal) -> Made:
        made = super()._make_slice(number, journal)
        self.process.listen(made)
        return made


class _Place:
    """Where one node lives, over its lives."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.machine: Machine | None = None
        self.node: SimNode | None = None
        self.cuts: list[float] = []
        """Faults that cut it off from the store."""
        self.is_stopping = False
        """Its node leaves in order, and does not begin again before the fault is over."""

    @property
    def is_alive(self) -> bool:
        """Whether a process lives here."""
        return self.machine is not None and self.machine.is_alive


class NodesProcess:
    """One life of a region of many nodes."""

    def __init__(self, ground: Ground, others: dict[str, Any], store: StoreHost) -> None:
        self.ground = ground
        self.slices = ground.scenario.slices
        self._others = others
        self.store = store
        self._places = [
            _Place(f"{ground.name}{INSIDE}{number}", number)
            for number in range(1, ground.scenario.nodes + 1)
        ]
        self._balancer = Balancer(ground.machine, ground.name, [p.name for p in self._places])
        self._tasks: list[asyncio.Task[Any]] = []
        self._dead: list[Any] = []
        """Kept until the run is over, so that nothing of a dead node is closed, and runs."""

    # ---- nodes -------------------------------------------------------------------------------

    def _boot(self, place: _Place) -> Machine:
        """A new machine for a node; nothing runs on it yet."""
        ground = self.ground
        machine = place.machine = new_machine(
            place.name, ground.machine.scheduler, ground.network,
            rate=1 + ground.random.uniform(-1, 1) * ground.scenario.drift,
            start_s=ground.random.uniform(100, 10_000),
        )  # fmt: skip
        machine.failures, machine.at_end = ground.machine.failures, ground.machine.at_end
        ground.network.plug(place.name, machine)
        return machine

    async def _begin(self, place: _Place) -> None:
        """On its machine: make the node and let it start."""
        ground, machine = self.ground, place.machine
        assert machine is not None
        surroundings = NodeSurroundings(
            machine.wall_ms,
            ground.random,
            ground.random.randbytes,
            lambda: int(machine.time() * 1000),
            lambda settings: SimRedis(settings, self.store, machine, place.cuts),
            partial(open_lines, machine, ground.name),
            lambda: SimConnector(machine, place.name),
        )
        node = SimNode(read_config(ground, ground.members, place.name), surroundings)
        node.process = self
        await node.start()
        place.node = node

    async def _on(self, machine: Machine, work: Coroutine[Any, Any, Any]) -> None:
        """Let another machine do something, and wait for it here."""
        here = self.ground.machine
        done = here.create_future()

        def ended(task: "asyncio.Task[Any]") -> None:
            here.call_soon(settle, task)

        def settle(task: "asyncio.Task[Any]") -> None:
            if done.done() or task.cancelled():
                return
            if (error := task.exception()) is not None:
                done.set_exception(error)
            else:
                done.set_result(None)

        def begin() -> None:
            task = machine.create_task(work)
            self._tasks.append(task)
            task.add_done_callback(ended)

        machine.call_soon(begin)
        await done

    def listen(self, made: Made) -> None:
        """A node has made a slice."""
        Tap(self.ground, made.region, self._others)

    def kill_node(self, number: int) -> None:
        """A node dies at once."""
        place = self._place(number)
        if not place.is_alive:
            return
        assert place.machine is not None
        place.machine.kill()
        self._dead += [place.machine, place.node]
        self.ground.network.unplug(place.name, power=False)
        self.ground.network.hang_up(place.machine)
        place.node = None

    def start_node(self, number: int) -> None:
        """A node begins again, now or when the one that lives there has left."""
        place = self._place(number)
        place.is_stopping = False
        if not place.is_alive and self.ground.machine.is_alive:
            machine = self._boot(place)
            machine.call_soon(
                lambda: self._tasks.append(machine.create_task(self._begin(place), name="start"))
            )

    def stop_node(self, number: int) -> None:
        """A node is told to stop, and leaves in order."""
        place = self._place(number)
        machine, node = place.machine, place.node
        if machine is None or node is None or not machine.is_alive:
            return

        async def stop() -> None:
            node.drain()
            await asyncio.sleep(1)
            await node.stop()
            if machine.is_alive:
                self.kill_node(number)
                if not place.is_stopping:
                    self.start_node(number)

        place.is_stopping = True
        machine.call_soon(lambda: self._tasks.append(machine.create_task(stop(), name="stop")))

    def pause_node(self, number: int) -> None:
        """A node stands still."""
        machine = self._place(number).machine
        if machine is not None:
            machine.pause()

    def resume_node(self, number: int) -> None:
        """It goes on."""
        machine = self._place(number).machine
        if machine is not None:
            machine.resume()

    def cuts_of(self, number: int) -> list[float]:
        """Faults on a node's line to the store."""
        return self._place(number).cuts

    def _place(self, number: int) -> _Place:
        return self._places[number - 1]

    # ---- what is asked of it -----------------------------------------------------------------

    def owners(self, number: int) -> list[Region]:
        """Who may decide for a slice now, by what nodes know: one, for moments none."""
        found = []
        for place in self._places:
            node = place.node
            if node is not None and place.is_alive and node._duties.runs(number):
                found += [part.region for part in node._parts if part.number == number]
        return found

    def regions_for(self, account: str) -> list[Region]:
        """Who may decide for an account now."""
        return self.owners(slice_of_account(account, self.slices))

    # ---- Process -----------------------------------------------------------------------------

    async def start(self) -> None:
        """All nodes at once, then the balancer."""
        machines = [self._boot(place) for place in self._places]
        begun = [
            self._on(machine, self._begin(place))
            for machine, place in zip(machines, self._places, strict=True)
        ]
        await asyncio.gather(*begun)
        for port in (EDGE_PORT, MESH_PORT):
            await self._balancer.listen(port)

    async def stop(self) -> None:
        """All nodes in order."""
        living = [place for place in self._places if place.is_alive and place.node is not None]
        await asyncio.gather(*(self._on(p.machine, p.node.stop()) for p in living))  # type: ignore[arg-type,union-attr]
        self.killed()

    def drain(self) -> None:
        """All nodes are told to stop."""
        for place in self._places:
            if place.node is not None and place.machine is not None and place.is_alive:
                place.machine.call_soon(place.node.drain)

    def drain_for(self, for_ms: int | None) -> bool:  # noqa: ARG002 - no fault asks for it
        """Not for regions of many nodes."""
        return False

    def undrain(self) -> None:
        """Not for regions of many nodes."""

    def reload(self, members: tuple[str, ...]) -> None:
        """Not for regions of many nodes."""

    def killed(self) -> None:
        """All nodes die."""
        for place in self._places:
            self.kill_node(place.number)

    def probe(self) -> None:
        """Write down what the slices say of themselves, added up."""
        slices = [r for n in range(self.slices) for r in self.owners(n)[:1]]
        all_ = [region.status() for region in slices]
        counters: dict[str, int] = {}
        for status in all_:
            for name, count in status.counters.items():
                counters[name] = counters.get(name, 0) + count
        self.ground.history.probes.append(
            Probe(
                self.ground.machine.scheduler.now_us, self.ground.name,
                sum(s.sessions for s in all_), sum(s.sessions_known for s in all_),
                sum(s.overdraft for s in all_), sum(s.grants_held for s in all_),
                sum(s.grants_lent for s in all_), counters,
            )
        )  # fmt: skip
