"""Notices that this process stood still: SIGSTOP, a suspended machine, a starved core.

What then waits in its sockets is old: players that got no answer have gone to another region. A
start that is decided for a caller who gave up long ago ends the session that plays by now, and a
heartbeat of long ago brings back a session that was stopped elsewhere. So for a moment after a
stall these first let the loop find out whose connection is closed.

Cost: two timers a second; a comparison a call.
"""

import asyncio
from typing import Final

from aiohttp import web

TICK_S: Final = 0.5
STALL_S: Final = 1.5
"""A tick that is so late was held up; a collection of garbage or a burst takes far less."""
AFTER_S: Final = 1.0
"""For so long after it what comes may be old."""
SETTLE_S: Final = 0.02
"""The loop reads a socket once a turn: the end of a connection comes turns after its request."""


class Stalls:
    """Watches one loop, from `open` to `close`."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._ticked_s = 0.0
        self._until_s = 0.0

    def open(self) -> None:
        """Begin; called on the running loop."""
        self._loop = asyncio.get_running_loop()
        self._ticked_s = self._loop.time()
        self._timer = self._loop.call_later(TICK_S, self._tick)

    def close(self) -> None:
        """Watch no longer."""
        if self._timer is not None:
            self._timer.cancel()

    def is_recent(self) -> bool:
        """Whether the process stood still just now: `let_leave` comes before any decision."""
        if self._loop is None:
            return False
        now_s = self._loop.time()
        return now_s < self._until_s or now_s - self._ticked_s > STALL_S

    async def let_leave(self, request: web.Request) -> None:
        """Let a moment pass. Raises ConnectionResetError when the caller has gone.

        Nothing may have been decided for the request yet.
        """
        await asyncio.sleep(SETTLE_S)
        if request.transport is None or request.transport.is_closing():
            raise ConnectionResetError("the caller gave up while this process stood still")

    def _tick(self) -> None:
        assert self._loop is not None
        now_s = self._loop.time()
        if now_s - self._ticked_s > STALL_S:
            self._until_s = now_s + AFTER_S
        self._ticked_s = now_s
        self._timer = self._loop.call_later(TICK_S, self._tick)
