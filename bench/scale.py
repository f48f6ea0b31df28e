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
    node_rounds: int
    node_round_s: float
    """Of load on the nodes of one region."""
    node_counts: tuple[int, ...]
    """Nodes of one region on one redis-server, beside a region of one."""
    cluster_node_counts: tuple[int, ...]
    """The same on a Redis Cluster."""
    stored_sessions: int
    """In one Redis, to weigh them there."""
    stored_settle_s: float
    """After which a node has written the times of all their heartbeats."""


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
    node_rounds=3,
    node_round_s=2.0,
    node_counts=(2, 4),
    cluster_node_counts=(1, 2),
    stored_sessions=100_000,
    stored_settle_s=12.0,
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
    node_rounds=1,
    node_round_s=0.2,
    node_counts=(),
    cluster_node_counts=(2,),
    stored_sessions=300,
    stored_settle_s=0.5,
)
