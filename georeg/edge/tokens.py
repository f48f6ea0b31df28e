"""Session tokens: what a device shows at each heartbeat, verified offline in any region.

A token is `version 1 B | key id 2 | session 8 | region 1 | issued ms 8 | deadline s 4 | length of
account 1 | length of device 1 | account | device | MAC 16`, big endian; on the wire base64url
without padding. The MAC is BLAKE2b-128 keyed with the cluster's key over everything before it,
salted with the cluster's name, so that a token of another cluster fails even under the same key.
Version 2 is a *rolled* token: before the MAC stand `rolled ms 8 | parent 2`, when it was made and
the mark of the token that it follows (region/clones.py tells copies apart by that). A start answers
version 1, so that regions of 0.1 take it.

Invariant: bytes are either exactly what `sign` made under a key of the ring, or `TokenError`. The
MAC is checked, in constant time, before any field is believed; only the key id is read before.

Why: HMAC-SHA256 costs twice as much and a JWT twenty times (references/performance.md, 2). The
hash object is keyed once and copied per token. Cost: about 2 us for a token off the wire.

Rotation: put the new key behind the old one in every region, then in front, then remove the old one
after the longest life of a session. The key id comes from the key itself, so regions cannot
disagree about it.
"""

from binascii import Error as Base64Error
from binascii import a2b_base64, b2a_base64
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from hmac import compare_digest
from struct import Struct
from typing import Final

from crdt.codec import ACCOUNT_BYTES_MAX, DEVICE_BYTES_MAX
from crdt.dots import RegionId, SessionId
from georeg.edge.errors import SettingsError, TokenError
from georeg.region.model import Claims

VERSION: Final = 1
ROLLED_VERSION: Final = 2
MAC_BYTES: Final = 16
KEY_BYTES_MIN: Final = 16
KEY_BYTES_MAX: Final = 64
KEYS_MAX: Final = 8

_HEAD: Final = Struct(">BHQBQIBB")
_SIGNED_BY: Final = Struct(">BH")
"""Version and key id: the first bytes of a token say under which key to check it."""
_SESSION_AND_LENGTH: Final = Struct(">3xQ13xB")
"""The session, and how long the account is."""
_ISSUED: Final = Struct(">12xQ")
_ROLLED: Final = Struct(">QH")
"""When a token was rolled, and the mark of the one before it."""
_PERSON: Final = b"georeg/session/1"
_PERSON_KEY_ID: Final = b"georeg/key-id/1"
TOKEN_BYTES_MIN: Final = _HEAD.size + MAC_BYTES
TOKEN_BYTES_MAX: Final = TOKEN_BYTES_MIN + ACCOUNT_BYTES_MAX + DEVICE_BYTES_MAX + _ROLLED.size
TOKEN_TEXT_MAX: Final = (TOKEN_BYTES_MAX * 4 + 2) // 3
_TO_BASE64: Final = bytes.maketrans(b"-_+/=", b"+/***")
"""Base64url to base64; what only the other alphabet has becomes invalid."""
_FROM_BASE64: Final = bytes.maketrans(b"+/", b"-_")
_PADDING: Final = (b"", b"*", b"==", b"=")
"""What is missing at a length modulo 4; no text has length 1 modulo 4."""


def key_id(key: bytes) -> int:
    """16 bits that name a key without saying anything else about it."""
    digest = blake2b(key, digest_size=2, person=_PERSON_KEY_ID).digest()
    return int.from_bytes(digest, "big")


