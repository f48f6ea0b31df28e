"""What the oracle says of a run."""

from dataclasses import dataclass, field
from enum import IntEnum


class Outcome(IntEnum):
    """How a run ended; the number is the exit code of `region-sim run`."""

    HOLDS = 0
    BROKEN = 1
    NOTHING_PROVED = 2
    """What the run claims to test never happened."""
    NOT_CONVERGED = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise, with what a person needs to find it in the history."""

    promise: str
    """P1 to P8, `availability`, or `errors` (a region logged one)."""
    rule: str
    """Which part of the checker, a few words: `shrink` keeps a failure with the same rule."""
    at_us: int
    account: str
    text: str
    """One sentence that says what happened and why it is wrong."""
    calls: tuple[int, ...] = ()
    """Numbers of the calls that it rests on, the deciding one first."""
    sessions: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Excess:
    """A time in which more devices of an account streamed than its limit."""

    account: str
    from_us: int
    to_us: int
    limit: int
    peak: int
    excuse: str = ""
    """Why it is allowed: partition, roaming, provisional; empty: it is not."""


@dataclass(slots=True)
class Verdict:
    """The judgement of one run."""

    outcome: Outcome = Outcome.HOLDS
    findings: list[Finding] = field(default_factory=list)
    convergence: list[str] = field(default_factory=list)
    """What had not converged, in words."""
    converged_us: int | None = None
    """From healing to agreement; None: never, or not looked at."""
    operations: dict[str, int] = field(default_factory=dict)
    """Calls by kind and answer, as `start 201`, `heartbeat 410 kicked`, `kick none`."""
    coverage: dict[str, int] = field(default_factory=dict)
    """How often each branch of the decision and each fault really happened (coverage.py)."""
    missing: list[str] = field(default_factory=list)
    """Coverage that the scenario expects and that did not happen."""
    latency_us: dict[str, dict[str, int]] = field(default_factory=dict)
    """By kind of call: p50, p99, p999, max, of answered calls."""
    excesses: list[Excess] = field(default_factory=list)
    false_blocks: int = 0
    pending_ends: int = 0
    """Refusals on a session whose end was spoken beyond a cut: the one exception to P1."""
    indefinite: int = 0
    """Starts without an answer: they may or may not have taken a slot."""
    unanswered: int = 0
    """Calls without an answer although the region and the line to it were in order."""
