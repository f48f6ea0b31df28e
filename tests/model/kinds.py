"""The kinds of worlds: how far the regions are apart, what goes wrong, what the plans say."""

from dataclasses import dataclass

from georeg.region.settings import Excess, OnLimit, PlanPolicy

LIMITS = {"basic": 1, "standard": 2, "premium": 4}


@dataclass(frozen=True)
class Kind:
    """One kind of world. Shares are probabilities."""

    name: str
    latency_s: tuple[float, float]
    """One way, between any two regions."""
    is_calm: bool = False
    """No faults: whatever exceeds the limit must end within seconds."""
    is_instant: bool = False
    """So near that no decision ever exceeds the limit."""
    is_cut: bool = False
    """The world is in two parts most of the time, and nobody crosses the cut."""
    drift: float = 0.0
    """Largest rate error of a region's monotonic clock."""
    doubled: float = 0.0
    """Share of messages that arrive twice."""
    reorders: bool = False
    """Messages of one link overtake one another, as when it breaks and comes up again and again."""
    on_limit: OnLimit = OnLimit.REFUSE
    excess: Excess = Excess.FINISH
    home_move_after_s: int = 86_400
    """Longer than a run: no home moves."""
    loses_disks: bool = False
    """Also while links are cut, when a kick may go with the only disk that has it."""

    def plans(self) -> dict[str, PlanPolicy]:
        return {
            name: PlanPolicy(limit, self.on_limit, self.excess) for name, limit in LIMITS.items()
        }


_FAST, _SLOW = (0.001, 0.004), (0.020, 0.150)

KINDS = {
    kind.name: kind
    for kind in (
        Kind("fast", _FAST, is_calm=True, is_instant=True),
        Kind("near", (0.004, 0.010), is_calm=True),
        Kind("mid", (0.020, 0.034), is_calm=True),
        Kind("slow", _SLOW, is_calm=True),
        Kind("cut", (0.003, 0.014), is_cut=True),
        Kind("lossy", _SLOW, drift=0.02, doubled=0.05, reorders=True),
        Kind("restart", (0.003, 0.010), drift=0.02),
        Kind("faulty", _SLOW, drift=0.02, doubled=0.05, reorders=True),
        Kind("movers", _FAST, is_calm=True, is_instant=True, home_move_after_s=2),
        Kind(
            "stormy_movers", _SLOW, drift=0.02, doubled=0.05, reorders=True, home_move_after_s=2,
            loses_disks=True,
        ),
        Kind("oldest", _FAST, is_calm=True, is_instant=True, on_limit=OnLimit.END_OLDEST),
        Kind("excess", (0.003, 0.014), is_cut=True, excess=Excess.END),
    )
}
