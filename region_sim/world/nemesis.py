"""Puts the faults of a plan on the simulated world, and takes them away again.

Invariant: every fault undoes exactly what it did, so that overlapping ones leave nothing behind;
`heal` ends those that still run.
"""

from collections.abc import Callable
from functools import partial

from crdt.versions import NEWEST, OLDEST
from region_sim.history import FaultEvent
from region_sim.kernel.links import Link
from region_sim.nodes.process import NodesProcess
from region_sim.plan.faults import Fault, FaultKind
from region_sim.world.operator import Operator
from region_sim.world.town import PLACE
from region_sim.world.world import World

Undo = Callable[[], None]


def _add(amounts: list[list[float]], amount: float) -> Undo:
    """One more fault of its kind on each link."""
    for of_link in amounts:
        of_link.append(amount)

    def undo() -> None:
        for of_link in amounts:
            of_link.remove(amount)

    return undo


class Nemesis:
    """The faults of one run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._operator = Operator(world)
        self._running: dict[int, Undo] = {}
        self._faults: list[Fault] = []
        self._is_over = False

    def plan(self, faults: tuple[Fault, ...]) -> None:
        """Let them happen at their times."""
        for fault in faults:
            number = len(self._faults)
            self._faults.append(fault)
            self._world.at(fault.at_s, partial(self.begin, number))
            self._world.at(fault.end_s, partial(self.end, number))

    def inject(self, fault: Fault) -> int:
        """Begin a fault now; returns its number, for `end`."""
        self._faults.append(fault)
        self.begin(len(self._faults) - 1)
        return len(self._faults) - 1

    def begin(self, number: int) -> None:
        """One fault begins, unless everything has been healed for good."""
        if self._is_over:
            return
        fault = self._faults[number]
        self._tell(number, is_begin=True)
        self._running[number] = getattr(self, f"_{fault.kind.value}")(fault)

    def end(self, number: int) -> None:
        """One fault is over; harmless when it is already."""
        undo = self._running.pop(number, None)
        if undo is not None:
            undo()
            self._tell(number, is_begin=False)

    def heal(self) -> None:
        """Every fault is over, and those that are still to come do not."""
        self._is_over = True
        for number in list(self._running):
            self.end(number)

    def _tell(self, number: int, *, is_begin: bool) -> None:
        fault, world = self._faults[number], self._world
        world.history.faults.append(
            FaultEvent(
                world.now_us, number, fault.kind.value, is_begin, fault.regions, fault.links,
                fault.how, int(fault.amount) if fault.kind is FaultKind.NODE else 0,
            )
        )  # fmt: skip
        world.trace.change(world.now_us, f"fault {number} {is_begin} {fault.describe()}")

    def _links(self, fault: Fault) -> list[Link]:
        return [self._world.network.link(a, b) for a, b in fault.links]

    # ---- links -------------------------------------------------------------------------------

    def _cut(self, fault: Fault) -> Undo:
        return self._block(self._links(fault), fault.how)

    def _line(self, fault: Fault) -> Undo:
        network = self._world.network
        links = [
            link
            for region in fault.regions
            for link in (network.link(PLACE + region, region), network.link(region, PLACE + region))
        ]
        return self._block(links, fault.how)

    @staticmethod
    def _block(links: list[Link], how: str) -> Undo:
        what = "rejects" if how == "reject" else "drops"

        def change(by: int) -> None:
            for link in links:
                setattr(link, what, getattr(link, what) + by)

        change(1)
        return lambda: change(-1)

    def _lag(self, fault: Fault) -> Undo:
        links, more_us = self._links(fault), int(fault.amount * 1e6)

        def change(by_us: int) -> None:
            for link in links:
                link.lag_us += by_us

        change(more_us)
        return lambda: change(-more_us)

    def _loss(self, fault: Fault) -> Undo:
        return _add([link.losses for link in self._links(fault)], fault.amount)

    def _narrow(self, fault: Fault) -> Undo:
        links = self._links(fault)
        remove = _add([link.narrows for link in links], fault.amount)

        def undo() -> None:
            remove()
            for link in links:
                link.widen()

        return undo

    def _stall(self, fault: Fault) -> Undo:
        links = self._links(fault)
        for link in links:
            link.stalls += 1

        def undo() -> None:
            for link in links:
                link.unstall()

        return undo

    def _jumble(self, fault: Fault) -> Undo:
        jumbled = self._world.chaos.jumbled
        for pair in fault.links:
            jumbled[pair] = fault.amount

        def undo() -> None:
            for pair in fault.links:
                jumbled.pop(pair, None)

        return undo

    def _late(self, fault: Fault) -> Undo:
        late_us = self._world.chaos.late_us
        for pair in fault.links:
            late_us[pair] = int(fault.amount * 1e6)

        def undo() -> None:
            for pair in fault.links:
                late_us.pop(pair, None)

        return undo

    # ---- regions -----------------------------------------------------------------------------

    def _kill(self, fault: Fault) -> Undo:
        for region in fault.regions:
            self._world.kill(region, fault.how)

        def undo() -> None:
            for region in fault.regions:
                self._world.revive(region)

        return undo

    def _drain(self, fault: Fault) -> Undo:
        if fault.how == "stop":
            return self._restart(fault)
        for region in fault.regions:
            self._operator.drain_for(region, fault.for_s / 2 if fault.how == "expire" else None)

        def undo() -> None:
            for region in fault.regions:
                self._operator.undrain(region)

        return undo

    def _restart(self, fault: Fault) -> Undo:
        for region in fault.regions:
            self._world.drain(region)

        def undo() -> None:
            for region in fault.regions:
                self._world.revive(region)

        return undo

    def _upgrade(self, fault: Fault) -> Undo:
        for region in fault.regions:
            self._world.slot(region).protocol_max = OLDEST if fault.how == "old" else NEWEST
        return self._restart(fault)

    def _leave(self, fault: Fault) -> Undo:
        for region in fault.regions:
            self._operator.leave(region)

        def undo() -> None:
            for region in fault.regions:
                self._operator.join(region)

        return undo

    def _pause(self, fault: Fault) -> Undo:
        for region in fault.regions:
            self._world.pause(region)

        def undo() -> None:
            for region in fault.regions:
                self._world.resume(region)

        return undo

    def _drift(self, fault: Fault) -> Undo:
        undo = _add([self._world.slot(region).drifts for region in fault.regions], fault.amount)

        def tell() -> None:
            for region in fault.regions:
                self._world.set_rate(region)

        def back() -> None:
            undo()
            tell()

        tell()
        return back

    def _jump(self, fault: Fault) -> Undo:
        def change(by_ms: int) -> None:
            for region in fault.regions:
                self._world.jump(region, by_ms)

        by_ms = int(fault.amount * 1000)
        change(by_ms)
        return lambda: change(-by_ms)

    def _locks(self, fault: Fault) -> Undo:
        cuts = [self._world.slot(region).lock_cut for region in fault.regions]

        def change(by: int) -> None:
            for cut in cuts:
                if fault.how == "reject":
                    cut.rejects += by
                else:
                    cut.drops += by

        change(1)
        return lambda: change(-1)

    # ---- inside a region of many nodes -------------------------------------------------------

    def _node(self, fault: Fault) -> Undo:
        number = int(fault.amount)
        processes = [self._nodes(region) for region in fault.regions]
        if fault.how == "cut":
            return _add([process.cuts_of(number) for process in processes], 1.0)
        begin, undo = {
            "kill": (NodesProcess.kill_node, NodesProcess.start_node),
            "pause": (NodesProcess.pause_node, NodesProcess.resume_node),
            "stop": (NodesProcess.stop_node, NodesProcess.start_node),
        }[fault.how]
        for process in processes:
            begin(process, number)

        def end() -> None:
            for process in processes:
                undo(process, number)

        return end

    def _store(self, fault: Fault) -> Undo:
        stores = [self._nodes(region).store for region in fault.regions]
        what = "hangs" if fault.how == "hang" else "downs"

        def change(by: int) -> None:
            for store in stores:
                setattr(store, what, getattr(store, what) + by)

        def end() -> None:
            for store in stores:
                if fault.how == "failover":
                    store.fail_over()
                elif fault.how == "lost":
                    store.lose()
            change(-1)

        change(1)
        return end

    def _nodes(self, region: str) -> NodesProcess:
        process = self._world.slot(region).process
        assert isinstance(process, NodesProcess), "the plan was checked"
        return process

    def _disk(self, fault: Fault) -> Undo:
        disks = [self._world.slot(region).disk for region in fault.regions]
        if fault.how == "full":
            refusals = [disk.refusals for disk in disks]
            return _add(refusals, 1.0)
        return _add([disk.syncs_s for disk in disks], fault.amount)
