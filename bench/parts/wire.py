"""Bytes between regions: three real regions, each with its real mesh, on sockets of this machine.

Counted is what one region sends to one other one: messages with the head and the mask that a
WebSocket frame adds to each. First nothing happens, then sessions start and end a moment later (in
another flush), then running sessions report; what the idle phase took is subtracted.
"""

import asyncio
import os
import socket
import time
from collections.abc import Awaitable
from itertools import islice
from random import Random
from typing import Final

from bench.figures import Figure, at_most, figure
from bench.population import HERE, NAMES, accounts_at, watchers
from bench.progress import say
from bench.scale import Scale
from crdt.dots import RegionId
from georeg.cli.runtime import LoopClock
from georeg.mesh import Identity, MeshNode, MeshSettings, Peer
from georeg.region.model import Admitted, Claims, StartRequest
from georeg.region.region import Region
from georeg.region.settings import Settings
from georeg.store import NoJournal

_THERE: Final = RegionId(2)
_SECRET: Final = bytes(range(32))
_PLAYS_S: Final = 0.3
"""From a session's start to its end: longer than a flush."""
_REPORT_S: Final = 0.02


class Counted:
    """A region's mesh that counts what leaves, as frames on the wire."""

    def __init__(self, mesh: MeshNode) -> None:
        self._mesh = mesh
        self.bytes_sent: dict[RegionId, int] = dict.fromkeys(NAMES, 0)

    def send(self, peer: RegionId, payload: bytes) -> None:
        """Count and pass on."""
        self.bytes_sent[peer] += len(payload) + frame_head_bytes(len(payload))
        self._mesh.send(peer, payload)

    async def over(self, phase: Awaitable[None]) -> int:
        """Bytes that were sent to one of the peers while something went on."""
        before = self.bytes_sent[_THERE]
        await phase
        return self.bytes_sent[_THERE] - before


def frame_head_bytes(length: int) -> int:
    """Of a client's WebSocket frame (RFC 6455, 5.2): two bytes, a longer length, the mask."""
    return 2 + (0 if length < 126 else 2 if length < 1 << 16 else 8) + 4


def run(scale: Scale) -> list[Figure]:
    """Both phases."""
    return asyncio.run(_measure(scale))


