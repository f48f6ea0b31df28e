"""Where Redis is and how to reach it: one URL, and what does not belong into one.

    redis://[user[:password]@]host[:port][/database]       one server
    redis+sentinel://[...@]host[:port],host.../service     whom its sentinels name as master
    redis+cluster://[...@]host[:port],host...              a cluster, by some of its nodes

`rediss` instead of `redis` is the same over TLS. Parts are percent-encoded, IPv6 addresses stand in
brackets. A password is better kept in a file; it is in no repr, message or log.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from types import MappingProxyType
from typing import Final
from urllib.parse import unquote, urlsplit

HOW_TO_WRITE: Final = (
    "write redis://host:6379, redis+sentinel://host:26379,host:26379/service or "
    "redis+cluster://host:6379,host:6379; rediss instead of redis for TLS"
)


class UnusableRedis(ValueError):
    """What was configured cannot be used; the message says what to write, and no password."""


class Kind(Enum):
    """How many servers there are, and who says which one to write to."""

    SINGLE = ""
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


PORTS: Final[Mapping[Kind, int]] = MappingProxyType(
    {Kind.SINGLE: 6379, Kind.SENTINEL: 26379, Kind.CLUSTER: 6379}
)


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """How a node reaches the region's Redis. Made by `parse`."""

    kind: Kind
    hosts: tuple[tuple[str, int], ...]
    service: str = ""
    """The master's name among its sentinels."""
    database: int = 0
    is_tls: bool = False
    user: str = ""
    """Empty: the default user."""
    password: str = field(default="", repr=False)
    ca_file: Path | None = None
    """Certificates that are trusted, PEM; None: the system's."""
    prefix: str = "georeg"
    """In front of all keys, so that others may use the same Redis."""
    timeout_ms: int = 500
    """Longest wait for one answer. Lower: a slow Redis is trouble sooner, and retried; higher: who
    waits for a commit waits longer before it hears that there is none."""

    @classmethod
    def parse(
        cls,
        url: str,
        *,
        password_file: Path | None = None,
        ca_file: Path | None = None,
        prefix: str = "georeg",
        timeout_ms: int = 500,
    ) -> "RedisSettings":
        """Read a URL. Raises UnusableRedis for it, and for files that cannot be read."""
        parts = urlsplit(url)
        scheme, _, kind_name = parts.scheme.partition("+")
        kind = next((kind for kind in Kind if kind.value == kind_name), None)
        if scheme not in ("redis", "rediss") or kind is None:
            raise UnusableRedis(f"{parts.scheme or 'that'}: is no address of Redis; {HOW_TO_WRITE}")
        if parts.query or parts.fragment:
            raise UnusableRedis(f"an address of Redis ends before ? and #; {HOW_TO_WRITE}")
        credentials, _, hosts = parts.netloc.rpartition("@")
        user, _, password = credentials.partition(":")
        password = unquote(password)
        if password_file is not None:
            if password:
                raise UnusableRedis("a password stands in the address and in a file; keep the file")
            password = _first_line(password_file)
        if ca_file is not None and not ca_file.is_file():
            raise UnusableRedis(f"{ca_file}: there is no file with certificates")
        if not prefix or set(prefix) & set("{} \n"):
            raise UnusableRedis("the prefix of keys is not empty, without braces and blanks")
        service, database = _path(kind, unquote(parts.path.strip("/")))
        return cls(
            kind=kind,
            hosts=tuple(_host(text, PORTS[kind]) for text in hosts.split(",")),
            service=service,
            database=database,
            is_tls=scheme == "rediss",
            user=unquote(user),
            password=password,
            ca_file=ca_file,
            prefix=prefix,
            timeout_ms=timeout_ms,
        )

    def __str__(self) -> str:
        """The address for people, without user and password."""
        hosts = ",".join(f"{host}:{port}" for host, port in self.hosts)
        return f"{hosts} (master of {self.service})" if self.kind is Kind.SENTINEL else hosts


def _path(kind: Kind, path: str) -> tuple[str, int]:
    """Service and database, of which each kind has one at most."""
    if kind is Kind.SENTINEL:
        if not path or "/" in path:
            raise UnusableRedis(f"the name of the master is missing after the sentinels; "
                                f"{HOW_TO_WRITE}")  # fmt: skip
        return path, 0
    if not path:
        return "", 0
    if kind is Kind.CLUSTER:
        raise UnusableRedis("a cluster has one database only; leave out what follows the hosts")
    if not path.isascii() or not path.isdigit():
        raise UnusableRedis(f"a database is a number, not {path!r}")
    return "", int(path)


def _host(text: str, port: int) -> tuple[str, int]:
    if text.startswith("["):
        host, closing, rest = text[1:].partition("]")
        is_right = bool(closing) and (not rest or rest.startswith(":"))
        digits = rest.removeprefix(":")
    else:
        host, _, digits = text.partition(":")
        is_right = ":" not in digits
    if digits.isascii() and digits.isdigit():
        port = int(digits)
    elif digits:
        is_right = False
    if not host or not is_right or not 0 < port < 1 << 16:
        raise UnusableRedis(f"{text!r} is no host:port; {HOW_TO_WRITE}")
    return host, port


def _first_line(file: Path) -> str:
    try:
        line = file.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UnusableRedis(f"{file}: cannot read the password: {why}") from None
    if not line:
        raise UnusableRedis(f"{file}: its first line is the password, and it is empty")
    return line
