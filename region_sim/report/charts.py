"""Sessions, grants and overdraft of each region over time, from what it says of itself.

All panels have one scale, in streams, so that regions compare. Where no probe was answered (the
process was down, or stood still) the curves have a gap.
"""

from typing import Final

from region_sim.history import Probe
from region_sim.report.axis import Axis
from region_sim.report.details import Details
from region_sim.report.subject import Subject
from region_sim.report.svg import line, path, rect, steps, tag, text

PANEL_HEIGHT: Final = 54.0
PANEL_GAP: Final = 14.0
_GAP_US: Final = 2_500_000
_POINTS_MAX: Final = 700
"""Of one panel; more than there are pixels to show them."""
_VALUE_WIDTH: Final = 6.0
"""Of the places at which a panel tells its values."""


def height(subject: Subject) -> float:
    """Of all panels together."""
    return (
        len(subject.history.regions) * (PANEL_HEIGHT + PANEL_GAP) if subject.history.probes else 0
    )


def draw(subject: Subject, axis: Axis, details: Details, top: float) -> str:
    """One panel per region, the first at `top`."""
    probes = subject.history.probes
    highest = max((max(p.sessions, p.grants_held, p.overdraft) for p in probes), default=0)
    scale = _round_up(highest)
    parts = []
    for index, region in enumerate(subject.history.regions if probes else ()):
        y = top + index * (PANEL_HEIGHT + PANEL_GAP)
        own = [probe for probe in probes if probe.region == region]
        parts.append(_panel(subject, axis, region, own, scale, y))
        parts.append(_values(axis, region, own, details, y))
    return "".join(parts)


def _round_up(value: int) -> int:
    """The next number that is good to read."""
    power: int = 10 ** max(0, len(str(value)) - 1)
    return next(n * power for n in (1, 2, 3, 4, 5, 6, 8, 10) if n * power >= max(1, value))


def _panel(
    subject: Subject, axis: Axis, region: str, probes: list[Probe], scale: int, top: float
) -> str:
    base, hue = top + PANEL_HEIGHT, subject.hue(region)

    def y(value: int) -> float:
        return base - PANEL_HEIGHT * value / scale

    parts = [
        text(8, top + 10, region, f"region ink{hue}"),
        text(axis.left - 8, top + 5, f"{scale:,}", "tick", "end"),
        text(axis.left - 8, top + 4 + PANEL_HEIGHT / 2, "streams", "tick", "end"),
        text(axis.left - 8, base, "0", "tick", "end"),
        line(axis.left, top, axis.right, top, "grid"),
        line(axis.left, base, axis.right, base, "base"),
    ]
    for run in _runs(probes):
        xs = [axis.x(probe.at_us) for probe in run]
        to_x = axis.x(run[-1].at_us + 1_000_000)
        sessions = [(x, y(p.sessions)) for x, p in zip(xs, run, strict=True)]
        overdraft = [(x, y(p.overdraft)) for x, p in zip(xs, run, strict=True)]
        grants = [(x, y(p.grants_held)) for x, p in zip(xs, run, strict=True)]
        parts.append(path(steps(sessions, to_x, base), f"area fill{hue}"))
        parts.append(path(steps(sessions, to_x), f"curve line{hue}"))
        if any(p.overdraft for p in run):
            parts.append(path(steps(overdraft, to_x, base), "overdraft"))
        parts.append(path(steps(grants, to_x), "grants"))
    return "".join(parts)


def _runs(probes: list[Probe]) -> list[list[Probe]]:
    """Probes without a gap between them, thinned to what can be seen."""
    step = max(1, len(probes) // _POINTS_MAX)
    runs: list[list[Probe]] = []
    before_us: int | None = None
    for index, probe in enumerate(probes):
        is_new = before_us is None or probe.at_us - before_us > _GAP_US
        before_us = probe.at_us
        if is_new:
            runs.append([])
        if is_new or index % step == 0:
            runs[-1].append(probe)
    return runs


def _values(axis: Axis, region: str, probes: list[Probe], details: Details, top: float) -> str:
    """Places to point at, with the numbers of that second."""
    parts, free_x = [], float("-inf")
    for probe in probes:
        x = axis.x(probe.at_us)
        if x < free_x:
            continue
        free_x = x + _VALUE_WIDTH
        detail = details.add(
            f"{region} at {probe.at_us / 1e6:.0f} s",
            f"sessions {probe.sessions}, of all regions known {probe.sessions_known}",
            f"grants held {probe.grants_held}, lent {probe.grants_lent}; "
            f"overdraft {probe.overdraft}",
        )
        parts.append(rect(x - _VALUE_WIDTH / 2, top, _VALUE_WIDTH, PANEL_HEIGHT, "v", detail))
    return tag("g", "".join(parts), class_="marks", tabindex="0" if probes else None, role="group",
               aria_label=f"numbers of {region}; arrow keys go from one to the next")  # fmt: skip
