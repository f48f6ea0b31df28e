"""What a live cluster runs: ports, keys and config files of its regions, all in one directory.

Calls are signed as in production (no dev mode): accounts by entitlements, backends by a key. A
region knows its peers by the proxies of its own links, never by where they really listen, so that
no message between regions can go around Toxiproxy.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Final

from georeg.cli.demo.ports import HOST, free_ports
from georeg.cli.keygen import new_secret
from georeg.edge.backends import mint_backend_key
from georeg.region.settings import Settings
from region_sim.live.links import Pair
from region_sim.plan.scenario import Scenario
from region_sim.world.config import settings_of, settings_text

BACKEND: Final = "region-sim"
DRAIN_S: Final = 1.0
"""A drained region answers for so long before it stops."""


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """One region of a live cluster."""

    name: str
    number: int
    edge_port: int
    mesh_port: int
    directory: Path

    @property
    def address(self) -> str:
        """Where its edge answers."""
        return f"http://{HOST}:{self.edge_port}"

    @property
    def config_file(self) -> Path:
        """Its config."""
        return self.directory / "region.toml"

    @property
    def log_file(self) -> Path:
        """What its processes print, one JSON object a line."""
        return self.directory / "log.jsonl"

    @property
    def data_directory(self) -> Path:
        """Its disk."""
        return self.directory / "data"


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """A whole live cluster."""

    regions: tuple[RegionPlan, ...]
    proxy_ports: dict[Pair, int]
    entitlement_key: str
    """HS256 secret by which entitlements are signed."""
    backend_key: str
    """What a backend sends."""
    settings: Settings
    """The same in all regions."""

    @property
    def proxies(self) -> dict[Pair, tuple[int, int]]:
        """Where each link's proxy listens, and where the region behind it does."""
        mesh = {region.name: region.mesh_port for region in self.regions}
        return {pair: (port, mesh[pair[1]]) for pair, port in self.proxy_ports.items()}


def write_cluster(scenario: Scenario, directory: Path) -> ClusterPlan:
    """Choose ports and keys and write all configs. Raises PlanError for settings that clash."""
    settings = settings_of(scenario)
    pairs = list(permutations(scenario.regions, 2))
    ports = free_ports(2 * len(scenario.regions) + len(pairs))
    regions = tuple(
        RegionPlan(name, number, ports.pop(), ports.pop(), directory / name)
        for number, name in enumerate(scenario.regions, start=1)
    )
    proxy_ports = {pair: ports.pop() for pair in pairs}
    entitlement_key = new_secret()
    backend_key, backend_hash = mint_backend_key(BACKEND, secrets.token_bytes)
    shared = (
        f"\n{settings_text(scenario)}"
        f'\n[[keys.cluster]]\nsecret = "{new_secret()}"\n'
        f'\n[[keys.session]]\nsecret = "{new_secret()}"\n'
        f'\n[[keys.entitlement]]\nsecret = "{entitlement_key}"\n'
        f'\n[[keys.backend]]\nname = "{BACKEND}"\nhash = "{backend_hash}"\n'
    )
    for region in regions:
        region.directory.mkdir(mode=0o700, parents=True)
        region.config_file.write_text(_own(region, regions, proxy_ports) + shared, encoding="utf-8")
        region.config_file.chmod(0o600)
    return ClusterPlan(regions, proxy_ports, entitlement_key, backend_key, settings)


def _own(region: RegionPlan, regions: Sequence[RegionPlan], proxy_ports: dict[Pair, int]) -> str:
    """The part of a config that is this region's own."""
    peers = "".join(
        f'\n[[peer]]\nname = "{peer.name}"\nnumber = {peer.number}\n'
        f'url = "ws://{HOST}:{proxy_ports[region.name, peer.name]}"\n'
        for peer in regions
        if peer is not region
    )
    return (
        f'cluster = "live"\nregion = "{region.name}"\nnumber = {region.number}\n'
        f'data_dir = "{region.data_directory.name}"\n'
        f'\n[edge]\nhost = "{HOST}"\nport = {region.edge_port}\ndrain_s = {DRAIN_S:g}\n'
        f'\n[mesh]\nhost = "{HOST}"\nport = {region.mesh_port}\n{peers}'
    )
