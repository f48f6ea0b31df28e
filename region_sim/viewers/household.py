"""A household: one account, its devices, and the people who use them.

It has as many devices as its plan has streams, and a few more. Kicks, changes of the plan and
bursts come at exponential times; between them the household is three timers.
"""

from collections.abc import Callable, Coroutine, Mapping
from typing import Any

from region_sim.viewers.device import Device
from region_sim.viewers.flooding import flood
from region_sim.viewers.passport import Passport
from region_sim.viewers.people import change_plan, kick, note_plan
from region_sim.viewers.street import Street


class Household:
    """The people of one account."""

    __slots__ = ("_home", "_passport", "_plans", "_street", "devices")

    def __init__(self, street: Street, account: str, plans: Mapping[str, float]) -> None:
        """`plans`: those that it may have, with their shares."""
        self._street = street = street.seen_by(account)
        self._plans = list(plans)
        (plan,) = street.random.choices(self._plans, list(plans.values()))
        self._home = street.anywhere()
        homed = self._home if street.chance(street.habits.homed) else ""
        self._passport = Passport(street.town, account, plan, street.pinned or homed)
        count = self._passport.limit + street.random.randint(0, street.habits.extra_devices)
        self.devices = [
            Device(street, self._passport, self._home, number, number % count + 1)
            for number in range(1, count + 1)
        ]

    def begin(self, spread_s: float) -> None:
        """Begin to live: first presses within the spread."""
        street, habits = self._street, self._street.habits
        note_plan(street, self._passport)
        for device in self.devices:
            device.rest(street.random.uniform(0, spread_s))
        self._now_and_then(habits.kick_s, self._kick)
        if len(self._plans) > 1:
            self._now_and_then(habits.plan_s, self._change_plan)
        self._now_and_then(habits.burst_s, self._burst)
        self._now_and_then(habits.flood_s, self._flood)

    def leave(self) -> None:
        """Vanish without a word."""
        for device in self.devices:
            device.leave()

    def _now_and_then(
        self, mean_s: float, deed: Callable[[], Coroutine[Any, Any, None] | None]
    ) -> None:
        """Do it again and again, each time once the last time is over. Mean 0: never."""
        street = self._street
        if mean_s <= 0:
            return

        def due() -> None:
            if street.is_quiet:
                return
            run = deed()
            if run is None:
                self._now_and_then(mean_s, deed)
            else:
                street.send_off(then_again(run))

        async def then_again(run: Coroutine[Any, Any, None]) -> None:
            await run
            self._now_and_then(mean_s, deed)

        street.later(street.about(mean_s), due)

    def _kick(self) -> Coroutine[Any, Any, None]:
        street = self._street
        place = self._home if not street.chance(street.habits.away) else street.anywhere()
        return kick(street, self._passport, street.random.choice(self.devices).id, place)

    def _change_plan(self) -> Coroutine[Any, Any, None]:
        others = [name for name in self._plans if name != self._passport.plan]
        return change_plan(self._street, self._passport, self._street.random.choice(others))

    def _flood(self) -> Coroutine[Any, Any, None]:
        device = f"{self._passport.account}.{len(self.devices) + 1}"
        return flood(self._street, self._passport, device, self._home)

    def _burst(self) -> None:
        for device in self.devices:
            device.burst()
