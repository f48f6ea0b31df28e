"""Reads one region's config file: complete and checked, or every mistake at once.

The file is TOML. Nothing in it is optional that a wrong guess could make unsafe, and an unknown key
is refused, since a misspelt setting that is silently ignored is found out in production.
"""

import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from crdt.dots import REGION_MAX, RegionId
from crdt.versions import NEWEST, OLDEST
from georeg.config.check import check_places, check_public_urls, check_regions
from georeg.config.explain import read_explain
from georeg.config.home import check_home, read_home
from georeg.config.keys import Sources, read_keys
from georeg.config.lines import key_lines
from georeg.config.mistakes import ConfigError, Findings, Mistake
from georeg.config.model import Config, EdgeConfig, LogLevel, MeshConfig, PeerConfig, TlsFiles
from georeg.config.ops import check_ops, read_operators, read_ops, read_ops_url
from georeg.config.reader import Table
from georeg.config.settings import read_settings
from georeg.config.shadow import read_shadow
from georeg.config.store import check_store, read_store, with_addresses

FILE_BYTES_MAX = 256 * 1024
DRAIN_S = 5.0
"""Balancers usually look at readiness every 1 to 5 s."""
_NAME = r"[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?"
_NAME_REMEDY = "1 to 32 of a-z, 0-9 and -, not at the ends"
_NUMBER_REMEDY = f"1 to {REGION_MAX}, never changed or given to another region: ids hold it"
_PORT_REMEDY = "a port, 1 to 65535"
_PROTOCOL_REMEDY = f"{OLDEST} to {NEWEST}, or leave it out: what both sides know is spoken"
_HOST = r"[A-Za-z0-9.:_-]{1,255}"
_HOST_REMEDY = 'an address to listen on: "127.0.0.1", or "0.0.0.0" for all'


