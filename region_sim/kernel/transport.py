"""One end of a simulated TCP connection: ordered bytes that take their time, or its end.

Bytes arrive in order and whole or not at all. What a cut swallows is sent again with TCP's growing
pauses until the link works or somebody gives up: after a long cut that may take seconds more,
which is what real connections do to those who trust them. There is no duplication and no reordering
inside a connection, since TCP hides both.

Invariants: `connection_lost` is called once, by `call_soon`, never from within a call of the
protocol; nothing is called after it. Bytes to a paused process wait, as in a kernel's buffer.
"""

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from region_sim.kernel.links import RETRY_FIRST_US, RETRY_MAX_US, Link
from region_sim.kernel.machine import Machine

if TYPE_CHECKING:
    from region_sim.kernel.network import Host

HIGH_WATER_BYTES: Final = 65_536
Address = tuple[str, int]


class _End:
    """FIN or RST, in the stream of bytes."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name


_FIN: Final = _End("fin")
_RST: Final = _End("rst")


class _Segment:
    """What was written at one instant."""

    __slots__ = ("data", "end", "sent_us")

    def __init__(self, sent_us: int, data: bytes, end: _End | None) -> None:
        self.sent_us, self.data, self.end = sent_us, data, end


class Transport(asyncio.Transport):
    """One end; `join` makes two of them a connection."""

    def __init__(self, machine: Machine, link: Link, number: int, me: Address, other: Address):
        super().__init__({"sockname": me, "peername": other})
        self._machine = machine
        self._scheduler = machine.scheduler
        self._link = link
        self._number = number
        self._protocol: Any = None
        self._peer: Transport = self
        self._host: Host | None = None
        self._peer_host: Host | None = None
        self._waiting: deque[_Segment] = deque()
        """Not under way: the link is cut, or something before them waits."""
        self._last: _Segment | None = None
        """The newest segment that is under way; what is written at its instant joins it."""
        self._arrives_us = 0
        self._retry_us = 0
        """The pause before what waits is tried again; 0: nothing waits for that."""
        self._in_flight = 0
        self._high = HIGH_WATER_BYTES
        self._is_writer_paused = False
        self._is_reading = True
        self._inbox: deque[_Segment] = deque()
        self._is_closing = False
        self._is_lost = False

    def join(self, peer: "Transport", host: "Host", peer_host: "Host") -> None:
        """Make this end, on `host`, and the peer one connection."""
        self._peer, peer._peer = peer, self
        self._host, self._peer_host = host, peer_host
        peer._host, peer._peer_host = peer_host, host
        host.transports[self._number] = self
        peer_host.transports[self._number] = peer

    def accept(self, factory: Any) -> None:
        """Give this end its protocol; runs on its own machine."""
        self._protocol = factory()
        if self._is_lost:
            return
        self._protocol.connection_made(self)
        if self._inbox:  # what overtook the end of the handshake
            self._machine.call_soon(self._read)

    # ---- asyncio.Transport -------------------------------------------------------------------

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        protocol: asyncio.BaseProtocol = self._protocol
        return protocol

    def is_closing(self) -> bool:
        return self._is_closing

    def is_reading(self) -> bool:
        return self._is_reading

    def pause_reading(self) -> None:
        self._is_reading = False

    def resume_reading(self) -> None:
        self._is_reading = True
        if self._inbox:
            self._machine.call_soon(self._read)

    def get_write_buffer_size(self) -> int:
        return self._in_flight

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:  # noqa: ARG002
        self._high = HIGH_WATER_BYTES if high is None else high

    def can_write_eof(self) -> bool:
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._is_closing or not data:
            return
        self._in_flight += len(data)
        # What is written at one instant travels together, but where bytes have to queue.
        last = self._last if not self._link.narrows else None
        if last is not None and last.sent_us == self._scheduler.now_us and last.end is None:
            last.data += data
            self._link.bytes += len(data)
        else:
            self._put(_Segment(self._scheduler.now_us, bytes(data), None))
        if self._in_flight > self._high and not self._is_writer_paused:
            self._is_writer_paused = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            self._put(_Segment(self._scheduler.now_us, b"", _FIN))
            self._machine.call_soon(self._lose, None)

    def abort(self) -> None:
        if not self._is_lost:
            self._is_closing = True
            self._waiting.clear()
            self._put(_Segment(self._scheduler.now_us, b"", _RST))
            self._machine.call_soon(self._lose, None)

    # ---- sending -----------------------------------------------------------------------------

    def _put(self, segment: _Segment) -> None:
        if self._waiting:
            self._waiting.append(segment)
        else:
            self._send(segment)

    def _send(self, segment: _Segment) -> None:
        """Put a segment on its way, or keep it until the link works again."""
        link, peer, now_us = self._link, self._peer, self._scheduler.now_us
        has_power = self._peer_host is None or self._peer_host.has_power
        if link.stalls:
            self._waiting.append(segment)
            link.on_flow.append(self._flow)
        elif link.is_full(now_us):
            self._waiting.append(segment)
            link.on_flow.append(self._flow)
            wakes_us = link.next_wake_us(now_us)
            if wakes_us is not None:
                self._machine.call_true(wakes_us, link.flow)
        elif link.drops or not has_power:
            self._waiting.append(segment)
            self._try_later()
        elif link.rejects:
            self._machine.call_true(link.arrival_us(now_us, 0), self._reset, "rejected on the way")
        elif not peer._machine.is_alive or peer._is_lost:
            if segment.end is None:  # a kernel that knows no such connection says so
                back_us = peer._link.arrival_us(link.arrival_us(now_us, 0), 0)
                self._machine.call_true(back_us, self._reset, "unknown to the other side")
        else:
            arrives_us = link.arrival_us(now_us, len(segment.data))
            self._arrives_us = max(self._arrives_us, arrives_us)
            self._last = segment
            peer._machine.call_true(self._arrives_us, peer._arrive, segment)

    def _try_later(self) -> None:
        if not self._retry_us:
            self._retry_us = RETRY_FIRST_US + 2 * self._link.latency_us
            self._machine.call_true(self._scheduler.now_us + self._retry_us, self._retry)

    def _retry(self) -> None:
        """TCP sends again what was not acknowledged, after longer and longer pauses."""
        if not self._waiting:
            self._retry_us = 0
            return
        is_dead = self._peer_host is not None and not self._peer_host.has_power
        if self._link.drops or is_dead:
            self._retry_us = min(2 * self._retry_us, RETRY_MAX_US)
            self._machine.call_true(self._scheduler.now_us + self._retry_us, self._retry)
        else:
            self._retry_us = 0
            self._flow()

    def _flow(self) -> None:
        """Everything that waits goes on its way, unless something is in the way again."""
        waiting, self._waiting = self._waiting, deque()
        for segment in waiting:
            self._put(segment)

    def _read_by_peer(self, size: int) -> None:
        self._in_flight -= size
        if self._is_writer_paused and self._in_flight <= self._high // 2:
            self._is_writer_paused = False
            if not self._is_lost:
                self._machine.call_soon(self._resume_writing)

    def _resume_writing(self) -> None:
        if not self._is_lost:
            self._protocol.resume_writing()

    # ---- receiving ---------------------------------------------------------------------------

    def _arrive(self, segment: _Segment) -> None:
        if self._is_lost:
            return
        if segment.end is _RST:
            self._reset("reset by the other side")
            return
        self._inbox.append(segment)
        self._read()

    def _read(self) -> None:
        if self._protocol is None:
            return
        while self._inbox and self._is_reading and not self._is_lost:
            segment = self._inbox.popleft()
            if segment.end is _FIN:
                if not self._is_closing:
                    self._protocol.eof_received()
                    self.close()
                return
            data = segment.data
            self._peer._read_by_peer(len(data))
            if self._is_closing:
                continue
            link = self._peer._link
            self._scheduler.trace.deliver(self._scheduler.now_us, link.source, link.target, data)
            self._protocol.data_received(data)

    # ---- ending ------------------------------------------------------------------------------

    def _reset(self, why: str) -> None:
        if not self._is_lost:
            self._is_closing = True
            self._waiting.clear()
            self._machine.call_soon(self._lose, ConnectionResetError(104, why))

    def _lose(self, error: Exception | None) -> None:
        if self._is_lost:
            return
        self._is_lost = True
        if self._host is not None:
            self._host.transports.pop(self._number, None)
        if self._protocol is not None:
            self._protocol.connection_lost(error)

    def is_of(self, machine: Machine) -> bool:
        """Whether it is this process's."""
        return self._machine is machine

    def die(self, *, tell: bool) -> None:
        """The process of this end is dead. `tell`: its kernel resets the connection."""
        self._waiting.clear()
        if tell:
            self._send(_Segment(self._scheduler.now_us, b"", _RST))
        self._is_closing = self._is_lost = True
