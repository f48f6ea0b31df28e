"""What operators are told of a region, as values: made by `reporting.py`, shown by `georeg/ops`.

Everything is as one region sees it: its own numbers are exact, of another region it knows the
sessions from that region's log, and the rest from the last word that it said of itself.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from crdt.dots import RegionId
from crdt.events import HomeSet
from georeg.region.messages import Vitals
from georeg.region.model import How, SessionInfo
from georeg.region.settings import ElectionKind
from georeg.region.top import Top


@dataclass(frozen=True, slots=True)
class RegionReport:
    """One region, as the reporting one sees it."""

    region: RegionId
    state: str
    """up, suspect, down, or joining (the reporting region itself, before it takes part)."""
    is_draining: bool
    sessions: int
    """Sessions of this region in the view; of a region that is down they do not count."""
    vitals: Vitals | None
    """Its last word on itself; None: it has said nothing yet."""
    vitals_age_ms: int
    clock_ahead_ms: int | None
    """Its wall clock against the one here, by its last word and half a round trip."""
    silent_ms: int | None
    """Since its newest beacon came, whatever that proves; None: never heard."""
    evidence_age_ms: int | None
    """Age of the newest evidence: of the own beacon that it has echoed."""
    round_trip_ms: int | None
    events_behind: int
    """Events of the reporting region that this one has not acknowledged."""
    events_missing: int
    """Events of this region, named by its newest beacon, that are not applied here."""
    missing_ms: int | None
    """How old the evidence for its sessions is where that is oldest; None: there is none."""
    election: ElectionKind | None = None
    """By which it goes, as it says; None: it has not been heard."""
    via: RegionId | None = None
    """The region over which the two hear each other while their own link is cut."""


class SeatReport(NamedTuple):
    """Who is home of the accounts of one seat, as the reporting region sees it."""

    seat: RegionId
    home: RegionId
    """0: nobody is."""
    term: int
    """0: not known."""
    learning_ms: int
    """How long the reporting region, as home there, still learns; 0: it does not, or is not."""
    trouble: str
    """Why the reporting region cannot take it although it is its turn; empty: nothing."""


@dataclass(frozen=True, slots=True)
class StatusReport:
    """All regions of the cluster, as one of them sees them."""

    region: RegionId
    """Whose view it is."""
    wall_ms: int
    regions: tuple[RegionReport, ...]
    """In the order of their numbers, the own one included."""
    recent: dict[str, int]
    """Counters of trouble -> how often in the last minute."""
    election: ElectionKind = ElectionKind.STATIC
    """By which the reporting region goes."""
    seats: tuple[SeatReport, ...] = ()
    """In the order of their numbers."""


class Held(NamedTuple):
    """What this region holds of one home."""

    home: RegionId
    slots: int
    used: int
    """As of the last walk over the grants."""
    lease_left_ms: int
    """How long the grants may be used if the home is not heard again."""
    seat: RegionId
    """Another region than the home when this one sits for it."""


class Lent(NamedTuple):
    """What one region has of this one as home."""

    region: RegionId
    slots: int
    used: int


class WorstCase(NamedTuple):
    """If every link were cut now."""

    regions: int
    accounts: int
    """Accounts with sessions."""
    limits: int
    """Sum of their limits."""
    beyond_limits: int
    """Streams that could come to run above the limits before the links heal: P2's bound."""


@dataclass(frozen=True, slots=True)
class QuotaReport:
    """The budgets of one region, in both roles."""

    region: RegionId
    wall_ms: int
    held: tuple[Held, ...]
    lent: tuple[Lent, ...]
    worst_case: WorstCase
    overdraft: int
    most_refused: tuple[Top, ...]
    most_overdraft: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class SessionReport:
    """One session of an account, as the reporting region knows it."""

    info: SessionInfo
    how: How
    """local: held here; beacon: its region vouches for it by beacon."""
    age_ms: int | None
    """Since its device was heard (local), or of the beacon; None: nobody vouches for it."""
    lease_left_ms: int | None
    """Until it lapses without another heartbeat; None: only its region knows."""
    is_settled: bool | None
    """Covered by a grant at least once; None: only its region knows."""
    hop: int


class HomeBy(StrEnum):
    """Why a region is an account's home."""

    PINNED = "pinned"
    MOVED = "moved"
    HASH = "hash"


@dataclass(frozen=True, slots=True)
class AccountReport:
    """One account, as one region sees it."""

    region: RegionId
    wall_ms: int
    account: str
    plan: str
    limit: int
    is_plan_known: bool
    home: RegionId
    home_by: HomeBy
    home_moved: HomeSet | None
    """The last move that is known; it says who is home only if `home_by` does."""
    is_home_open: bool
    """Nobody may use slots: the regions may differ about the home, or it is being given away."""
    granted: dict[RegionId, int]
    """Region -> slots that it holds: all of them at the home, else the own ones only."""
    usable: int
    """Slots that may be used here without asking."""
    overdraft: int
    sessions: tuple[SessionReport, ...]
    kicks_remembered: int
    at_most: int
    """Streams that could run at once if every link were cut now."""
    out_of_reach: tuple[RegionId, ...]
