"""Ports of 127.0.0.1 that stay ours for a whole run, although nobody listens on them all the time.

A region that was killed and a proxy that was disabled give their port back and want it again. From
the system's ephemeral range it could meanwhile have become the near end of somebody's connection,
and the restart would fail for a reason that has nothing to do with what is tested. So ports are
drawn from below that range.
"""

import secrets
import socket
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
_LOWEST: Final = 10_240
_EPHEMERAL: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")
_EPHEMERAL_USUAL: Final = 32_768
_ROOM_MIN: Final = 1_000
_TRIES_MAX: Final = 10_000


def free_ports(count: int, *, avoid: Collection[int] = ()) -> list[int]:
    """So many different ports that nobody listens on just now, and none of `avoid`."""
    end = _first_ephemeral()
    if end - _LOWEST < _ROOM_MIN:
        # Somebody has made nearly all ports ephemeral: then any free one is as good as another.
        return _held(count, lambda: 0, avoid)
    return _held(count, lambda: _LOWEST + secrets.randbelow(end - _LOWEST), avoid)


def _first_ephemeral() -> int:
    try:
        return int(_EPHEMERAL.read_text(encoding="ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return _EPHEMERAL_USUAL


def _held(count: int, candidate: Callable[[], int], avoid: Collection[int]) -> list[int]:
    """Ports that could all be listened on at once."""
    held: list[socket.socket] = []
    ports: list[int] = []
    try:
        for _ in range(_TRIES_MAX):
            if len(ports) == count:
                break
            try:
                held.append(socket.create_server((HOST, candidate())))
            except OSError:
                continue  # taken: another one
            port = int(held[-1].getsockname()[1])
            if port not in avoid:
                ports.append(port)
        assert len(ports) == count, "no free ports are left on this machine"
        return ports
    finally:
        for server in held:
            server.close()
