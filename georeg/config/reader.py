"""Typed, strict access to the tables of a parsed TOML file.

Each method takes one key out of a table, checks it, and gives back a value of the right type; what
is wrong goes into the findings and a harmless stand-in comes back, so that reading goes on. No
config is ever built from stand-ins: `load` raises when anything was found.
Invariant: a key that nobody asked for is a mistake (`finish`), with the nearest known name.
"""

import difflib
import math
import re
from collections.abc import Callable
from enum import StrEnum
from typing import TypeVar

from georeg.config.lines import KeyPath
from georeg.config.mistakes import Findings

E = TypeVar("E", bound=StrEnum)

_TYPE_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    list: "an array",
    dict: "a table",
}


def type_name(value: object) -> str:
    """How a person would call the type of a TOML value."""
    return _TYPE_NAMES.get(type(value), "a date or time")


class Table:
    """One table of the file."""

    def __init__(self, values: dict[str, object], path: KeyPath, findings: Findings) -> None:
        self.path = path
        self.findings = findings
        self._values = values
        self._known: list[str] = []

    def has(self, key: str) -> bool:
        """Whether the key is there; does not make it known."""
        return key in self._values

    def keys(self) -> list[str]:
        """The keys that are there, in the order of the file."""
        return list(self._values)

    def know(self, *keys: str) -> None:
        """Make keys known that are read only in some cases."""
        self._known.extend(keys)

    def wrong(self, key: str, message: str, remedy: str) -> None:
        """Note a mistake at one of this table's keys."""
        self.findings.add((*self.path, key), message, remedy)

    def _take(self, key: str, wanted: type | tuple[type, ...], name: str, remedy: str) -> object:
        """The value if it is there and of that type, else None."""
        self._known.append(key)
        value = self._values.get(key)
        if value is None:
            return None
        is_stray_bool = isinstance(value, bool) and wanted is not bool
        if not isinstance(value, wanted) or is_stray_bool:
            self.wrong(key, f"is {type_name(value)}, expected {name}", remedy)
            return None
        return value

    def _require(self, key: str, remedy: str) -> None:
        if not self.has(key):
            self.wrong(key, "is missing", remedy)

    def text(
        self, key: str, remedy: str, *, default: str | None = None, pattern: str = r"[^\x00-\x1f]+"
    ) -> str:
        """A text that matches the whole pattern; without a default it must be there."""
        if default is None:
            self._require(key, remedy)
        value = self._take(key, str, "a text", remedy)
        if not isinstance(value, str):
            return default or ""
        if re.fullmatch(pattern, value) is None:
            self.wrong(key, f'"{value}" is not allowed here', remedy)
            return default or ""
        return value

    def whole(
        self, key: str, low: int, high: int, remedy: str, *, default: int | None = None
    ) -> int:
        """A whole number within bounds; without a default it must be there."""
        if default is None:
            self._require(key, remedy)
        value = self._take(key, int, "a whole number", remedy)
        if not isinstance(value, int):
            return default or 0
        if not low <= value <= high:
            self.wrong(key, f"{value} is not between {low} and {high}", remedy)
            return default or 0
        return value

    def number(self, key: str, low: float, high: float, remedy: str) -> float | None:
        """A finite number within bounds; None when it is not there or wrong."""
        value = self._take(key, (int, float), "a number", remedy)
        if not isinstance(value, (int, float)):
            return None
        if not math.isfinite(value) or not low <= value <= high:
            self.wrong(key, f"{value:g} is not between {low:g} and {high:g}", remedy)
            return None
        return value

    def flag(self, key: str, remedy: str, *, default: bool) -> bool:
        """True or false."""
        value = self._take(key, bool, "true or false", remedy)
        return value if isinstance(value, bool) else default

    def choice(self, key: str, choices: type[E], remedy: str, *, default: E) -> E:
        """One of a few words."""
        words = [str(choice) for choice in choices]
        found = self.text(key, remedy, default=str(default))
        if found not in words:
            self.wrong(key, f'"{found}" is none of {", ".join(words)}', remedy)
            return default
        return choices(found)

    def texts(self, key: str, remedy: str, is_good: Callable[[str], bool]) -> tuple[str, ...]:
        """An array of texts, each of which is good; empty when it is not there."""
        value = self._take(key, list, "an array of texts", remedy)
        if not isinstance(value, list):
            return ()
        for item in value:
            if not isinstance(item, str):
                self.wrong(key, f"holds {type_name(item)}, expected texts only", remedy)
            elif not is_good(item):
                self.wrong(key, f'"{item}" is not allowed here', remedy)
        return tuple(item for item in value if isinstance(item, str))

    def table(self, key: str, remedy: str, *, required: bool = False) -> "Table":
        """A table inside this one; empty when it is not there."""
        if required:
            self._require(key, remedy)
        value = self._take(key, dict, "a table", remedy)
        return Table(value if isinstance(value, dict) else {}, (*self.path, key), self.findings)

    def tables(self, key: str, remedy: str, *, at_most: int) -> list["Table"]:
        """An array of tables inside this one; empty when it is not there."""
        value = self._take(key, list, f"an array of tables, [[{key}]]", remedy)
        if not isinstance(value, list):
            return []
        if len(value) > at_most:
            self.wrong(key, f"holds {len(value)}, at most {at_most} are allowed", remedy)
            return []
        found = []
        for index, item in enumerate(value):
            path = (*self.path, key, index)
            if isinstance(item, dict):
                found.append(Table(item, path, self.findings))
            else:
                self.findings.add(path, f"is {type_name(item)}, expected a table", remedy)
        return found

    def finish(self) -> None:
        """Note every key that nobody asked for."""
        for key in self._values:
            if key in self._known:
                continue
            near = difflib.get_close_matches(key, self._known, n=1)
            known = ", ".join(sorted(set(self._known))) or "nothing"
            remedy = f"did you mean {near[0]}?" if near else f"known here: {known}"
            self.wrong(key, "is not a known key", remedy)