async def _measure(scale: Scale) -> list[Figure]:
    regions, counters, meshes = _cluster()
    for mesh in meshes:
        await mesh.start()
    for region in regions.values():
        region.open()
    while not all(r.joined for r in regions.values()):  # noqa: ASYNC110 - no asyncio in the rules
        await asyncio.sleep(0.01)
    counter = counters[HERE]
    await asyncio.sleep(scale.wire_settle_s)
    say("wire: idle")
    idle_bytes = await counter.over(asyncio.sleep(scale.wire_s))
    idle_hz = idle_bytes / scale.wire_s
    figures = []
    for rate_hz in scale.wire_rates_hz:
        traffic = Traffic(regions[HERE], scale, rate_hz)
        figures += await _sessions(counter, traffic, idle_hz)
    say("wire: heartbeats only")
    traffic.start_all()
    await asyncio.sleep(scale.wire_settle_s)
    beat_bytes = await counter.over(traffic.report(scale.wire_s))
    beyond_idle = max(0.0, beat_bytes - idle_hz * scale.wire_s)
    _check_alike(regions)
    for region in regions.values():
        region.close()
    for mesh in meshes:
        await mesh.stop()
    return [
        *figures,
        figure(
            "wire, a heartbeat", [beyond_idle // traffic.heartbeats], "B", target=at_most(0),
            note=f"{traffic.heartbeats:,} heartbeats took {beyond_idle:.0f} B beyond the idle link",
        ),
        figure("wire, an idle second", [idle_hz], "B", note="to each peer"),
    ]  # fmt: skip


async def _sessions(counter: Counted, traffic: "Traffic", idle_hz: float) -> list[Figure]:
    """The same sessions twice: the first time their accounts' plans are news."""
    per_session = []
    for what in ("of new accounts", "of accounts whose plan is known"):
        say(f"wire: {traffic.rate_hz} sessions a second {what} start and end")
        began_s = time.monotonic()
        busy_bytes = await counter.over(traffic.start_and_end())
        busy_s = time.monotonic() - began_s
        per_session.append((busy_bytes - idle_hz * busy_s) / traffic.count)
    told, known = per_session
    name = f"wire, a session's start and end, {traffic.rate_hz:,} a second"
    return [
        figure(name, [known], "B", target=at_most(100), note=f"{traffic.count:,}; to each peer"),
        figure(f"{name}, plan told", [told], "B", note="an account's plan is told once an hour"),
    ]


class Traffic:
    """Devices of one region: each of them has an account of its own."""

    def __init__(self, region: Region, scale: Scale, rate_hz: int) -> None:
        self._region = region
        self.rate_hz = rate_hz
        self._settle_s = scale.wire_settle_s
        self.count = int(scale.wire_s * rate_hz)
        accounts = islice(accounts_at(HERE, f"wire-{rate_hz}"), self.count)
        issued_ms = time.time_ns() // 1_000_000
        self._requests = [
            watcher._replace(account=account).request(issued_ms)
            for account, watcher in zip(accounts, watchers(seed=7), strict=False)
        ]
        self._playing: list[Claims] = []
        self.heartbeats = 0

    async def start_and_end(self) -> None:
        """Every device starts, at an even rate, and stops; until the peers have said so."""
        loop = asyncio.get_running_loop()
        began_s = loop.time()
        ends: list[asyncio.TimerHandle] = []
        for request in self._requests:
            while len(ends) > (loop.time() - began_s) * self.rate_hz:  # noqa: ASYNC110
                await asyncio.sleep(0.002)
            ends.append(loop.call_later(_PLAYS_S, self._stop, self._start(request)))
        await asyncio.sleep(_PLAYS_S + self._settle_s)

    def start_all(self) -> None:
        """Every device starts and goes on."""
        self._playing = [self._start(request) for request in self._requests]

    async def report(self, for_s: float) -> None:
        """Every device reports, again and again."""
        until_s = time.monotonic() + for_s
        while (left_s := until_s - time.monotonic()) > 0:
            for claims in self._playing:
                assert self._region.renew(claims.session, claims.account)
            self.heartbeats += len(self._playing)
            await asyncio.sleep(min(left_s, _REPORT_S))

    def _start(self, request: StartRequest) -> Claims:
        outcome = self._region.start(request).value
        assert isinstance(outcome, Admitted), "the home's own accounts are decided at once"
        info = outcome.info
        device, started_ms, deadline_s = info.device.id, info.started_ms, info.deadline_s
        return Claims(info.session, info.account, device, HERE, started_ms, deadline_s)

    def _stop(self, claims: Claims) -> None:
        self._region.stop(claims)


def _check_alike(regions: dict[RegionId, Region]) -> None:
    """What was counted has arrived: all regions know the same number of sessions."""
    known = {region.status().sessions_known for region in regions.values()}
    assert len(known) == 1, f"the regions know {known} sessions"


def _cluster() -> tuple[dict[RegionId, Region], dict[RegionId, Counted], list[MeshNode]]:
    loop = asyncio.get_running_loop()
    clock = LoopClock(loop, lambda: time.time_ns() // 1_000_000)
    holders = {number: socket.create_server(("127.0.0.1", 0)) for number in NAMES}
    ports = {number: holder.getsockname()[1] for number, holder in holders.items()}
    for holder in holders.values():
        holder.close()
    nodes = [_Node(number, ports, clock) for number in NAMES]
    return (
        {node.number: node.region for node in nodes},
        {node.number: node.counter for node in nodes},
        [node.mesh for node in nodes],
    )


class _Node:
    """One region with its mesh."""

    def __init__(self, number: RegionId, ports: dict[RegionId, int], clock: LoopClock) -> None:
        self.number = number
        self.mesh = MeshNode(
            identity=Identity("bench", number, NAMES[number]),
            keys=(_SECRET,),
            peers={
                peer: Peer(NAMES[peer], f"ws://127.0.0.1:{port}")
                for peer, port in ports.items()
                if peer != number
            },
            listen_host="127.0.0.1",
            listen_port=ports[number],
            settings=MeshSettings(),
            on_message=self._on_message,
            on_up=self._on_up,
            random=Random(number),
            token_bytes=os.urandom,
        )
        self.counter = Counted(self.mesh)
        self.region = Region(
            number, NAMES, Settings(), clock, self.counter, NoJournal(), Random(number)
        )

    def _on_message(self, peer: RegionId, payload: bytes, version: int) -> None:
        self.region.receive(peer, payload, version)

    def _on_up(self, peer: RegionId, version: int) -> None:
        self.region.peer_up(peer, version)
