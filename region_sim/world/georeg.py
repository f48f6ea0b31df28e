"""georeg in the simulated world: the real node, with its real journal on a simulated disk.

Nothing of georeg is replaced. What comes from outside anyway (config, clocks, randomness, lines to
the peers) comes from the ground; what happens inside is written down by a tap (tap.py).
"""

import tomllib
from functools import partial
from typing import Any, Final

from crdt.dots import RegionId
from crdt.errors import LocalError
from georeg.cli.runtime import Node, Surroundings
from georeg.config import Config, ConfigError
from georeg.config.lines import key_lines
from georeg.config.load import parse
from georeg.config.mistakes import Findings
from georeg.config.reader import Table
from georeg.config.settings import read_settings
from georeg.region.settings import ElectionKind, Settings
from georeg.store import SqliteJournal
from region_sim.plan.errors import PlanError
from region_sim.plan.scenario import Scenario
from region_sim.world import agreement
from region_sim.world.ground import EDGE_PORT, MESH_PORT, Ground
from region_sim.world.lines import open_lines
from region_sim.world.tap import Tap

LIMITS: Final = {"basic": 1, "standard": 2, "premium": 4}
JUMBLE_DELAY_US: Final = 400_000


def settings_text(scenario: Scenario) -> str:
    """[settings] and [plans] as an operator would write them."""
    plans = "".join(
        f'[plans.{name}]\nlimit = {limit}\non_limit = "{scenario.on_limit}"\n'
        f'excess = "{scenario.excess}"\nclones = "{scenario.clones}"\n'
        for name, limit in LIMITS.items()
    )
    settings = "".join(f"{key} = {value!r}\n" for key, value in sorted(scenario.settings.items()))
    return f"[settings]\n{settings}{plans}"


def settings_of(scenario: Scenario) -> Settings:
    """The settings that the regions of a scenario have. Raises PlanError."""
    text = settings_text(scenario)
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"settings: {error}") from None
    findings = Findings(key_lines(text))
    settings = read_settings(
        Table(values["settings"], ("settings",), findings),
        Table(values["plans"], ("plans",), findings),
    )
    if findings.mistakes:
        raise PlanError("settings: " + "; ".join(map(str, sorted(findings.mistakes))))
    return settings


def config_text(ground: Ground, members: tuple[str, ...]) -> str:
    """The config file that an operator would write for this region of a cluster of these."""
    secrets = ground.secrets
    peers = "".join(
        f'[[peer]]\nname = "{name}"\nnumber = {number}\nurl = "ws://{name}:{MESH_PORT}"\n'
        f'edge_url = "http://{name}:{EDGE_PORT}"\n'
        for number, name in enumerate(ground.regions, start=1)
        if name != ground.name and name in members
    )
    former = "".join(
        f"{name} = {number}\n"
        for number, name in enumerate(ground.regions, start=1)
        if name != ground.name and name not in members
    )
    return (
        f'cluster = "simulated"\nregion = "{ground.name}"\nnumber = {ground.number}\n'
        f'data_dir = "data"\n[edge]\nhost = "{ground.name}"\nport = {EDGE_PORT}\n'
        f'[mesh]\nhost = "{ground.name}"\nport = {MESH_PORT}\n'
        f"protocol_max = {ground.protocol_max}\n{peers}"
        f"{settings_text(ground.scenario)}{home_text(ground.scenario)}"
        f"[former]\n{former}"
        f'[[keys.cluster]]\nsecret = "{secrets.cluster}"\n'
        f'[[keys.session]]\nsecret = "{secrets.session}"\n'
        f'[[keys.backend]]\nname = "sim"\nhash = "{secrets.backend_hash}"\n'
        f'[[keys.entitlement]]\nsecret = "{secrets.entitlement}"\n'
    )


def home_text(scenario: Scenario) -> str:
    """[home]; where its locks are is for the world to know."""
    url = 'lock_url = "redis://locks"\n' if scenario.election == ElectionKind.FENCED else ""
    return f'[home]\nelection = "{scenario.election}"\n{url}'


def read_config(ground: Ground, members: tuple[str, ...]) -> Config:
    """That file, read as georeg reads it. Raises PlanError for settings that do not fit."""
    file = ground.directory / "region.toml"
    try:
        return parse(config_text(ground, members).encode(), file, {})
    except ConfigError as error:
        raise PlanError(f"the scenario's settings do not make a config: {error}") from None


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
    """One life of a region of georeg."""

    def __init__(self, ground: Ground, others: dict[str, "GeoregProcess"]) -> None:
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
        self.tap = self.node.tap = Tap(ground, self.node, others)
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
        self._living: dict[str, GeoregProcess] = {}

    def process(self, ground: Ground) -> GeoregProcess:
        """A new life of a region."""
        process = GeoregProcess(ground, self._living)
        self._living[ground.name] = process
        return process

    def heads(self, processes: dict[str, Any]) -> agreement.Heads:
        """How far the regions have written."""
        return agreement.heads({name: p.node.region for name, p in processes.items()})

    def behind(self, heads: agreement.Heads, processes: dict[str, Any]) -> list[str]:
        """Which region has not heard what had been written then."""
        return agreement.behind(heads, {name: p.node.region for name, p in processes.items()})

    def disagreements(self, processes: dict[str, Any]) -> list[str]:
        """Where the regions do not hold the same."""
        return agreement.disagreements({name: p.node.region for name, p in processes.items()})

    def leftovers(self, processes: dict[str, Any]) -> list[str]:
        """What is left although everybody has gone."""
        return agreement.leftovers({name: p.node.region for name, p in processes.items()})
