"""Tables of text in stable columns; colours are added to whole lines, on a terminal only.

The text is the same in both cases, so that what a person sees is what a script gets. NO_COLOR and
pipes are honoured by rich.
"""

from collections.abc import Sequence
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

RIGHT = ">"
LEFT = "<"


class Line(NamedTuple):
    """One line and how it looks on a terminal (a style of rich; empty: plain)."""

    text: str
    style: str = ""


class Column(NamedTuple):
    """A column's title and the side that its values keep to."""

    title: str
    side: str = RIGHT


def table(
    columns: Sequence[Column], rows: Sequence[Sequence[str]], styles: Sequence[str] = ()
) -> list[Line]:
    """The rows under their titles, two spaces apart, no spaces at the end of a line."""
    widths = [
        max(len(column.title), *(len(row[at]) for row in rows), 0)
        for at, column in enumerate(columns)
    ]
    lines = [Line(_spread([c.title for c in columns], columns, widths), "bold")]
    for at, row in enumerate(rows):
        lines.append(Line(_spread(row, columns, widths), styles[at] if styles else ""))
    return lines


def _spread(cells: Sequence[str], columns: Sequence[Column], widths: Sequence[int]) -> str:
    parts = [
        f"{cell:{column.side}{width}}"
        for cell, column, width in zip(cells, columns, widths, strict=True)
    ]
    return "  ".join(parts).rstrip()


def plain(lines: Sequence[Line]) -> str:
    """As text, each line with its end."""
    return "".join(f"{line.text}\n" for line in lines)


def rich_text(lines: Sequence[Line]) -> Text:
    """For a terminal."""
    text = Text(no_wrap=True, overflow="ignore")
    for at, line in enumerate(lines):
        text.append("\n" if at else "")
        text.append(line.text, style=line.style)
    return text


def show(lines: Sequence[Line], console: Console | None = None) -> None:
    """Print: coloured on a terminal, else the plain text."""
    out = console or Console()
    if out.is_terminal:
        out.print(rich_text(lines), soft_wrap=True)
    else:
        print(plain(lines), end="")
