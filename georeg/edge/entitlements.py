"""Entitlements: signed statements (JWT) of what an account may do.

Claims: `account`; `plan` or `limit` or both; optional `home` (a region's name); `iat`, required,
since the latest statement of a plan wins by it; `exp`, `nbf`, and `aud` when an audience is set.

Invariant: nothing of a token counts before its signature does, and the algorithm comes from the key
(`jwk.py`). Times are compared here, on the region's clock, so that simulated time rules them too.
Cost: 25 to 70 us for a signature, so verified tokens are remembered by a 128-bit digest (never the
token itself), `CACHE_MAX` of them, and forgotten when the keys change.
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final

import jwt

from crdt.codec import ACCOUNT_BYTES_MAX, LIMIT_MAX, PLAN_BYTES_MAX
from crdt.events import Plan
from georeg.edge.errors import EntitlementError
from georeg.edge.jwk import VerificationKey
from georeg.edge.keysets import KeySource
from georeg.edge.shapes import has_control

CACHE_MAX: Final = 8_192
"""Entries; some 600 B each."""
TOKEN_LENGTH_MAX: Final = 4_096
LEEWAY_MS: Final = 30_000
"""How far the issuer's clock may be from ours."""
KID_LENGTH_MAX: Final = 256
_UNCHECKED: Final = ("exp", "nbf", "iat", "aud", "iss", "sub", "jti")


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What a verified token says. Times are milliseconds since 1970."""

    account: str
    plan: str
    """Empty: only a limit was given."""
    limit: int | None
    home: str
    """A region's name; empty: the rendezvous hash decides."""
    issued_ms: int
    not_before_ms: int
    expires_ms: int | None

    def resolve(self, limits: dict[str, int], regions: dict[str, int]) -> Plan | None:
        """The plan in the region's terms; None when its name is unknown and it gives no limit.

        None leaves the last known plan in force: a name that is new here must not shrink a limit.
        A home that is not a region of this cluster counts as none given, for the same reason.
        """
        limit = self.limit if self.limit is not None else limits.get(self.plan)
        if limit is None:
            return None
        return Plan(self.plan, limit, regions.get(self.home, 0))


class EntitlementVerifier:
    """Verifies tokens against key sources. All times are milliseconds since 1970."""

    def __init__(
        self, sources: Sequence[KeySource], *, audience: str = "", age_ms_max: int = 172_800_000
    ) -> None:
        """`age_ms_max`: older statements are refused, since what they lost to may be forgotten."""
        self._sources = tuple(sources)
        self._audience = audience
        self._age_ms_max = age_ms_max
        self._verified: OrderedDict[bytes, Entitlement] = OrderedDict()  # see limits.py
        self._version = 0

    def open(self) -> None:
        """Begin to fetch keys; called on the running loop."""
        for source in self._sources:
            source.open()

    async def close(self) -> None:
        """Stop whatever runs."""
        for source in self._sources:
            await source.close()

    async def verify(self, token: str, now_ms: int) -> Entitlement:
        """What the token says. Raises EntitlementError, KeysUnavailableError."""
        if len(token) > TOKEN_LENGTH_MAX or not token.isascii():
            raise EntitlementError("not the length or alphabet of an entitlement")
        self._forget_old_keys()
        digest = blake2b(token.encode(), digest_size=16).digest()
        entitlement = self._verified.get(digest)
        if entitlement is None:
            entitlement = read_claims(await self._payload(token), self._audience)
            self._verified[digest] = entitlement
            if len(self._verified) > CACHE_MAX:
                self._verified.popitem(last=False)
        self._check_times(entitlement, now_ms)
        return entitlement

    def _forget_old_keys(self) -> None:
        """What a removed key signed must not count any longer."""
        version = sum(source.version for source in self._sources)
        if version != self._version:
            self._version = version
            self._verified.clear()

    def _check_times(self, entitlement: Entitlement, now_ms: int) -> None:
        if entitlement.not_before_ms > now_ms + LEEWAY_MS:
            raise EntitlementError("the entitlement is not valid yet")
        if entitlement.expires_ms is not None and entitlement.expires_ms + LEEWAY_MS <= now_ms:
            raise EntitlementError("the entitlement has expired")
        if entitlement.issued_ms < now_ms - self._age_ms_max:
            raise EntitlementError("the entitlement was issued too long ago")

    async def _payload(self, token: str) -> dict[str, Any]:
        """The claims, once a key has proved them."""
        algorithm, kid = _read_header(token)
        for source in self._sources:
            for key in await source.find(algorithm, kid):
                payload = _verified_payload(token, key)
                if payload is not None:
                    return payload
        raise EntitlementError("no known key signed the entitlement")


def _read_header(token: str) -> tuple[str, str]:
    """Algorithm and key id, which only select among our keys. Raises EntitlementError."""
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise EntitlementError("not a JWT") from None
    algorithm, kid = header.get("alg"), header.get("kid", "")
    if not isinstance(algorithm, str) or not isinstance(kid, str) or len(kid) > KID_LENGTH_MAX:
        raise EntitlementError("the header of the entitlement is not valid")
    return algorithm, kid


def _verified_payload(token: str, key: VerificationKey) -> dict[str, Any] | None:
    """The claims if this key signed them, else None."""
    options: Any = {f"verify_{claim}": False for claim in _UNCHECKED}
    try:
        return jwt.decode(token, key.key, algorithms=[key.algorithm], options=options)
    except (jwt.PyJWTError, ValueError, RecursionError):
        return None


def read_claims(payload: dict[str, Any], audience: str) -> Entitlement:
    """Check the claims of a proved token. Raises EntitlementError."""
    if audience:
        stated = payload.get("aud", [])
        if audience not in (stated if isinstance(stated, list) else [stated]):
            raise EntitlementError("the entitlement is for another audience")
    plan, limit = payload.get("plan", ""), payload.get("limit")
    if not plan and limit is None:
        raise EntitlementError("the entitlement names neither a plan nor a limit")
    if limit is not None and (type(limit) is not int or not 1 <= limit <= LIMIT_MAX):
        raise EntitlementError(f"the limit must be a whole number from 1 to {LIMIT_MAX}")
    if "iat" not in payload:
        raise EntitlementError("the entitlement has no issue time (iat)")
    return Entitlement(
        account=_text(payload, "account", ACCOUNT_BYTES_MAX, required=True),
        plan=_text(payload, "plan", PLAN_BYTES_MAX),
        limit=limit,
        home=_text(payload, "home", PLAN_BYTES_MAX),
        issued_ms=_time_ms(payload, "iat"),
        not_before_ms=_time_ms(payload, "nbf") if "nbf" in payload else 0,
        expires_ms=_time_ms(payload, "exp") if "exp" in payload else None,
    )


def _text(payload: dict[str, Any], claim: str, bytes_max: int, *, required: bool = False) -> str:
    value = payload.get(claim, "")
    if not isinstance(value, str) or has_control(value) or (required and not value):
        raise EntitlementError(f"the claim {claim} is not valid")
    if len(value.encode()) > bytes_max:
        raise EntitlementError(f"the claim {claim} has more than {bytes_max} bytes")
    return value


def _time_ms(payload: dict[str, Any], claim: str) -> int:
    """A NumericDate (seconds, perhaps with a fraction) in milliseconds."""
    value = payload[claim]
    if type(value) not in (int, float) or not 0 <= value < 1 << 38:
        raise EntitlementError(f"the claim {claim} is not a time")
    return int(value * 1000)
