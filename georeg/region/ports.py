"""What a region sees of the outside: a clock, its peers, its journal.

Small protocols, so that the simulator can own time and network and the tests can own the rest.
"""

from array import array
from collections.abc import Callable
from typing import NamedTuple, Protocol

from crdt.dots import RegionId
from crdt.events import Entry, HomeSet, Kick, PlanSet


class Timer(Protocol):
    """A call that is to come."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Time as this region has it."""

    def now_ms(self) -> int:
        """Monotonic milliseconds; only differences mean anything."""

    def wall_ms(self) -> int:
        """Milliseconds since 1970, for people and hard deadlines; may jump."""

    def call_later(self, delay_ms: int, callback: Callable[[], None]) -> Timer:
        """Run the callback once, after the delay, on the region's loop."""


class Mesh(Protocol):
    """The links to the other regions. Best effort: a message may be lost, late or doubled."""

    def send(self, peer: RegionId, payload: bytes) -> None:
        """Queue one message (see messages.py); dropped when the link is down or its queue full."""


class Locked(NamedTuple):
    """What a lock service answers."""

    number: int = 0
    """The fencing number under which the lock is held from now on; 0: somebody else holds it, or
    it is held no longer."""
    error: str = ""
    """Why the service could not be asked, in words; empty: it has answered."""


class Locks(Protocol):
    """A lock for each seat, in a service outside of all regions (fenced.py).

    A lock has one owner at a time, for the time that was asked, on the clock of the service. Each
    call returns at once and calls `then` later, once, or never.
    """

    def acquire(
        self, seat: RegionId, owner: str, ttl_ms: int, above: int, then: Callable[[Locked], None]
    ) -> None:
        """Take the lock if it is free, under a number above `above` and all that it ever had."""

    def renew(
        self, seat: RegionId, owner: str, number: int, ttl_ms: int, then: Callable[[Locked], None]
    ) -> None:
        """Let the lock last on if this owner still holds it under this number."""

    def release(self, seat: RegionId, owner: str, number: int) -> None:
        """Let the lock go if this owner still holds it under this number."""


class Times(Protocol):
    """When devices were last heard, as a journal keeps it that outlives the machine."""

    def silent_ms(self, session: int) -> int | None:
        """How long the device of a session of `sessions` has been silent, at least up to now; None:
        not known. Of the time before this life, until `all_stored`."""

    def store(self, block: int, sessions: "array[int]", silent_s: bytes) -> None:
        """Queue the times of a block of sessions, which takes the place of the one before."""

    def all_stored(self) -> None:
        """All sessions have been in some block: blocks of earlier lives may go."""


class Journal(Protocol):
    """What must survive a crash of this region; and, lazily, what had better."""

    @property
    def lost(self) -> str:
        """In words, what was found damaged when this life began; empty: nothing. A journal that is
        not there cannot be told from a first start."""

    @property
    def trouble(self) -> str:
        """Why the disk refuses at present; empty: it does not."""

    def incarnation(self) -> int:
        """The highest incarnation that was ever stored; 0 when there is none."""

    def store_incarnation(self, incarnation: int) -> None:
        """Returns when it is durable. Raises OSError: it will be, when the disk has recovered."""

    def store_kick(self, kick: Kick) -> None:
        """Queue a kick for writing; durable at the latest when `sync` returns."""

    def store_plan(self, plan: PlanSet) -> None:
        """Queue a plan for writing."""

    def store_home(self, home: HomeSet) -> None:
        """Queue a home that has moved for writing; the highest number of an account stands."""

    def store_peer(self, region: RegionId, incarnation: int) -> None:
        """Queue what a peer's beacons say of its incarnation; the highest stands."""

    def store_session(self, entry: Entry) -> None:
        """Queue an own session for writing. It is written seconds later, and may be lost.

        With its first dot it is stored once, unless the journal has lost it: one that ends before
        it is written need not be forgotten.
        """

    def forget_session(self, session: int) -> None:
        """Queue that an own session is held no longer, in the same way."""

    def sync(self, then: Callable[[OSError | None], None]) -> None:
        """Make durable what is queued of these, then call back: None, or why the disk refused."""

    def committed(self, then: Callable[[OSError | None], None]) -> None:
        """Call back when a successor on another machine would know all that was stored so far,
        sessions included; at once where there can be none."""

    @property
    def times(self) -> Times | None:
        """Where times of heartbeats are kept; None: nowhere, and a restart knows of none."""

    def peers(self) -> dict[RegionId, int]:
        """The highest incarnation of each peer that was ever stored."""

    def kicks(self) -> list[Kick]:
        """All kicks that have not expired, at the begin of a life; later, perhaps none."""

    def plans(self) -> list[PlanSet]:
        """All plans that were stored, in the same way."""

    def homes(self) -> list[HomeSet]:
        """All homes that have moved, of those that are durable."""

    def sessions(self, after: int = 0) -> tuple[list[Entry], int | None]:
        """Some own sessions, of this and earlier incarnations, with ids above `after`, in order.

        And the id after which there are more; None: that was all.
        """
