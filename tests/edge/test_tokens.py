"""Session tokens: exactly what was signed comes out, and nothing else goes in.

Mutants: a ring that skips the MAC, one that forgets the cluster, one that signs with its last key.
Each must be caught by the property that it breaks.
"""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.dots import DOT_MAX, RegionId, SessionId
from georeg.edge.errors import SettingsError, TokenError
from georeg.edge.tokens import (
    KEYS_MAX,
    TOKEN_TEXT_MAX,
    KeyRing,
    key_id,
    lineage_of,
    mark_of,
    raw_of,
    session_and_account,
)
from georeg.region.model import Claims

KEY, OTHER = bytes(range(32)), bytes(range(1, 33))
NAMES = st.text(st.characters(codec="utf-8"), max_size=32)
CLAIMS = st.builds(
    Claims,
    session=st.integers(0, DOT_MAX).map(SessionId),
    account=NAMES,
    device=NAMES,
    region=st.integers(1, 255).map(RegionId),
    issued_ms=st.integers(0, (1 << 42) - 1),
    deadline_s=st.integers(0, (1 << 32) - 1),
)
RingMaker = Callable[..., KeyRing]


class SkipsTheMac(KeyRing):
    def check(self, raw: bytes) -> None:
        if len(raw) < 42:
            raise TokenError


class ForgetsTheCluster(KeyRing):
    def __init__(self, keys: list[bytes], *, cluster: str) -> None:
        super().__init__(keys, cluster="any")


class SignsWithTheLastKey(KeyRing):
    def replace(self, keys: list[bytes]) -> None:  # type: ignore[override]  # a broken mutant
        super().replace(keys)
        self._signing_id = key_id(keys[-1])


