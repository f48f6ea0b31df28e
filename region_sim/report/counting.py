"""How many devices of an account streamed at each moment, against its limit."""

from collections import Counter
from collections.abc import Iterable
from typing import Final

from region_sim.oracle.trouble import Span
from region_sim.oracle.truth import Household
from region_sim.report.axis import Axis
from region_sim.report.svg import line, path, rect, steps, text

Level = tuple[int, int]
"""From when, and how many."""
_HEADROOM: Final = 1.15


def levels(spans: Iterable[tuple[str, Span]]) -> list[Level]:
    """How many distinct devices there were, from one change to the next."""
    changes = sorted(
        change
        for device, (from_us, to_us) in spans
        for change in ((from_us, 1, device), (to_us, -1, device))
    )
    on: Counter[str] = Counter()
    found: list[Level] = [(0, 0)]
    for at_us, step, device in changes:
        on[device] += step
        count = sum(number > 0 for number in on.values())
        if found[-1][0] == at_us:
            found.pop()
        if not found or found[-1][1] != count:
            found.append((at_us, count))
    return found


def draw(household: Household, limits: list[Level], axis: Axis, top: float, height: float) -> str:
    """The count as an area, the limit as a line, what is above it in red."""
    sessions = household.sessions.values()
    sure = levels((s.device, span) for s in sessions for span in s.sure)
    may = levels((s.device, span) for s in sessions for span in s.may)
    highest = max(count for _, count in (*sure, *may, *limits)) * _HEADROOM or 1
    base = top + height

    def points(found: list[Level]) -> list[tuple[float, float]]:
        return [
            (axis.x(at_us), base - height * count / highest) for at_us, count in _cut(found, axis)
        ]

    parts = [
        line(axis.left, base, axis.right, base, "base"),
        path(steps(points(may), axis.right, base), "count-may"),
        path(steps(points(sure), axis.right, base), "count-sure"),
    ]
    for from_us, to_us, count, limit in _above(sure, limits, axis.to_us):
        if axis.holds(from_us, to_us):
            x, y = axis.x(from_us), base - height * count / highest
            parts.append(rect(x, y, axis.x(to_us) - x, height * (count - limit) / highest, "above"))
    parts.append(path(steps(points(limits), axis.right), "limit"))
    parts += _labels(axis, base, height, highest, limits)
    return "".join(parts)


def _labels(
    axis: Axis, base: float, height: float, highest: float, limits: list[Level]
) -> list[str]:
    shown = _cut(limits, axis)
    y = base - height * shown[0][1] / highest
    return [
        text(axis.left - 8, base, "0 devices", "tick", "end"),
        text(axis.left - 8, y + 3, f"limit {shown[0][1]}", "tick limit-text", "end"),
        *(
            text(axis.x(at_us) + 3, base - height * limit / highest - 3, f"limit {limit}", "tick")
            for at_us, limit in shown[1:]
        ),
    ]


def _cut(found: list[Level], axis: Axis) -> list[Level]:
    """The levels within an axis, beginning with the one that stood at its begin."""
    before = [level for level in found if level[0] <= axis.from_us][-1:]
    within = [level for level in found if axis.from_us < level[0] <= axis.to_us]
    return [(axis.from_us, count) for _, count in before] + within


def _above(
    counts: list[Level], limits: list[Level], end_us: int
) -> Iterable[tuple[int, int, int, int]]:
    """Times above the largest limit so far: from, to, how many, limit."""
    for index, (from_us, count) in enumerate(counts):
        to_us = counts[index + 1][0] if index + 1 < len(counts) else end_us
        limit = max((n for at_us, n in limits if at_us <= from_us), default=limits[0][1])
        if count > limit:
            yield from_us, to_us, count, limit
