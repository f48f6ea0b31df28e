"""CORS for players in browsers: which pages may call, and what their preflight is told.

Callers authenticate by Authorization and never by cookies, so credentials mode stays off and `*` is
harmless. Without configured origins no CORS header is ever sent, and a page cannot call.
Source: https://fetch.spec.whatwg.org/#http-cors-protocol
"""

from collections.abc import Sequence
from typing import Final

from aiohttp import web

ALLOWED_HEADERS: Final = "Authorization, Content-Type, Idempotency-Key, Prefer"
EXPOSED_HEADERS: Final = "Retry-After, Preference-Applied"
PREFLIGHT_AGE_S: Final = 600


class Cors:
    """Decides by the Origin header alone."""

    def __init__(self, origins: Sequence[str]) -> None:
        self._origins = frozenset(origins)
        self.enabled = bool(origins)

    def headers(self, request: web.Request) -> dict[str, str]:
        """What an answer to this request must carry."""
        if not self.enabled:
            return {}
        origin = request.headers.get("Origin")
        if origin is None or not self._allows(origin):
            return {"Vary": "Origin"}
        return {
            "Vary": "Origin",
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Expose-Headers": EXPOSED_HEADERS,
        }

    def preflight(self, request: web.Request, methods: Sequence[str]) -> web.Response:
        """The answer to OPTIONS for a path that takes these methods."""
        allowed = ", ".join(methods)
        headers = {"Allow": allowed}
        if self.enabled and self._allows(request.headers.get("Origin", "")):
            headers |= {
                "Access-Control-Allow-Methods": allowed,
                "Access-Control-Allow-Headers": ALLOWED_HEADERS,
                "Access-Control-Max-Age": str(PREFLIGHT_AGE_S),
            }
        return web.Response(status=204, headers=headers)

    def _allows(self, origin: str) -> bool:
        return origin in self._origins or ("*" in self._origins and bool(origin))
