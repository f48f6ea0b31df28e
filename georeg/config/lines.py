"""Finds the line of each key of a TOML file, since `tomllib` gives values without places.

A mistake is reported with its line, so that a person need not search. The text has already been
parsed by `tomllib`, therefore this scan may assume that it is well formed: it only follows table
headers, keys, and the strings and brackets that let a value run over several lines.
Invariant: every table and every key of the file is found, except those inside an inline table or
array, for which the line of the enclosing key is given. Cost: one pass over the text.
"""

import re

KeyPath = tuple[str | int, ...]
"""Where a value stands: keys, and for an array of tables the index, from the outside in."""

_KEY = r"""(?:[A-Za-z0-9_-]+|"(?:\\.|[^"\\])*"|'[^']*')"""
_DOTTED = rf"{_KEY}(?:\s*\.\s*{_KEY})*"
_HEADER = re.compile(rf"\s*(\[\[?)\s*({_DOTTED})\s*\]")
_ASSIGNMENT = re.compile(rf"\s*({_DOTTED})\s*=")
_PART = re.compile(_KEY)
# What matters inside a value. Long quotes come first: they begin like short ones.
_TOKEN = re.compile(r"""\"\"\"|'''|"(?:\\.|[^"\\])*"|'[^']*'|\#.*|[\[{]|[\]}]""")
_LONG_QUOTES = ('"""', "'''")


class _Value:
    """Whether the value that is being scanned goes on in the next line."""

    def __init__(self) -> None:
        self.depth = 0
        self.quote = ""

    @property
    def is_open(self) -> bool:
        return self.depth > 0 or self.quote != ""

    def scan(self, text: str) -> None:
        position = 0
        while True:
            if self.quote:
                end = _end_of_long_string(text, position, self.quote)
                if end < 0:
                    return
                position, self.quote = end, ""
            token = _TOKEN.search(text, position)
            if token is None:
                return
            position = token.end()
            if token.group() in _LONG_QUOTES:
                self.quote = token.group()
            elif token.group() in "[{":
                self.depth += 1
            elif token.group() in "]}":
                self.depth -= 1


def _end_of_long_string(text: str, position: int, quote: str) -> int:
    """Index behind the closing quotes, -1 when they are not in this line."""
    while position < len(text):
        if text[position] == "\\" and quote == '"""':
            position += 2
        elif text.startswith(quote, position):
            position += 3
            while position < len(text) and text[position] == quote[0]:
                position += 1  # up to two quotes may stand before the closing three
            return position
        else:
            position += 1
    return -1


def _parts(dotted: str) -> list[str]:
    return [part.strip("\"'") for part in _PART.findall(dotted)]


def key_lines(text: str) -> dict[KeyPath, int]:
    """Line, counted from 1, of each table and key of a well-formed TOML text."""
    lines: dict[KeyPath, int] = {}
    last_index: dict[KeyPath, int] = {}
    table: KeyPath = ()
    value = _Value()

    def resolve(parts: list[str], base: KeyPath) -> KeyPath:
        path = base
        for part in parts:
            path = (*path, part)
            if path in last_index:
                path = (*path, last_index[path])
        return path

    for number, line in enumerate(text.splitlines(), start=1):
        if value.is_open:
            value.scan(line)
            continue
        header = _HEADER.match(line)
        if header is not None:
            *outer, last = _parts(header.group(2))
            table = (*resolve(outer, ()), last)
            if header.group(1) == "[[":
                lines.setdefault(table, number)
                last_index[table] = last_index.get(table, -1) + 1
                table = (*table, last_index[table])
            lines[table] = number
            continue
        assignment = _ASSIGNMENT.match(line)
        if assignment is not None:
            parts = _parts(assignment.group(1))
            for end in range(1, len(parts) + 1):
                lines.setdefault((*table, *parts[:end]), number)
            value.scan(line[assignment.end() :])
    return lines


def line_of(lines: dict[KeyPath, int], path: KeyPath) -> int:
    """Line of a key, or of the nearest table around it; 1 when nothing of it is there."""
    for end in range(len(path), 0, -1):
        if path[:end] in lines:
            return lines[path[:end]]
    return 1
