"""What the demo will run: names, ports, keys and config files of its regions.

All of it lies in one directory, which the demo makes and removes. Ports of the edges are fixed, so
that a person can type them; those of the mesh are whatever is free. A port that is taken is told
before anything is started, by number and with a remedy.
"""

import errno
import json
import re
import secrets
import shutil
import socket
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from georeg.cli.demo.ports import HOST, free_ports
from georeg.cli.keygen import new_secret
from georeg.ops.keys import mint_operator_key

REGIONS_MAX = 9
"""One key of the keyboard each."""
OPS_PORT_OFFSET = 100
"""The operators' API of the region on port 7401 is on 7501."""
OPERATOR = "demo"
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?")


class PlanError(Exception):
    """The demo cannot be run like this; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class RegionPlan:
    """One region that the demo runs, or one node of it."""

    name: str
    number: int
    edge_port: int
    mesh_port: int
    directory: Path
    ops_port: int = 0
    """0: none, in clusters that are not the demo's."""
    region: str = ""
    """Of a region of many nodes: its name; `name` is the node's. Empty: the region is one process.
    """
    store: str = ""
    """Where the Redis of the region's nodes is."""

    @property
    def region_name(self) -> str:
        """The region's name."""
        return self.region or self.name

    @property
    def address(self) -> str:
        """Where its edge answers."""
        return f"http://{HOST}:{self.edge_port}"

    @property
    def ops_address(self) -> str:
        """Where its operators' API answers."""
        return f"http://{HOST}:{self.ops_port}"

    @property
    def config_file(self) -> Path:
        """Its config, written by `write_configs`."""
        return self.directory / "region.toml"

    @property
    def log_file(self) -> Path:
        """Its log, one JSON object a line."""
        return self.directory / "log.jsonl"


def region_names(text: str) -> list[str]:
    """`us,eu,ap` as a list. Raises PlanError."""
    names = [name.strip() for name in text.split(",")]
    if len(set(names)) < len(names):
        raise PlanError(f"--regions {text}: two regions have one name; give each its own")
    if not 1 <= len(names) <= REGIONS_MAX:
        raise PlanError(f"--regions {text}: give 1 to {REGIONS_MAX} names, like us,eu,ap")
    for name in names:
        if _NAME.fullmatch(name) is None:
            raise PlanError(f'--regions: "{name}" is no name; use a-z, 0-9 and -, like us,eu,ap')
    return names


def make_plan(
    names: Sequence[str], first_port: int, directory: Path, stores: Sequence[str] = (),
    nodes: int = 1,
) -> list[RegionPlan]:
    """Regions on consecutive ports. Raises PlanError when one of the ports is taken.

    `stores`: the Redis of each region, which then has so many nodes; empty: each is one process.
    """
    count = len(names) * nodes
    edge_ports = [first_port + index for index in range(count)]
    ops_ports = [port + OPS_PORT_OFFSET for port in edge_ports]
    for port in (*edge_ports, *ops_ports):
        _check_free(port, count)
    mesh_ports = free_ports(count, avoid=[*edge_ports, *ops_ports])
    plan = []
    for index, (edge, mesh, ops) in enumerate(zip(edge_ports, mesh_ports, ops_ports, strict=True)):
        number, node = divmod(index, nodes)
        region = names[number]
        name = f"{region}.{node + 1}" if stores else region
        plan.append(
            RegionPlan(
                name, number + 1, edge, mesh, directory / name, ops,
                region if stores else "", stores[number] if stores else "",
            )
        )  # fmt: skip
    return plan


def _check_free(port: int, count: int) -> None:
    """Raise PlanError unless the port can be listened on."""
    if not 1 <= port <= 65_535:
        raise PlanError(f"there is no port {port}; give --port 1024 to {65_535 - count}")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise PlanError(
                    f"port {port} is in use, perhaps by another demo. Stop what listens there "
                    f"(ss -ltnp 'sport = :{port}' shows it), or take other ports: "
                    f"georeg demo --port {port + 100 if port < 65_000 else 7401}"
                ) from None
            raise PlanError(f"port {port} cannot be used: {error.strerror}") from None



