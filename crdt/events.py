"""What a region's log says: six kinds of event, all immutable.

A log belongs to one region and one shard; each event takes one position. `Add` and `Release`
speak only of the writer's own dots; `Stop`, `Kick`, `PlanSet` and `HomeSet` speak of sessions and
accounts wherever they are, and win over concurrent adds (remove-wins) or by their time or number
(last writer wins).
A `Nothing` keeps the place of an add whose session is over.
"""

from enum import IntEnum
from typing import Final, NamedTuple

from crdt.dots import Dot, RegionId, SessionId


class Reason(IntEnum):
    """Why a session ended. The names, in lower case, are those of the HTTP API."""

    KICKED = 1
    SUPERSEDED = 2
    REPLACED = 3
    DISPLACED = 4
    LIMIT = 5
    STOPPED = 6
    LAPSED = 7
    EXPIRED = 8
    MOVED = 9
    """Released here because another region holds it now; never shown to a device."""


SILENCE: Final = frozenset({Reason.DISPLACED, Reason.LAPSED})
"""Ends for which nothing but a silent device speaks: one that was heard meanwhile goes on."""


class ActorKind(IntEnum):
    """Who ended a session."""

    ACCOUNT = 1
    DEVICE = 2
    OPERATOR = 3
    SYSTEM = 4


class Device(NamedTuple):
    """What plays: an id that is stable over restarts, a name for people, a kind."""

    id: str
    name: str
    kind: str


class Entry(NamedTuple):
    """One add: a session as one region holds it. Immutable; joins with itself by equality."""

    dot: Dot
    session: SessionId
    account: str
    device: Device
    title: str
    started_ms: int
    """Start of the session, wall clock of the region where it started, ms since 1970."""
    placed_ms: int
    """Its place in the order of the account's sessions: its start, or that of what it replaced."""
    deadline_s: int
    """Hard deadline, seconds since 1970: no region keeps or adopts the session after it."""
    hop: int
    """How often the session has moved. The highest (hop, dot) holds the session."""
    provisional: bool
    """Admitted as overdraft: may be disproved while it is young."""
    unconfirmed: bool
    """Re-minted after a restart: neither evidence nor yielding until its device is heard."""

    @property
    def region(self) -> RegionId:
        """The region that holds it."""
        return RegionId(self.dot >> 56)


class Release(NamedTuple):
    """The writer gives up one of its own dots."""

    dot: Dot
    session: SessionId
    account: str
    hop: int
    reason: Reason
    silent_ms: int = 0
    """Since its device was last heard by the writer: of ends by silence and of moves. 0: not told,
    which is as if it had been heard right then."""
    after: int = 0
    """Of a move: the newest beacon of the new holder that the writer had heard before, as region,
    incarnation and number (`dots.pack`); 0: none. By it the new holder knows when that was."""


class Stop(NamedTuple):
    """The device ended its session at a region that does not hold it."""

    session: SessionId
    account: str


class Kick(NamedTuple):
    """The final end of a session by anyone but its device."""

    session: SessionId
    account: str
    expires_s: int
    """The session's hard deadline; after it the ledger may forget, since adoption is refused."""
    reason: Reason
    actor: ActorKind
    actor_device: str
    """Name of the device that did it, or empty."""
    at_ms: int
    """Wall clock, ms since 1970."""
    device: Device
    started_ms: int
    region: RegionId
    """The region that held it as far as the kicker knew."""


class Plan(NamedTuple):
    """What an account may do. `home` 0: the rendezvous hash decides."""

    name: str
    limit: int
    home: int


class PlanSet(NamedTuple):
    """A signed statement of an account's plan; the latest `issued` (HLC, see hlc.py) wins."""

    account: str
    plan: Plan
    issued: int


class HomeSet(NamedTuple):
    """An account's home has moved; the highest `number` wins. Written by the home of before."""

    account: str
    home: RegionId
    """Who leases out the account's slots from now on, unless its plan pins another region."""
    number: int
    """How often the account's home has moved."""
    by: RegionId
    """The home of before."""
    at_s: int
    """Wall clock of that region, seconds since 1970, for people."""


class Nothing(NamedTuple):
    """Keeps the place of an add whose session is over."""


Event = Entry | Release | Stop | Kick | PlanSet | HomeSet | Nothing
