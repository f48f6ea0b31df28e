"""What is wrong in a config file: all of it at once, each with its line and what to do.

Reading goes on after a mistake, so that a person corrects a file once and not once per start.
"""

from dataclasses import dataclass, field

from georeg.config.lines import KeyPath, line_of


@dataclass(frozen=True, slots=True, order=True)
class Mistake:
    """One thing to correct."""

    line: int
    key: str
    """Where, as a person would write it: `peer[1].url`."""
    message: str
    remedy: str


class ConfigError(Exception):
    """A config file has mistakes; none of it was used."""

    def __init__(self, file: str, mistakes: list[Mistake]) -> None:
        self.file = file
        self.mistakes = mistakes
        super().__init__("\n".join(describe(file, mistake) for mistake in mistakes))


def describe(file: str, mistake: Mistake) -> str:
    """Two lines for a person, the first in the form that editors jump to."""
    where = f"{file}:{mistake.line}:"
    key = f" {mistake.key}:" if mistake.key else ""
    return f"{where}{key} {mistake.message}\n    {mistake.remedy}"


def spell(path: KeyPath) -> str:
    """`("peer", 1, "url")` as `peer[1].url`."""
    spelt = ""
    for part in path:
        if isinstance(part, int):
            spelt += f"[{part}]"
        else:
            spelt += f".{part}" if spelt else part
    return spelt


@dataclass(slots=True)
class Findings:
    """The mistakes found so far in one file."""

    lines: dict[KeyPath, int]
    mistakes: list[Mistake] = field(default_factory=list)
    _wrong: set[KeyPath] = field(default_factory=set)

    def add(self, path: KeyPath, message: str, remedy: str) -> None:
        """Note a mistake at a key."""
        self._wrong.add(path)
        self.mistakes.append(Mistake(line_of(self.lines, path), spell(path), message, remedy))

    def is_clean(self, *prefix: str | int) -> bool:
        """Whether nothing at or below a key is wrong, so that its values can be compared."""
        return not any(path[: len(prefix)] == prefix for path in self._wrong)
