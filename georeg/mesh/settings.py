"""Who takes part in a mesh, and its limits and times, with what each does when turned either way.

One cluster uses one set: a sender paces itself by the same numbers by which its receiver judges it.
Everything is checked when it is made, so that a wrong setting is told at the start and by name.
"""

import re
from dataclasses import dataclass, fields
from typing import Final

from yarl import URL

from crdt.dots import REGION_MAX, RegionId
from georeg.mesh.errors import LocalError
from georeg.mesh.slices import PATH, WHOLE, Slice
from georeg.mesh.versions import Versions

_CLUSTER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def is_cluster_name(text: str) -> bool:
    """Whether the text may name a cluster: 1 to 64 letters, digits, dots, dashes, underscores."""
    return _CLUSTER.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class Identity:
    """This region, as it presents itself. Raises LocalError when a part is out of range."""

    cluster: str
    region_id: RegionId
    name: str
    """For logs only; never sent."""
    slice: Slice = WHOLE
    """The part of the region that talks; it says so by where it dials."""

    def __post_init__(self) -> None:
        if not is_cluster_name(self.cluster):
            raise LocalError(
                f"cluster name {self.cluster!r}: expected 1 to 64 letters, digits, '.', '_', '-',"
                " the first a letter or digit"
            )
        if not 0 < self.region_id <= REGION_MAX:
            raise LocalError(f"region number {self.region_id}: expected 1 to {REGION_MAX}")


@dataclass(frozen=True, slots=True)
class Peer:
    """Another region and where it listens. Raises LocalError for a URL that cannot be dialled."""

    name: str
    url: str
    """`ws://host:port` or `wss://host:port`; the path may be left out and is `/mesh`."""
    more_urls: tuple[str, ...] = ()
    """Of further nodes of the region, tried in turn; each takes connections for all of them."""

    def __post_init__(self) -> None:
        for attempt in range(1 + len(self.more_urls)):
            self.address(attempt)

    def address(self, attempt: int = 0, slice_: Slice = WHOLE) -> URL:
        """Where to dial a slice at this attempt, from 0. Raises LocalError: it is no address."""
        urls = (self.url, *self.more_urls)
        return self._address(urls[attempt % len(urls)]).with_path(slice_.path)

    def _address(self, text: str) -> URL:
        try:
            url = URL(text)
            valid = url.scheme in ("ws", "wss") and bool(url.host) and url.port != 0
        except ValueError:
            valid = False
        if not valid:
            raise LocalError(f"peer {self.name}: {text!r} is no ws:// or wss:// address")
        if url.user is not None or url.query_string or url.path not in ("", "/", PATH):
            raise LocalError(f"peer {self.name}: {text!r} may have the path {PATH} and no more")
        return url


@dataclass(frozen=True, slots=True)
class MeshSettings:
    """Times and limits of every connection. Raises LocalError when they contradict each other."""

    connect_ms: int = 2_000
    """TCP, TLS and upgrade. Longer: bears slower links; a lost region is tried less often."""
    handshake_ms: int = 2_000
    """Both proofs, and the HTTP request before them. Longer: strangers hold sockets longer."""
    ping_ms: int = 1_000
    silence_ms: int = 3_500
    """A connection on which nothing came for so long is aborted. Shorter: a silent cut is noticed
    sooner; a slow peer or link is mistaken for a cut one: the largest frame must get through."""
    backoff_first_ms: int = 50
    backoff_max_ms: int = 1_000
    """Longest pause between two attempts. Longer: less noise; a healed link is used later."""
    close_ms: int = 250
    """Time to say why a connection is closed; then it is aborted."""
    frame_bytes_max: int = 1 << 20
    outbox_frames_max: int = 8_192
    outbox_bytes_max: int = 16 << 20
    """Per peer. Larger: bears longer stalls; stale messages are sent that nobody needs."""
    frames_per_s: int = 20_000
    bytes_per_s: int = 64 << 20
    """A sender stays below these two; a receiver closes a connection that is clearly above."""
    unproven_max: int = 64
    """Connections that have not proven themselves, at once; more are turned away unheard."""
    versions: Versions = Versions()
    """Of the protocol. Fewer: for a cluster of which a part is about to go back to an older one."""

    def __post_init__(self) -> None:
        for field in fields(self):
            if field.name != "versions" and getattr(self, field.name) <= 0:
                raise LocalError(f"{field.name} must be positive")
        if self.silence_ms < 2 * self.ping_ms:
            raise LocalError("silence_ms must be at least two ping_ms: one ping may be late")
        if self.backoff_max_ms < self.backoff_first_ms:
            raise LocalError("backoff_max_ms must not be below backoff_first_ms")
        if self.outbox_bytes_max < self.frame_bytes_max:
            raise LocalError("outbox_bytes_max must hold at least one frame of frame_bytes_max")
        if self.bytes_per_s < self.frame_bytes_max:
            raise LocalError("bytes_per_s must pass at least one frame of frame_bytes_max")
