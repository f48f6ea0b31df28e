"""The times and policies of a region, with what each does when it is turned either way.

All times are milliseconds on the region's monotonic clock unless the name says otherwise. One
cluster uses one set: leases, heartbeat and drift must be the same in all its regions.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class OnLimit(StrEnum):
    """What a start does that meets a full account."""

    REFUSE = "refuse"
    END_OLDEST = "end_oldest"


class Excess(StrEnum):
    """What happens to a disproved overdraft session that is no longer young."""

    FINISH = "finish"
    END = "end"


class OnClone(StrEnum):
    """What happens to a session whose token two devices use at once."""

    REPORT = "report"
    END = "end"


class ElectionKind(StrEnum):
    """Who is home of a seat whose own region is down: nobody, the next one, or who has its lock."""

    STATIC = "static"
    BEST_EFFORT = "best-effort"
    FENCED = "fenced"


@dataclass(frozen=True, slots=True)
class PlanPolicy:
    """A named product: how many streams at once, and what happens at the limit."""

    limit: int
    on_limit: OnLimit = OnLimit.REFUSE
    excess: Excess = Excess.FINISH
    clones: OnClone = OnClone.REPORT


def default_plans() -> dict[str, PlanPolicy]:
    """Basic 1, Standard 2, Premium 4."""
    return {"basic": PlanPolicy(1), "standard": PlanPolicy(2), "premium": PlanPolicy(4)}


@dataclass(frozen=True, slots=True)
class Settings:
    """What one cluster agrees on."""

    heartbeat_ms: int = 30_000
    """Devices report this often. Shorter: vanished devices are noticed sooner, more load."""
    client_lease_ms: int = 90_000
    """A session lives so long without a heartbeat; 3 heartbeats."""
    suspect_ms: int = 65_000
    """After so long without a heartbeat a session may yield; 2 heartbeats and some slack."""
    deadline_ms: int = 80
    """A start is decided within this. Longer: fewer overdrafts between far regions."""
    beacon_ms: int = 1_000
    flush_ms: int = 50
    """A delta leaves at most this long after its event."""
    fresh_ms: int = 3_000
    """A beacon is evidence for so long. Longer: fewer overdrafts, older evidence in refusals."""
    region_suspect_ms: int = 5_000
    region_down_ms: int = 15_000
    """A region silent for so long is down: its sessions do not count."""
    grant_lease_ms: int = 10_000
    """A region lease. Longer: survives longer cuts; slots of a lost region come back later."""
    drift: float = 0.02
    """Largest rate error of a monotonic clock that P8 bears."""
    election: ElectionKind = ElectionKind.STATIC
    lock_ttl_ms: int = 10_000
    """Fenced: a home's lock lasts so long without a renewal. Longer: survives longer troubles of
    the lock service; the slots of a lost home's accounts are lent again later."""
    young_ms: int = 10_000
    """A provisional session that is disproved within this is ended, whatever the policy."""
    idle_grant_ms: int = 60_000
    """The home takes back grants of an account without live sessions after this."""
    home_move_after_ms: int = 86_400_000
    """An account's home moves to the region in which alone it has streamed for so long (moves.py).
    Shorter: homes follow sooner, and a journey moves them; each move is an event and a row that
    stays. 0: never."""
    token_roll_ms: int = 300_000
    """Devices get a new token this often, by which copies are noticed; ten heartbeats. Shorter:
    copies are noticed sooner, answers are longer. 0: never, while regions of 0.1 take part."""
    session_limit_s: int = 86_400
    """Hard deadline of a session from its start."""
    join_ms: int = 3_000
    """A starting region waits at most so long for its peers to tell what they hold of it."""
    idempotency_ms: int = 600_000
    ends_memory_ms: int = 270_000
    """How long an end that is not a kick is remembered; three client leases."""
    plan_memory_s: int = 172_800
    """Plans of accounts without sessions are forgotten after this; older entitlements refused."""
    plan_ahead_ms: int = 300_000
    """A plan stated further in the future would shut out every later one until then: refused."""
    plans: dict[str, PlanPolicy] = field(default_factory=default_plans)
    default_limit: int = 4
    """Limit of an account whose plan is unknown: never below what its owner may have paid for."""

    @classmethod
    def of(cls, *, heartbeat_s: float, lease_s: float | None = None) -> "Settings":
        """The usual settings for another pace, in heartbeats: lease 3, suspect 2 and a sixth,
        roll 10."""
        heartbeat_ms = round(heartbeat_s * 1000)
        lease_ms = round(lease_s * 1000) if lease_s is not None else 3 * heartbeat_ms
        return cls(
            heartbeat_ms=heartbeat_ms,
            client_lease_ms=lease_ms,
            suspect_ms=round(lease_ms * 65 / 90),
            token_roll_ms=10 * heartbeat_ms,
            ends_memory_ms=3 * lease_ms,
        )
