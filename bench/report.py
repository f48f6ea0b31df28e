"""The report: a table for people, the same as JSON for machines."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bench.figures import Figure, number


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one part."""

    part: str
    took_s: float
    figures: Sequence[Figure]
    skipped: str = ""
    """Why it did not run; empty: it did."""

    def as_json(self) -> dict[str, Any]:
        """For the JSON report."""
        return {
            "part": self.part,
            "state": "skipped" if self.skipped else "ran",
            "reason": self.skipped,
            "took_s": round(self.took_s, 1),
            "figures": [figure.as_json() for figure in self.figures],
        }


def document(about: Mapping[str, Any], results: Sequence[Result]) -> dict[str, Any]:
    """The whole run; `about` says on what and of what."""
    figures = [figure for result in results for figure in result.figures]
    missed = [figure.name for figure in figures if figure.verdict == "missed"]
    return dict(about) | {"missed": missed, "parts": [result.as_json() for result in results]}


def table(results: Sequence[Result]) -> str:
    """Aligned columns, one line a figure, parts under headings."""
    rows = [("", "median", "lowest..highest", "target", "")]
    for result in results:
        rows += [("", "", "", "", ""), (result.part.upper(), result.skipped, "", "", "")]
        rows += [_row(figure) for figure in result.figures]
    width = [max(len(row[column]) for row in rows if not _is_heading(row)) for column in range(5)]
    return "\n".join(_line(row, width) for row in rows)


def _is_heading(row: tuple[str, ...]) -> bool:
    return row[0].isupper() and not any(row[2:])


def _line(row: tuple[str, ...], width: Sequence[int]) -> str:
    if _is_heading(row):
        return f"{row[0]}  skipped: {row[1]}" if row[1] else row[0]
    name, value, spread, target, rest = row
    columns = (
        name.ljust(width[0]), value.rjust(width[1]), spread.rjust(width[2]), target.ljust(width[3])
    )  # fmt: skip
    return f"{'  '.join(columns)}  {rest}".rstrip()


def _row(figure: Figure) -> tuple[str, str, str, str, str]:
    is_one = figure.lowest == figure.highest
    spread = "" if is_one else f"{number(figure.lowest)}..{number(figure.highest)}"
    target = "" if figure.target is None else f"{figure.target} {figure.verdict}"
    value = f"{number(figure.value)} {figure.unit}"
    return (f"  {figure.name}", value, spread, target, figure.note)
