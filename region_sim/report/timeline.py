"""The drawing of the whole run: findings, faults, lanes and curves over one time axis."""

from typing import Final

from region_sim.report import axis as axes
from region_sim.report import charts, lanes
from region_sim.report.axis import Axis
from region_sim.report.details import Details
from region_sim.report.marks import Marks
from region_sim.report.subject import FaultSpan, Subject, seconds
from region_sim.report.svg import figure, line, path, rect, tag, text, triangle

WIDTH: Final = 1140.0
LEFT: Final = 104.0
RIGHT: Final = WIDTH - 14
FINDING_MARKS_MAX: Final = 400
_HAIRLINES_MAX: Final = 12
_FAULT_HEIGHT: Final = 15.0
_FAULT_ROWS_MAX: Final = 24
_CHAR_WIDTH: Final = 5.6


def draw(subject: Subject, marks: Marks, details: Details) -> str:
    """The whole timeline as one SVG."""
    axis = axes.whole(subject.history, LEFT, RIGHT)
    has_findings = bool(subject.verdict.findings)
    top = 46.0
    findings_y = top + 8
    faults_y = findings_y + (20 if has_findings else 0)
    rows = _packed(subject, axis)
    lanes_y = faults_y + max((row for *_, row in rows), default=-1) * _FAULT_HEIGHT + _FAULT_HEIGHT
    charts_y = lanes_y + lanes.height(subject) + 26
    bottom = charts_y + charts.height(subject)
    parts = [axis.draw(top, bottom), _phases(subject, axis, top, bottom)]
    parts.append(_faults(rows, details, faults_y))
    parts.append(charts.draw(subject, axis, details, charts_y))
    if has_findings:
        parts.append(_hairlines(subject, axis, findings_y, lanes_y))
    parts.append(lanes.draw(subject, axis, marks, details, lanes_y))
    if has_findings:
        parts.append(_findings(subject, axis, details, findings_y))
    about = f"Timeline of the run over {subject.history.end_us / 1e6:.0f} seconds, by region"
    return figure(WIDTH, bottom + 20, "".join(parts), about, "timeline")


def _phases(subject: Subject, axis: Axis, top: float, bottom: float) -> str:
    """What the run was doing when, over the axis."""
    history = subject.history
    if not history.healed_us:
        return ""
    record = history.convergence[0] if history.convergence else None
    healed_x = axis.x(history.healed_us)
    parts = [
        text(axis.left, 24, "safety: viewers act, faults happen", "phase"),
        line(healed_x, top, healed_x, bottom, "phase-line"),
    ]
    if record is not None:
        agreed = record.agreed_us is not None
        at_us = record.agreed_us if record.agreed_us is not None else record.at_us
        x = axis.x(at_us)
        took_s = (at_us - history.healed_us) / 1e6
        words = (
            "healed; the regions agreed " if agreed else "healed; the regions did NOT agree for "
        )
        words += f"{took_s:.1f} s later" if agreed else f"{took_s:.0f} s"
        parts.append(rect(healed_x, top, x - healed_x, bottom - top, "healing"))
        kind = "phase" if agreed else "phase bad"
        parts.append(text(healed_x + 4, 24, words, kind, "end"))
    if axis.to_us > axis.break_us:
        parts.append(text(axis.right, 24, "all leave, leases end", "phase", "end"))
    return "".join(parts)


# ---- faults ----------------------------------------------------------------------------------


_Placed = tuple[FaultSpan, float, float, bool, int]


def _packed(subject: Subject, axis: Axis) -> list[_Placed]:
    """Faults with their x, width, whether the label stands left of the bar, and row."""
    ends: list[float] = []
    placed: list[_Placed] = []
    for span in subject.faults:
        x, to_x = axis.x(span.event.at_us), axis.x(span.to_us)
        label = len(span.text) * _CHAR_WIDTH + 8
        is_left = to_x - x < label and to_x + label > axis.right
        from_x, until_x = (x - label, to_x) if is_left else (x, max(to_x, x + label, to_x))
        if not is_left and to_x - x < label:
            until_x = to_x + label
        row = next((r for r, end in enumerate(ends) if end + 4 <= from_x), len(ends))
        if row == len(ends):
            if row == _FAULT_ROWS_MAX:
                row -= 1
            else:
                ends.append(0)
        ends[row] = until_x
        placed.append((span, x, to_x - x, is_left, row))
    return placed


def _faults(rows: list[_Placed], details: Details, top: float) -> str:
    parts = []
    for span, x, width, is_left, row in rows:
        y = top + row * _FAULT_HEIGHT
        detail = details.add(
            f"fault: {span.text}", f"{seconds(span.event.at_us)} to {seconds(span.to_us)}"
        )
        parts.append(rect(x, y, width, _FAULT_HEIGHT - 3, f"fault f-{span.event.kind}", detail))
        fits = len(span.text) * _CHAR_WIDTH + 8 <= width
        if is_left:
            parts.append(text(x - 4, y + 9.5, span.text, "label", "end"))
        else:
            parts.append(text(x + 4 if fits else x + width + 4, y + 9.5, span.text, "label"))
    label = text(LEFT - 8, top + 9.5, "faults", "tick", "end") if rows else ""
    group = tag("g", "".join(parts), class_="marks", tabindex="0" if rows else None, role="group",
                aria_label=f"{len(rows)} faults; arrow keys go from one to the next")  # fmt: skip
    return label + group


# ---- findings --------------------------------------------------------------------------------


def _findings(subject: Subject, axis: Axis, details: Details, y: float) -> str:
    """Broken promises: each a flag that links to its entry."""
    found = subject.verdict.findings[:FINDING_MARKS_MAX]
    parts = [text(LEFT - 8, y + 8, "broken", "tick bad", "end")]
    for number, finding in enumerate(found, start=1):
        x = axis.x(finding.at_us)
        next_x = axis.x(found[number].at_us) if number < len(found) else float("inf")
        detail = details.add(
            f"{finding.promise} broken at {seconds(finding.at_us)}: {finding.rule}",
            finding.text,
            "Follow it to its entry in the list.",
        )
        flag = path(triangle(x, y + 6, 6, is_down=True), "flag", detail)
        if next_x - x > 18 + 6 * len(finding.promise):
            flag += text(x + 8, y + 8, finding.promise, "flag-text")
        parts.append(tag("a", flag, href=f"#finding-{number}",
                         aria_label=f"{finding.promise} {finding.rule}"))  # fmt: skip
    return tag("g", "".join(parts))


def _hairlines(subject: Subject, axis: Axis, from_y: float, lanes_y: float) -> str:
    """From the first findings down to the lanes of their regions."""
    parts = []
    for finding in subject.verdict.findings[:_HAIRLINES_MAX]:
        x, region = axis.x(finding.at_us), subject.region_of(finding)
        if region:
            to_y = lanes.top_of(subject, region, lanes_y) + lanes.LANE_HEIGHT
            parts.append(line(x, from_y + 12, x, to_y, "hair"))
    return "".join(parts)
