"""The comparison as one SVG of small multiples, and as a page that needs nothing else.

One panel per figure, one bar per system, each panel on a scale of its own from 0: panels are read
one by one, and less is better in all of them. A bar's number stands beside it, so that nothing has
to be estimated. georeg has the one strong colour.
"""

from collections.abc import Iterator
from html import escape
from typing import Final

from region_sim.compare.figures import FIGURES, Figure
from region_sim.compare.runs import GEOREG, Comparison
from region_sim.compare.table import heading
from region_sim.compare.tally import Tally

COLUMNS: Final = 2
PANEL_WIDTH: Final = 440
TITLE_HEIGHT: Final = 56
ROW_HEIGHT: Final = 22
MARGIN: Final = 20
TOP: Final = 72
NAME_WIDTH: Final = 92
NUMBER_WIDTH: Final = 76
BAR_WIDTH: Final = PANEL_WIDTH - NAME_WIDTH - NUMBER_WIDTH - MARGIN
INK, QUIET, STRONG, PALE = "#1b1f24", "#59636e", "#0b62a4", "#b9c3cd"
FONT: Final = "font-family='system-ui, sans-serif'"


def svg(comparison: Comparison) -> str:
    """The chart."""
    drawn = [figure for figure in FIGURES if figure.is_drawn]
    panel_height = TITLE_HEIGHT + ROW_HEIGHT * len(comparison.tallies) + MARGIN
    rows = -(-len(drawn) // COLUMNS)
    width, height = MARGIN + COLUMNS * (PANEL_WIDTH + MARGIN), TOP + rows * panel_height
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {height}' "
        f"width='{width}' height='{height}' role='img' {FONT}>",
        f"<title>{escape(heading(comparison))}</title>",
        f"<rect width='{width}' height='{height}' fill='#ffffff'/>",
        _text(MARGIN, 32, "georeg beside three other designs; less is better", 18, INK, bold=True),
        _text(MARGIN, 54, heading(comparison), 13, QUIET),
    ]
    for index, figure in enumerate(drawn):
        x = MARGIN + index % COLUMNS * (PANEL_WIDTH + MARGIN)
        y = TOP + index // COLUMNS * panel_height
        parts += _panel(figure, comparison.tallies, x, y)
    return "\n".join([*parts, "</svg>", ""])


def _panel(figure: Figure, tallies: dict[str, Tally], x: int, y: int) -> Iterator[str]:
    unit = f" ({figure.unit})" if figure.unit else ""
    yield _text(x, y + 22, figure.name + unit, 14, INK, bold=True)
    yield _text(x, y + 40, _cut(figure.about), 11, QUIET)
    largest = max(figure.of(tally) for tally in tallies.values())
    for row, (system, tally) in enumerate(tallies.items()):
        top = y + TITLE_HEIGHT + row * ROW_HEIGHT
        value = figure.of(tally)
        length = round(BAR_WIDTH * value / largest, 1) if largest else 0.0
        is_ours = system == GEOREG
        yield _text(x, top + 13, system, 12, INK, bold=is_ours)
        yield (
            f"<rect x='{x + NAME_WIDTH}' y='{top + 2}' width='{max(length, 1)}' "
            f"height='{ROW_HEIGHT - 8}' fill='{STRONG if is_ours else PALE}'/>"
        )
        text_x = x + NAME_WIDTH + max(length, 1) + 6
        yield _text(text_x, top + 13, figure.text(tally), 12, INK, bold=is_ours)


def _text(x: float, y: float, text: str, size: int, colour: str, *, bold: bool = False) -> str:
    weight = " font-weight='600'" if bold else ""
    return f"<text x='{x}' y='{y}' font-size='{size}' fill='{colour}'{weight}>{escape(text)}</text>"


def _cut(text: str, length: int = 78) -> str:
    """As much as fits on one line; the table has all of it."""
    return text if len(text) <= length else text[: length - 1].rsplit(" ", 1)[0] + " …"


def html(comparison: Comparison) -> str:
    """The chart and the whole table on one page."""
    systems = "".join(f"<th>{escape(system)}</th>" for system in comparison.tallies)
    rows = "".join(
        f"<tr><th>{escape(figure.name)}<small>{escape(figure.unit)}</small></th>"
        + "".join(f"<td>{escape(figure.text(t))}</td>" for t in comparison.tallies.values())
        + f"<td class='about'>{escape(figure.about)}</td></tr>\n"
        for figure in FIGURES
    )
    return f"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{escape(heading(comparison))}</title>
<style>
body {{ font: 14px/1.5 system-ui, sans-serif; color: {INK}; margin: 24px auto; max-width: 980px;
  padding: 0 16px }}
svg {{ max-width: 100%; height: auto }}
table {{ border-collapse: collapse; margin-top: 16px }}
th, td {{ text-align: right; padding: 4px 12px 4px 0; border-bottom: 1px solid #e3e7eb;
  font-variant-numeric: tabular-nums; vertical-align: top; font-weight: normal }}
th:first-child, .about {{ text-align: left }}
thead th {{ font-weight: 600 }}
small {{ color: {QUIET}; margin-left: 6px }}
.about {{ color: {QUIET} }}
</style>
{svg(comparison)}
<table><thead><tr><th></th>{systems}<th class="about">what it counts</th></tr></thead>
<tbody>
{rows}</tbody></table>
</html>
"""
