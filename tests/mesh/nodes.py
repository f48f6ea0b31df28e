"""Mesh nodes on free ports of 127.0.0.1 that write down what they are told."""

import asyncio
import gc
import socket
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from random import Random
from ssl import SSLContext
from typing import Any

from crdt.dots import RegionId
from georeg.mesh import Identity, MeshNode, MeshSettings, Peer
from georeg.mesh.door import Door
from georeg.mesh.slices import WHOLE, Slice

US, EU = RegionId(1), RegionId(2)
NAMES = {US: "us", EU: "eu"}
KEY = bytes(range(32))
OTHER_KEY = bytes(range(1, 33))
SOON_S = 5.0
"""Far more than anything here takes; a test that waits so long has failed."""

QUICK = MeshSettings(
    connect_ms=300,
    handshake_ms=300,
    ping_ms=20,
    silence_ms=150,
    backoff_first_ms=5,
    backoff_max_ms=20,
    close_ms=100,
)


def counted_bytes(seed: int) -> Callable[[int], bytes]:
    """Nonces that differ between nodes and connections, and not between runs."""
    random = Random(seed)
    return random.randbytes


@dataclass
class Diary:
    """What a node's owner was told, in order."""

    messages: asyncio.Queue[tuple[RegionId, bytes]] = field(default_factory=asyncio.Queue)
    changes: asyncio.Queue[tuple[str, RegionId]] = field(default_factory=asyncio.Queue)
    refuses: Callable[[bytes], Exception | None] = lambda payload: None
    """The error that `on_message` raises for a payload."""
    fails_once: bool = False
    """Whether the next `on_up` raises."""
    versions: list[tuple[str, int]] = field(default_factory=list)
    """The version of each link that came up ("up") and of each message ("in")."""

    def on_message(self, peer: RegionId, payload: bytes, version: int) -> None:
        self.versions.append(("in", version))
        error = self.refuses(payload)
        if error is not None:
            raise error
        self.messages.put_nowait((peer, payload))

    def on_up(self, peer: RegionId, version: int) -> None:
        if self.fails_once:
            self.fails_once = False
            raise RuntimeError("a bug")
        self.versions.append(("up", version))
        self.changes.put_nowait(("up", peer))

    async def message(self) -> tuple[RegionId, bytes]:
        return await asyncio.wait_for(self.messages.get(), SOON_S)

    async def change(self) -> tuple[str, RegionId]:
        return await asyncio.wait_for(self.changes.get(), SOON_S)


@asynccontextmanager
async def node(
    me: RegionId,
    peers: dict[RegionId, str],
    *,
    keys: tuple[bytes, ...] = (KEY,),
    cluster: str = "test",
    settings: MeshSettings = QUICK,
    port: int = 0,
    server_tls: SSLContext | None = None,
    client_tls: SSLContext | None = None,
    slice_: Slice = WHOLE,
    door: Door | None = None,
    more_urls: tuple[str, ...] = (),
) -> AsyncIterator[tuple[MeshNode, Diary]]:
    """A started node; `peers` gives the URL of each."""
    diary = Diary()
    made = MeshNode(
        identity=Identity(cluster, me, NAMES.get(me, str(me)), slice_),
        keys=keys,
        peers={
            peer: Peer(NAMES.get(peer, str(peer)), url, more_urls) for peer, url in peers.items()
        },
        listen_host="127.0.0.1",
        listen_port=port,
        settings=settings,
        on_message=diary.on_message,
        on_up=diary.on_up,
        on_down=lambda peer: diary.changes.put_nowait(("down", peer)),
        random=Random(me),
        token_bytes=counted_bytes(me),
        server_tls=server_tls,
        client_tls=client_tls,
        door=door,
    )
    await made.start()
    try:
        yield made, diary
    finally:
        await made.stop()


NOWHERE = "ws://127.0.0.1:1"
"""For a peer that a test does not start: nothing listens there."""


def url(port: int, scheme: str = "ws") -> str:
    return f"{scheme}://127.0.0.1:{port}"


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that nobody tells, such as a counter."""
    async with asyncio.timeout(SOON_S):
        while not holds():  # noqa: ASYNC110 - a counter sets no event
            await asyncio.sleep(0.002)


async def until_still(number: Callable[[], int]) -> None:
    """Wait until a number has been the same for 20 looks: what made it grow has got stuck."""
    looks: deque[int] = deque(maxlen=20)

    def is_still() -> bool:
        looks.append(number())
        return len(looks) == 20 and len(set(looks)) == 1

    await until(is_still)


def open_sockets_to(port: int) -> int:
    """How many connections to that port of 127.0.0.1 this process holds, dead or alive."""
    found = 0
    for held in gc.get_objects():
        if isinstance(held, socket.socket) and held.fileno() >= 0:
            with suppress(OSError):
                found += held.getpeername() == ("127.0.0.1", port)
    return found


def slower(settings: MeshSettings = QUICK, **changes: Any) -> MeshSettings:
    """The quick settings with some changed."""
    return replace(settings, **changes)
