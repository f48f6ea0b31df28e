"""Hosts, what listens on them, and how connections come to be and end.

A host has a name for an address and at most one living process. A process that dies leaves a host
that answers with resets, as a kernel does; a host without power answers nothing. A connection is
two `Transport`s (transport.py).
"""

import asyncio
import errno
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from region_sim.kernel.links import Link
from region_sim.kernel.machine import Machine
from region_sim.kernel.scheduler import Scheduler
from region_sim.kernel.transport import Transport

_SYN_RETRY_US: Final = 1_000_000
"""Linux sends a SYN again after 1, 3, 7, ... seconds."""
_SYN_TRIES: Final = 6
_FIRST_PORT: Final = 40_000

Factory = Callable[[], asyncio.Protocol]
Distance = Callable[[str, str], int]


@dataclass(slots=True, eq=False)
class Host:
    """One address."""

    name: str
    machine: Machine | None = None
    has_power: bool = True
    listeners: dict[int, Factory] = field(default_factory=dict)
    transports: dict[int, Transport] = field(default_factory=dict)
    """Open ends on this host, by the number of their connection."""


class Listening(asyncio.AbstractServer):
    """What `create_server` gives."""

    def __init__(self, host: Host, port: int) -> None:
        self._host, self._port = host, port
        self.sockets = (self,)

    def getsockname(self) -> tuple[str, int]:
        """As of a socket."""
        return (self._host.name, self._port)

    def close(self) -> None:
        self._host.listeners.pop(self._port, None)

    async def wait_closed(self) -> None:
        return None

    def is_serving(self) -> bool:
        return self._port in self._host.listeners

    def get_loop(self) -> Any:
        return self._host.machine

    async def start_serving(self) -> None:
        return None

    async def serve_forever(self) -> None:
        raise NotImplementedError("simulated servers serve while their process lives")


class Network:
    """All hosts and the links between them."""

    def __init__(
        self, scheduler: Scheduler, random: Random, *, distance_us: Distance, jitter: float
    ) -> None:
        """`distance_us(source, target)`: usual one-way latency. `random`: only for the network."""
        self.scheduler = scheduler
        self._random = random
        self._distance_us = distance_us
        self._jitter = jitter
        self._hosts: dict[str, Host] = {}
        self._links: dict[tuple[str, str], Link] = {}
        self._ports = _FIRST_PORT

    def host(self, name: str) -> Host:
        """The host of this name; made when it is first heard of."""
        found = self._hosts.get(name)
        if found is None:
            found = self._hosts[name] = Host(name)
        return found

    def link(self, source: str, target: str) -> Link:
        """The link from one host to another."""
        found = self._links.get((source, target))
        if found is None:
            latency_us = self._distance_us(source, target)
            found = Link(source, target, latency_us, self._jitter, self._random)
            self._links[source, target] = found
        return found

    def links(self) -> list[Link]:
        """All links that were used, in the order of their ends' names."""
        return [self._links[pair] for pair in sorted(self._links)]

    def plug(self, name: str, machine: Machine) -> None:
        """A process begins on a host."""
        host = self.host(name)
        host.machine, host.has_power = machine, True

    def unplug(self, name: str, *, power: bool) -> None:
        """A host's process is dead. `power`: the host is as well, so that nobody is told."""
        host = self.host(name)
        host.listeners.clear()
        host.has_power = not power
        ends, host.transports = host.transports, {}
        for end in ends.values():
            end.die(tell=not power)
        for link in self._links.values():
            if link.source == name:
                link.widen()

    def hang_up(self, machine: Machine) -> None:
        """A process that dialled from a host which it shares with others is dead."""
        for _, host in sorted(self._hosts.items()):
            for number, end in list(host.transports.items()):
                if end.is_of(machine):
                    del host.transports[number]
                    end.die(tell=host.has_power)

    def listen(self, machine: Machine, factory: Factory, name: str, port: int) -> Listening:
        """Raises OSError when the port is taken."""
        host = self.host(name)
        if port in host.listeners:
            raise OSError(errno.EADDRINUSE, f"{name}:{port} is in use")
        host.machine = machine
        host.listeners[port] = factory
        return Listening(host, port)

    async def connect(
        self, machine: Machine, factory: Factory, source: str, target: str, port: int
    ) -> tuple[Transport, asyncio.Protocol]:
        """Dial. Raises OSError: refused or timed out; is patient, as TCP is: set a timeout."""
        there, back = self.link(source, target), self.link(target, source)
        host = self.host(target)
        await self._knock(machine, there, back, host)
        accept = host.listeners.get(port)
        if accept is None or host.machine is None or not host.machine.is_alive:
            await _sleep_until(machine, back.arrival_us(self.scheduler.now_us, 0))
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"nothing listens on {target}:{port}")
        self._ports += 1
        number = self._ports
        ours = Transport(machine, there, number, (source, number), (target, port))
        theirs = Transport(host.machine, back, number, (target, port), (source, number))
        ours.join(theirs, self.host(source), host)
        host.machine.call_soon(theirs.accept, accept)
        try:
            await _sleep_until(machine, back.arrival_us(self.scheduler.now_us, 0))
        except asyncio.CancelledError:
            ours.abort()
            raise
        if ours.is_closing():  # the other side has died meanwhile, and its kernel has said so
            raise ConnectionResetError(errno.ECONNRESET, f"{target}:{port} has gone")
        protocol = factory()
        ours.accept(lambda: protocol)
        return ours, protocol

    async def _knock(self, machine: Machine, there: Link, back: Link, host: Host) -> None:
        """Until a SYN has got through to a host that can answer it."""
        wait_us = _SYN_RETRY_US
        for _ in range(_SYN_TRIES):
            again_us = self.scheduler.now_us + wait_us
            if there.rejects or back.rejects:
                await _sleep_until(machine, there.arrival_us(self.scheduler.now_us, 0))
                raise ConnectionRefusedError(errno.ECONNREFUSED, f"{host.name} is cut off")
            is_held = there.stalls or back.stalls
            if not (there.drops or back.drops or is_held):
                await _sleep_until(machine, there.arrival_us(self.scheduler.now_us, 0))
                if host.has_power:
                    return
            await _sleep_until(machine, again_us)
            wait_us *= 2
        raise TimeoutError(errno.ETIMEDOUT, f"{host.name} does not answer")


async def _sleep_until(machine: Machine, true_us: int) -> None:
    """Wait until a true time, on the machine that dials."""
    arrived = machine.create_future()
    event = machine.call_true(true_us, _set, arrived)
    try:
        await arrived
    finally:
        event.cancel()


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
