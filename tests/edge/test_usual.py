"""Bodies that are read without parsing are those that parse to the same and have no mistake."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from georeg.edge.jsons import parse_json
from georeg.edge.problems import Problem
from georeg.edge.schemas import START
from georeg.edge.usual import usual_start

TEXTS = st.text("ab \"\\/\x00\x7f\u00e9\u2028", max_size=4) | st.integers(120, 140).map("x".__mul__)
FIELDS = st.dictionaries(st.sampled_from(["id", "name", "kind", "x"]), TEXTS, max_size=3)
BODIES = st.builds(
    lambda device, more: {"device": device, **more},
    FIELDS | TEXTS,
    st.dictionaries(st.sampled_from(["title", "plan"]), TEXTS, max_size=1),
)
SEPARATORS = st.sampled_from([(",", ":"), (", ", ": "), (",", ": "), (" ,", ":")])


@given(BODIES, SEPARATORS, st.booleans(), st.binary(max_size=2))
def test_a_body_that_is_read_at_once_is_right_and_means_what_it_parses_to(
    value: dict[str, object], separators: tuple[str, str], ascii_only: bool, more: bytes
) -> None:
    for body in (
        json.dumps(value, separators=separators, ensure_ascii=ascii_only).encode() + more,
        b'{"device":{"id":"a","name":"%b"}}' % more,
    ):
        read = usual_start(body)
        if read is not None:
            assert read == parsed(body)


def parsed(body: bytes) -> object:
    """As the parser and the shape have it, with what was left out; None: it has mistakes."""
    errors: list[tuple[str, str]] = []
    try:
        checked = START.check(parse_json(body), "", errors)
    except Problem:
        return None
    if errors:
        return None
    assert isinstance(checked, dict)
    device = {"name": "", "kind": ""} | checked["device"]
    return {"title": ""} | checked | {"device": device}


@pytest.mark.parametrize(
    "body",
    [
        b'{"device":{"id":"tv-1"}}',
        b'{"device": {"id": "tv-1", "name": "Anna\'s TV", "kind": "tv"}, "title": "A film"}',
        b'{"device":{"id":"tv-1","kind":"tv"}}',
        json.dumps({"device": {"id": "x" * 128, "name": "y" * 128, "kind": "z" * 32}}).encode(),
    ],
)
def test_what_players_send_is_read_at_once(body: bytes) -> None:
    assert usual_start(body) == parsed(body)
    assert usual_start(body) is not None


@pytest.mark.parametrize(
    "body",
    [
        b'{"device":{"id":""}}',
        b'{"device":{"id":"a","id":"b"}}',
        b'{"device":{"id":"a"},"plan":"basic"}',
        b'{"device":{"id":"a"}} ',
        b'{"device":{"id":"a\\u0041"}}',
        b'{"device":{"id":"a\x7f"}}',
        b'{"device":{"id":"\xff"}}',
        json.dumps({"device": {"id": "x" * 129}}).encode(),
    ],
)
def test_anything_else_is_left_to_the_parser(body: bytes) -> None:
    assert usual_start(body) is None
