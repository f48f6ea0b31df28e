"""What a node of a region of many takes from outside: in a process, or in a simulation."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from aiohttp import BaseConnector, ClientSession

from georeg.mesh import dial_tcp, open_session
from georeg.store.redis import RedisClient, RedisSettings
from georeg.store.redis.journal import now_ms


@dataclass(frozen=True, slots=True)
class NodeSurroundings:
    """What a node takes from outside that is neither config nor loop."""

    wall_ms: Callable[[], int]
    random: Random
    """For jitter and times; need not be secret."""
    token_bytes: Callable[[int], bytes] = secrets.token_bytes
    """For names and proofs; must be secret outside of simulations."""
    now_ms: Callable[[], int] = now_ms
    """Monotonic and never cached, as it shows that this process was paused."""
    client: Callable[[RedisSettings], RedisClient] = RedisClient
    """The line to the store."""
    open_session: Callable[[], ClientSession] = open_session
    """Opens the lines to the other regions."""
    connector: Callable[[], BaseConnector] = dial_tcp
    """Dials the other nodes."""
