"""One device of a household: it rests, it starts, it plays one stream at a time.

A device that rests is a timer and nothing else; a task runs from the moment at which play is
pressed until the device rests again.
"""

from asyncio import TimerHandle
from typing import Final

from region_sim.viewers.calls import Caller
from region_sim.viewers.passport import Passport
from region_sim.viewers.starting import Starter
from region_sim.viewers.stream import Next, Stream
from region_sim.viewers.street import Street

KINDS: Final = ("tv", "phone", "browser", "tablet")
BURST_S: Final = 0.12
LONG: Final = 2
"""A long pause is so many usual ones."""


class Device:
    """What plays."""

    __slots__ = (
        "_friend",
        "_home",
        "_is_busy",
        "_passport",
        "_starter",
        "_stream",
        "_street",
        "_timer",
        "id",
    )

    def __init__(
        self, street: Street, passport: Passport, home: str, number: int, friend: int
    ) -> None:
        """`number` within the household, from 1; `friend`: of the device that may share."""
        self.id = f"{passport.account}.{number}"
        self._friend = f"{passport.account}.{friend}"
        self._street = street = street.seen_by(self.id)
        self._passport, self._home = passport, home
        self._starter = Starter(street, passport, self.id, KINDS[number % len(KINDS)])
        self._stream: Stream | None = None
        self._is_busy = False
        self._timer: TimerHandle | None = None

    def rest(self, delay_s: float) -> None:
        """Press play after the delay."""
        self._timer = self._street.later(delay_s, self.press)

    def press(self) -> None:
        """Press play, unless something runs or is being started."""
        if self._is_busy or self._street.is_quiet:
            return
        self._is_busy = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._street.send_off(self._play())

    def burst(self) -> None:
        """Everybody presses play: who plays takes another title, or leaves the house with it."""
        act = self.press if self._stream is None else self._stream.nudge
        self._street.later(self._street.random.uniform(0, BURST_S), act)

    def leave(self) -> None:
        """Vanish without a word."""
        if self._stream is not None:
            self._stream.leave()

    async def _play(self) -> None:
        street, habits = self._street, self._street.habits
        then = Next.AGAIN
        while then is Next.AGAIN and not street.is_quiet:
            then = await self._play_one()
        self._is_busy = False
        if then is Next.SOON:
            self.rest(street.seconds(0.5, 5))
        else:
            self.rest(street.about(habits.idle_s * (LONG if then is Next.LATER else 1)))

    async def _play_one(self) -> Next:
        street, habits = self._street, self._street.habits
        place, region = self._whereabouts()
        started = await self._starter.start(place, region)
        if started is None:
            return Next.REST
        caller = Caller(self._passport.account, self.id, place)
        listens = street.chance(habits.watch_events)
        self._stream = Stream(street, caller, self._friend, started, listens=listens)
        then = await self._stream.run()
        self._stream = None
        return then

    def _whereabouts(self) -> tuple[str, str]:
        """Place and region of the next start: at home, on a journey, or led astray by the DNS."""
        street = self._street
        if not street.chance(street.habits.away):
            return self._home, self._home
        region = street.elsewhere(self._home)
        return (region if street.chance(0.5) else self._home), region
