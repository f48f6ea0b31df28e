"""Reads what a config file says of operators: `[ops]`, `[[keys.operator]]`, a peer's `ops_url`."""

import re
from typing import Final
from urllib.parse import urlsplit

from georeg.config.check import is_loopback
from georeg.config.keys import Sources
from georeg.config.mistakes import Findings
from georeg.config.model import Config, OpsConfig
from georeg.config.reader import Table
from georeg.ops.keys import May, OperatorKey

PORT: Final = 7601
OPERATORS_MAX: Final = 256
_NAME: Final = r"[A-Za-z0-9_-]{1,64}"
_HOST: Final = r"[A-Za-z0-9.:_-]{1,255}"
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


def read_ops(top: Table, sources: Sources) -> OpsConfig | None:
    """Where operators call; None without `[ops]`: then nothing listens for them."""
    table = top.table("ops", "write it as [ops] with a port")
    if not top.has("ops"):
        return None
    paths = {}
    for key, remedy in (
        ("audit_file", "a file for the audit log, or leave it out: standard error"),
        ("key_file", "a file with an operator's key, for `georeg --config`; or leave it out"),
    ):
        text = table.text(key, remedy, default="")
        paths[key] = sources.path(text) if text else None
    ops = OpsConfig(
        host=table.text("host", 'an address to listen on: "127.0.0.1"', default="127.0.0.1",
                        pattern=_HOST),
        port=table.whole("port", 1, 65_535, "a port, 1 to 65535", default=PORT),
        audit_file=paths["audit_file"],
        key_file=paths["key_file"],
    )  # fmt: skip
    table.finish()
    return ops


def read_operators(keys: Table, sources: Sources) -> tuple[OperatorKey, ...]:
    """The keys of operators, by their hashes."""
    remedy = "make a key and its hash with: georeg keygen operator NAME"
    found: dict[str, OperatorKey] = {}
    for table in keys.tables("operator", "write it as [[keys.operator]]", at_most=OPERATORS_MAX):
        name = table.text("name", "1 to 64 of A-Z a-z 0-9 _ -", pattern=_NAME)
        if name in found:
            table.wrong("name", f'"{name}" is there twice', "give each operator a name")
        digest = sources.text(table, "hash", remedy)
        if digest is not None and _DIGEST.fullmatch(digest) is None:
            table.wrong("hash", "is not the hash of a key (64 hexadecimal digits)", remedy)
        which = "read: look at everything; operate: act as well"
        may = table.choice("may", May, which, default=May.READ)
        table.finish()
        found[name] = OperatorKey(name, digest or "", may)
    return tuple(found.values())


def read_ops_url(peer: Table) -> str:
    """Where another region's operators' API is; empty when it is not said."""
    remedy = 'where its operators call, "http://10.0.2.1:7601"'
    url = peer.text("ops_url", remedy, default="")
    try:
        parts = urlsplit(url)
        is_good = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_good = False
    if url and (not is_good or parts.query or parts.fragment or parts.path not in ("", "/")):
        peer.wrong("ops_url", f'"{url}" is not the address of an operators\' API', remedy)
    return url.rstrip("/")


def check_ops(config: Config, findings: Findings) -> None:
    """The API has a port of its own, and somebody may call it."""
    ops = config.ops
    if ops is None or not findings.is_clean("ops"):
        return
    for name, port in (("edge", config.edge.port), ("mesh", config.mesh.port)):
        if ops.port == port:
            findings.add(
                ("ops", "port"),
                f"{port} is the port of the {name} as well",
                "give operators a port of their own, which devices cannot reach",
            )
    if not config.keys.operators and findings.is_clean("keys"):
        findings.add(
            ("ops",),
            "nobody could call it: there is no [[keys.operator]]",
            "add one (georeg keygen operator NAME), or remove [ops]",
        )
    if not is_loopback(ops.host) and ops.audit_file is None:
        findings.add(
            ("ops", "host"),
            f"{ops.host} can be reached from elsewhere, and the audit log has no file",
            "give audit_file, so that what operators do is kept",
        )