def changed_bits_are_refused(make: RingMaker, claims: Claims, at: int) -> None:
    ring = make([KEY], cluster="c")
    raw = bytearray(raw_of(ring.sign(claims).encode()))
    raw[at // 8 % len(raw)] ^= 1 << at % 8
    with pytest.raises(TokenError):
        ring.open(bytes(raw))


def another_cluster_is_refused(make: RingMaker, claims: Claims) -> None:
    with pytest.raises(TokenError):
        make([KEY], cluster="a").verify(make([KEY], cluster="b").sign(claims))


def rotation_never_breaks_a_token(make: RingMaker, claims: Claims) -> None:
    """Behind, in front, alone: at each step the regions that are a step apart agree."""
    steps = [[KEY], [KEY, OTHER], [OTHER, KEY], [OTHER]]
    rings = [make(keys, cluster="c") for keys in steps]
    for one, next_one in zip(rings[:-2], rings[1:-1], strict=True):
        assert next_one.verify(one.sign(claims)) == claims
        assert one.verify(next_one.sign(claims)) == claims
    assert rings[3].verify(rings[2].sign(claims)) == claims


@given(CLAIMS)
def test_what_was_signed_comes_out(claims: Claims) -> None:
    ring = KeyRing([KEY], cluster="c")
    text = ring.sign(claims)
    assert ring.verify(text) == claims
    assert "=" not in text
    account = claims.account.encode()
    assert session_and_account(raw_of(text.encode())) == (claims.session, account)


@given(CLAIMS, st.integers(0, 1 << 12))
def test_a_changed_bit_is_refused(claims: Claims, at: int) -> None:
    changed_bits_are_refused(KeyRing, claims, at)


@given(CLAIMS)
def test_a_token_of_another_cluster_is_refused_even_under_the_same_key(claims: Claims) -> None:
    another_cluster_is_refused(KeyRing, claims)


@given(CLAIMS)
def test_keys_can_be_rotated_without_breaking_a_token(claims: Claims) -> None:
    rotation_never_breaks_a_token(KeyRing, claims)


@given(st.binary(max_size=400) | st.text(alphabet="AVKk-_=+/", max_size=200).map(str.encode))
def test_any_bytes_are_a_token_error(data: bytes) -> None:
    ring = KeyRing([KEY], cluster="c")
    with pytest.raises(TokenError):
        ring.open(data)
    with pytest.raises(TokenError):
        ring.open(raw_of(data))


@given(st.text(max_size=100))
def test_any_text_is_a_token_error(text: str) -> None:
    with pytest.raises(TokenError):
        KeyRing([KEY], cluster="c").verify(text)


@pytest.mark.parametrize(
    "text", [b"A", b"AA=", b"AA==", b"A+AA", b"AA/A", b"A A", b"AA\n", b"AAAAA", b"\xff\xff"]
)
def test_only_base64url_without_padding_is_taken(text: bytes) -> None:
    with pytest.raises(TokenError):
        raw_of(text)


@pytest.mark.parametrize(
    "keys",
    [[], [b"short"], [KEY, KEY], [bytes(65)], [bytes([n]) * 32 for n in range(KEYS_MAX + 1)]],
)
def test_a_ring_that_cannot_work_is_refused(keys: list[bytes]) -> None:
    with pytest.raises(SettingsError):
        KeyRing(keys, cluster="c")


def test_a_ring_that_refuses_new_keys_keeps_the_old_ones() -> None:
    claims = Claims(SessionId(1), "a", "d", RegionId(1), 1, 1)
    ring = KeyRing([KEY], cluster="c")
    token = ring.sign(claims)
    with pytest.raises(SettingsError):
        ring.replace([OTHER, b"short"])
    assert ring.verify(token) == claims


@pytest.mark.parametrize(
    ("mutant", "rule"),
    [
        (SkipsTheMac, lambda make, claims: changed_bits_are_refused(make, claims, 30)),
        (ForgetsTheCluster, another_cluster_is_refused),
        (SignsWithTheLastKey, rotation_never_breaks_a_token),
    ],
)
def test_the_rules_catch_a_broken_ring(
    mutant: RingMaker, rule: Callable[[RingMaker, Claims], None]
) -> None:
    claims = Claims(SessionId(7), "account", "device", RegionId(1), 5, 6)
    with pytest.raises((AssertionError, TokenError, pytest.fail.Exception)):
        rule(mutant, claims)


@given(CLAIMS, st.lists(st.integers(0, (1 << 42) - 1), min_size=1, max_size=3))
def test_a_rolled_token_says_the_same_and_of_which_it_is_the_child(
    claims: Claims, times_ms: list[int]
) -> None:
    ring = KeyRing([KEY], cluster="c")
    text = ring.sign(claims).encode()
    before_ms = claims.issued_ms
    for rolled_ms in times_ms:
        text = ring.roll(raw_of(text), rolled_ms)
        raw = raw_of(text)
        assert lineage_of(raw) == (rolled_ms, mark_of(before_ms))
        assert ring.verify(text.decode()) == claims
        assert session_and_account(raw) == (claims.session, claims.account.encode())
        assert len(text) <= TOKEN_TEXT_MAX
        before_ms = rolled_ms


def test_a_token_that_is_rolled_is_signed_with_the_newest_key() -> None:
    """So a key can be removed before the last session that it signed has ended."""
    claims = Claims(SessionId(1), "a", "d", RegionId(1), 5, 6)
    old = KeyRing([OTHER], cluster="c").sign(claims)
    rolled = KeyRing([KEY, OTHER], cluster="c").roll(raw_of(old.encode()), 7)
    assert KeyRing([KEY], cluster="c").verify(rolled.decode()) == claims


@given(CLAIMS, st.integers(0, 1 << 12))
def test_a_changed_rolled_token_is_refused(claims: Claims, at: int) -> None:
    ring = KeyRing([KEY], cluster="c")
    raw = bytearray(raw_of(ring.roll(raw_of(ring.sign(claims).encode()), 1)))
    raw[at // 8 % len(raw)] ^= 1 << at % 8
    with pytest.raises(TokenError):
        ring.open(bytes(raw))
