"""What all checkers share: one run's history with the truth that was gathered from it.

A checker is a function `check(run)` that yields findings. It reads the run and changes nothing but
`counts` (coverage that only a checker can see). Its module's docstring is the definition of the
promise as it is judged.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from region_sim.history import Call, History
from region_sim.oracle.network import Network
from region_sim.oracle.sessions import End, Session
from region_sim.oracle.truth import Household, gather
from region_sim.oracle.verdict import Excess, Finding

FRESH_US: Final = 3_100_000
"""Evidence by beacon is younger than 3 s, on a clock that may be 2 % slow."""
TRAVEL_US: Final = 200_000
"""Beyond the latency: batches of 50 ms, queues, a home that serves one request after the other."""
STORED_US: Final = 3_000_000
"""A kick that nobody was promised is on disk within a second or two."""
TRIPS: Final = 12
"""A decision takes fewer trips between regions than this, whatever else is asked meanwhile. A trip
round a third region counts twice."""


@dataclass(slots=True)
class Run:
    """One run under judgement."""

    history: History
    network: Network
    households: dict[str, Household]
    counts: Counter[str] = field(default_factory=Counter)
    excesses: list[Excess] = field(default_factory=list)

    @classmethod
    def of(cls, history: History) -> "Run":
        """Gather the truth of a history."""
        network = Network(history)
        return cls(history, network, gather(history, network))

    @property
    def is_georeg(self) -> bool:
        """Whether the system promises what georeg does: evidence, budgets, an overdraft's end."""
        return self.history.system in ("georeg", "live")

    @property
    def latency_us(self) -> int:
        """The longest one-way latency between two regions, with its jitter."""
        return self.history.max_latency_us * 5 // 4

    @property
    def is_near(self) -> bool:
        """Whether the regions are so near that a decision never runs into its deadline."""
        trips = TRIPS * (2 if self.network.goes_round else 1)
        return self.latency_us * trips <= self.history.deadline_us

    @property
    def has_answers(self) -> bool:
        """Whether a region that is asked has surely answered long before the deadline. Not where
        processes are real and may stand still for a moment."""
        return self.history.is_tapped and self.latency_us * 4 <= self.history.deadline_us

    @property
    def in_time_us(self) -> int:
        """A session whose last heartbeat is not older than this is surely not suspect."""
        return int(self.history.suspect_us * 0.98) - 200_000

    def remembers(self, session: Session, end: End, by_us: int) -> bool:
        """Whether the region that spoke an end surely knows of it still.

        Through its restarts it knows only of kicks, until its disk is lost; of one that nobody was
        promised (superseded, replaced, limit) only where it lived on for long enough to store it.
        """
        here, network = end.region, self.network
        if not end.is_kick:
            return not network.restarted(here, end.at_us, by_us)
        stored_us = end.at_us + STORED_US
        is_stored = not network.restarted(here, end.at_us, min(by_us, stored_us))
        is_stored = is_stored and network.has_disk(here, end.at_us, stored_us)
        is_promised = session.is_promised(here, by_us)
        return (is_stored or is_promised) and not network.lost_disk(here, end.at_us, by_us)

    def session(self, call: Call) -> Session | None:
        """The session that a heartbeat, stop or kick is about."""
        return self.households[call.account].sessions.get(call.session)


Checker = Callable[[Run], Iterator[Finding]]


def seconds(us: int) -> str:
    """Microseconds as people read them."""
    return f"{us / 1e6:.3f} s"


def answered(call: Call) -> int:
    """When a call was answered. Only for calls that were."""
    assert call.answered_us is not None
    return call.answered_us
