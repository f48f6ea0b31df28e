"""Shapes of request bodies: one description that both checks a value and writes its JSON Schema.

Because `check` and `schema` come from the same object, the OpenAPI document cannot promise what the
server refuses. Invariant: `check` returns a value only when it found no mistake in it; it reports
every mistake with the path of its field, and never raises on any JSON value.
Cost: about 3 us for the body of a start.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Final, Protocol, cast

from georeg.edge.instants import INSTANT_PATTERN, parse_instant

Errors = list[tuple[str, str]]
"""(path of the field, what is wrong with it)."""

BAD_CATEGORIES: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, lone surrogates, line and paragraph separators: they break logs and lists."""
ERRORS_MAX: Final = 20
"""A body full of mistakes is not worth a longer answer than this."""
SHOWN_MAX: Final = 40
"""An unknown field's name is repeated up to this many characters."""


def has_control(text: str) -> bool:
    """Whether the text holds a character that no name may hold."""
    if text.isascii() and text.isprintable():
        return False
    return any(unicodedata.category(character) in BAD_CATEGORIES for character in text)


class Shape(Protocol):
    """What a JSON value must look like."""

    def check(self, value: object, path: str, errors: Errors) -> object:
        """The value as the edge uses it; appends to `errors` when it is not of this shape."""

    def schema(self) -> dict[str, object]:
        """The same as JSON Schema (2020-12)."""


class Text:
    """A string of so many bytes of UTF-8, without control characters."""

    def __init__(self, bytes_min: int, bytes_max: int, about: str) -> None:
        self._min = bytes_min
        self._max = bytes_max
        self._about = about

    def check(self, value: object, path: str, errors: Errors) -> object:
        """The string itself."""
        if not isinstance(value, str):
            errors.append((path, "must be a string"))
        elif not self._min <= _utf8_length(value) <= self._max:
            errors.append((path, f"must have {self._min} to {self._max} bytes of UTF-8"))
        elif has_control(value):
            errors.append((path, "must not contain control characters"))
        return value

    @property
    def literal(self) -> str:
        """An expression for such strings whose JSON shows them as they are; a group is the text."""
        return rf'"([ !#-\[\]-~]{{{self._min},{self._max}}})"'

    def schema(self) -> dict[str, object]:
        """maxLength counts characters, so it is the outer bound; the description has the bytes."""
        return {
            "type": "string",
            "minLength": self._min,
            "maxLength": self._max,
            "description": f"{self._about} {self._max} bytes of UTF-8 at most.",
        }


class Choice:
    """One of a few strings."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)

    def check(self, value: object, path: str, errors: Errors) -> object:
        """The string itself."""
        if value not in self._names:
            errors.append((path, "must be one of " + ", ".join(self._names)))
        return value

    def schema(self) -> dict[str, object]:
        """An enum."""
        return {"type": "string", "enum": list(self._names)}


class Whole:
    """A whole number within bounds."""

    def __init__(self, low: int, high: int, about: str) -> None:
        self._low = low
        self._high = high
        self._about = about

    def check(self, value: object, path: str, errors: Errors) -> object:
        """The number itself."""
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        if not is_whole or not self._low <= cast(int, value) <= self._high:
            errors.append((path, f"must be a whole number from {self._low} to {self._high}"))
        return value

    def schema(self) -> dict[str, object]:
        """An integer within the bounds."""
        return {
            "type": "integer",
            "minimum": self._low,
            "maximum": self._high,
            "description": self._about,
        }


class Instant:
    """A time as RFC 3339 has it; becomes milliseconds since 1970."""

    def check(self, value: object, path: str, errors: Errors) -> object:
        """Milliseconds since 1970, truncated."""
        parsed = parse_instant(value) if isinstance(value, str) else None
        if parsed is None:
            errors.append((path, "must be a time like 2026-01-01T12:00:00.000Z"))
        return parsed

    def schema(self) -> dict[str, object]:
        """A date-time, with the pattern that is enforced."""
        return {"type": "string", "format": "date-time", "pattern": INSTANT_PATTERN}


class ListOf:
    """An array of at most so many items of one shape."""

    def __init__(self, item: Shape, items_max: int) -> None:
        self._item = item
        self._max = items_max

    def check(self, value: object, path: str, errors: Errors) -> object:
        """A list of what the item's shape makes of each."""
        if not isinstance(value, list):
            errors.append((path, "must be an array"))
            return value
        if len(value) > self._max:
            errors.append((path, f"must have {self._max} items at most"))
            return value
        return [self._item.check(item, f"{path}[{at}]", errors) for at, item in enumerate(value)]

    def schema(self) -> dict[str, object]:
        """An array with maxItems."""
        return {"type": "array", "items": self._item.schema(), "maxItems": self._max}


class Fields:
    """An object with these fields and no others."""

    def __init__(self, required: Mapping[str, Shape], optional: Mapping[str, Shape]) -> None:
        self._required = dict(required)
        self._shapes = {**required, **optional}

    def check(self, value: object, path: str, errors: Errors) -> object:
        """A dict of what each field's shape makes of it."""
        if not isinstance(value, dict):
            errors.append((path or "body", "must be an object"))
            return value
        prefix = f"{path}." if path else ""
        checked: dict[str, object] = {}
        for name, item in value.items():
            shape = self._shapes.get(name)
            if shape is not None:
                checked[name] = shape.check(item, prefix + name, errors)
            elif len(errors) < ERRORS_MAX:
                errors.append((prefix + _shown(name), "is not a field of this request"))
        for name in self._required:
            if name not in value:
                errors.append((prefix + name, "is missing"))
        return checked

    def schema(self) -> dict[str, object]:
        """An object that refuses additional properties."""
        described: dict[str, object] = {
            "type": "object",
            "properties": {name: shape.schema() for name, shape in self._shapes.items()},
            "additionalProperties": False,
        }
        if self._required:
            described["required"] = list(self._required)
        return described


def _utf8_length(text: str) -> int:
    """Bytes of UTF-8; a lone surrogate counts three, and `has_control` finds it."""
    return len(text) if text.isascii() else len(text.encode(errors="surrogatepass"))


def _shown(name: str) -> str:
    """A caller's own field name, safe to send back."""
    printable = "".join(character if character.isprintable() else "?" for character in name)
    return printable[:SHOWN_MAX]
