"""The lanes of the regions: process life, partitions, refusals and ends, on one time axis.

A partition shades the lanes of the regions that it cuts; at its begin each cut pair is drawn as a
broken line from lane to lane. Dashes and a cross: what is sent vanishes (drop). A full line and a
bar: it is rejected. An arrow: only this direction is cut.
"""

from itertools import groupby
from typing import Final

from region_sim.report import lives, marks
from region_sim.report.axis import Axis
from region_sim.report.details import Details
from region_sim.report.marks import Mark, Marks
from region_sim.report.subject import FaultSpan, Subject, seconds
from region_sim.report.svg import cross, diamond, dot, line, path, rect, tag, text

LIFE_HEIGHT: Final = 11.0
ROW_HEIGHT: Final = 30.0
LANE_HEIGHT: Final = LIFE_HEIGHT + 2 * ROW_HEIGHT + 9
LANE_GAP: Final = 18.0
_DOT: Final = 2.3
_ROWS: Final = {"refused": 0, "ended": 1}


def height(subject: Subject) -> float:
    """Of all lanes together."""
    return len(subject.history.regions) * (LANE_HEIGHT + LANE_GAP)


def top_of(subject: Subject, region: str, top: float) -> float:
    """Where a region's lane begins."""
    return top + subject.history.regions.index(region) * (LANE_HEIGHT + LANE_GAP) + LANE_GAP


def draw(subject: Subject, axis: Axis, shown: Marks, details: Details, top: float) -> str:
    """All lanes, the first at `top`."""
    regions = subject.history.regions
    cuts = [span for span in subject.faults if span.event.kind == "cut"]
    parts = [
        rect(axis.left, top_of(subject, region, top) - 3, axis.right - axis.left,
             LANE_HEIGHT + 6, "lane")
        for region in regions
    ]  # fmt: skip
    parts += [_shade(subject, axis, cut, top) for cut in cuts]
    for region in regions:
        y = top_of(subject, region, top)
        parts.append(_life(subject, axis, region, details, y))
        for row in _ROWS:
            found = [mark for mark in shown.shown if mark.region == region and mark.row == row]
            parts.append(_row(axis, region, row, found, shown, y))
    parts += [_broken(subject, axis, cut, top) for cut in cuts]
    return "".join(parts)


# ---- partitions ------------------------------------------------------------------------------


def _shade(subject: Subject, axis: Axis, cut: FaultSpan, top: float) -> str:
    x, to_x = axis.x(cut.event.at_us), axis.x(cut.to_us)
    concerned = {end for link in cut.event.links for end in link}
    return "".join(
        rect(x, top_of(subject, region, top) - 3, to_x - x, LANE_HEIGHT + 6, "cut-shade")
        for region in subject.history.regions
        if region in concerned
    )


def _broken(subject: Subject, axis: Axis, cut: FaultSpan, top: float) -> str:
    """Each cut pair, drawn from lane to lane."""
    links, parts = set(cut.event.links), []
    pairs = [(a, b) for a, b in sorted(links) if a < b or (b, a) not in links]
    x = axis.x(cut.event.at_us)
    for a, b in pairs:
        ys = [top_of(subject, region, top) + LIFE_HEIGHT / 2 for region in (a, b)]
        is_one_way = (b, a) not in links
        parts.append(_broken_pair(x, ys[0], ys[1], cut.event.note, is_one_way=is_one_way))
        x += 8
    return "".join(parts)


def _broken_pair(x: float, from_y: float, to_y: float, how: str, *, is_one_way: bool) -> str:
    kind = "cut-line reject" if how == "reject" else "cut-line"
    sign = 1 if to_y > from_y else -1
    # The sign stands in the gap next to the first lane, where nothing else is drawn.
    middle_y = max(from_y, to_y) - LIFE_HEIGHT / 2 - LANE_GAP / 2
    parts = [line(x, from_y, x, to_y, kind), dot(x, from_y, 1.8, "cut-end")]
    if is_one_way:
        tip_y = to_y - sign * LIFE_HEIGHT / 2
        middle_y -= sign * 3
        arrow = f"M{x - 3.5:.1f} {tip_y - sign * 6:.1f}L{x + 3.5:.1f} {tip_y - sign * 6:.1f}"
        parts.append(path(f"{arrow}L{x:.1f} {tip_y:.1f}z", "cut-end"))
    else:
        parts.append(dot(x, to_y, 1.8, "cut-end"))
    if how == "reject":
        parts.append(line(x - 3.5, middle_y, x + 3.5, middle_y, "cut-sign"))
    else:
        parts.append(path(cross(x, middle_y, 3), "cut-sign"))
    return tag("g", "".join(parts))


# ---- one lane --------------------------------------------------------------------------------


def _life(subject: Subject, axis: Axis, region: str, details: Details, y: float) -> str:
    parts = [text(8, y + 9.5, region, f"region ink{subject.hue(region)}")]
    for span in lives.spans(subject.history, region):
        x, to_x = axis.x(span.from_us), axis.x(span.to_us)
        detail = details.add(
            f"{region} is {span.state}",
            f"{seconds(span.from_us)} to {seconds(span.to_us)}",
            *([span.note] if span.note else []),
        )
        kind = f"life {span.state} fill{subject.hue(region)}"
        parts.append(rect(x, y, to_x - x, LIFE_HEIGHT, kind, detail))
        if span.state != "up" and to_x - x > 6 * len(span.state):
            parts.append(text(x + 3, y + 8.7, span.state, "inside"))
    return "".join(parts)


def _row(axis: Axis, region: str, row: str, found: list[Mark], shown: Marks, lane_y: float) -> str:
    top = lane_y + LIFE_HEIGHT + 4 + _ROWS[row] * (ROW_HEIGHT + 2)
    base = top + ROW_HEIGHT - 3
    count = shown.counts[row, region]
    label = f"{row} {count:,}"
    height = 2 * _DOT + 0.6
    rows = int((ROW_HEIGHT - 2) / height)
    levels = marks.stacked([axis.x(mark.at_us) for mark in found], 2 * _DOT + 0.3, rows)
    drawn = []
    for mark, level in zip(found, levels, strict=True):
        x, y = axis.x(mark.at_us), base - _DOT - level * height
        drawn.append(_symbol(mark, x, y))
    # Marked ones last, so that none hides them.
    ordered = sorted(zip(found, drawn, strict=True), key=lambda item: item[0].is_blamed)
    content = "".join(
        "".join(symbol for _, symbol in group)
        for _, group in groupby(ordered, key=lambda item: item[0].is_blamed)
    )
    return (
        text(axis.left - 8, base - 1, label, "tick", "end")
        + line(axis.left, base, axis.right, base, "base")
        + tag(
            "g", content, class_="marks", tabindex="0" if found else None, role="group",
            aria_label=f"{label} in {region}; arrow keys go from one to the next",
        )
    )  # fmt: skip


def _symbol(mark: Mark, x: float, y: float) -> str:
    prefix = "ev" if mark.row == "refused" else "end"
    kind = f"m {prefix}-{mark.kind}"
    if mark.is_pending:
        kind += " pending"
    if mark.is_blamed:
        kind += " blamed"
    if mark.is_answer:
        return path(diamond(x, y, _DOT + 0.4), kind, mark.detail)
    return dot(x, y, _DOT, kind, mark.detail)
