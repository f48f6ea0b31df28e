"""georeg in the simulated world: the real node, with its real journal on a simulated disk.

Nothing of georeg is replaced. What comes from outside anyway (config, clocks, randomness, lines to
the peers) comes from the ground; what happens inside is written down by a tap (tap.py).
"""

from functools import partial
from typing import Any, Final, TypeAlias

from crdt.dots import RegionId
from crdt.errors import LocalError
from georeg.cli.runtime import Node, Surroundings
from georeg.region.region import Region
from georeg.store import SqliteJournal
from region_sim.nodes.process import NodesProcess
from region_sim.nodes.store import StoreHost, store_of
from region_sim.world import agreement
from region_sim.world.config import read_config
from region_sim.world.ground import Ground
from region_sim.world.lines import open_lines
from region_sim.world.tap import Tap

JUMBLE_DELAY_US: Final = 400_000
AnyProcess: TypeAlias = "GeoregProcess | NodesProcess"


class GeoregNode(Node):
    """The real node, with what may go wrong with messages above TCP."""

    ground: Ground
    tap: Tap

    def _on_message(self, peer: RegionId, payload: bytes, version: int) -> None:
        source = self.ground.regions[peer - 1]
        chaos, machine = self.ground.chaos, self.ground.machine
        late_us = chaos.late_us.get((source, self.ground.name), 0)
        if late_us:
            at_us = machine.scheduler.now_us + int(chaos.random.random() * late_us)
            machine.call_true(at_us, self._deliver, peer, source, payload, version)
            return
        share = chaos.jumbled.get((source, self.ground.name), 0.0)
        if share and chaos.random.random() < share:
            delay_us = int(chaos.random.random() * JUMBLE_DELAY_US)
            is_doubled = chaos.random.random() < 0.5
            at_us = machine.scheduler.now_us + delay_us
            machine.call_true(at_us, self._deliver, peer, source, payload, version)
            if not is_doubled:
                return
        self._deliver(peer, source, payload, version)

    def _deliver(self, peer: RegionId, source: str, payload: bytes, version: int) -> None:
        self.tap.arrived(source, payload)
        super()._on_message(peer, payload, version)


class GeoregProcess:
    """One life of a region of georeg in one process."""

    slices = 1

    def __init__(self, ground: Ground, others: dict[str, Any]) -> None:
        data = ground.directory / "data"
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        machine = ground.machine
        # The simulated disk says what is durable and when; the real one need not sync.
        self.journal = SqliteJournal(
            data / "journal.sqlite3", lambda: machine.wall_ms() // 1000, is_synced=False
        )
        surroundings = Surroundings(
            machine.wall_ms, ground.random, ground.random.randbytes, self.journal,
            partial(open_lines, machine, ground.name), ground.locks,
        )  # fmt: skip
        self.node = GeoregNode(read_config(ground, ground.members), surroundings)
        self.ground = self.node.ground = ground
        self.tap = self.node.tap = Tap(ground, self.node.region, others)
        if ground.chaos.keeps_frames:
            self.tap.keep_frames(self.node)
        self._members: tuple[str, ...] | None = None
        """What its config says that it has not read yet."""

    async def start(self) -> None:
        """Join the cluster, then take calls."""
        await self.node.start()

    async def stop(self) -> None:
        """As after SIGTERM."""
        await self.node.stop()
        self.journal.close()

    def drain(self) -> None:
        """Take no more starts: it will be stopped soon."""
        self.node.drain()

    def drain_for(self, for_ms: int | None) -> bool:
        """As its operator does it; it refuses where nobody else would admit."""
        try:
            self.node.region.drain.begin(for_ms)
        except LocalError:
            return False
        return True

    def undrain(self) -> None:
        """Take starts again."""
        self.node.region.drain.end()

    def reload(self, members: tuple[str, ...]) -> None:
        """As after SIGHUP; one that is still joining is told again a moment later."""
        is_waiting, self._members = self._members is not None, members
        if not is_waiting:
            self._reload()

    def _reload(self) -> None:
        if not self.node.region.joined:
            self.ground.machine.call_later(1.0, self._reload)
            return
        members, self._members = self._members, None
        assert members is not None
        self.node.reload(read_config(self.ground, members))

    def regions_for(self, account: str) -> list[Region]:  # noqa: ARG002 - all are here
        """Who may decide for an account now."""
        return [self.node.region]

    def owners(self, number: int) -> list[Region]:  # noqa: ARG002 - there is one slice
        """Who may decide for a slice now."""
        return [self.node.region]

    def probe(self) -> None:
        """Write down what the region says of itself."""
        self.tap.probe()

    def killed(self) -> None:
        """Close the journal's file without writing anything to it."""
        self.journal._file.close()


class Georeg:
    """georeg as the system that is simulated."""

    name = "georeg"

    def __init__(self) -> None:
        self._living: dict[str, AnyProcess] = {}
        self._stores: dict[str, StoreHost] = {}

    def process(self, ground: Ground) -> AnyProcess:
        """A new life of a region."""
        process: AnyProcess
        if ground.scenario.nodes > 1:
            process = NodesProcess(ground, self._living, self._store(ground))
        else:
            process = GeoregProcess(ground, self._living)
        self._living[ground.name] = process
        return process

    def _store(self, ground: Ground) -> StoreHost:
        """The Redis of a region, which outlives its processes."""
        store = self._stores.get(ground.name)
        if store is None:
            store = self._stores[ground.name] = store_of(ground)
        return store

    def heads(self, processes: dict[str, Any]) -> list[agreement.Heads]:
        """How far the regions have written, by slice."""
        return [agreement.heads(regions) for regions in _by_slice(processes)]

    def behind(self, heads: list[agreement.Heads], processes: dict[str, Any]) -> list[str]:
        """Which region has not heard what had been written then."""
        return [
            problem
            for known, regions in zip(heads, _by_slice(processes), strict=True)
            for problem in _missing(regions, processes) or agreement.behind(known, regions)
        ]

    def disagreements(self, processes: dict[str, Any]) -> list[str]:
        """Where the regions do not hold the same."""
        return [
            problem
            for regions in _by_slice(processes)
            for problem in _missing(regions, processes) or agreement.disagreements(regions)
        ]

    def leftovers(self, processes: dict[str, Any]) -> list[str]:
        """What is left although everybody has gone."""
        return [
            problem
            for regions in _by_slice(processes)
            for problem in agreement.leftovers(regions)
        ]


def _by_slice(processes: dict[str, Any]) -> list[dict[str, Region]]:
    """For each slice the rules that run it, by region; a region in one process has one slice."""
    slices = max([p.slices for p in processes.values()], default=1)
    return [
        {name: owners[0] for name, p in sorted(processes.items()) if (owners := p.owners(number))}
        for number in range(slices)
    ]


def _missing(regions: dict[str, Region], processes: dict[str, Any]) -> list[str]:
    """In words, which region does not run a slice."""
    missing = sorted(set(processes) - set(regions))
    return [f"P7 a slice of {name} is run by nobody" for name in missing]
