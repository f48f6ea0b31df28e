"""One running stream: its heartbeats, and what its viewer does next.

Only an answer 410 or 401, or the word of the event stream, ends it from outside. On anything else
the device goes on playing and asks the next region soon; told by a draining region where to go, it
goes there with its next heartbeat, mostly. A device does one thing at a time: an act
waits for the answer of a heartbeat, never the other way round for longer than one call.
"""

from asyncio import Event, Task, sleep
from enum import Enum, auto
from typing import Any, Final

from region_sim.viewers.calls import Caller
from region_sim.viewers.events import Listener
from region_sim.viewers.sharing import share
from region_sim.viewers.starting import Started, is_lost
from region_sim.viewers.street import Street

ACTS: Final = ("stop", "zap", "vanish", "crash", "roam", "sleep")
"""What a viewer may do, by the names of its habits."""
LATE_S: Final = 0.3
MOVES_TOO: Final = 0.5
"""Share of roams in which the device itself is elsewhere; otherwise only its traffic is."""
WAKES_ELSEWHERE: Final = 0.4
BURST_ZAPS: Final = 0.6


class Next(Enum):
    """What a device does when its stream is over."""

    REST = auto()
    AGAIN = auto()
    """Starts at once: the next title, or the region has asked for it (`retry`)."""
    SOON = auto()
    """Comes back within seconds, as after a crash."""
    LATER = auto()
    """Comes back after a long pause."""


