"""What regions say to one another, as values; how they look on the wire is in `wire.py`.

No message needs an answer for anything to be right: each may be lost, late or doubled, and what
waits for an answer waits by its own clock. So a message carries what its receiver needs to judge
it: numbers of requests, generations of leases, positions of logs.

A field or message that comes later stands at the end, a field with a default: what version 1 of the
protocol does not have is left out for a peer that speaks it (wire.py), and it never misses it.

Every list in a message has a limit, which is here, next to what it limits.
"""

from typing import Any, Final, NamedTuple

from crdt.dots import RegionId, SessionId
from crdt.events import Entry, Plan
from georeg.region.seen import Seen
from georeg.region.settings import ElectionKind

MESSAGE_BYTES_MAX: Final = 1 << 20
RELAYED_BYTES_MAX: Final = MESSAGE_BYTES_MAX - 32
"""Of a message that goes round a third region, so that its wrapping fits as well."""
LIST_MAX: Final = 256
"""Sessions that one message may name for one account; above every limit."""
CLAIMS_MAX: Final = 5_000
CLAIM_PARTS_MAX: Final = 4_096
EVENTS_MAX: Final = 2_000
NUMBER_MAX: Final = (1 << 63) - 1
TERM_MAX: Final = (1 << 62) - 1
"""So that there is a term above each."""
PART_BYTES: Final = 200_000
PARTS_MAX: Final = 10_000
VERSION_BYTES_MAX: Final = 32
AMOUNT_MAX: Final = 255
ELECTIONS: Final = (ElectionKind.STATIC, ElectionKind.BEST_EFFORT, ElectionKind.FENCED)
OWN_SEAT: Final = RegionId(0)
"""Of a message between a holder and a home: the seat that it is about is the home's own. Regions
that speak version 1 know no other."""


class Vitals(NamedTuple):
    """What a region says of itself to the others, for operators: no decision rests on it."""

    version: str
    wall_ms: int
    """Its wall clock when it said this."""
    uptime_s: int
    sessions: int
    """Live sessions that it holds."""
    grants_held: int
    """Slots that it has leased from other homes."""
    grants_used: int
    """How many of these were in use when it last counted."""
    overdraft: int
    starts: int
    """Starts that it decided in the last minute, whatever became of them."""
    refused_local: int
    """Refusals of the last minute, by their weakest evidence."""
    refused_confirmed: int
    refused_beacon: int


class Beacon(NamedTuple):
    """ "I am here, at this position": renews the evidence for all sessions of the sender."""

    incarnation: int
    number: int
    echo_incarnation: int
    """Incarnation and number of the receiver's newest beacon as heard by the sender; 0: none."""
    echo_number: int
    echo_held_ms: int
    """How long the sender had held that beacon: what a round trip must not count."""
    heads: tuple[tuple[int, int, int], ...]
    """(shard, position, state hash) of shards that the receiver has not acknowledged in full."""
    acks: tuple[tuple[int, int, int], ...]
    """(shard, incarnation, position) of the receiver's log as applied by the sender."""
    is_draining: bool = False
    """The sender's operator drains it: nobody is to be sent there."""
    regions: bytes = b""
    """The numbers of all regions by the sender's config, in order; empty: not said (version 1)."""
    vitals: tuple[Vitals, ...] = ()
    """One in every fifth beacon."""
    hears: tuple[RegionId, ...] = ()
    """Regions that the sender hears on their own links (ways.py)."""
    reaches: tuple[tuple[RegionId, int], ...] = ()
    """Regions that hear the sender on its own link, with the round trip in milliseconds."""
    election: int = 0
    """By which election the sender goes, its place in `ELECTIONS`; all regions should by the same.
    """
    seats: tuple[tuple[RegionId, int], ...] = ()
    """(seat, term) where the sender sits; term 0: it does not, and would. Empty by static election:
    it sits in its own seat, in the term of its incarnation."""


class Range(NamedTuple):
    """A contiguous range of the sender's log of one shard."""

    shard: int
    incarnation: int
    first: int
    events: tuple[Any, ...]


