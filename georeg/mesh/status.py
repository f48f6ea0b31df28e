"""What can be told about the links of a region, as values."""

from dataclasses import dataclass
from enum import StrEnum


class LinkState(StrEnum):
    """State of the connection that this region dials."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    UP = "up"
    WAITING = "waiting"
    """Pauses before it dials again."""


@dataclass(slots=True)
class Inbound:
    """What came from one peer since the start, over all its connections."""

    accepted: bool = False
    """Whether a proven connection of the peer is open."""
    version: int = 0
    """Protocol of its newest proven connection; 0: there was none yet."""
    frames: int = 0
    bytes: int = 0
    bad_messages: int = 0
    """Messages that the region refused; each cost its connection."""
    last_refusal: str = ""
    """Why one who called itself this peer was last turned away; empty: it never was."""


@dataclass(frozen=True, slots=True)
class LinkStatus:
    """Both directions between this region and one peer at one instant."""

    name: str
    state: LinkState
    state_for_ms: int
    """How long the state has lasted."""
    round_trip_ms: float | None
    """Of the newest answered ping of the present connection; None: not up, or none yet."""
    queued_frames: int
    queued_bytes: int
    frames_out: int
    bytes_out: int
    """Messages only; pings and the handshake do not count."""
    dropped: int
    """Messages that never left: link down or outbox full."""
    connects: int
    """How often the link came up."""
    version_out: int
    """Protocol of the messages to the peer; 0: not up."""
    version_in: int
    """Protocol of the messages from the peer; 0: it has not come yet."""
    last_error: str
    """Why it was last not up; empty: nothing went wrong yet."""
    accepted: bool
    """Whether the peer's own connection to this region is open and proven."""
    frames_in: int
    bytes_in: int
    bad_messages: int
    last_refusal: str
    """Why one who called itself this peer was last turned away here; empty: it never was."""
