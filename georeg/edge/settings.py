"""The edge's own limits and policies, with what each does when it is turned either way.

What the cluster agrees on (leases, heartbeat, plans) is in `georeg.region.settings`; these may
differ from one region to the next. Every growing thing has its limit here.
"""

from dataclasses import dataclass

from georeg.edge.errors import SettingsError


@dataclass(frozen=True, slots=True)
class EdgeSettings:
    """How one region's edge treats its callers. Raises SettingsError when it cannot work."""

    dev: bool = False
    """Calls of accounts and backends need no Authorization from loopback peers. Never in public."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call, as browsers send them, or `*` alone for any."""
    body_max: int = 16 * 1024
    """Bytes of a request body."""
    batch_body_max: int = 1024 * 1024
    """Bytes of a batch of heartbeats."""
    batch_tokens_max: int = 1_000
    connections_max: int = 50_000
    """Open connections, event streams included; some 12 KB each. More are closed unheard. The
    process must be allowed as many files (`ulimit -n`)."""
    event_streams_max: int = 10_000
    """Open event streams. Each costs a task and a socket, some 20 KB."""
    comment_ms: int = 15_000
    """A silent event stream carries a comment this often, so that proxies keep it open."""
    stream_write_ms: int = 10_000
    """An event stream whose peer takes nothing for so long is closed."""
    start_burst: int = 256
    """Starts of one account that are let through at once."""
    start_rate_hz: float = 32.0
    """Starts of one account per second after the burst. Lower: retry loops cost less."""
    start_accounts_max: int = 50_000
    """Accounts whose rate is remembered, some 180 B each; the longest quiet is forgotten first."""
    answer_ms_max: int = 5_000
    """Beyond this a call that waits for the region answers 503. The region's deadlines are far
    shorter; this only bounds what a mistake there can hold."""
    retry_after_s: int = 1
    """What a 503 tells its caller to wait."""

    def __post_init__(self) -> None:
        for name in ("body_max", "batch_body_max", "batch_tokens_max", "event_streams_max",
                     "connections_max"):  # fmt: skip
            if getattr(self, name) < 1:
                raise SettingsError(f"{name} must be at least 1")
        if self.start_burst < 1 or self.start_rate_hz <= 0:
            raise SettingsError("start_burst must be at least 1 and start_rate_hz above 0")
        for origin in self.cors_origins:
            _check_origin(origin)
        if "*" in self.cors_origins and len(self.cors_origins) > 1:
            raise SettingsError("cors_origins: `*` stands alone; remove the other origins or it")


def _check_origin(origin: str) -> None:
    """An origin is scheme://host[:port] without a path, exactly as browsers send it."""
    if origin == "*":
        return
    scheme, separator, host = origin.partition("://")
    if scheme not in ("http", "https") or not separator or not host or "/" in host:
        raise SettingsError(
            f"cors_origins: {origin!r} is not an origin; write it as https://player.example"
        )
    if origin != origin.lower():
        raise SettingsError(f"cors_origins: {origin!r} must be in lower case, as browsers send it")