class Stream:
    """A stream on one device."""

    __slots__ = (
        "_act_us",
        "_beat_us",
        "_caller",
        "_ended",
        "_friend",
        "_is_left",
        "_is_nudged",
        "_keeps_token",
        "_listener",
        "_listens",
        "_region",
        "_street",
        "_token",
        "_wake",
    )

    def __init__(
        self, street: Street, caller: Caller, friend: str, started: Started, *, listens: bool
    ) -> None:
        """`friend`: the device that may come to share the token."""
        self._street, self._caller, self._friend = street, caller, friend
        self._token, self._region = started.token, started.region
        self._listens = listens
        habit = street.habits.keep_token
        self._keeps_token = habit > 0 and street.chance(habit)
        self._listener: Task[None] | None = None
        self._wake = Event()
        self._ended: dict[str, Any] | None = None
        """The body of the 410, once the device has it from the event stream."""
        self._is_nudged = False
        self._is_left = False
        """The device is not there: its session is written down as gone."""
        now_us = street.town.now_us()
        self._beat_us = now_us + self._in_time_us(started.beat_s)
        self._act_us = now_us + self._until_act_us()

    async def run(self) -> Next:
        """Play until it is over."""
        street = self._street
        if self._listens:
            self._listen()
        if street.chance(street.habits.share):
            caller = Caller(self._caller.account, self._friend, street.anywhere())
            street.send_off(share(street, caller, self._token))
        try:
            while True:
                if (then := await self._step()) is not None:
                    return then
        finally:
            self._hang_up()

    def nudge(self) -> None:
        """Everybody in the household presses a button now."""
        if not self._is_left and not self._street.is_quiet:
            self._is_nudged = True
            self._wake.set()

    def leave(self) -> None:
        """The device is gone without a word."""
        if not self._is_left:
            self._is_left = True
            self._street.gone(self._caller.account, self._caller.device, self._token.session)

    async def _step(self) -> Next | None:
        is_beat = self._street.is_quiet or self._beat_us <= self._act_us
        if self._ended is None and not self._is_nudged:
            await self._wait(self._beat_us if is_beat else self._act_us)
        if self._ended is not None:
            return self._over(self._ended)
        if self._is_nudged:
            self._is_nudged = False
            if self._street.is_quiet:
                return None
            return await self._do("zap" if self._street.chance(BURST_ZAPS) else "roam")
        if is_beat:
            return await self._beat()
        return None if self._street.is_quiet else await self._act()

    async def _wait(self, until_us: int) -> None:
        """Until the time has come, or somebody wakes us before."""
        self._wake.clear()
        delay_s = max(0, until_us - self._street.town.now_us()) / 1e6
        timer = self._street.later(delay_s, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            timer.cancel()

    async def _beat(self) -> Next | None:
        street = self._street
        call = await street.calls.heartbeat(
            self._caller, self._region, self._token, is_paused=street.chance(street.habits.paused)
        )
        if call.status == 200:
            if not self._keeps_token:
                self._token = self._token.after(call)
            self._beat_us = street.town.now_us() + self._in_time_us(call.body["next_heartbeat_s"])
            self._region = street.sent_to(self._region, call.body)
        elif call.status == 410:
            return self._over(call.body)
        elif call.status == 401:
            self.leave()
            return Next.REST
        else:
            self._region = street.next_region(self._region)
            self._beat_us = street.town.now_us() + round(street.seconds(0.5, 2) * 1e6)
        return None

    def _over(self, ended: dict[str, Any]) -> Next:
        self._is_left = True
        return Next.AGAIN if ended.get("retry") is True else Next.REST

    async def _act(self) -> Next | None:
        """What the viewer does next; what remains of the shares is: nothing."""
        self._act_us = self._street.town.now_us() + self._until_act_us()
        draw = self._street.random.random()
        for name in ACTS:
            draw -= getattr(self._street.habits, name)
            if draw < 0:
                return await self._do(name)
        return None

    async def _do(self, name: str) -> Next | None:
        match name:
            case "stop":
                return await self._stop()
            case "zap":
                return self._zap()
            case "roam":
                self._roam()
                return None
            case "sleep":
                return await self._sleep()
            case _:
                self.leave()
                return Next.SOON if name == "crash" else Next.LATER

    async def _stop(self) -> Next:
        """Stop, sometimes with a heartbeat that was on its way."""
        street = self._street
        if street.chance(street.habits.late_beat):
            street.send_off(self._late_beat())
        self._is_left = True
        await self._say_stop()
        return Next.REST

    def _zap(self) -> Next:
        self._is_left = True
        self._street.send_off(self._say_stop())
        return Next.AGAIN

    def _roam(self) -> None:
        """Go on elsewhere with the same session; the new region hears of it at once."""
        street = self._street
        self._move(street.elsewhere(self._region), is_device_too=street.chance(MOVES_TOO))
        self._beat_us = street.town.now_us()

    async def _sleep(self) -> Next | None:
        """The lid is closed, then the player goes on as if nothing had been."""
        street = self._street
        self._hang_up()
        self.leave()
        await sleep(street.heartbeats(2, 8))
        if street.is_quiet:
            return Next.LATER  # to wake a lapsed session would be a start
        self._is_left = False
        if street.chance(WAKES_ELSEWHERE):
            self._move(street.elsewhere(self._region), is_device_too=True)
        elif self._listens:
            self._listen()
        self._beat_us = street.town.now_us()
        return None

    async def _say_stop(self) -> None:
        """Say it, and once more elsewhere when nobody has heard it."""
        street, region = self._street, self._region
        for asked in (region, street.next_region(region)):
            call = await street.calls.stop(self._caller, asked, self._token)
            if not is_lost(call):
                return
        street.gone(self._caller.account, self._caller.device, self._token.session)

    async def _late_beat(self) -> None:
        street = self._street
        caller, region = self._caller, self._region
        if street.chance(0.3):
            region = street.elsewhere(region)
        await sleep(street.random.uniform(0, LATE_S))
        await street.calls.heartbeat(caller, region, self._token, {"late": True})

    def _move(self, region: str, *, is_device_too: bool) -> None:
        self._region = region
        if is_device_too:
            self._caller = self._caller._replace(place=region)
        if self._listens:
            self._listen()

    def _listen(self) -> None:
        self._hang_up()
        listener = Listener(
            self._street, self._token, on_ended=self._hear_end, on_away=self._go_away
        )
        whereabouts = lambda: (self._caller, self._region)  # noqa: E731 - it is read later
        self._listener = self._street.spawn(listener.listen(whereabouts))

    def _hang_up(self) -> None:
        if self._listener is not None:
            self._listener.cancel()
            self._listener = None

    def _hear_end(self, ended: dict[str, Any]) -> None:
        self._ended = ended
        self._wake.set()

    def _go_away(self, region: str, body: dict[str, Any]) -> None:
        """The event stream of a region is no more: ask where it says, else the next one."""
        if region == self._region:
            sent_to = self._street.sent_to(region, body)
            self._region = sent_to if sent_to != region else self._street.next_region(region)

    def _in_time_us(self, interval_s: float) -> int:
        """A little before the region expects it, as timers of players are set."""
        return round(interval_s * self._street.random.uniform(0.95, 1) * 1e6)

    def _until_act_us(self) -> int:
        return round(self._street.about(self._street.habits.play_s) * 1e6)
