"""A device id comes back as it was, whatever it looks like; a UUID travels as 16 bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.codec import encode_event, read_add, unpack
from crdt.device_ids import lengthened, shortened
from crdt.errors import PeerError
from tests.crdt.samples import entry

UUID = "0123456f-89ab-4def-8123-456789abcdef"
ids = st.one_of(st.text(min_size=1), st.uuids().map(str), st.uuids().map(lambda u: str(u).upper()))


@given(ids)
def test_an_id_comes_back_as_it_was(device_id: str) -> None:
    short = shortened(device_id)
    assert (lengthened(short) if isinstance(short, bytes) else short) == device_id


@pytest.mark.parametrize(
    "other",
    [
        UUID.upper(), UUID[:-1], UUID + "0", UUID.replace("-", "_"), UUID[:-1] + "g",
        UUID[:7] + "-f" + UUID[9:],
    ],
)  # fmt: skip
def test_only_the_printed_form_of_a_uuid_is_shortened(other: str) -> None:
    assert len(shortened(UUID)) == 16
    assert shortened(other) == other


def test_an_add_carries_its_uuid_in_16_bytes() -> None:
    one = entry(1)
    one = one._replace(device=one.device._replace(id=UUID))
    text = one._replace(device=one.device._replace(id=UUID.upper()))

    assert read_add(unpack(encode_event(one), 1000), one.dot) == one
    assert len(encode_event(text)) - len(encode_event(one)) == 20


@pytest.mark.parametrize("wrong", [b"", b"x" * 15, b"x" * 17])
def test_bytes_that_are_no_uuid_are_refused(wrong: bytes) -> None:
    with pytest.raises(PeerError, match="UUID"):
        lengthened(wrong)
