"""Asking regions: one HTTP client for all commands, whose errors are sentences.

Exit codes, the same for every command but `check`: 0 done, 1 refused (the region says why), 2 wrong
usage, 3 the region cannot be reached, 4 the key is not good.
"""

import asyncio
import json
import os
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import quote

import aiohttp

Json = dict[str, Any]
EXIT_REFUSED: Final = 1
EXIT_USAGE: Final = 2
EXIT_UNREACHABLE: Final = 3
EXIT_KEY: Final = 4
TIMEOUT_S: Final = 5.0
ANSWER_BYTES_MAX: Final = 64 << 20


class OpsError(Exception):
    """What a person is told; with the exit code that goes with it."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def usage(message: str) -> OpsError:
    """The command cannot be meant like this."""
    return OpsError(message, EXIT_USAGE)


def in_path(text: str) -> str:
    """A name as one part of a path."""
    return quote(text, safe="")


class Client:
    """Asks with one key. `async with Client(key) as client`."""

    def __init__(self, key: str, timeout_s: float = TIMEOUT_S) -> None:
        self._key = key
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        headers = {"Authorization": f"Bearer {self._key}"}
        self._session = aiohttp.ClientSession(timeout=self._timeout, headers=headers)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def get(self, url: str, path: str) -> Json:
        """What the region at this address answers. Raises OpsError."""
        return await self.call("GET", url, path)

    async def call(
        self, method: str, url: str, path: str, *, body: Json | None = None, dry_run: bool = False
    ) -> Json:
        """One call. Raises OpsError: unreachable, key not good, or refused with the reason."""
        assert self._session is not None
        params = {"dry_run": "1"} if dry_run else {}
        try:
            async with self._session.request(
                method, url + path, json=body, params=params
            ) as response:
                text = await response.content.read(ANSWER_BYTES_MAX)
                while part := await response.content.read(ANSWER_BYTES_MAX):
                    text += part
                status = response.status
        except TimeoutError:
            raise OpsError(
                f"{url} does not answer within {self._timeout_s:g} s: is it the port of [ops], "
                "and may this machine reach it?",
                EXIT_UNREACHABLE,
            ) from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise OpsError(f"cannot reach {url}: {_why(error)}", EXIT_UNREACHABLE) from None
        return _answer(url, status, text)

    async def each(self, urls: dict[str, str], path: str) -> dict[str, Json | OpsError]:
        """Ask several regions at once: name -> its answer, or why there is none."""

        async def one(url: str) -> Json | OpsError:
            try:
                return await self.get(url, path)
            except OpsError as error:
                return error

        answers = await asyncio.gather(*(one(url) for url in urls.values()))
        return dict(zip(urls, answers, strict=True))


def _answer(url: str, status: int, text: bytes) -> Json:
    try:
        document = json.loads(text)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise OpsError(
            f"{url} is no operators' API of georeg (status {status}): give the port of [ops]",
            EXIT_UNREACHABLE,
        )
    if status < 300:
        return document
    detail = str(document.get("detail") or document.get("title") or f"status {status}")
    if status == 401:
        raise OpsError(
            f"{url} does not know this key. Give one of its [[keys.operator]] with --key, "
            "--key-file or GEOREG_KEY (georeg keygen operator NAME makes one)",
            EXIT_KEY,
        )
    if status == 403:
        remedy = "an operator's key with may = \"operate\" is needed"
        raise OpsError(f"{url}: {detail}; {remedy}", EXIT_KEY)
    if status == 404 and "account" not in detail:
        detail = f"{detail}: is it the port of [ops]?"
    raise OpsError(detail, EXIT_REFUSED)


def _why(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return os.strerror(number) if number else str(error.os_error) or "no connection"
    if isinstance(error, aiohttp.InvalidURL):
        return "that is no address; write http://127.0.0.1:7501"
    return str(error) or type(error).__name__
