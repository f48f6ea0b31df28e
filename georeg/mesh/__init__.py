"""How regions talk: WebSocket over aiohttp, proven with the cluster key, best effort.

The messages themselves are the region's (georeg/region/messages.py); here they are bytes.
"""

from georeg.mesh.errors import Closing, LocalError, MeshError, PeerError
from georeg.mesh.node import MeshNode, dial_tcp, open_session
from georeg.mesh.settings import Identity, MeshSettings, Peer
from georeg.mesh.status import LinkState, LinkStatus

__all__ = [
    "Closing",
    "Identity",
    "LinkState",
    "LinkStatus",
    "LocalError",
    "MeshError",
    "MeshNode",
    "MeshSettings",
    "Peer",
    "PeerError",
    "dial_tcp",
    "open_session",
]