def load(file: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """The config that a file holds. Raises ConfigError with all mistakes, OSError if unreadable."""
    raw = file.read_bytes()
    if len(raw) > FILE_BYTES_MAX:
        message = f"has {len(raw)} bytes, more than a config ever needs"
        raise ConfigError(str(file), [Mistake(1, "", message, "is it the right file?")])
    return parse(raw, file, environment)


def parse(raw: bytes, file: Path, environment: Mapping[str, str]) -> Config:
    """The config that these bytes of a file hold. Raises ConfigError with all mistakes."""
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        mistake = Mistake(line, "", "is not UTF-8", "save the file as UTF-8")
        raise ConfigError(str(file), [mistake]) from None
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(str(file), [_syntax_mistake(error, text)]) from None
    findings = Findings(key_lines(text))
    config = _read(Table(values, (), findings), file, environment)
    if findings.mistakes:
        raise ConfigError(str(file), sorted(findings.mistakes))
    return config


def _syntax_mistake(error: tomllib.TOMLDecodeError, text: str) -> Mistake:
    place = re.search(r"\(at line (\d+), column \d+\)", str(error))
    line = int(place.group(1)) if place else text.count("\n") + 1
    message = str(error).split(" (at ")[0]
    remedy = 'the file is TOML: [table], name = "text", name = 1; texts need quotes'
    return Mistake(line, "", message, remedy)


def _read(top: Table, file: Path, environment: Mapping[str, str]) -> Config:
    sources = Sources(file.parent, environment)
    cluster = top.text("cluster", _NAME_REMEDY, pattern=_NAME)
    name = top.text("region", _NAME_REMEDY, pattern=_NAME)
    number = RegionId(top.whole("number", 1, REGION_MAX, _NUMBER_REMEDY))
    data_dir = top.text("data_dir", "a directory for what must survive a crash")
    log_level = top.choice(
        "log_level", LogLevel, "debug, info, warning or error", default=LogLevel.INFO
    )
    edge = _read_edge(top.table("edge", "add [edge] with host and port", required=True))
    mesh = _read_mesh(top.table("mesh", "add [mesh] with host and port", required=True), sources)
    peers = tuple(
        _read_peer(table)
        for table in top.tables("peer", "write each as [[peer]]", at_most=REGION_MAX - 1)
    )
    settings = read_settings(
        top.table("settings", "write it as [settings]"),
        top.table("plans", "write each as [plans.NAME]"),
    )
    ops = read_ops(top, sources)
    store = read_store(top, sources)
    if store is not None:
        store = with_addresses(store, edge, mesh, ops)
    table = top.table("keys", "make keys with: georeg keygen all", required=True)
    operators = read_operators(table, sources)
    keys = read_keys(table, sources, is_dev=edge.dev, operators=operators)
    former = _read_former(top.table("former", "write it as [former] with ap = 3"))
    home, explain, shadow = read_home(top, sources), read_explain(top), read_shadow(top, settings)
    top.finish()
    config = Config(
        file,
        cluster,
        name,
        number,
        sources.path(data_dir),
        log_level,
        edge,
        mesh,
        peers,
        replace(settings, election=home.election, lock_ttl_ms=home.lock_ttl_ms),
        keys,
        former,
        ops,
        home,
        explain,
        shadow,
        store,
    )
    check_regions(config, top.findings)
    check_public_urls(config, top.findings)
    check_places(config, top.findings)
    check_ops(config, top.findings)
    check_home(config, top.findings)
    check_store(config, top.findings)
    return config


def _read_former(table: Table) -> dict[RegionId, str]:
    """Regions that were removed: `ap = 3`."""
    former = {}
    names = table.keys()
    for name in names:
        number = RegionId(table.whole(name, 1, REGION_MAX, "the number that the region had"))
        if re.fullmatch(_NAME, name) is None:
            table.wrong(name, "is not a region's name", _NAME_REMEDY)
        former[number] = name
    table.finish()
    return former


def _read_edge(table: Table) -> EdgeConfig:
    drain_s = table.number(
        "drain_s", 0, 300, f"give 0 to 300 seconds, or leave it out: {DRAIN_S:g}"
    )
    edge = EdgeConfig(
        host=table.text("host", _HOST_REMEDY, pattern=_HOST),
        port=table.whole("port", 1, 65_535, _PORT_REMEDY),
        dev=table.flag("dev", "true only for trying out, on loopback", default=False),
        cors_origins=table.texts(
            "cors_origins",
            'origins as browsers send them, "https://tv.example", or "*" alone',
            lambda origin: re.fullmatch(r"\*|https?://[a-z0-9.:\[\]-]+", origin) is not None,
        ),
        drain_s=DRAIN_S if drain_s is None else drain_s,
        public_url=_read_public_url(table, "public_url"),
    )
    if "*" in edge.cors_origins and len(edge.cors_origins) > 1:
        table.wrong("cors_origins", '"*" stands beside others', 'give "*" alone or leave it out')
    table.finish()
    return edge


def _read_public_url(table: Table, key: str) -> str:
    """Where devices reach a region, without a slash at the end; empty when it is not given."""
    remedy = 'where devices call, "https://eu.video.example", perhaps with a path; or leave it out'
    url = table.text(key, remedy, default="")
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if url and (not is_good or parts.query or parts.fragment or parts.username is not None):
        table.wrong(key, f'"{url}" is not the address of an edge', remedy)
    return url.rstrip("/")


def _read_mesh(table: Table, sources: Sources) -> MeshConfig:
    host = table.text("host", _HOST_REMEDY, pattern=_HOST)
    port = table.whole("port", 1, 65_535, _PORT_REMEDY)
    tls_keys = ("tls_cert_file", "tls_key_file", "tls_ca_file")
    given = [key for key in tls_keys if table.has(key)]
    remedy = f"TLS needs all three: {', '.join(tls_keys)}"
    paths = []
    for key in tls_keys:
        text = table.text(key, remedy, default="" if not given else None)
        path = sources.path(text)
        paths.append(path)
        if text and not path.is_file():
            table.wrong(key, f"there is no file {path}", "paths are relative to this file")
    protocol_max = NEWEST
    if table.has("protocol_max"):
        protocol_max = table.whole("protocol_max", OLDEST, NEWEST, _PROTOCOL_REMEDY)
    table.finish()
    return MeshConfig(host, port, TlsFiles(*paths) if given else None, protocol_max)


def _is_mesh(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("ws", "wss") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return is_good and not (parts.query or parts.fragment) and parts.path in ("", "/mesh")


def _read_peer(table: Table) -> PeerConfig:
    remedy = 'where its mesh listens, "ws://10.0.0.2:7500" or "wss://mesh.eu.example"'
    url = table.text("url", remedy)
    if url and not _is_mesh(url):
        table.wrong("url", f'"{url}" is not the address of a mesh', remedy)
    more = table.texts("more_urls", "addresses of its further nodes, like url", _is_mesh)
    peer = PeerConfig(
        name=table.text("name", _NAME_REMEDY, pattern=_NAME),
        number=RegionId(table.whole("number", 1, REGION_MAX, _NUMBER_REMEDY)),
        url=url.removesuffix("/mesh"),
        edge_url=_read_public_url(table, "edge_url"),
        ops_url=read_ops_url(table),
        more_urls=tuple(each.removesuffix("/mesh") for each in more),
    )
    table.finish()
    return peer
