"""What goes into a region and what comes out of it: requests and answers as values."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from crdt.dots import RegionId, SessionId
from crdt.events import ActorKind, Device, Plan, Reason


class Basis(StrEnum):
    """What an admission rests on."""

    GRANTED = "granted"
    BORROWED = "borrowed"
    OVERDRAFT = "overdraft"
    UNCHECKED = "unchecked"
    """By a node that could not ask the region's store, nor whoever decides for the account."""


class How(StrEnum):
    """How a session that a refusal names is known to live."""

    LOCAL = "local"
    CONFIRMED = "confirmed"
    BEACON = "beacon"


class State(StrEnum):
    """State of a session as it is listed."""

    LIVE = "live"
    SUSPECT = "suspect"
    UNCONFIRMED = "unconfirmed"


class Claims(NamedTuple):
    """What a session token says, after its signature was checked."""

    session: SessionId
    account: str
    device: str
    region: RegionId
    """The region that issued the token."""
    issued_ms: int
    deadline_s: int


class SessionInfo(NamedTuple):
    """One session as it is shown to people."""

    session: SessionId
    account: str
    device: Device
    title: str
    region: RegionId
    started_ms: int
    last_seen_ms: int
    """Wall clock of this region."""
    state: State
    deadline_s: int
    lapses_ms: int
    """When it would lapse without another heartbeat, wall clock, as far as it is known here."""


@dataclass(frozen=True, slots=True)
class Blocker:
    """A session that a refusal names, with its evidence."""

    info: SessionInfo
    how: How
    age_ms: int


@dataclass(frozen=True, slots=True)
class StartRequest:
    """A device asks to start a stream. All strings are checked by the edge."""

    account: str
    device: Device
    title: str = ""
    replace: tuple[SessionId, ...] = ()
    plan: Plan | None = None
    """From the entitlement; None: what is known."""
    plan_issued: int = 0
    """Its hybrid logical time (hlc.py)."""
    deadline_ms: int | None = None
    """None: as the settings say."""
    idempotency_key: str = ""


class Admitted(NamedTuple):
    """The start was admitted."""

    info: SessionInfo
    basis: Basis
    limit: int
    live: int
    took_ms: int
    sessions: tuple[SessionInfo, ...]
    """All of the account's, the new one included."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The start was refused: at least `limit` distinct devices live, each with its evidence."""

    limit: int
    how: How
    """The weakest evidence among the blockers."""
    blockers: tuple[Blocker, ...]
    took_ms: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """The idempotency key was used for another request."""


Outcome = Admitted | Refused | Conflict


@dataclass(frozen=True, slots=True)
class Renewed:
    """The session lives on."""

    session: SessionId


@dataclass(frozen=True, slots=True)
class Ended:
    """The session is over, and why."""

    session: SessionId
    reason: Reason
    actor: ActorKind
    actor_device: str
    at_ms: int
    retry: bool
    """Whether the device may start again at once without asking the viewer."""


@dataclass(frozen=True, slots=True)
class Kicked:
    """Answer to a kick."""

    info: SessionInfo
    waiting_for: tuple[RegionId, ...] = ()
    """Regions that have not confirmed the end; empty: the session has ended."""


@dataclass(frozen=True, slots=True)
class NotDurable:
    """The journal could not store a kick: it holds for now, but would not survive a crash."""

    error: str


@dataclass(frozen=True, slots=True)
class NoSession:
    """The account has no such session, as far as this region and those that answered know."""


KickOutcome = Kicked | NotDurable | NoSession


@dataclass(frozen=True, slots=True)
class Listing:
    """An account's sessions as this region knows them."""

    account: str
    plan: str
    limit: int
    sessions: tuple[SessionInfo, ...]
    out_of_reach: tuple[RegionId, ...]


@dataclass(frozen=True, slots=True)
class PeerStatus:
    """One other region as it is seen from here."""

    region: RegionId
    state: str
    """up, suspect or down."""
    beacon_age_ms: int | None
    """Age of the newest evidence, by the own beacon that it echoed; None: never heard."""
    round_trip_ms: int | None
    events_behind: int
    """Events of this region that the peer has not acknowledged."""
    is_direct: bool = True
    """Whether the peer says that it hears this region on its own link."""
    via: RegionId | None = None
    """The third region by which messages to the peer go. None and not direct: it is cut off."""
    heard_via: RegionId | None = None
    """The third region that brought the peer's newest beacon; None: it came on its own link."""
    is_draining: bool = False
    """Its operator drains it, by its newest beacon."""


class Begun(NamedTuple):
    """With what a region began its present incarnation."""

    incarnation: int
    kicks: int
    """That its journal kept."""
    plans: int
    """That its journal kept."""
    told: int
    """Sessions that it holds on because its peers knew them."""
    recalled: int
    """Sessions that it holds on because its journal alone knew them."""
    peers: tuple[RegionId, ...]
    """Those that told what they knew before it began."""
    lost: str
    """In words, what it found to be lost; empty: nothing."""
    is_recalling: bool
    """Whether there is more in the journal: it is read while the region serves."""


@dataclass(frozen=True, slots=True)
class Status:
    """A region's numbers at one instant."""

    ready: bool
    incarnation: int
    sessions: int
    """Live sessions held here."""
    sessions_known: int
    """Sessions of all regions in this region's view."""
    grants_held: int
    """Slots leased from other homes."""
    grants_lent: int
    """Slots that this region, as home, has leased out."""
    overdraft: int
    """Own sessions that are not covered by a grant."""
    kicks_remembered: int
    peers: tuple[PeerStatus, ...]
    counters: dict[str, int] = field(default_factory=dict)
    is_draining: bool = False
    """Its operator drains this region; `Region.drain` says how far that has come."""
    regions_not_agreed: tuple[RegionId, ...] = ()
    """Who has not said yet that it has the same regions in its config, since that of here changed;
    until all have, accounts whose home has moved are decided on evidence."""
    begun: Begun | None = None
    """None: it has not begun yet."""
    disk_trouble: str = ""
    """Why the disk refuses; empty: it does not. Kicks answer 503 meanwhile, all else goes on."""
