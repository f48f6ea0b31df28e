"""Every fault that began is taken back, whatever stops the run, and the history spans it."""

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from region_sim.history import FaultEvent, History, Life
from region_sim.live.nemesis import Nemesis
from region_sim.plan.errors import PlanError
from region_sim.plan.faults import Fault, FaultKind, check_fault
from tests.sim.live.conftest import Ends

NAMES = ("a", "b")
A_TO_B = (("a", "b"),)


class StandIn:
    """A region without a process, which writes down what is done to it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.done: list[str] = []
        self.is_meant_to_run = True
        self.refuses = ""

    def _do(self, what: str) -> None:
        self.done.append(what)
        if what == self.refuses:
            raise OSError(f"{what} is refused")

    def pause(self) -> None:
        self._do("pause")

    def resume(self) -> None:
        self._do("resume")

    async def kill(self) -> None:
        self._do("kill")

    async def drain(self) -> str:
        self._do("drain")
        return "exited with code 0"

    def wipe(self) -> None:
        self._do("wipe")

    async def start(self) -> None:
        self._do("start")

    async def wait_until_ready(self, http: object) -> None:
        self._do("ready")


class StandIns(dict[str, Any]):
    http = None


class Quiet:
    """Links that do what they are told."""

    def __init__(self) -> None:
        self.on: list[str] = []

    async def begin(self, fault: Fault, purpose: str) -> None:
        self.on.append(purpose)

    async def end(self, fault: Fault, purpose: str) -> None:
        self.on.remove(purpose)


class Stage:
    """A nemesis with all that it acts on."""

    def __init__(self, faults: Sequence[Fault], links: Any = None) -> None:
        self.regions = StandIns({name: StandIn(name) for name in NAMES})
        self.links = links if links is not None else Quiet()
        self.history = History(1, "test")
        self.said: list[str] = []
        began_s = time.monotonic()
        now_us: Callable[[], int] = lambda: round((time.monotonic() - began_s) * 1e6)  # noqa: E731
        self.nemesis = Nemesis(
            faults, self.regions, self.links, self.history, now_us, self.said.append
        )

    def events(self) -> list[tuple[str, bool]]:
        return [(event.kind, event.is_begin) for event in self.history.faults]


def fault(kind: FaultKind, *, at_s: float = 0, for_s: float = 0.05, how: str = "") -> Fault:
    links = A_TO_B if kind in (FaultKind.CUT, FaultKind.STALL) else ()
    return check_fault(Fault(kind, at_s, for_s, () if links else ("a",), links, how), NAMES)


async def test_faults_are_recorded_from_before_they_begin_to_after_they_end() -> None:
    stage = Stage([fault(FaultKind.CUT), fault(FaultKind.PAUSE, at_s=0.02)])
    await stage.nemesis.run(0.2)
    assert sorted(stage.events()) == [
        ("cut", False),
        ("cut", True),
        ("pause", False),
        ("pause", True),
    ]
    assert stage.links.on == []
    assert [life.what for life in stage.history.lives] == [Life.PAUSED, Life.RESUMED]
    begin, end = (event for event in stage.history.faults if event.kind == "cut")
    assert (begin.number, begin.links) == (end.number, end.links) == (0, A_TO_B)
    assert end.at_us - begin.at_us >= 40_000
    assert isinstance(begin, FaultEvent)


async def test_what_would_last_longer_than_the_run_ends_with_it() -> None:
    stage = Stage([fault(FaultKind.CUT, for_s=60), fault(FaultKind.KILL, at_s=60, for_s=1)])
    await stage.nemesis.run(0.1)
    assert stage.events() == [("cut", True), ("cut", False)]
    assert stage.regions["a"].done == []


@pytest.mark.parametrize(
    ("how", "done"),
    [
        ("crash", ["kill", "kill", "start", "ready"]),
        ("power", ["pause", "kill", "start", "ready"]),
        ("wipe", ["pause", "kill", "wipe", "start", "ready"]),
    ],
)
async def test_a_killed_region_starts_again(how: str, done: list[str]) -> None:
    stage = Stage([fault(FaultKind.KILL, how=how)])
    await stage.nemesis.run(0.1)
    assert stage.regions["a"].done == done
    assert [life.what for life in stage.history.lives] == [Life.KILLED, Life.BOOTED, Life.READY]
    assert stage.history.faults[0].note == how


async def test_a_drained_region_stops_in_order_and_starts_again() -> None:
    stage = Stage([fault(FaultKind.DRAIN)])
    await stage.nemesis.run(0.1)
    assert stage.regions["a"].done == ["drain", "kill", "start", "ready"]
    lives = [life.what for life in stage.history.lives]
    assert lives == [Life.DRAINING, Life.STOPPED, Life.BOOTED, Life.READY]
    assert stage.history.logs == []


async def test_a_fault_on_a_region_that_another_one_has_is_not_done_and_said() -> None:
    stage = Stage([fault(FaultKind.KILL, for_s=0.1), fault(FaultKind.PAUSE, at_s=0.05)])
    await stage.nemesis.run(0.2)
    assert stage.events() == [("kill", True), ("kill", False)]
    assert any(text.startswith("not done") for text in stage.said)


async def test_an_error_ends_every_fault() -> None:
    stage = Stage([fault(FaultKind.CUT, for_s=60), fault(FaultKind.PAUSE, at_s=0.05, for_s=60)])
    stage.regions["a"].refuses = "pause"
    with pytest.raises(OSError, match="pause is refused"):
        await stage.nemesis.run(60)
    assert stage.links.on == []
    assert stage.regions["a"].done == ["pause", "resume"]
    assert sorted(stage.events()) == [
        ("cut", False),
        ("cut", True),
        ("pause", False),
        ("pause", True),
    ]


@pytest.mark.toxiproxy
async def test_a_run_that_is_cancelled_leaves_no_fault_on_real_links(ends_of: Ends) -> None:
    cuts = [
        fault(FaultKind.CUT, for_s=60),
        fault(FaultKind.CUT, for_s=60, how="reject"),
        fault(FaultKind.STALL, for_s=60),
    ]
    stage = Stage([*cuts, fault(FaultKind.PAUSE, for_s=60)], ends_of.links)
    running = asyncio.ensure_future(stage.nemesis.run(60))
    async with asyncio.timeout(10):
        while len(await ends_of.links.troubles()) < 5:  # noqa: ASYNC110 - Toxiproxy tells nobody
            await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await ends_of.links.troubles() == []
    assert stage.regions["a"].done == ["pause", "resume"]
    assert await (await ends_of.dial("a", "b")).carries(b"after")


def test_a_fault_that_live_mode_does_not_have_is_refused_with_those_that_it_has() -> None:
    with pytest.raises(PlanError, match="cut, lag, narrow, stall, kill, pause, drain"):
        Stage([fault(FaultKind.DRIFT)])
