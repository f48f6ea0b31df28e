"""Every key of a TOML file is found in its line, however it is written."""

import tomllib

import pytest

from georeg.config.lines import KeyPath, key_lines, line_of

TEXT = '''\
# a comment with [a.table] = "in it"
top = 1
[plain]
"quoted key" = 2   # [not.a.table]
dotted.inner = 3
many = [
    "x = 1",
    """
    [strange]
    y = 2
    """,
]
after = { in_line = 1, "]" = 2 }
[[peer]]
name = "a"

[[peer]]
name = 'b'
long = \'\'\'
[[peer]]
name = "not here"\'\'\'
behind = 1
[peer.tls]
cert = """quotes at the end"""""
[ spaced . out ]
z = 1
'''


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("top",), 2),
        (("plain",), 3),
        (("plain", "quoted key"), 4),
        (("plain", "dotted", "inner"), 5),
        (("plain", "many"), 6),
        (("plain", "after"), 13),
        (("peer", 0), 14),
        (("peer", 0, "name"), 15),
        (("peer", 1, "name"), 18),
        (("peer", 1, "behind"), 22),
        (("peer", 1, "tls", "cert"), 24),
        (("spaced", "out", "z"), 26),
    ],
)
def test_a_key_is_found_in_its_line(path: KeyPath, line: int) -> None:
    tomllib.loads(TEXT)  # the scan may assume a well-formed text
    assert line_of(key_lines(TEXT), path) == line


def test_nothing_is_found_that_is_not_there() -> None:
    found = key_lines(TEXT)
    assert not [path for path in found if {"strange", "y", "a", "not"} & set(path)]
    assert [path for path in found if path[0] == "peer" and len(path) == 2 and path[1] == 2] == []


def test_a_missing_key_is_reported_at_the_table_that_lacks_it() -> None:
    assert line_of(key_lines(TEXT), ("peer", 1, "url")) == 17


def test_a_key_inside_an_inline_table_is_reported_at_the_line_of_that_table() -> None:
    assert line_of(key_lines(TEXT), ("plain", "after", "in_line")) == 13


def test_what_is_nowhere_is_reported_at_the_first_line() -> None:
    assert line_of(key_lines(TEXT), ("nowhere",)) == 1
