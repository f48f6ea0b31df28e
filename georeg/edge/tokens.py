"""Session tokens: what a device shows at each heartbeat, verified offline in any region.

A token is `version 1 B | key id 2 | session 8 | region 1 | issued ms 8 | deadline s 4 | length of
account 1 | length of device 1 | account | device | MAC 16`, big endian; on the wire base64url
without padding. The MAC is BLAKE2b-128 keyed with the cluster's key over everything before it,
salted with the cluster's name, so that a token of another cluster fails even under the same key.

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
MAC_BYTES: Final = 16
KEY_BYTES_MIN: Final = 16
KEY_BYTES_MAX: Final = 64
KEYS_MAX: Final = 8

_HEAD: Final = Struct(">BHQBQIBB")
_SIGNED_BY: Final = Struct(">BH")
"""Version and key id: the first bytes of a token say under which key to check it."""
_SESSION_AND_LENGTH: Final = Struct(">3xQ13xB")
"""The session, and how long the account is."""
_PERSON: Final = b"georeg/session/1"
_PERSON_KEY_ID: Final = b"georeg/key-id/1"
TOKEN_BYTES_MIN: Final = _HEAD.size + MAC_BYTES
TOKEN_BYTES_MAX: Final = TOKEN_BYTES_MIN + ACCOUNT_BYTES_MAX + DEVICE_BYTES_MAX
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
            head = _SIGNED_BY.pack(VERSION, key_id(key))
            if head in keyed:
                raise SettingsError("two session keys are alike or share an id: replace one")
            keyed[head] = blake2b(key=key, digest_size=MAC_BYTES, salt=self._salt, person=_PERSON)
        self._keyed = keyed
        self._signing_id = key_id(keys[0])
        self._signing_head = _SIGNED_BY.pack(VERSION, self._signing_id)
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
        mac = self._keyed[body[: _SIGNED_BY.size]].copy()
        mac.update(body)
        text = b2a_base64(body + mac.digest(), newline=False)
        return text.translate(_FROM_BASE64).rstrip(b"=").decode()

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
        if len(raw) != end + device_length + MAC_BYTES:
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
        if head != self._signing_head:  # so that whoever removes an old key sees who still needs it
            self._accepted[_SIGNED_BY.unpack(head)[1]] += 1


def session_and_account(raw: bytes) -> tuple[int, bytes]:
    """The two fields that a heartbeat needs, of a token that `KeyRing.check` let pass."""
    session, length = _SESSION_AND_LENGTH.unpack_from(raw)
    return session, raw[_HEAD.size : _HEAD.size + length]


def raw_of(text: bytes) -> bytes:
    """Take a token off the wire: strict base64url without padding. Raises TokenError."""
    length = len(text)
    if length > TOKEN_TEXT_MAX:
        raise TokenError("longer than any token")
    try:
        return a2b_base64(text.translate(_TO_BASE64) + _PADDING[length % 4], strict_mode=True)
    except Base64Error:
        raise TokenError("a token is base64url text without padding") from None
