"""From pressing play to a stream or a refusal.

A start whose answer is lost is sent again: with the same key and the same body when it had one, so
that it is the same start; otherwise as a new one. Some presses are sent twice at once. A refused
viewer may name a session to replace, and start again. Nothing here gives up a session silently: one
that a device was given and does not use is written down as gone.
"""

import json
from asyncio import sleep
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from region_sim.history import Call
from region_sim.viewers.calls import Caller, Token
from region_sim.viewers.passport import Passport
from region_sim.viewers.street import Street

SENDINGS_MAX: Final = 3
DOUBLED_S: Final = 0.15
TITLES: Final = 100


@dataclass(frozen=True, slots=True)
class Started:
    """A stream that may run."""

    token: Token
    region: str
    """Which has admitted it."""
    beat_s: float
    """Until the first heartbeat."""


class Press:
    """One wish to start a stream, which may be sent several times."""

    def __init__(
        self,
        street: Street,
        passport: Passport,
        caller: Caller,
        body: dict[str, Any],
        key: str,
    ) -> None:
        """`key`: Idempotency-Key; empty: none."""
        self._street, self._passport, self._caller, self._key = street, passport, caller, key
        self._replace = body.get("replace", [])
        self._body = json.dumps(body).encode()
        self._first = 0
        """Number of the call that the next one repeats."""

    async def send(self, region: str) -> Call:
        """Send it once."""
        passport = self._passport
        headers = passport.start_headers()
        request: dict[str, Any] = {"plan": passport.plan, "limit": passport.limit}
        if self._replace:
            request["replace"] = self._replace
        if self._key:
            headers = headers | {"Idempotency-Key": self._key}
            request["key"] = self._key
            if self._first:
                request["again"] = self._first
        if not self._first:
            self._first = len(self._street.history.calls) + 1
        return await self._street.calls.start(self._caller, region, headers, self._body, request)

    async def send_twice(self, region: str) -> Call:
        """Send it twice at once; the answer that the player goes by."""
        street = self._street
        first = street.spawn(self.send(region))
        await sleep(street.random.uniform(0, DOUBLED_S))
        later = await self.send(region)
        earlier: Call = await first
        if later.status != 201:
            return earlier if earlier.status == 201 or is_lost(later) else later
        if earlier.status == 201 and session_of(earlier) != session_of(later):
            street.gone(self._caller.account, self._caller.device, session_of(earlier))
        return later

    async def send_until_answered(self, region: str) -> Call:
        """Send it until somebody answers, or the viewer has had enough."""
        street = self._street
        is_doubled = street.chance(street.habits.doubled)
        call = await (self.send_twice(region) if is_doubled else self.send(region))
        for _ in range(SENDINGS_MAX - 1):
            if not is_lost(call) or street.is_quiet:
                return call
            sent_to = street.sent_to(region, call.body)
            if sent_to != region:
                region = sent_to  # at once: it has been told that nobody is admitted here
            else:
                await sleep(street.seconds(0.2, 1))
                if call.status or street.chance(0.5):
                    region = street.next_region(region)
            call = await self.send(region)
        return call


class Starter:
    """How one device starts its streams."""

    __slots__ = ("_device", "_passport", "_presses", "_street")

    def __init__(self, street: Street, passport: Passport, device: str, kind: str) -> None:
        self._street, self._passport = street, passport
        # The name is the id: `by` of a 410 and the lists of sessions then say who is meant.
        self._device = {"id": device, "name": device, "kind": kind}
        self._presses = 0

    async def start(self, place: str, region: str) -> Started | None:
        """A stream, or None: refused, or nobody answered."""
        street = self._street
        call = await self._press(place, region)
        if call.status == 409 and street.chance(street.habits.replace):
            blockers = [str(session["id"]) for session in call.body.get("sessions", ())]
            await sleep(street.seconds(0.5, 3))
            if blockers and not street.is_quiet:
                call = await self._press(place, region, [street.random.choice(blockers)])
        if call.status != 201:
            return None
        body = call.body
        token = Token.of(session_of(call), body["token"])
        return Started(token, call.region, float(body["heartbeat_interval_s"]))

    async def _press(self, place: str, region: str, replace: Sequence[str] = ()) -> Call:
        street, device = self._street, self._device
        self._presses += 1
        body: dict[str, Any] = {"device": device, "title": f"title-{self._presses % TITLES}"}
        if replace:
            body["replace"] = list(replace)
        key = f"{device['id']}/{self._presses}" if street.chance(street.habits.keyed) else ""
        caller = Caller(self._passport.account, device["id"], place)
        press = Press(street, self._passport, caller, body, key)
        return await press.send_until_answered(region)


def is_lost(call: Call) -> bool:
    """Whether the caller knows of no decision: no answer, or trouble of the service."""
    return call.status in (0, 429) or call.status >= 500


def session_of(started: Call) -> str:
    """The session that a 201 is about."""
    return str(started.body["session"]["id"])
