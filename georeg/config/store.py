"""Reads `[store]`: a region of many nodes, and the Redis that they share.

Without it a region is one process with a journal of its own. All regions of a cluster have the same
number of slices; the rest is each region's, and the addresses each node's own.
"""

from dataclasses import replace
from typing import Final

from crdt.dots import SHARDS
from georeg.config.keys import Sources
from georeg.config.mistakes import Findings
from georeg.config.model import Config, EdgeConfig, MeshConfig, OpsConfig, StoreConfig
from georeg.config.reader import Table
from georeg.store.redis import RedisSettings, UnusableRedis

SLICES: Final = 4
_SLICES_REMEDY: Final = f"1, 2, 4 .. {SHARDS}: as many as there will ever be nodes, or more"
_NODE: Final = r"[A-Za-z0-9_.-]{1,64}"
_URL: Final = r"(https?|wss?)://[A-Za-z0-9.:\[\]_-]+"


def read_store(top: Table, sources: Sources) -> StoreConfig | None:
    """The store of the region; None without `[store]`."""
    table = top.table("store", 'write it as [store] with url = "redis://host:6379"')
    if not top.has("store"):
        return None
    url = table.text("url", "where the region's Redis is")
    files = {}
    for key in ("password_file", "ca_file"):
        text = table.text(key, "a file, or leave it out", default="")
        files[key] = sources.path(text) if text else None
    prefix = table.text("prefix", "in front of all keys", default="georeg")
    slices = table.whole("slices", 1, SHARDS, _SLICES_REMEDY, default=SLICES)
    if SHARDS % slices:
        table.wrong("slices", f"{slices} does not divide {SHARDS}", _SLICES_REMEDY)
    redis = RedisSettings.parse("redis://127.0.0.1")
    try:
        if url:
            redis = RedisSettings.parse(
                url, prefix=prefix, password_file=files["password_file"], ca_file=files["ca_file"]
            )
    except UnusableRedis as error:
        table.wrong("url", str(error), "write redis://host:6379")
    remedy = "where the other nodes of this region reach this one; without a path"
    store = StoreConfig(
        redis,
        slices,
        node=table.text("node", "1 to 64 of A-Z a-z 0-9 _ . -", default="", pattern=_NODE),
        edge_url=table.text("edge_url", remedy, default="", pattern=_URL),
        mesh_url=table.text("mesh_url", remedy, default="", pattern=_URL),
        ops_url=table.text("ops_url", remedy, default="", pattern=_URL),
    )
    table.finish()
    return store


def stored_in(url: str) -> StoreConfig:
    """What `--store URL` means. Raises UnusableRedis."""
    return StoreConfig(RedisSettings.parse(url), SLICES)


def with_addresses(
    store: StoreConfig, edge: EdgeConfig, mesh: MeshConfig, ops: OpsConfig | None
) -> StoreConfig:
    """The same with the addresses that were left out: where the node listens."""
    ws = "ws" if mesh.tls is None else "wss"
    return replace(
        store,
        edge_url=store.edge_url or f"http://{edge.host}:{edge.port}",
        mesh_url=store.mesh_url or f"{ws}://{mesh.host}:{mesh.port}",
        ops_url=store.ops_url or ("" if ops is None else f"http://{ops.host}:{ops.port}"),
    )


def check_store(config: Config, findings: Findings) -> None:
    """A node that listens on all addresses must say which of them the others shall use."""
    store = config.store
    if store is None or not findings.is_clean("store"):
        return
    for key, host in (("edge_url", config.edge.host), ("mesh_url", config.mesh.host)):
        if host in ("0.0.0.0", "::") and f"//{host}:" in getattr(store, key):  # noqa: S104
            findings.add(
                ("store", key),
                "is missing, and this node listens on all its addresses",
                "give the address at which the other nodes of this region reach this one",
            )
