"""Entitlements: what a signed statement may say, and every way in which it can be wrong."""

import asyncio
import hmac
import json
from base64 import urlsafe_b64encode
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1
from cryptography.hazmat.primitives.asymmetric.ec import generate_private_key as generate_ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from crdt.events import Plan
from georeg.edge import entitlements as module
from georeg.edge.entitlements import Entitlement, EntitlementVerifier
from georeg.edge.errors import EntitlementError, SettingsError
from georeg.edge.jwk import VerificationKey, parse_jwks, pem_key, secret_key
from georeg.edge.keysets import StaticKeys

SECRET = b"s" * 32
NOW_MS = 1_767_268_800_000
NOW_S = NOW_MS // 1000
CLAIMS: dict[str, Any] = {"account": "acc-42", "plan": "basic", "iat": NOW_S}
RSA = generate_rsa(65537, 2048)
ED = Ed25519PrivateKey.generate()


def pem(private: Any) -> bytes:
    encoded: bytes = private.public_key().public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    return encoded


def verifier(*keys: VerificationKey, **options: Any) -> EntitlementVerifier:
    return EntitlementVerifier([StaticKeys(keys or (secret_key(SECRET),))], **options)


def verify(token: str, by: EntitlementVerifier | None = None, now_ms: int = NOW_MS) -> Entitlement:
    return asyncio.run((by or verifier()).verify(token, now_ms))


def signed(claims: dict[str, Any], key: Any = SECRET, algorithm: str = "HS256", **head: Any) -> str:
    return jwt.encode(claims, key, algorithm=algorithm, headers=head or None)


@pytest.mark.parametrize(
    ("private", "algorithm", "key"),
    [
        (SECRET, "HS256", secret_key(SECRET)),
        (RSA, "RS256", pem_key(pem(RSA))),
        (ED, "EdDSA", pem_key(pem(ED))),
    ],
)
def test_each_algorithm_is_verified_with_its_own_kind_of_key(
    private: Any, algorithm: str, key: VerificationKey
) -> None:
    said = verify(signed(CLAIMS | {"home": "eu"}, private, algorithm), verifier(key))
    assert (said.account, said.plan, said.home) == ("acc-42", "basic", "eu")
    assert said.issued_ms == NOW_MS


def test_a_public_key_is_never_a_secret() -> None:
    """The classic confusion: HS256 with the RSA public key's PEM as the secret."""
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256", "typ": "JWT"}, CLAIMS)]
    body = b".".join(urlsafe_b64encode(part).rstrip(b"=") for part in parts)
    mac = urlsafe_b64encode(hmac.digest(pem(RSA), body, "sha256")).rstrip(b"=")
    with pytest.raises(EntitlementError):
        verify(f"{body.decode()}.{mac.decode()}", verifier(pem_key(pem(RSA))))


@pytest.mark.parametrize(
    "token",
    [
        jwt.encode(CLAIMS, None, algorithm="none"),
        signed(CLAIMS, b"x" * 32),
        signed(CLAIMS, b"s" * 64, "HS512"),
        signed(CLAIMS)[:-1],
        signed(CLAIMS) + "A",
        "..",
        "a.b.c",
        "eyJhbGciOiI.e30.x",
        "x" * 5000,
        "é.é.é",
    ],
)
def test_what_no_key_signed_is_refused(token: str) -> None:
    with pytest.raises(EntitlementError):
        verify(token)


@given(st.text(max_size=60))
def test_any_header_is_an_entitlement_error(text: str) -> None:
    with pytest.raises(EntitlementError):
        verify(f"{text}.e30.AAAA")


@pytest.mark.parametrize(
    "change",
    [
        {"account": None},
        {"account": ""},
        {"account": 7},
        {"account": "a\nb"},
        {"account": "a" * 129},
        {"plan": None, "limit": None},
        {"plan": ""},
        {"plan": 1},
        {"limit": 0},
        {"limit": -1},
        {"limit": True},
        {"limit": 1.5},
        {"limit": "2"},
        {"limit": 256},
        {"home": 3},
        {"iat": None},
        {"iat": "now"},
        {"iat": True},
        {"iat": -1},
        {"iat": 1e300},
        {"iat": NOW_S - 172_801},
        {"nbf": NOW_S + 60},
        {"exp": NOW_S - 31},
        {"exp": "later"},
    ],
)
def test_claims_that_cannot_be_are_refused(change: dict[str, Any]) -> None:
    if change == {"plan": None, "limit": None}:
        claims = {"account": "acc-42", "iat": NOW_S}
    else:
        claims = CLAIMS | change
    with pytest.raises(EntitlementError):
        verify(signed(claims))


