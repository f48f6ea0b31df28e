"""A device that listens to the event stream of its session while it plays.

Opening the stream counts as a heartbeat for the region, so it is written down as one (`request`
has `events`). When `ended` arrives the device hears it at once. When the stream breaks, the device
opens it again; when the region drains, or the stream cannot be opened, the device goes elsewhere.
"""

import json
from asyncio import sleep
from collections.abc import Callable
from typing import Any, Final

from aiohttp import ClientResponse, ClientTimeout

from region_sim.history import Call, CallKind, Told
from region_sim.viewers.calls import NETWORK_ERRORS, Caller, Token, parsed, words_of
from region_sim.viewers.street import Street

SILENCE_S: Final = 40.0
"""A stream without even a comment for so long is dead; comments come every 15 s."""
_LIMITS: Final = ClientTimeout(total=None, sock_connect=5.0, sock_read=SILENCE_S)


class Listener:
    """Listens for the end of one session."""

    def __init__(
        self,
        street: Street,
        token: Token,
        *,
        on_ended: Callable[[dict[str, Any]], None],
        on_away: Callable[[str, dict[str, Any]], None],
    ) -> None:
        """`on_ended` gets the body of the 410; `on_away` a region that serves it no longer, and
        what that has said about it."""
        self._street, self._token = street, token
        self._on_ended, self._on_away = on_ended, on_away
        self._is_in_vain = False
        """There are no streams here (another system than georeg), or not for this token."""
        self._pause_s = 0.0
        """What a draining region has told it to wait before it listens again."""

    async def listen(self, whereabouts: Callable[[], tuple[Caller, str]]) -> None:
        """Listen until the session ends or the task is cancelled.

        `whereabouts`: the device and the region that it asks, as of now.
        """
        while not self._is_in_vain:
            caller, region = whereabouts()
            ended = await self._hear(caller, region)
            if ended is not None:
                self._on_ended(ended)
                return
            pause_s, self._pause_s = self._pause_s, 0.0
            await sleep(pause_s or self._street.seconds(0.5, 2))

    async def _hear(self, caller: Caller, region: str) -> dict[str, Any] | None:
        """Open the stream once; why the session ended, or None: the stream is over."""
        street, token = self._street, self._token
        call = street.calls.note(
            CallKind.HEARTBEAT, caller, region, token.session, {"events": True}
        )
        try:
            async with street.town.lines(caller.place).get(
                street.calls.events_url(region), headers=token.headers, timeout=_LIMITS
            ) as response:
                if response.status != 200:
                    body = parsed(await response.read())
                    self._answered(call, response.status, body)
                    return self._not_opened(response.status, body, region)
                self._answered(call, 200, {})
                return await self._read(response, caller, region)
        except NETWORK_ERRORS as error:
            if not call.status:
                call.error = words_of(error)
                call.answered_us = street.town.now_us()
                self._on_away(region, {})
            return None

    def _not_opened(self, status: int, body: dict[str, Any], region: str) -> dict[str, Any] | None:
        if status == 410:
            return body
        self._is_in_vain = status in (401, 404)
        if not self._is_in_vain:
            self._on_away(region, body)
        return None

    def _answered(self, call: Call, status: int, body: dict[str, Any]) -> None:
        call.status, call.body = status, body
        call.answered_us = self._street.town.now_us()

    async def _read(
        self, response: ClientResponse, caller: Caller, region: str
    ) -> dict[str, Any] | None:
        event = b""
        async for line in response.content:
            if line.startswith(b"event: "):
                event = line[7:].strip()
            elif line.startswith(b"data: ") and event == b"drain":
                drain: dict[str, Any] = json.loads(line[6:])
                self._pause_s = drain["reconnect_in_s"]
                self._on_away(region, drain)
            elif line.startswith(b"data: ") and event == b"ended":
                body: dict[str, Any] = json.loads(line[6:])
                now_us, session = self._street.town.now_us(), self._token.session
                told = Told(now_us, caller.account, caller.device, session, region, body["reason"])
                self._street.history.told.append(told)
                return body
        return None
