"""What a region's config file says, as values: checked, with every secret in hand.

Where the file offers three ways to give a secret (inline, from a file, from the environment), here
is only the secret. `repr` hides secrets, so that a logged config gives nothing away.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from crdt.dots import RegionId
from crdt.versions import NEWEST
from georeg.edge.jwk import VerificationKey
from georeg.ops.keys import OperatorKey
from georeg.region.decisions import Keeping
from georeg.region.settings import ElectionKind, Settings
from georeg.store.redis import RedisSettings


class LogLevel(StrEnum):
    """How much a region writes to its log."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class PeerConfig:
    """Another region of the cluster."""

    name: str
    number: RegionId
    url: str
    """Where its mesh listens: ws:// or wss://."""
    edge_url: str
    """Where devices reach it, told to them while this region drains; empty: they know it."""
    ops_url: str = ""
    """Where its operators' API is; empty: whoever asks must know it."""
    more_urls: tuple[str, ...] = ()
    """Of the meshes of its further nodes, where these are not behind one address."""


@dataclass(frozen=True, slots=True)
class EdgeConfig:
    """Where devices and backends call."""

    host: str
    port: int
    dev: bool
    """Calls of accounts and backends need no Authorization. Loopback only."""
    cors_origins: tuple[str, ...]
    drain_s: float
    """How long a stopping region goes on answering, so that balancers see that it is not ready and
    devices leave; it stops earlier when all have left. Longer than the balancers' check interval;
    0: stops at once."""
    public_url: str
    """Where devices reach this region; empty: not told."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of the mesh. All three: both sides prove themselves by certificate as well."""

    cert: Path
    key: Path
    ca: Path
    """Signs the certificates of all regions."""


@dataclass(frozen=True, slots=True)
class MeshConfig:
    """Where the other regions call."""

    host: str
    port: int
    tls: TlsFiles | None
    protocol_max: int = NEWEST
    """The highest version of the protocol that is spoken. Lower: a region that is about to go back
    to an older release says nothing already that this release would not understand."""


@dataclass(frozen=True, slots=True)
class HomeConfig:
    """Who is home of a region's accounts while it is down. The same in all regions."""

    election: ElectionKind = ElectionKind.STATIC
    locks: RedisSettings | None = None
    """Where the locks of the seats are; None: the election needs none."""
    lock_ttl_ms: int = 10_000


@dataclass(frozen=True, slots=True)
class OpsConfig:
    """Where operators call."""

    host: str
    port: int
    audit_file: Path | None
    """Where the audit log goes; None: to standard error."""
    key_file: Path | None
    """Holds an operator's key, for the commands that are given this config; the region itself does
    not read it."""


@dataclass(frozen=True, slots=True)
class StoreConfig:
    """The Redis of a region of many nodes, and this node among them."""

    redis: RedisSettings
    slices: int
    """Into how many parts the accounts are dealt; the same in all regions of the cluster."""
    node: str = ""
    """The node's name in logs; empty: the host's."""
    host: str = ""
    """Where the other nodes of the region reach this one; empty: where it listens."""
    edge_url: str = ""
    """The same for its edge, mesh and operators' API, each with its port."""
    mesh_url: str = ""
    ops_url: str = ""


@dataclass(frozen=True, slots=True)
class Keys:
    """All that this region proves itself and others by. The key rings are rotated by adding the new
    key last everywhere, then putting it first everywhere, then removing the old one."""

    cluster: tuple[bytes, ...] = field(repr=False)
    """Prove regions to one another: the first is used, all are accepted."""
    session: tuple[bytes, ...] = field(repr=False)
    """Sign session tokens: the first is used, all are accepted."""
    backends: dict[str, str] = field(repr=False)
    """API keys of backends: name -> hash, as `georeg keygen backend` prints it."""
    entitlements: tuple[VerificationKey, ...] = field(repr=False)
    jwks_urls: tuple[str, ...]
    audience: str
    """What entitlements must name as their audience; empty: they need not."""
    operators: tuple[OperatorKey, ...] = field(default=(), repr=False)


@dataclass(frozen=True, slots=True)
class Config:
    """One region's config file."""

    file: Path
    cluster: str
    name: str
    number: RegionId
    data_dir: Path
    log_level: LogLevel
    edge: EdgeConfig
    mesh: MeshConfig
    peers: tuple[PeerConfig, ...]
    settings: Settings
    keys: Keys
    former: dict[RegionId, str] = field(default_factory=dict)
    """Names of regions that were removed: ids of sessions that began there are still read."""
    ops: OpsConfig | None = None
    """None: operators have no API here."""
    home: HomeConfig = field(default_factory=HomeConfig)
    explain: Keeping = field(default_factory=Keeping)
    """How much is remembered of decisions."""
    shadow: dict[str, int] = field(default_factory=dict)
    """Plan -> a limit that is judged on live starts without effect."""
    store: StoreConfig | None = None
    """None: the region is this one process, with a journal in `data_dir`."""