def test_an_issue_time_is_required() -> None:
    with pytest.raises(EntitlementError):
        verify(signed({"account": "acc-42", "plan": "basic"}))


def test_expiry_is_honoured_also_for_a_token_that_is_remembered() -> None:
    by, token = verifier(), signed(CLAIMS | {"exp": NOW_S + 60})
    verify(token, by)
    with pytest.raises(EntitlementError):
        verify(token, by, NOW_MS + 91_000)


def test_an_audience_is_checked_when_one_is_set() -> None:
    by = verifier(audience="georeg")
    verify(signed(CLAIMS | {"aud": "georeg"}), by)
    verify(signed(CLAIMS | {"aud": ["other", "georeg"]}), by)
    verify(signed(CLAIMS | {"aud": "anything"}))
    for claims in (CLAIMS, CLAIMS | {"aud": "other"}, CLAIMS | {"aud": {"georeg": 1}}):
        with pytest.raises(EntitlementError):
            verify(signed(claims), by)


def test_a_key_id_selects_among_keys() -> None:
    keys = (secret_key(b"a" * 32, "one"), secret_key(b"b" * 32, "two"))
    verify(signed(CLAIMS, b"b" * 32, kid="two"), verifier(*keys))
    verify(signed(CLAIMS, b"b" * 32), verifier(*keys))
    with pytest.raises(EntitlementError):
        verify(signed(CLAIMS, b"b" * 32, kid="one"), verifier(*keys))


def test_a_limit_beats_the_plans_and_what_is_unknown_shrinks_nothing() -> None:
    limits, regions = {"basic": 1}, {"eu": 2}

    def resolve(**claims: Any) -> Plan | None:
        return verify(signed(CLAIMS | claims)).resolve(limits, regions)

    assert resolve() == Plan("basic", 1, 0)
    assert resolve(limit=3, home="eu") == Plan("basic", 3, 2)
    assert resolve(plan="gold", limit=7) == Plan("gold", 7, 0)
    assert resolve(plan="gold") is None
    assert resolve(home="mars") == Plan("basic", 1, 0)


def test_only_so_many_verified_tokens_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHE_MAX", 3)
    by = verifier()
    for number in range(5):
        verify(signed(CLAIMS | {"account": f"acc-{number}"}), by)
    assert len(by._verified) == 3


def test_a_remembered_token_is_forgotten_with_the_key_that_signed_it() -> None:
    source = StaticKeys((secret_key(SECRET),))
    by, token = EntitlementVerifier([source]), signed(CLAIMS)
    verify(token, by)
    source._keys, source.version = (), 1
    with pytest.raises(EntitlementError):
        verify(token, by)


def test_keys_that_are_too_weak_or_of_another_kind_are_refused() -> None:
    with pytest.raises(SettingsError):
        secret_key(b"short")
    weak = generate_rsa(65537, 1024)  # noqa: S505 - the point of the test
    for wrong in (pem(weak), pem(generate_ec(SECP256R1())), b"no pem"):
        with pytest.raises(SettingsError):
            pem_key(wrong)


def test_a_set_gives_the_keys_that_sign_and_skips_the_rest() -> None:
    rsa = jwt.algorithms.RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True) | {"kid": "r"}
    ed = jwt.algorithms.OKPAlgorithm.to_jwk(ED.public_key(), as_dict=True) | {"kid": "e"}
    oct_key = {"kty": "oct", "k": "c3NzcA" * 8, "kid": "o"}
    others = [
        rsa | {"use": "enc"},
        rsa | {"alg": "RS512"},
        rsa | {"n": "AQAB"},
        ed | {"crv": "Ed448"},
        {"kty": "EC"},
        {"kty": ["RSA"]},
        {},
        7,
    ]
    document = json.dumps({"keys": [*others, rsa, ed, oct_key]}).encode()
    found = parse_jwks(document, allow_secrets=False)
    assert [(key.algorithm, key.kid) for key in found] == [("RS256", "r"), ("EdDSA", "e")]
    assert len(parse_jwks(document, allow_secrets=True)) == 3


@pytest.mark.parametrize("document", [b"", b"[]", b'{"keys": {}}', b'{"keys": []}', b"[" * 99999])
def test_a_document_without_usable_keys_is_refused(document: bytes) -> None:
    with pytest.raises(SettingsError):
        parse_jwks(document, allow_secrets=True)