class KeyRing:
    """The cluster's session keys: the first signs, all verify."""

    def __init__(self, keys: Sequence[bytes], *, cluster: str) -> None:
        """Raises SettingsError for no key, too many, one of a wrong length, or two alike."""
        self._salt = blake2b(cluster.encode(), digest_size=blake2b.SALT_SIZE).digest()
        self.replace(keys)

    def replace(self, keys: Sequence[bytes]) -> None:
        """Take other keys from now on; all or nothing. Raises as the constructor does."""
        if not 0 < len(keys) <= KEYS_MAX:
            raise SettingsError(f"give 1 to {KEYS_MAX} session keys, not {len(keys)}")
        keyed: dict[bytes, blake2b] = {}
        for key in keys:
            if not KEY_BYTES_MIN <= len(key) <= KEY_BYTES_MAX:
                raise SettingsError(
                    f"a session key has {KEY_BYTES_MIN} to {KEY_BYTES_MAX} bytes, not {len(key)}"
                )
            if _SIGNED_BY.pack(VERSION, key_id(key)) in keyed:
                raise SettingsError("two session keys are alike or share an id: replace one")
            made = blake2b(key=key, digest_size=MAC_BYTES, salt=self._salt, person=_PERSON)
            for version in (VERSION, ROLLED_VERSION):
                keyed[_SIGNED_BY.pack(version, key_id(key))] = made
        self._keyed = keyed
        self._signing_id = key_id(keys[0])
        self._signing_heads = tuple(
            _SIGNED_BY.pack(version, self._signing_id) for version in (VERSION, ROLLED_VERSION)
        )
        self._accepted: Counter[int] = Counter()

    def accepted(self, key: int) -> int:
        """How many tokens the ring took since its last change under a key that is not the first."""
        return self._accepted[key]

    def sign(self, claims: Claims) -> str:
        """The token as it goes over the wire. The claims are the region's own and trusted."""
        account, device = claims.account.encode(), claims.device.encode()
        body = (
            _HEAD.pack(
                VERSION,
                self._signing_id,
                claims.session,
                claims.region,
                claims.issued_ms,
                claims.deadline_s,
                len(account),
                len(device),
            )
            + account
            + device
        )
        return self._signed(body).decode()

    def roll(self, raw: bytes, wall_ms: int) -> bytes:
        """What follows a token that `check` let pass, as it goes over the wire: the same claims
        under the key that signs now, and a lineage of its own."""
        rolled_ms, _ = lineage_of(raw)
        end = len(raw) - MAC_BYTES - (_ROLLED.size if raw[0] == ROLLED_VERSION else 0)
        return self._signed(
            _SIGNED_BY.pack(ROLLED_VERSION, self._signing_id)
            + raw[_SIGNED_BY.size : end]
            + _ROLLED.pack(wall_ms, mark_of(rolled_ms))
        )

    def _signed(self, body: bytes) -> bytes:
        mac = self._keyed[body[: _SIGNED_BY.size]].copy()
        mac.update(body)
        text = b2a_base64(body + mac.digest(), newline=False)
        return text.translate(_FROM_BASE64).rstrip(b"=")

    def verify(self, text: str) -> Claims:
        """What a token off the wire says. Raises TokenError."""
        try:
            return self.open(raw_of(text.encode("ascii")))
        except UnicodeEncodeError:
            raise TokenError("a token is base64url text") from None

    def open(self, raw: bytes) -> Claims:
        """What a token says that `raw_of` made of the wire's. Raises TokenError."""
        self.check(raw)
        _, _, session, region, issued_ms, deadline_s, account_length, device_length = (
            _HEAD.unpack_from(raw)
        )
        end = _HEAD.size + account_length
        rolled_size = _ROLLED.size if raw[0] == ROLLED_VERSION else 0
        if len(raw) != end + device_length + rolled_size + MAC_BYTES:
            raise TokenError("the lengths in the token do not add up")
        return Claims(
            SessionId(session),
            raw[_HEAD.size : end].decode(),
            raw[end : end + device_length].decode(),
            RegionId(region),
            issued_ms,
            deadline_s,
        )

    def check(self, raw: bytes) -> None:
        """Raise TokenError unless a key of the ring signed these bytes."""
        if not TOKEN_BYTES_MIN <= len(raw) <= TOKEN_BYTES_MAX:
            raise TokenError("not the length of a token")
        head = raw[: _SIGNED_BY.size]
        keyed = self._keyed.get(head)
        if keyed is None:
            raise TokenError("no key of this cluster signed the token")
        mac = keyed.copy()
        mac.update(raw[:-MAC_BYTES])
        if not compare_digest(mac.digest(), raw[-MAC_BYTES:]):
            raise TokenError("the token was changed or another cluster signed it")
        if head not in self._signing_heads:  # so that one sees who still needs an old key
            self._accepted[_SIGNED_BY.unpack(head)[1]] += 1


def session_and_account(raw: bytes) -> tuple[int, bytes]:
    """The two fields that a heartbeat needs, of a token that `KeyRing.check` let pass."""
    session, length = _SESSION_AND_LENGTH.unpack_from(raw)
    return session, raw[_HEAD.size : _HEAD.size + length]


def lineage_of(raw: bytes) -> tuple[int, int]:
    """When such a token was made, wall clock, and the mark of the one before it; 0: the first."""
    if raw[0] == VERSION:
        return _ISSUED.unpack_from(raw)[0], 0
    rolled_ms, parent = _ROLLED.unpack_from(raw, len(raw) - MAC_BYTES - _ROLLED.size)
    return rolled_ms, parent


def mark_of(rolled_ms: int) -> int:
    """What a region remembers of a token: 16 bits of when it was made, never 0."""
    return rolled_ms & 0xFFFF or 1


def raw_of(text: bytes) -> bytes:
    """Take a token off the wire: strict base64url without padding. Raises TokenError."""
    length = len(text)
    if length > TOKEN_TEXT_MAX:
        raise TokenError("longer than any token")
    try:
        return a2b_base64(text.translate(_TO_BASE64) + _PADDING[length % 4], strict_mode=True)
    except Base64Error:
        raise TokenError("a token is base64url text without padding") from None
