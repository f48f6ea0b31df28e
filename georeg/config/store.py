"""Reads `[store]`: a region of many nodes, and the Redis that they share.

Without it a region is one process with a journal of its own. All regions of a cluster have the same
number of slices; the rest is each region's. Only the host is each node's own, and it may come from
the environment, so that all nodes of a region share one file.
"""

import re
from dataclasses import replace
from typing import Final
from urllib.parse import urlsplit

from crdt.dots import SHARDS
from georeg.config.keys import WAYS, Sources
from georeg.config.mistakes import Findings
from georeg.config.model import Config, EdgeConfig, MeshConfig, OpsConfig, StoreConfig
from georeg.config.reader import Table
from georeg.store.redis import RedisSettings, UnusableRedis

SLICES: Final = 4
_SLICES_REMEDY: Final = f"1, 2, 4 .. {SHARDS}: as many as there will ever be nodes, or more"
_NODE: Final = r"[A-Za-z0-9_.-]{1,64}"
_URL: Final = r"(https?|wss?)://[A-Za-z0-9.:\[\]_-]+"
_HOST: Final = re.compile(r"[A-Za-z0-9._-]{1,253}|[0-9A-Fa-f:.]{2,45}")


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
        host=_read_host(table, sources),
        edge_url=table.text("edge_url", remedy, default="", pattern=_URL),
        mesh_url=table.text("mesh_url", remedy, default="", pattern=_URL),
        ops_url=table.text("ops_url", remedy, default="", pattern=_URL),
    )
    table.finish()
    return store


def _read_host(table: Table, sources: Sources) -> str:
    """Where the other nodes find this one, by any of the ways in which a key is given; or empty."""
    ways = [f"host{way}" for way in WAYS]
    table.know(*ways)
    given = next((way for way in ways if table.has(way)), None)
    if given is None:
        return ""
    remedy = "a name or address of this node that the region's other nodes reach"
    host = sources.text(table, "host", remedy) or ""
    if host and _HOST.fullmatch(host) is None:
        table.wrong(given, f"{host!r} is no host", remedy)
    return host


def stored_in(url: str) -> StoreConfig:
    """What `--store URL` means. Raises UnusableRedis."""
    return StoreConfig(RedisSettings.parse(url), SLICES)


def with_addresses(
    store: StoreConfig, edge: EdgeConfig, mesh: MeshConfig, ops: OpsConfig | None
) -> StoreConfig:
    """The same with the addresses that were left out: the node's host, or where it listens."""
    ws = "ws" if mesh.tls is None else "wss"
    ops_url = "" if ops is None else f"http://{_reached(store, ops.host)}:{ops.port}"
    return replace(
        store,
        edge_url=store.edge_url or f"http://{_reached(store, edge.host)}:{edge.port}",
        mesh_url=store.mesh_url or f"{ws}://{_reached(store, mesh.host)}:{mesh.port}",
        ops_url=store.ops_url or ops_url,
    )


def _reached(store: StoreConfig, listening: str) -> str:
    """As it stands in a URL."""
    host = store.host or listening
    return f"[{host}]" if ":" in host else host


def check_store(config: Config, findings: Findings) -> None:
    """A node that listens on all addresses must say which of them the others shall use."""
    store = config.store
    if store is None or not findings.is_clean("store"):
        return
    for key, host in (("edge_url", config.edge.host), ("mesh_url", config.mesh.host)):
        if host in ("0.0.0.0", "::") and urlsplit(getattr(store, key)).hostname == host:  # noqa: S104
            findings.add(
                ("store", key),
                "is missing, and this node listens on all its addresses",
                "give host, or host_env: where the other nodes of this region reach this one",
            )
