"""One HTTP call each: sent, awaited with a limit of patience, written down.

Invariant: a call is in the history from the moment of its sending, so that calls are in the order
of `sent_us`, and no trouble of the network raises: a call without an answer has status 0 and says
why in `error`. A call that is cancelled (its device vanished) keeps `answered_us` None.

This is the hot path of the simulator: addresses and headers are made once, and a body is parsed
only because the oracle reads it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientOSError,
    ClientTimeout,
    ServerDisconnectedError,
)
from multidict import CIMultiDict
from yarl import URL

from region_sim.history import Call, CallKind
from region_sim.viewers.town import Town

PATIENCE_S: Final = 5.0
START_PATIENCE_S: Final = 3.0
NETWORK_ERRORS: Final = (ClientError, TimeoutError, OSError)
"""What a call raises when there is no answer."""
JSON: Final = {"Content-Type": "application/json"}
_PAUSED: Final = b'{"state":"paused"}'

Headers = CIMultiDict[str]


class Caller(NamedTuple):
    """Who calls, and from where."""

    account: str
    device: str
    """Empty: a backend."""
    place: str


@dataclass(frozen=True, slots=True)
class Token:
    """A session's token, ready to be sent."""

    session: str
    headers: Headers
    paused_headers: Headers = field(repr=False)

    @classmethod
    def of(cls, session: str, token: str) -> "Token":
        """The token of a session."""
        bearer = {"Authorization": f"Bearer {token}"}
        return cls(session, CIMultiDict(bearer), CIMultiDict(bearer | JSON))

    def after(self, beat: Call) -> "Token":
        """The token to use after a heartbeat that was answered 200."""
        rolled = beat.body.get("token")
        return self if rolled is None else Token.of(self.session, str(rolled))


class Calls:
    """Makes the calls of all viewers."""

    def __init__(self, town: Town) -> None:
        self._town = town
        self._calls = town.history.calls
        heartbeat_s = town.history.heartbeat_us / 1e6
        self._patience = ClientTimeout(total=PATIENCE_S)
        self._start_patience = ClientTimeout(total=START_PATIENCE_S)
        self._beat_patience = ClientTimeout(total=min(PATIENCE_S, heartbeat_s))
        self._heartbeats = self._urls("/v1/sessions/heartbeat")
        self._stops = self._urls("/v1/sessions/stop")
        self._events = self._urls("/v1/sessions/events")

    async def start(
        self,
        caller: Caller,
        region: str,
        headers: Mapping[str, str],
        body: bytes,
        request: dict[str, Any],
    ) -> Call:
        """Start a stream; `request` is what the history shall say of it."""
        call = self.note(CallKind.START, caller, region, "", request)
        url = self._account_url(region, caller.account, "sessions")
        return await self._ask(call, "POST", url, headers, body, self._start_patience)

    async def heartbeat(
        self,
        caller: Caller,
        region: str,
        token: Token,
        request: dict[str, Any] | None = None,
        *,
        is_paused: bool = False,
    ) -> Call:
        """Say that the session goes on."""
        call = self.note(CallKind.HEARTBEAT, caller, region, token.session, request)
        url, patience = self._heartbeats[region], self._beat_patience
        if is_paused:
            call.request["state"] = "paused"
            return await self._ask(call, "POST", url, token.paused_headers, _PAUSED, patience)
        return await self._ask(call, "POST", url, token.headers, None, patience)

    async def stop(self, caller: Caller, region: str, token: Token) -> Call:
        """End the session from its own device."""
        call = self.note(CallKind.STOP, caller, region, token.session)
        url = self._stops[region]
        return await self._ask(call, "POST", url, token.headers, None, self._patience)

    async def list(self, caller: Caller, region: str, headers: Mapping[str, str]) -> Call:
        """See the account's sessions."""
        call = self.note(CallKind.LIST, caller, region)
        url = self._account_url(region, caller.account, "sessions")
        return await self._ask(call, "GET", url, headers, None, self._patience)

    async def kick(
        self, caller: Caller, region: str, session: str, headers: Mapping[str, str]
    ) -> Call:
        """End one of the account's sessions for good."""
        call = self.note(CallKind.KICK, caller, region, session, {"by": caller.device})
        url = self._account_url(region, caller.account, f"sessions/{session}")
        return await self._ask(call, "DELETE", url, headers, None, self._patience)

    async def plan(
        self, caller: Caller, region: str, issued_at: str, request: dict[str, Any]
    ) -> Call:
        """State the account's plan, as its backend."""
        call = self.note(CallKind.PLAN, caller, region, "", request)
        body = json.dumps({"plan": request["plan"], "issued_at": issued_at}).encode()
        url = self._account_url(region, caller.account, "plan")
        headers = self._town.backend() | JSON
        return await self._ask(call, "PUT", url, headers, body, self._patience)

    def events_url(self, region: str) -> URL:
        """Where a region's event streams are."""
        return self._events[region]

    def note(
        self,
        kind: CallKind,
        caller: Caller,
        region: str,
        session: str = "",
        request: dict[str, Any] | None = None,
    ) -> Call:
        """Write down a call that is sent now."""
        calls = self._calls
        call = Call(
            number=len(calls) + 1,
            kind=kind,
            account=caller.account,
            device=caller.device,
            place=caller.place,
            region=region,
            sent_us=self._town.now_us(),
            session=session,
            request={} if request is None else request,
        )
        calls.append(call)
        return call

    async def _ask(
        self,
        call: Call,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | None,
        patience: ClientTimeout,
    ) -> Call:
        lines = self._town.lines(call.place)
        try:
            async with lines.request(
                method, url, headers=headers, data=body, timeout=patience, allow_redirects=False
            ) as response:
                answer = await response.read()
        except NETWORK_ERRORS as error:
            call.error = words_of(error)
        else:
            call.status = response.status
            call.body = parsed(answer)
        call.answered_us = self._town.now_us()
        return call

    def _account_url(self, region: str, account: str, rest: str) -> URL:
        return URL(f"{self._town.address(region)}/v1/accounts/{account}/{rest}", encoded=True)

    def _urls(self, path: str) -> dict[str, URL]:
        town = self._town
        return {name: URL(town.address(name) + path, encoded=True) for name in town.regions}


def parsed(answer: bytes) -> dict[str, Any]:
    """The JSON object of an answer; empty when it is none."""
    if not answer:
        return {}
    try:
        body = json.loads(answer)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def words_of(error: BaseException) -> str:
    """Why there was no answer. `refused` and `unreachable` mean that nothing was ever sent."""
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ClientConnectorError):
        return "refused" if isinstance(error.os_error, ConnectionRefusedError) else "unreachable"
    if isinstance(error, ClientOSError | ServerDisconnectedError | ConnectionError):
        return "reset"
    return f"{type(error).__name__}: {error}"
