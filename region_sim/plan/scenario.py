"""One run's parameters, apart from the seed.

Everything that can be drawn is drawn from the seed before the run begins (draw.py) and printed, so
that a scenario with its faults in hand leaves nothing open but the interleaving.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from region_sim.plan.faults import Fault, FaultKind
from region_sim.plan.habits import Habits
from region_sim.plan.latency import one_way_us


@dataclass(frozen=True, slots=True)
class Draw:
    """Which faults are drawn from the seed."""

    kinds: tuple[FaultKind, ...] = ()
    count_min: int = 0
    count_max: int = 0
    """How many faults a run has: a number between these two."""


@dataclass(frozen=True, slots=True)
class Scenario:
    """What shall happen."""

    name: str
    about: str = ""
    regions: tuple[str, ...] = ("us", "eu", "ap")
    world: str = "aws"
    """How far the regions are apart: latency.py."""
    round_trip_ms: dict[str, float] = field(default_factory=dict)
    """Links that differ from the world's, written as those of faults, with their round trips."""
    jitter: float = 0.1
    """Share of a link's latency that varies from message to message."""
    last_mile_ms: float = 8.0
    """One way, from a device to the region next to it."""
    duration_s: float = 120.0
    """The safety phase: viewers act, faults happen. Healing and convergence come after it."""
    households: int = 200
    only: tuple[str, ...] = ()
    """Of these households only those with these accounts; each does what it would among all."""
    plans: tuple[tuple[str, float], ...] = (("basic", 0.4), ("standard", 0.35), ("premium", 0.25))
    """Shares of the plans."""
    habits: Habits = Habits()
    drift: float = 0.0
    """Each region's clocks get a rate error of up to this much."""
    settings: dict[str, float] = field(default_factory=dict)
    """Differences from the usual settings of a region, as in its config file's [settings]."""
    excess: str = "finish"
    on_limit: str = "refuse"
    clones: str = "report"
    election: str = "static"
    """How homes are elected, as in a config file's [home]."""
    pinned: str = ""
    """Region that every entitlement names as the account's home; empty: as the habits say."""
    nodes: int = 1
    """Of each region; with more than one each region has a Redis, and `slices` slices."""
    slices: int = 4
    older: tuple[str, ...] = ()
    """Regions that speak only the oldest protocol at first; an `upgrade` changes that."""
    faults: tuple[Fault, ...] = ()
    draw: Draw = Draw()
    expects: tuple[str, ...] = ()
    """Coverage without which the run proves nothing: names of `oracle/coverage.py`."""

    def distances_us(self) -> Mapping[tuple[str, str], int]:
        """Usual one-way latency of every ordered pair of regions. Raises PlanError."""
        return one_way_us(self.world, self.regions, self.round_trip_ms)

    def accounts(self) -> list[str]:
        """The accounts of the households that take part."""
        accounts = (account_of(number) for number in range(1, self.households + 1))
        return [account for account in accounts if not self.only or account in self.only]


def account_of(number: int) -> str:
    """The account of a household, counted from 1."""
    return f"acc-{number:04d}"
