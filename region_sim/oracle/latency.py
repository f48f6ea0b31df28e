"""How long answers took: quantiles by kind of call, of all calls that were answered at all."""

from collections.abc import Iterable
from typing import Final

from region_sim.history import Call

QUANTILES: Final = {"p50": 0.50, "p99": 0.99, "p999": 0.999}


def quantiles(calls: Iterable[Call]) -> dict[str, dict[str, int]]:
    """By kind: microseconds from sending to answer, as p50, p99, p999 and max."""
    took: dict[str, list[int]] = {}
    for call in calls:
        if call.status and call.answered_us is not None:
            took.setdefault(call.kind.value, []).append(call.answered_us - call.sent_us)
    return {kind: _of(sorted(times)) for kind, times in sorted(took.items())}


def _of(times_us: list[int]) -> dict[str, int]:
    last = len(times_us) - 1
    found = {name: times_us[round(last * share)] for name, share in QUANTILES.items()}
    return found | {"max": times_us[last]}
