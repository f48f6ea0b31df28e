"""How much is measured: the real sizes, or a quick look that only shows that everything runs."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """Sizes and durations of one run."""

    sessions: int
    """Of a full region: memory, garbage collection, sweep, applying."""
    few_sessions: int
    """Of a small one, to show what does not depend on the size."""
    starts: int
    """In the region's code, a round."""
    rounds: int
    warm_s: float
    round_s: float
    """Of HTTP load."""
    http_sessions: int
    """Sessions whose heartbeats the HTTP load sends."""
    connections: int
    batch_connections: int
    batch_tokens: int
    wire_s: float
    """On real links, each of the idle and the busy phase."""
    wire_settle_s: float
    """After which every range and acknowledgement has been sent."""
    wire_rates_hz: tuple[int, ...]
    """Starts a second: at higher rates more events share a frame."""
    cut_starts: int
    """Starts while every link is cut."""


FULL = Scale(
    sessions=1_000_000,
    few_sessions=10_000,
    starts=20_000,
    rounds=5,
    warm_s=0.5,
    round_s=3.0,
    http_sessions=10_000,
    connections=64,
    batch_connections=16,
    batch_tokens=500,
    wire_s=10.0,
    wire_settle_s=4.0,
    wire_rates_hz=(200, 1_000),
    cut_starts=50,
)

QUICK = Scale(
    sessions=5_000,
    few_sessions=1_000,
    starts=300,
    rounds=1,
    warm_s=0.05,
    round_s=0.2,
    http_sessions=64,
    connections=4,
    batch_connections=2,
    batch_tokens=50,
    wire_s=0.8,
    wire_settle_s=0.4,
    wire_rates_hz=(50,),
    cut_starts=3,
)
