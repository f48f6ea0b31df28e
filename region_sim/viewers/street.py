"""What all viewers of a run share: the town, the habits, the pace, the calls, and their tasks.

Invariant: after `leave` no task of a viewer goes on, and whatever a timer still calls does nothing,
since the street is quiet. An error in a task is told to the loop at once, and raised by `close`.
Times that go with the heartbeat are drawn at its pace: a run with one every second is a run with
one every 30 s, thirty times faster.

Each household and each device draws from a stream of its own, named after it, so that leaving out
some of them, or some of their habits, changes nothing that the others want to do.
"""

import asyncio
from collections.abc import Callable, Coroutine
from copy import copy
from random import Random
from typing import Any, Final, TypeVar

from region_sim.history import Gone
from region_sim.plan.habits import Habits
from region_sim.viewers.calls import Calls
from region_sim.viewers.town import Town

T = TypeVar("T")
USUAL_HEARTBEAT_US: Final = 30_000_000


class Street:
    """Where all households live."""

    def __init__(self, town: Town, habits: Habits, pinned: str = "") -> None:
        """Must be called on the running loop."""
        self.town, self.habits, self.pinned = town, habits, pinned
        self.random, self.regions, self.history = town.random, town.regions, town.history
        self.calls = Calls(town)
        self._streams = town.random.getrandbits(64)
        self._mood = {"is_quiet": False}
        self.later: Callable[..., asyncio.TimerHandle] = asyncio.get_running_loop().call_later
        """`later(delay_s, callback)`: an idle device costs a timer and no task."""
        self.heartbeat_s = self.history.heartbeat_us / 1e6
        self._pace = self.history.heartbeat_us / USUAL_HEARTBEAT_US
        self._tasks: dict[asyncio.Task[Any], None] = {}  # a dict keeps its order, a set does not
        self._failures: list[BaseException] = []

    def seen_by(self, name: str) -> "Street":
        """The same street for somebody who draws from a stream of their own."""
        street = copy(self)
        street.random = Random(f"{self._streams}/{name}")
        return street

    @property
    def is_quiet(self) -> bool:
        """Nobody does anything new any more."""
        return self._mood["is_quiet"]

    @is_quiet.setter
    def is_quiet(self, is_quiet: bool) -> None:
        self._mood["is_quiet"] = is_quiet

    def chance(self, share: float) -> bool:
        """Whether something happens that happens so often."""
        return self.random.random() < share

    def about(self, mean_s: float) -> float:
        """An exponential time."""
        return self.random.expovariate(1 / mean_s)

    def seconds(self, low_s: float, high_s: float) -> float:
        """A time between two, as it is where the heartbeat comes every 30 s, at our pace."""
        return self.random.uniform(low_s, high_s) * self._pace

    def heartbeats(self, low: float, high: float) -> float:
        """So many heartbeat intervals, in seconds."""
        return self.random.uniform(low, high) * self.heartbeat_s

    def anywhere(self) -> str:
        """A region."""
        return self.random.choice(self.regions)

    def elsewhere(self, region: str) -> str:
        """Another region, if there is one."""
        return self.random.choice([name for name in self.regions if name != region] or [region])

    def next_region(self, region: str) -> str:
        """Whom a client asks when this region does not answer."""
        regions = self.regions
        return regions[(regions.index(region) + 1) % len(regions)]

    def sent_to(self, region: str, body: dict[str, Any]) -> str:
        """Where to go on after an answer of this region: where a draining one sends its devices,
        if this one listens to that."""
        named = [place["name"] for place in body.get("regions", ())]
        if not named or not self.chance(self.habits.follow):
            return region
        return next((name for name in named if name in self.regions), region)

    def gone(self, account: str, device: str, session: str) -> None:
        """Write down that a session is left."""
        self.history.gone.append(Gone(self.town.now_us(), account, device, session))

    def send_off(self, run: Coroutine[Any, Any, Any]) -> None:
        """Let something go on by itself until it ends or everybody leaves."""
        _ = self.spawn(run)

    def spawn(self, run: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """The same for something that somebody waits for, or cancels."""
        task = asyncio.create_task(run)
        self._tasks[task] = None
        task.add_done_callback(self._is_done)
        return task

    def leave(self) -> None:
        """Everything stops where it is."""
        self.is_quiet = True
        for task in list(self._tasks):
            task.cancel()

    async def close(self) -> None:
        """Wait until everything has stopped. Raises the first error of any task."""
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.sleep(0)  # the callbacks of what ended last
        if self._failures:
            raise self._failures[0]

    def _is_done(self, task: asyncio.Task[Any]) -> None:
        del self._tasks[task]
        if not task.cancelled() and (failure := task.exception()) is not None:
            self._failures.append(failure)
            raise failure  # in a callback: the loop tells its exception handler, now