class SnapshotPart(NamedTuple):
    """A piece of a complete snapshot of one writer's shard; staged until all parts are there."""

    writer: RegionId
    shard: int
    incarnation: int
    position: int
    part: int
    parts: int
    data: bytes


class Fetch(NamedTuple):
    """A starting region asks what is known of it."""

    nonce: int


class Fetched(NamedTuple):
    """The end of the answer to a Fetch; the snapshots came before it."""

    nonce: int
    incarnation: int
    """The highest incarnation of the asking region that the answering one has seen; 0: none."""
    snapshots: int = 0
    """Of so many shards came one: of fewer, and some were lost on the way."""


class Borrow(NamedTuple):
    """A region asks the home for slots, or in the background for cover."""

    account: str
    request: int
    generation: int
    sent_ms: int
    """On the asking region's clock; comes back unchanged."""
    need: int
    want: int
    gone: tuple[tuple[SessionId, int], ...]
    """Sessions that the start ends when it is admitted, each with its Reason."""
    device_name: str
    """The device that starts, for those whose session it ends; empty in the background."""
    rid: int
    plan: Plan
    issued: int
    seat: RegionId = OWN_SEAT


class Slot(NamedTuple):
    """The home grants: the asking region's whole amount for the account."""

    account: str
    request: int
    generation: int
    term: int
    sent_ms: int
    amount: int
    rid: int
    seat: RegionId = OWN_SEAT


class No(NamedTuple):
    """The home cannot grant; with the fresh answers that this rests on, per region."""

    account: str
    rid: int
    answers: tuple[tuple[RegionId, tuple[Seen, ...]], ...]


class Recall(NamedTuple):
    """The home asks for unused slots back, and who lives there."""

    account: str
    wid: int
    need: int
    take: tuple[tuple[SessionId, int], ...]
    """Sessions that hand over their slot, each with its Reason: those that a start ends are
    kicked; a suspect one is released (DISPLACED)."""
    device_name: str
    seat: RegionId = OWN_SEAT


class Recalled(NamedTuple):
    """Answer to a recall, or a slot given back unasked (`wid` 0)."""

    account: str
    wid: int
    request: int
    generation: int
    has: int
    seen: tuple[Seen, ...]
    hints: tuple[Entry, ...]
    """What the holder's view shows elsewhere: causal handover."""
    seat: RegionId = OWN_SEAT


class Confirm(NamedTuple):
    """Who of this account lives with you, now?"""

    account: str
    rid: int


class Confirmed(NamedTuple):
    """These do."""

    account: str
    rid: int
    seen: tuple[Seen, ...]


class Renew(NamedTuple):
    """A holder renews its region lease with a home."""

    generation: int
    sent_ms: int
    term: int
    """The term of the home that leased; 0: none."""
    for_term: int
    """The home's term as the holder has heard of it by beacon; 0: never."""
    request: int
    """Number of the claims; 0: no claims."""
    part: int
    parts: int
    claims: tuple[tuple[str, int], ...]
    """When the two terms differ: what was leased, told to a home that has lost its book."""
    seat: RegionId = OWN_SEAT


class Leased(NamedTuple):
    """The region lease was renewed."""

    generation: int
    term: int
    sent_ms: int
    seat: RegionId = OWN_SEAT


class Void(NamedTuple):
    """The generation is dead: its lease had expired at the home."""

    generation: int
    seat: RegionId = OWN_SEAT


class Repair(NamedTuple):
    """At equal positions the state hashes differ: send a snapshot of your shard."""

    shard: int


class Bundle(NamedTuple):
    """Ranges of several shards in one frame: a flush mostly has one event of each of many."""

    ranges: tuple[bytes, ...]
    """Each the wire form of a Range."""


class Relayed(NamedTuple):
    """A message that goes round: from its source to a relay, and from there to its target."""

    source: RegionId
    target: RegionId
    version: int
    """Of the protocol, in which the payload is: that which source and target spoke last."""
    payload: bytes
    """The wire form of any message but this one."""


Message = (
    Beacon | Range | SnapshotPart | Fetch | Fetched | Borrow | Slot | No | Recall | Recalled
    | Confirm | Confirmed | Renew | Leased | Void | Repair | Bundle | Relayed
)  # fmt: skip
