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
WRITTEN_US: Final = 3_000_000
"""What nobody waits for is on the disk by then."""
TRIPS: Final = 12
"""A decision takes fewer trips between regions than this, whatever else is asked meanwhile."""


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
        return self.latency_us * TRIPS <= self.history.deadline_us

    @property
    def in_time_us(self) -> int:
        """A session whose last heartbeat is not older than this is surely not suspect."""
        return int(self.history.suspect_us * 0.98) - 200_000

    def session(self, call: Call) -> Session | None:
        """The session that a heartbeat, stop or kick is about."""
        return self.households[call.account].sessions.get(call.session)

    def is_kept(self, session: Session, kick: End, by_us: int) -> bool:
        """Whether the region that spoke a kick knows of it still, also when it has begun anew.

        One that was acknowledged was durable; any other one is on its disk soon after.
        """
        network, here = self.network, kick.region
        if network.lost_disk(here, kick.at_us, by_us):
            return False
        written_us = kick.at_us + WRITTEN_US
        may_be_lost = network.restarted(here, kick.at_us, written_us) or not network.has_disk(
            here, kick.at_us, written_us
        )
        return session.is_promised(here, by_us) or not may_be_lost


Checker = Callable[[Run], Iterator[Finding]]


def seconds(us: int) -> str:
    """Microseconds as people read them."""
    return f"{us / 1e6:.3f} s"


def answered(call: Call) -> int:
    """When a call was answered. Only for calls that were."""
    assert call.answered_us is not None
    return call.answered_us