def write_configs(plan: Sequence[RegionPlan], *, heartbeat_s: float, lease_s: float | None) -> str:
    """Write every region's config file, with new keys that they share; returns the operator's."""
    cluster_key, session_key = new_secret(), new_secret()
    operator_key, operator_hash = mint_operator_key(OPERATOR, secrets.token_bytes)
    settings = f"heartbeat_s = {heartbeat_s!r}\n"
    if lease_s is not None:
        settings += f"client_lease_s = {lease_s!r}\n"
    for region in plan:
        region.directory.mkdir(mode=0o700)
        peers = _peers(region, plan)
        region.config_file.write_text(
            f'cluster = "demo"\nregion = "{region.region_name}"\nnumber = {region.number}\n'
            f'data_dir = "data"\n'
            f'\n[edge]\nhost = "{HOST}"\nport = {region.edge_port}\ndev = true\ndrain_s = 0\n'
            f'public_url = "{region.address}"\n'
            f'\n[mesh]\nhost = "{HOST}"\nport = {region.mesh_port}\n'
            f'\n[ops]\nhost = "{HOST}"\nport = {region.ops_port}\naudit_file = "audit.jsonl"\n'
            f'key_file = "operator.key"\n'
            f"{_store(region)}{peers}\n[settings]\n{settings}"
            f'\n[[keys.cluster]]\nsecret = "{cluster_key}"\n'
            f'\n[[keys.session]]\nsecret = "{session_key}"\n'
            f'\n[[keys.operator]]\nname = "{OPERATOR}"\nhash = "{operator_hash}"\n'
            f'may = "operate"\n',
            encoding="utf-8",
        )
        region.config_file.chmod(0o600)
        key_file = region.directory / "operator.key"
        key_file.touch(mode=0o600)
        key_file.write_text(operator_key + "\n", encoding="utf-8")
    return operator_key


def _peers(region: RegionPlan, plan: Sequence[RegionPlan]) -> str:
    """What a config says of the other regions; of each its first node, and where the others are."""
    nodes: dict[int, list[RegionPlan]] = {}
    for each in plan:
        nodes.setdefault(each.number, []).append(each)
    text = ""
    for number, (first, *more) in sorted(nodes.items()):
        if number == region.number:
            continue
        text += (
            f'\n[[peer]]\nname = "{first.region_name}"\nnumber = {number}\n'
            f'url = "ws://{HOST}:{first.mesh_port}"\nedge_url = "{first.address}"\n'
            f'ops_url = "{first.ops_address}"\n'
        )
        if more:
            text += f"more_urls = {[f'ws://{HOST}:{node.mesh_port}' for node in more]}\n"
    return text


def _store(region: RegionPlan) -> str:
    if not region.store:
        return ""
    return f'\n[store]\nurl = "{region.store}"\nnode = "{region.name}"\n'


def curl_example(region: RegionPlan) -> str:
    """A start of a stream, ready to paste into a shell."""
    body = {"device": {"id": "tv-1", "name": "Living room", "kind": "tv"}, "plan": "basic"}
    return (
        f"curl -s {region.address}/v1/accounts/anna/sessions "
        f"-H 'Content-Type: application/json' -d '{json.dumps(body)}'"
    )


def status_example(region: RegionPlan, operator_key: str) -> str:
    """A look at the cluster as an operator has it, ready to paste into a shell."""
    return f"{_program()} status --to {region.ops_address} --key {operator_key}"


def _program() -> str:
    """How `georeg` is called from here: by its name where PATH has it, else by its path."""
    path = Path(sys.executable).with_name("georeg")
    if shutil.which("georeg") is not None or not path.exists():
        return "georeg"
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
