"""The details that a page shows when a mark is pointed at: lines of text, kept once, by number."""

from dataclasses import dataclass, field


@dataclass(slots=True)
class Details:
    """All details of one page."""

    lines: list[list[str]] = field(default_factory=list)
    """The first line of each is its title."""
    _known: dict[tuple[str, ...], int] = field(default_factory=dict)

    def add(self, *lines: str) -> int:
        """Keep these lines; returns their number."""
        number = self._known.setdefault(lines, len(self.lines))
        if number == len(self.lines):
            self.lines.append(list(lines))
        return number
