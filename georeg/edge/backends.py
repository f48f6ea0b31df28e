"""API keys of backends: `NAME.SECRET` on the wire, 64 hexadecimal digits in the settings.

What is stored is BLAKE2b-256 of the secret, salted with the backend's name, so that one secret in
two places does not look alike; personalised with what the key is for, so that the key of a backend
is never one of an operator (`georeg/ops/keys.py` makes those in the same way). Why no scrypt: a
slow hash protects secrets that people choose. These are 256 bits from the system's generator, which
nobody guesses at any speed, and a slow hash on the event loop would let a stranger stop the service
with wrong keys.

Invariant: an unknown name takes as long as a wrong secret.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Callable, Mapping
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

from georeg.edge.errors import SettingsError

SECRET_BYTES: Final = 32
DIGEST_BYTES: Final = 32
_SECRET_LENGTH_MAX: Final = 128
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
BACKEND: Final = b"georeg/backend/1"


def mint_backend_key(
    name: str, token_bytes: Callable[[int], bytes], *, person: bytes = BACKEND
) -> tuple[str, str]:
    """A new key for the backend called `name`: (what it sends, what the settings store).

    `token_bytes` is `secrets.token_bytes` outside of tests; `person` says what the key is for.
    Raises SettingsError for a bad name.
    """
    _check_name(name)
    secret = urlsafe_b64encode(token_bytes(SECRET_BYTES)).rstrip(b"=").decode()
    return f"{name}.{secret}", _digest(name, secret, person).hex()


class BackendKeys:
    """The backends that may call, by name."""

    def __init__(self, stored: Mapping[str, str], *, person: bytes = BACKEND) -> None:
        """`stored` maps a backend's name to what `mint_backend_key` said to store.

        Raises SettingsError when an entry is not that.
        """
        self._person = person
        self._stored = {name: _parse(name, text) for name, text in stored.items()}

    def verify(self, key: str) -> str | None:
        """The backend's name, or None when it is not one of its keys. `key` is ASCII."""
        name, _, secret = key.partition(".")
        if len(secret) > _SECRET_LENGTH_MAX:
            return None
        expected = self._stored.get(name, bytes(DIGEST_BYTES))
        return name if compare_digest(_digest(name, secret, self._person), expected) else None


def _digest(name: str, secret: str, person: bytes) -> bytes:
    """What is stored of a secret."""
    salt = blake2b(name.encode(), digest_size=blake2b.SALT_SIZE).digest()
    return blake2b(secret.encode(), digest_size=DIGEST_BYTES, salt=salt, person=person).digest()


def _parse(name: str, text: str) -> bytes:
    """The digest of one stored key."""
    _check_name(name)
    try:
        digest = bytes.fromhex(text)
    except ValueError:
        digest = b""
    if len(digest) != DIGEST_BYTES:
        raise SettingsError(f"what is stored for {name!r} must be 64 hexadecimal digits")
    return digest


def _check_name(name: str) -> None:
    if _NAME.fullmatch(name) is None:
        raise SettingsError(f"the name of a key has 1 to 64 of A-Z a-z 0-9 _ -, not {name!r}")
