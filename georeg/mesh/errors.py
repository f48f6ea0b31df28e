"""Errors of `georeg.mesh` and the codes with which a connection is closed.

Who broke the rule decides the class: `LocalError` is a bug or a wrong setting here, `PeerError` is
the other side's doing and ends that one connection, `Gone` says that a connection is over.
Texts of `PeerError` are sent to the other side, so they repeat at most what it said itself, and
never anything of a key.
"""

from enum import IntEnum


class Closing(IntEnum):
    """Why this side closes a connection: the WebSocket close code; 4000 and up are ours."""

    GOING_AWAY = 1001
    """This region stops."""
    INTERNAL = 1011
    """A bug here: the handler of messages failed."""
    MALFORMED = 4000
    """Not a frame that may come at this point of the handshake."""
    VERSION = 4001
    """Another version of the protocol."""
    CLUSTER = 4002
    """Another cluster."""
    REGION = 4003
    """A region number that is unknown here, or not this region's, or claimed by both."""
    KEY = 4004
    """The proof fits none of the cluster keys."""
    SILENT = 4005
    """The handshake was not finished in time."""
    UNEXPECTED = 4006
    """A kind of frame that may not come on a proven connection."""
    TOO_FAST = 4007
    """More frames or bytes a second than agreed."""
    REPLACED = 4008
    """The same region has proven itself on a newer connection."""
    BAD_MESSAGE = 4009
    """A message that the region refused as malformed."""
    SLICES = 4010
    """Another number of slices."""
    ELSEWHERE = 4011
    """No node of the region that can be reached runs this slice just now."""


class MeshError(Exception):
    """Base of all errors of this package; never raised itself."""


class LocalError(MeshError):
    """The caller broke a rule of this package, or a setting is out of range."""


class PeerError(MeshError):
    """What the other side sent is refused; its connection is closed with `closing`."""

    def __init__(self, closing: Closing, reason: str) -> None:
        super().__init__(reason)
        self.closing = closing


class Gone(MeshError):
    """The connection is over: the other side closed it, or the network did."""
