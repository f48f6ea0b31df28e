"""The figures of the comparison: what each is, in words, and how it is read off a tally.

One list feeds the table, the chart and the JSON, so they cannot differ. Less is better in all that
are drawn.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from region_sim.compare.tally import Tally

_HOUR_US: Final = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table."""

    key: str
    """In the JSON."""
    name: str
    unit: str
    about: str
    of: Callable[[Tally], float]
    digits: int = 0
    is_drawn: bool = False

    def text(self, tally: Tally) -> str:
        """As people read it."""
        return shown(self.of(tally), self.digits)


def shown(value: float, digits: int) -> str:
    """A number with thousands apart; a small one that is not 0 never looks like 0."""
    least = 10**-digits / 2
    return f"{value:.2g}" if 0 < value < least else f"{value:,.{digits}f}"


def _share(part: float, whole: float, scale: float) -> float:
    return part * scale / whole if whole else 0.0


FIGURES: Final = (
    Figure(
        "starts",
        "starts asked",
        "",
        "calls, so that each time a viewer tries again counts",
        lambda t: t.starts,
    ),
    Figure("admitted", "admitted", "", "answered 201", lambda t: t.admitted),
    Figure("refused", "refused", "", "answered 409", lambda t: t.refused),
    Figure(
        "unavailable_percent",
        "starts nobody decided",
        "% of starts",
        "answered 503, or not at all; each retry counts",
        lambda t: _share(t.starts - t.admitted - t.refused, t.starts, 100),
        digits=2,
        is_drawn=True,
    ),
    Figure(
        "undecided_percent",
        "calls nobody decided",
        "% of calls",
        "of all kinds: answered 5xx, or not at all; each retry counts",
        lambda t: _share(t.undecided, t.calls, 100),
        digits=2,
    ),
    Figure(
        "false_blocks",
        "false blocks",
        "",
        "refused although fewer than L other sessions can have lived (P1)",
        lambda t: t.false_blocks,
    ),
    Figure(
        "false_blocks_per_1000",
        "false blocks",
        "per 1,000 refusals",
        "refused although fewer than L other sessions can have lived (P1)",
        lambda t: _share(t.false_blocks, t.refused, 1000),
        digits=1,
        is_drawn=True,
    ),
    Figure(
        "pending_ends_per_1000",
        "refused on an end beyond a cut",
        "per 1,000 refusals",
        "the session that is named had ended, on the far side of a cut or a dead region",
        lambda t: _share(t.pending_ends, t.refused, 1000),
        digits=1,
    ),
    Figure(
        "ghost_blocks_per_1000",
        "refused by ghosts",
        "per 1,000 refusals",
        "fewer than L other screens really played, whatever leases and copies said",
        lambda t: _share(t.ghost_blocks, t.refused, 1000),
        digits=1,
        is_drawn=True,
    ),
    Figure(
        "excess_s",
        "screens above the limit",
        "screen-seconds",
        "screens that played beyond what their account pays for, times how long",
        lambda t: t.excess_us / 1e6,
    ),
    Figure(
        "excess_s_per_hour",
        "screens above the limit",
        "s per hour played",
        "screens that played beyond what their account pays for, times how long",
        lambda t: _share(t.excess_us / 1e6, t.played_us, _HOUR_US),
        digits=1,
        is_drawn=True,
    ),
    Figure(
        "excess_peak",
        "most above the limit at once",
        "screens",
        "of one account",
        lambda t: t.excess_peak,
    ),
    Figure(
        "excess_longest_s",
        "longest above the limit",
        "s",
        "of one account, without a break",
        lambda t: t.excess_longest_us / 1e6,
        is_drawn=True,
    ),
    Figure(
        "cut_off",
        "screens cut off",
        "",
        "ended by the system, although the last heartbeat had been sent in time",
        lambda t: t.cut_off,
    ),
    Figure(
        "cut_off_per_1000",
        "screens cut off",
        "per 1,000 streams",
        "ended by the system, although the last heartbeat had been sent in time",
        lambda t: _share(t.cut_off, t.admitted, 1000),
        digits=1,
        is_drawn=True,
    ),
    Figure(
        "kicks_missed_percent",
        "kicks that found nothing",
        "% of kicks",
        "of a screen that played, answered 404",
        lambda t: _share(t.kicks_missed, t.kicks, 100),
        digits=1,
    ),
    Figure(
        "start_p50_ms",
        "a start's answer, p50",
        "ms",
        "503 included; from a device to the region next to it and back",
        lambda t: t.start_ms(0.5),
        digits=1,
    ),
    Figure(
        "start_p99_ms",
        "a start's answer, p99",
        "ms",
        "503 included; from a device to the region next to it and back",
        lambda t: t.start_ms(0.99),
        digits=1,
        is_drawn=True,
    ),
    Figure(
        "start_p999_ms",
        "a start's answer, p99.9",
        "ms",
        "503 included; from a device to the region next to it and back",
        lambda t: t.start_ms(0.999),
        digits=1,
    ),
    Figure(
        "bytes_per_start",
        "bytes between regions",
        "B per stream",
        "all that crossed, also in the quiet end of each run",
        lambda t: _share(t.bytes, t.admitted, 1),
        is_drawn=True,
    ),
    Figure(
        "bytes_per_s",
        "bytes between regions",
        "B/s",
        "over the whole run, all pairs of regions together",
        lambda t: _share(t.bytes, t.run_us / 1e6, 1),
    ),
)
"""In the order in which they are shown."""
