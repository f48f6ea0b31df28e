"""Keys that verify entitlements: each is bound to the one algorithm that its own type allows.

A symmetric secret verifies HS256 and nothing else, an RSA key RS256, an Ed25519 key EdDSA. The
header of a token only selects among keys; it never chooses an algorithm for a key, so the usual
confusion (an RSA public key used as an HMAC secret, `alg: none`) has no place to happen.
Source: RFC 7517 (JWK), RFC 8725 (best practices for JWT).
"""

import json
from collections.abc import Callable
from typing import Final, NamedTuple

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from jwt.algorithms import HMACAlgorithm, OKPAlgorithm, RSAAlgorithm

from georeg.edge.errors import SettingsError

SECRET_BYTES_MIN: Final = 32
"""HS256 needs a key as long as its hash (RFC 7518, 3.2)."""
RSA_BITS_MIN: Final = 2048
KEYS_MAX: Final = 32
DOCUMENT_BYTES_MAX: Final = 256 * 1024


class VerificationKey(NamedTuple):
    """One key, and the only algorithm that it is used with."""

    algorithm: str
    kid: str
    """Its id; empty: it has none."""
    key: RSAPublicKey | Ed25519PublicKey | bytes

    def fits(self, algorithm: str, kid: str) -> bool:
        """Whether a token with this header may be signed by this key."""
        return self.algorithm == algorithm and (not kid or not self.kid or self.kid == kid)


def secret_key(secret: bytes, kid: str = "") -> VerificationKey:
    """An HS256 key. Raises SettingsError when the secret is too short."""
    if len(secret) < SECRET_BYTES_MIN:
        raise SettingsError(
            f"an HS256 secret needs {SECRET_BYTES_MIN} bytes or more, not {len(secret)}"
        )
    return VerificationKey("HS256", kid, secret)


def pem_key(pem: bytes, kid: str = "") -> VerificationKey:
    """An RS256 or EdDSA key from a public key in PEM. Raises SettingsError for anything else."""
    try:
        key = load_pem_public_key(pem)
    except ValueError:
        raise SettingsError("not a public key in PEM; a private key does not belong here") from None
    return _public_key(key, kid)


def parse_jwks(document: bytes, *, allow_secrets: bool) -> tuple[VerificationKey, ...]:
    """The usable keys of a JWK set; keys for other purposes are skipped, as RFC 7517 asks.

    `allow_secrets`: whether symmetric keys count: yes from a file, never from a URL, where anybody
    could read them. Raises SettingsError when there is no usable key or the document is no set.
    """
    try:
        members = json.loads(document)["keys"]
    except (ValueError, TypeError, KeyError, RecursionError):
        raise SettingsError('not a JWK set: expected {"keys": [...]}') from None
    if not isinstance(members, list) or len(members) > KEYS_MAX:
        raise SettingsError(f"a JWK set has a list of at most {KEYS_MAX} keys")
    keys = [_parse_jwk(member, allow_secrets) for member in members]
    usable = tuple(key for key in keys if key is not None)
    if not usable:
        raise SettingsError("the JWK set has no key for RS256, EdDSA (Ed25519) or HS256 signatures")
    return usable


def _parse_jwk(member: object, allow_secrets: bool) -> VerificationKey | None:
    """One key, or None when it is not for signatures that are accepted here."""
    if not isinstance(member, dict) or member.get("use", "sig") != "sig":
        return None
    readers: dict[object, Callable[[str | dict[str, object]], object]] = {
        "RSA": RSAAlgorithm.from_jwk,
        "OKP": OKPAlgorithm.from_jwk,
    }
    if allow_secrets:
        readers["oct"] = HMACAlgorithm.from_jwk
    kid = member.get("kid", "")
    kind = member.get("kty")
    if not isinstance(kind, str) or kind not in readers or not isinstance(kid, str):
        return None
    try:
        key = readers[kind](member)
        made = secret_key(key, kid) if isinstance(key, bytes) else _public_key(key, kid)
    except (jwt.PyJWTError, SettingsError, ValueError, TypeError, KeyError):
        return None
    return made if member.get("alg", made.algorithm) == made.algorithm else None


def _public_key(key: object, kid: str) -> VerificationKey:
    if isinstance(key, RSAPublicKey):
        if key.key_size < RSA_BITS_MIN:
            raise SettingsError(f"an RSA key needs {RSA_BITS_MIN} bits or more")
        return VerificationKey("RS256", kid, key)
    if isinstance(key, Ed25519PublicKey):
        return VerificationKey("EdDSA", kid, key)
    raise SettingsError("only RSA (RS256) and Ed25519 (EdDSA) public keys verify entitlements")
