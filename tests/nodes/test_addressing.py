"""Which slice a call is about, read from its path, its token or its body."""

from urllib.parse import quote

import pytest
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from crdt.dots import RegionId, SessionId, dot_at, shard_of
from georeg.edge.tokens import KeyRing, raw_of
from georeg.mesh.slices import slice_of_account
from georeg.nodes.addressing import Where, slice_of, slice_of_body, slice_of_raw
from georeg.region.model import Claims

RING = KeyRing([bytes(range(32))], cluster="test")
COUNT = 8


def token_of(account: str) -> str:
    session = SessionId(dot_at(1, 3, shard_of(account), 17))
    return RING.sign(Claims(session, account, "tv", RegionId(1), 5, 9))


@pytest.mark.parametrize("account", ["anna", "a b", "ä/ö?", "%41", "x" * 60])
def test_an_account_in_a_path_is_read_as_the_router_reads_it(account: str) -> None:
    for rest in ("/sessions", "/sessions/us-1-5", "/plan"):
        request = make_mocked_request("POST", f"/v1/accounts/{quote(account, safe='')}{rest}")
        assert slice_of(request, COUNT) == slice_of_account(account, COUNT)


@given(st.text(min_size=1, max_size=40).filter(lambda text: len(text.encode()) <= 100))
def test_a_token_is_in_the_slice_of_its_account(account: str) -> None:
    token, number = token_of(account), slice_of_account(account, COUNT)
    for path in ("heartbeat", "events", "stop"):
        headers = {"Authorization": f"Bearer {token}"}
        request = make_mocked_request("POST", f"/v1/sessions/{path}", headers=headers)
        assert slice_of(request, COUNT) == number
    rolled = RING.roll(raw_of(token.encode()), 1_000).decode()
    assert slice_of_raw(raw_of(rolled.encode()), COUNT) == number
    assert slice_of_body("/v1/sessions/stop", token.encode(), COUNT) == number
    form = f"token_type_hint=x&token={token}".encode()
    assert slice_of_body("/v1/introspect", form, COUNT) == number


@pytest.mark.parametrize("token", ["", "x", "not base64 !", "AAAA", "é"])
def test_what_is_no_token_is_answered_where_it_came(token: str) -> None:
    headers = {"Authorization": f"Bearer {token}"}
    request = make_mocked_request("POST", "/v1/sessions/heartbeat", headers=headers)
    assert slice_of(request, COUNT) is Where.ANY
    assert slice_of_body("/v1/sessions/stop", token.encode(), COUNT) is Where.ANY
    assert slice_of_body("/v1/introspect", token.encode(), COUNT) is Where.ANY


def test_a_batch_and_a_body_say_that_they_must_be_read() -> None:
    for path, where in (("heartbeats", Where.EACH), ("stop", Where.BODY)):
        request = make_mocked_request("POST", f"/v1/sessions/{path}")
        assert slice_of(request, COUNT) is where
    assert slice_of(make_mocked_request("POST", "/v1/introspect"), COUNT) is Where.BODY
    assert slice_of(make_mocked_request("GET", "/metrics"), COUNT) is Where.ANY
