"""One slice of a region of many nodes, put together from a config: its rules and its links.

Invariant: it is not begun here; it begins and ends with its node's duty for it (nodes/runner.py).
"""

from dataclasses import replace
from ssl import SSLContext

from crdt.dots import RegionId
from georeg.cli import parts as made_of
from georeg.cli.surroundings import NodeSurroundings
from georeg.config import Config
from georeg.mesh import Identity, MeshNode, MeshSettings
from georeg.mesh.door import Door
from georeg.mesh.slices import Slice
from georeg.nodes.runner import JOIN_MS, Made
from georeg.region.ports import Clock, Journal
from georeg.region.region import Region


def make_slice(
    config: Config,
    slice_: Slice,
    journal: Journal,
    clock: Clock,
    outside: NodeSurroundings,
    *,
    settings: MeshSettings,
    tls: SSLContext | None,
    door: Door,
) -> Made:
    """A slice that has not begun. `tls`: to dial other regions. `door`: the node's port."""

    def heard(peer: RegionId, payload: bytes, version: int) -> None:
        region.receive(peer, payload, version)

    def up(peer: RegionId, version: int) -> None:
        region.peer_up(peer, version)
        region.tenure.peer_up(peer)

    mesh = MeshNode(
        identity=Identity(config.cluster, config.number, config.name, slice_),
        keys=config.keys.cluster,
        peers=made_of.peers(config),
        listen_host=config.mesh.host,
        listen_port=config.mesh.port,
        settings=settings,
        on_message=heard,
        on_up=up,
        on_down=lambda peer: region.peer_down(peer),
        random=outside.random,
        token_bytes=outside.token_bytes,
        client_tls=tls,
        session_factory=outside.open_session,
        door=door,
    )
    join_ms = config.settings.join_ms
    if journal.incarnation():
        join_ms = min(JOIN_MS, join_ms)
    region = Region(
        config.number, made_of.names(config), replace(config.settings, join_ms=join_ms),
        clock, mesh, journal, outside.random, former=config.former,
    )  # fmt: skip
    region.report.decisions.configure(config.explain)
    region.report.shadow.configure(config.shadow)
    return Made(region, mesh)
