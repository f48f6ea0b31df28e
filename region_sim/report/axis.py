"""The time axis that all drawings of a run share.

At the end of a run all devices have gone and leases run out: minutes in which nothing happens. That
tail is drawn shorter, behind a break which the axis shows, so that the rest has the room.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from region_sim.history import History
from region_sim.report.svg import line, rect, text

_STEPS_S: Final = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600)
_TICK_WIDTH_MIN: Final = 58.0
_AFTER_US: Final = 12_000_000
"""What is shown at full size after the regions agreed."""
_TAIL_SHARE: Final = 0.1
_TAIL_US_MIN: Final = 30_000_000


@dataclass(frozen=True, slots=True)
class Axis:
    """Times from `from_us` to `to_us` between two x; behind `break_us` they are drawn shorter."""

    from_us: int
    to_us: int
    left: float
    right: float
    break_us: int
    break_x: float

    def x(self, at_us: int) -> float:
        """Where a moment is; outside of the axis: its end."""
        at_us = min(max(at_us, self.from_us), self.to_us)
        if at_us <= self.break_us:
            share = (at_us - self.from_us) / max(1, self.break_us - self.from_us)
            return self.left + share * (self.break_x - self.left)
        share = (at_us - self.break_us) / max(1, self.to_us - self.break_us)
        return self.break_x + share * (self.right - self.break_x)

    def holds(self, from_us: int, to_us: int) -> bool:
        """Whether any of this time is on the axis."""
        return from_us <= self.to_us and to_us >= self.from_us

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Where a label stands, and what it says, in seconds."""
        width_s = (self.break_us - self.from_us) / 1e6
        room = max(1.0, (self.break_x - self.left) / _TICK_WIDTH_MIN)
        step_s = next((s for s in _STEPS_S if width_s / s <= room), _STEPS_S[-1])
        first = -(-self.from_us // round(step_s * 1e6))
        last = self.break_us // round(step_s * 1e6)
        for count in range(first, last + 1):
            yield self.x(round(count * step_s * 1e6)), f"{count * step_s:g}"
        if self.to_us > self.break_us:
            yield self.right, f"{self.to_us / 1e6:.0f}"

    def draw(self, top: float, bottom: float, *, above: bool = True) -> str:
        """Grid lines with their labels, and the break."""
        parts = []
        for x, label in self.ticks():
            parts.append(line(x, top, x, bottom, "grid"))
            anchor = "end" if x > self.right - 20 else "middle"
            parts.append(text(x, bottom + 12, label, "tick", anchor))
            if above:
                parts.append(text(x, top - 5, label, "tick", anchor))
        parts.append(text(self.left - 8, bottom + 12, "seconds", "tick", "end"))
        if self.to_us > self.break_us:
            parts.append(rect(self.break_x, top, self.right - self.break_x, bottom - top, "tail"))
        return "".join(parts)


def whole(history: History, left: float, right: float) -> Axis:
    """The axis of a whole run."""
    agreed = [c.agreed_us or c.at_us for c in history.convergence[:1]]
    busy_us = max([history.healed_us, *agreed]) + _AFTER_US
    if history.end_us - busy_us < _TAIL_US_MIN:
        return window(0, history.end_us, left, right)
    break_x = right - _TAIL_SHARE * (right - left)
    return Axis(0, history.end_us, left, right, busy_us, break_x)


def window(from_us: int, to_us: int, left: float, right: float) -> Axis:
    """The axis of a part of a run, without a break."""
    return Axis(max(0, from_us), to_us, left, right, to_us, right)
