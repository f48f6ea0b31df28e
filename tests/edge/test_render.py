"""Session ids and times as text: one spelling each, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.dots import INCARNATION_MAX, SEQUENCE_BITS, RegionId, pack
from georeg.edge.errors import SettingsError
from georeg.edge.instants import instant, parse_instant
from georeg.edge.render import Renderer, seconds

RENDER = Renderer({RegionId(1): "us", RegionId(2): "eu-west-2", RegionId(3): "a-1-b"})
SESSIONS = st.builds(
    pack,
    st.integers(1, 3),
    st.integers(1, INCARNATION_MAX),
    st.integers(1, (1 << SEQUENCE_BITS) - 1),
)


def test_a_session_reads_region_incarnation_sequence() -> None:
    assert RENDER.session_id(pack(1, 1, 0x1A2B3)) == "us-1-1a2b3"
    assert RENDER.session_id(pack(2, 17, 64)) == "eu-west-2-17-40"


@given(SESSIONS)
def test_the_text_of_a_session_means_that_session(session: int) -> None:
    assert RENDER.parse_session_id(RENDER.session_id(session)) == session


@given(st.text(max_size=20) | st.from_regex(r"[a-z]{2}-[0-9]{1,9}-[0-9a-f]{1,10}"))
def test_any_text_is_one_session_in_its_one_spelling_or_none(text: str) -> None:
    session = RENDER.parse_session_id(text)
    assert session is None or RENDER.session_id(session) == text


@pytest.mark.parametrize(
    "text", ["us-1-1A", "us-01-1", "us-1-01", "us-0-1", "us-1-0", "us-1-1\n", "us-1", "mars-1-1"]
)
def test_other_spellings_are_none(text: str) -> None:
    assert RENDER.parse_session_id(text) is None


@pytest.mark.parametrize("name", ["", "u s", 'u"s', "us/eu", "x" * 33])
def test_a_region_whose_name_cannot_stand_in_an_id_is_refused(name: str) -> None:
    with pytest.raises(SettingsError):
        Renderer({RegionId(1): name})


@given(st.integers(0, 253_402_300_799_999))
def test_a_time_comes_back_as_it_went(time_ms: int) -> None:
    assert parse_instant(instant(time_ms)) == time_ms


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:00.0019z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59Z", None),
        ("1970-01-01 00:00:00Z", None),
        ("1970-01-01T00:00:00", None),
        ("1970-01-01T24:00:01Z", None),
        ("1970-02-30T00:00:00Z", None),
        ("1970-01-01T00:00:00Z\n", None),
        ("\u0661970-01-01T00:00:00Z", None),
    ],
)
def test_only_times_of_rfc_3339_are_times(text: str, expected: int | None) -> None:
    assert parse_instant(text) == expected


@given(st.integers())
def test_any_number_of_milliseconds_has_a_text(time_ms: int) -> None:
    assert instant(time_ms).endswith("Z")


def test_whole_seconds_have_no_fraction() -> None:
    assert (str(seconds(30_000)), str(seconds(1_500))) == ("30", "1.5")
