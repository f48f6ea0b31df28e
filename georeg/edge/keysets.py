"""Where verification keys come from: the settings, or a JWK set behind a URL.

`RemoteKeys` keeps the last good set whatever happens to its source, asks again when the set is old
or a token names a key that it does not have, and never more often than `retry_ms`. Invariant: a
request waits at most `wait_ms` for a fetch; fetches run one at a time, apart from requests.

Unknown key, source out of reach: that is trouble of ours, not of the caller, so `find` raises
`KeysUnavailableError` (503) and says "no such key" (401) only on a set that was just fetched.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Final, Protocol
from urllib.parse import urlsplit

import aiohttp
import structlog

from georeg.edge.errors import KeysUnavailableError, SettingsError
from georeg.edge.jwk import DOCUMENT_BYTES_MAX, VerificationKey, parse_jwks

FETCH_TIMEOUT_S: Final = 5.0
log: Final = structlog.get_logger("georeg.edge")


class KeySource(Protocol):
    """Keys that verify entitlements."""

    @property
    def version(self) -> int:
        """Grows whenever the keys change."""

    async def find(self, algorithm: str, kid: str) -> Sequence[VerificationKey]:
        """The keys that fit a token's header, perhaps none. Raises KeysUnavailableError."""

    def open(self) -> None:
        """Begin to fetch what has to be fetched; called on the running loop."""

    async def close(self) -> None:
        """Stop whatever runs."""


class StaticKeys:
    """Keys from the settings."""

    version = 0

    def __init__(self, keys: Sequence[VerificationKey]) -> None:
        self._keys = tuple(keys)

    async def find(self, algorithm: str, kid: str) -> Sequence[VerificationKey]:
        """The keys that fit."""
        return [key for key in self._keys if key.fits(algorithm, kid)]

    def open(self) -> None:
        """Nothing to fetch."""

    async def close(self) -> None:
        """Nothing runs."""


class RemoteKeys:
    """A JWK set behind a URL. Times are milliseconds on the monotonic clock `now_ms`."""

    def __init__(
        self,
        url: str,
        *,
        now_ms: Callable[[], int],
        fetch: Callable[[str], Awaitable[bytes]] | None = None,
        refresh_ms: int = 300_000,
        retry_ms: int = 10_000,
        wait_ms: int = 50,
    ) -> None:
        """Raises SettingsError unless the URL is https, or http on loopback."""
        check_url(url)
        self.version = 0
        self._url = url
        self._now_ms = now_ms
        self._fetch = fetch or fetch_document
        self._refresh_ms = refresh_ms
        self._retry_ms = retry_ms
        self._wait_ms = wait_ms
        self._keys: tuple[VerificationKey, ...] = ()
        self._fetched_at_ms: int | None = None
        self._tried_at_ms: int | None = None
        self._running: asyncio.Task[None] | None = None

    async def find(self, algorithm: str, kid: str) -> Sequence[VerificationKey]:
        """The keys that fit; waits `wait_ms` for a new set when there are none."""
        if self._age_ms(self._fetched_at_ms) >= self._refresh_ms:
            self._begin()
        found = self._fitting(algorithm, kid)
        if found:
            return found
        running = self._begin()
        if running is not None:
            await asyncio.wait([running], timeout=self._wait_ms / 1000)
            found = self._fitting(algorithm, kid)
        if not found and self._age_ms(self._fetched_at_ms) > self._retry_ms:
            raise KeysUnavailableError("the key set is out of reach and lacks this key")
        return found

    def open(self) -> None:
        """Fetch the set for the first time, in the background."""
        self._begin()

    async def close(self) -> None:
        """Stop a fetch that runs."""
        if self._running is not None and not self._running.done():
            self._running.cancel()
            await asyncio.wait([self._running])

    def _fitting(self, algorithm: str, kid: str) -> list[VerificationKey]:
        return [key for key in self._keys if key.fits(algorithm, kid)]

    def _age_ms(self, at_ms: int | None) -> float:
        return float("inf") if at_ms is None else self._now_ms() - at_ms

    def _begin(self) -> asyncio.Task[None] | None:
        """The fetch that runs, a new one when it is time for it, or None."""
        if self._running is not None and not self._running.done():
            return self._running
        if self._age_ms(self._tried_at_ms) < self._retry_ms:
            return None
        self._tried_at_ms = self._now_ms()
        self._running = asyncio.get_running_loop().create_task(self._update())
        return self._running

    async def _update(self) -> None:
        """Fetch the set; keep the last good one when that fails."""
        try:
            keys = parse_jwks(await self._fetch(self._url), allow_secrets=False)
        except (aiohttp.ClientError, OSError, TimeoutError, SettingsError) as error:
            log.warning("key set not fetched", error=type(error).__name__, kept=len(self._keys))
            return
        self._fetched_at_ms = self._now_ms()
        if keys != self._keys:
            self._keys = keys
            self.version += 1
            log.info("key set fetched", keys=len(keys))


def check_url(url: str) -> None:
    """Raise SettingsError for a URL whose keys anybody on the way could replace."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.scheme == "https" and host:
        return
    try:
        if parts.scheme == "http" and (host == "localhost" or ip_address(host).is_loopback):
            return
    except ValueError:
        pass
    raise SettingsError(f"{url!r}: a key set needs https (http only on a loopback address)")


async def fetch_document(url: str) -> bytes:
    """The body behind a URL, at most DOCUMENT_BYTES_MAX. Raises OSError and aiohttp's errors.

    A session per fetch: it happens every few minutes, and so nothing has to be kept or closed.
    """
    timeout = aiohttp.ClientTimeout(total=FETCH_TIMEOUT_S)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(url, allow_redirects=False) as response,
    ):
        if response.status != 200:
            raise OSError(f"status {response.status}")
        body = await response.content.read(DOCUMENT_BYTES_MAX + 1)
        while len(body) <= DOCUMENT_BYTES_MAX and (part := await response.content.readany()):
            body += part
        if len(body) > DOCUMENT_BYTES_MAX:
            raise OSError("the document is too long")
        return body
