"""What happened in a run, as it was seen from outside the system; everything else reads this.

The oracle judges a history, the report draws it, `replay` compares two. Simulated and live runs and
the baselines write the same records. Invariant: records of one list are in the order of their times
(calls: of their `sent_us`), times are microseconds of true time since the run began, and nothing in
here is what a region believes, unless the record says so (`Probe`, `Ended`).
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class CallKind(StrEnum):
    """What a caller asked for."""

    START = "start"
    HEARTBEAT = "heartbeat"
    STOP = "stop"
    LIST = "list"
    KICK = "kick"
    PLAN = "plan"


@dataclass(slots=True)
class Call:
    """One HTTP call of a device, a person or a backend.

    Without an answer (`status` 0) nobody outside knows whether it took effect: it is *indefinite*.
    """

    number: int
    """1, 2, 3, ... over the whole run, in the order of sending."""
    kind: CallKind
    account: str
    device: str
    """Id of the device that called; empty: a backend."""
    place: str
    """Where the caller was: the name of the region next to it."""
    region: str
    """Whom it asked."""
    sent_us: int
    session: str = ""
    """Heartbeat, stop, kick: of which session."""
    request: dict[str, Any] = field(default_factory=dict)
    """Start: `replace`, `key` (idempotency), `again` (number of the call that this repeats).
    Kick: `by` (device). Plan: `plan`, `limit`. Heartbeat: `cloned` (somebody else's token)."""
    answered_us: int | None = None
    """When the answer, or the failure, was there; None: the run ended before."""
    status: int = 0
    body: dict[str, Any] = field(default_factory=dict)
    """The JSON of the answer."""
    error: str = ""
    """Why there was no answer: timeout, reset, refused, or the words of the client library."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A household began, or its plan changed: from now on its limit is this."""

    at_us: int
    account: str
    plan: str
    limit: int
    home: str = ""
    """The region that the account's entitlements name as its home; empty: none."""


@dataclass(frozen=True, slots=True)
class Gone:
    """A device stopped for good without a word: closed, crashed, asleep. Its session is left."""

    at_us: int
    account: str
    device: str
    session: str


@dataclass(frozen=True, slots=True)
class Told:
    """An event stream told a device that its session has ended; it stopped at once."""

    at_us: int
    account: str
    device: str
    session: str
    region: str
    """Whose stream it was."""
    reason: str


@dataclass(frozen=True, slots=True)
class FaultEvent:
    """A fault began or ended."""

    at_us: int
    number: int
    """Index of the fault in the run's plan; the end has the number of its begin."""
    kind: str
    is_begin: bool
    regions: tuple[str, ...] = ()
    links: tuple[tuple[str, str], ...] = ()
    """Ordered pairs of regions (or "@place", region) that it concerns."""
    note: str = ""
    node: int = 0
    """Which of the region's nodes, from 1, it concerns; 0: it is none of one node."""


class Life(StrEnum):
    """What became of a region's process."""

    BOOTED = "booted"
    READY = "ready"
    """It takes calls."""
    KILLED = "killed"
    PAUSED = "paused"
    RESUMED = "resumed"
    DRAINING = "draining"
    """It takes no more starts; the note says `operator` when it is to go on afterwards."""
    UNDRAINED = "undrained"
    """It takes starts again: its operator has said so, or the drain is over by itself."""
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class LifeEvent:
    """A region's process changed."""

    at_us: int
    region: str
    what: Life
    note: str = ""


@dataclass(frozen=True, slots=True)
class Ended:
    """A region ended a session, at the moment when it did (simulated runs only).

    `kick`: the end was entered into the ledger; otherwise the holder released the session.
    """

    at_us: int
    region: str
    account: str
    session: str
    device: str
    reason: str
    is_kick: bool
    by_device: str = ""
    """The device whose act ended it."""
    evidence: tuple[str, ...] = ()
    """Sessions on which an end for the limit rests."""


@dataclass(frozen=True, slots=True)
class Learned:
    """A region heard of a kick (simulated runs only)."""

    at_us: int
    region: str
    session: str


@dataclass(frozen=True, slots=True)
class Cloned:
    """A region took the token of a session to be in two hands (simulated runs only)."""

    at_us: int
    region: str
    account: str
    session: str
    by_pace: bool
    """By its pace alone; else by its tokens."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What one region says of itself, once a second."""

    at_us: int
    region: str
    sessions: int
    sessions_known: int
    overdraft: int
    grants_held: int
    grants_lent: int
    counters: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Budget:
    """Usable grants of one account, by region, at one instant (simulated runs only)."""

    at_us: int
    account: str
    limit: int
    usable: dict[str, int]
    homes: int = 1
    """How many regions are the account's home in some region's view: more than one while a plan
    that names another home is on its way."""


@dataclass(frozen=True, slots=True)
class Moved:
    """An account's home moved: its home of before said so (simulated runs only)."""

    at_us: int
    region: str
    """The home of before."""
    account: str
    home: str
    number: int
    """How often it has moved."""


@dataclass(frozen=True, slots=True)
class Sat:
    """A region was seen to be home in a seat, and had learnt (simulated runs with an election)."""

    at_us: int
    region: str
    seat: str


@dataclass(frozen=True, slots=True)
class Voided:
    """A region noticed that a lease of its grants had run out or was void (simulated runs only)."""

    at_us: int
    region: str
    accounts: int
    """How many accounts had grants under it."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One mesh message from region to region (only when the run was asked to keep them)."""

    sent_us: int
    arrived_us: int | None
    """None: it never arrived."""
    source: str
    target: str
    kind: str
    bytes: int


@dataclass(frozen=True, slots=True)
class LogLine:
    """A region logged an error: no run should cause one."""

    at_us: int
    region: str
    event: str
    detail: str


@dataclass(frozen=True, slots=True)
class Convergence:
    """What the regions held some time after healing, when nobody started any more."""

    at_us: int
    healed_us: int
    limit_us: int
    """By then they had to agree."""
    problems: tuple[str, ...]
    """In words, what differed; empty: converged."""
    agreed_us: int | None = None
    """When they first agreed; None: not yet."""


@dataclass(slots=True)
class Transfer:
    """Bytes and messages that crossed one ordered pair of regions."""

    source: str
    target: str
    bytes: int = 0
    chunks: int = 0


@dataclass(slots=True)
class History:
    """One run."""

    seed: int
    scenario: str
    system: str = "georeg"
    """`georeg`, `live`, or the name of a baseline."""
    regions: tuple[str, ...] = ()
    heartbeat_us: int = 30_000_000
    lease_us: int = 90_000_000
    suspect_us: int = 65_000_000
    deadline_us: int = 80_000
    excess_policy: str = "finish"
    on_limit: str = "refuse"
    healed_us: int = 0
    """When the faults were over and everything was healed; what came before is the safety phase."""
    end_us: int = 0
    calls: list[Call] = field(default_factory=list)
    joined: list[Joined] = field(default_factory=list)
    gone: list[Gone] = field(default_factory=list)
    told: list[Told] = field(default_factory=list)
    faults: list[FaultEvent] = field(default_factory=list)
    lives: list[LifeEvent] = field(default_factory=list)
    ended: list[Ended] = field(default_factory=list)
    learned: list[Learned] = field(default_factory=list)
    cloned: list[Cloned] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)
    moved: list[Moved] = field(default_factory=list)
    voided: list[Voided] = field(default_factory=list)
    sat: list[Sat] = field(default_factory=list)
    """At each probe, the oldest first."""
    frames: list[Frame] = field(default_factory=list)
    logs: list[LogLine] = field(default_factory=list)
    convergence: list[Convergence] = field(default_factory=list)
    transfers: list[Transfer] = field(default_factory=list)
    election: str = "static"
    """How homes are elected."""
    nodes: int = 1
    """Of each region."""
    is_tapped: bool = True
    """Whether `ended`, `learned`, `budgets` and `probes` were recorded: not in live runs."""
    is_crossed: bool = True
    """Whether callers reach all regions also while the regions are cut (roaming over a cut)."""
    has_older: bool = False
    """Whether a region may speak a protocol in which nothing is relayed."""
    max_latency_us: int = 0
    """The longest usual one-way latency between two regions."""
    round_trips_us: dict[str, int] = field(default_factory=dict)
    """"place>region" -> usual round trip of a call, with its jitter."""
