"""A simulated world that a test plays by hand: calls, faults and time, one step after another.

What `region_sim.run` does with scenarios and viewers is done here call by call; the history is the
same, and so is the judge. Used as a context: outside of it nothing of the simulator is in force.
"""

import asyncio
import gc
import json
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Final
from unittest.mock import patch

from region_sim.history import Call, Convergence, History, Joined, LogLine
from region_sim.kernel import entropy
from region_sim.kernel.machine import EPOCH_MS
from region_sim.kernel.trace import Trace
from region_sim.oracle.judge import judge
from region_sim.oracle.verdict import Verdict
from region_sim.plan.faults import Fault, FaultKind, check_fault, parse_links
from region_sim.plan.scenario import Scenario
from region_sim.run import BOOT_LIMIT_S, note_settings
from region_sim.viewers.calls import Caller, Calls, Token
from region_sim.viewers.passport import LIMITS, Passport
from region_sim.world import logs
from region_sim.world.georeg import Georeg
from region_sim.world.nemesis import Nemesis
from region_sim.world.world import World

SETTLE_S: Final = 20.0
"""After healing: regions find one another, restarted ones join, two beacon rounds."""
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - a directory of our own is made in it
"""Where there is such a disk, the regions' disks are in it: a story takes half the time."""
CALM_S: Final = 3.0
"""Before the first step: regions have heard one another."""
OPEN_END_S: Final = 1e6
"""Faults here end when they are told to."""


class Theatre:
    """A world, from its boot to its verdict. Accounts are named after their plans."""

    def __init__(self, scenario: Scenario, seed: int = 0) -> None:
        self._scenario, self._seed = scenario, seed
        self._exit = ExitStack()
        self._tokens: dict[str, Token] = {}
        """What each device plays."""
        self._passports: dict[str, Passport] = {}

    def __enter__(self) -> "Theatre":
        scenario = self._scenario
        self.history = History(self._seed, scenario.name, "georeg", scenario.regions)
        self._exit.enter_context(logs.kept(self.history))
        self._exit.enter_context(entropy.seeded(self._seed, self._wall_s))
        gc.disable()  # as `region_sim.run`: what a collection runs must not depend on memory
        self._exit.callback(gc.enable)
        gc.freeze()  # burying the world need not look at anything older than it
        self._exit.callback(gc.unfreeze)
        self._exit.callback(_bury)
        self._exit.callback(self._let_go)
        if MEMORY.is_dir():
            self._exit.enter_context(patch.object(tempfile, "tempdir", str(MEMORY)))
        self.world = World(scenario, self._seed, Georeg(), self.history, Trace())
        self._exit.callback(self.world.close)
        note_settings(self.world)
        self.nemesis = Nemesis(self.world)
        self.calls = Calls(self.world.town)
        for region in scenario.regions:
            self.world.boot(region)
        self.world.run_until(BOOT_LIMIT_S, self._is_up)
        assert self._is_up(), self.world.failures()
        self.advance(CALM_S)
        for plan, limit in LIMITS.items():
            self._passports[plan] = Passport(self.world.town, plan, plan, "")
            self.history.joined.append(Joined(self.world.now_us, plan, plan, limit))
        return self

    def __exit__(self, *error: object) -> None:
        self._exit.close()

    def _let_go(self) -> None:
        """Of the world, so that the dead are buried here and not in the middle of another test."""
        del self.world, self.nemesis, self.calls
        self._passports.clear()

    def _wall_s(self) -> float:
        now_us = self.world.now_us if hasattr(self, "world") else 0
        return EPOCH_MS / 1000 + now_us / 1e6

    def _is_up(self) -> bool:
        return len(self.world.processes()) == len(self.world.slots())

    # ---- devices: `basic.1` is a device of the account `basic` ----------------------------------

    def playing(self) -> list[str]:
        """Devices that play, as far as they know."""
        return sorted(self._tokens)

    def start(self, *devices: str, regions: tuple[str, ...]) -> list[Call]:
        """Press play on each device, next to its region, all at once."""

        async def together() -> list[Call]:
            return await asyncio.gather(*map(self._start, devices, regions))

        started: list[Call] = self.world.call(together())
        return started

    async def _start(self, device: str, region: str) -> Call:
        account = device.partition(".")[0]
        passport = self._passports[account]
        body = {"device": {"id": device, "name": device, "kind": "tv"}, "title": "t"}
        call = await self.calls.start(
            Caller(account, device, region), region, passport.start_headers(),
            json.dumps(body).encode(), {"plan": passport.plan, "limit": passport.limit},
        )  # fmt: skip
        if call.status == 201:
            self._tokens[device] = Token.of(str(call.body["session"]["id"]), call.body["token"])
        return call

    def heartbeat(self, device: str, region: str) -> Call:
        """The device says, next to a region, that it goes on."""
        call: Call = self.world.call(
            self.calls.heartbeat(self._caller(device, region), region, self._tokens[device])
        )
        if call.status == 410:
            del self._tokens[device]
        return call

    def stop(self, device: str, region: str) -> Call:
        """The device stops."""
        token = self._tokens.pop(device)
        call: Call = self.world.call(self.calls.stop(self._caller(device, region), region, token))
        return call

    def kick(self, device: str, region: str) -> Call:
        """Somebody of the account ends what the device plays; it hears of it at a heartbeat."""
        caller = Caller(device.partition(".")[0], "", region)
        headers = self._passports[caller.account].headers()
        session = self._tokens[device].session
        call: Call = self.world.call(self.calls.kick(caller, region, session, headers))
        return call

    @staticmethod
    def _caller(device: str, place: str) -> Caller:
        return Caller(device.partition(".")[0], device, place)

    # ---- faults and time ------------------------------------------------------------------------

    def inject(self, kind: FaultKind, where: str, how: str = "") -> int:
        """Begin a fault; its number, for `nemesis.end`."""
        regions = self._scenario.regions
        is_cut = kind is FaultKind.CUT
        fault = Fault(
            kind, self.world.now_us / 1e6, OPEN_END_S,
            regions=() if is_cut else (where,),
            links=parse_links(where, regions) if is_cut else (), how=how,
        )  # fmt: skip
        return self.nemesis.inject(check_fault(fault, regions))

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.world.run_until(self.world.now_us / 1e6 + seconds)

    def verdict(self) -> Verdict:
        """Heal everything, see whether the regions agree, and judge the whole."""
        world, history = self.world, self.history
        self.nemesis.heal()
        history.healed_us = world.now_us
        heads = world.system.heads(world.processes())
        self.advance(SETTLE_S)
        problems = world.system.behind(heads, world.processes())
        problems += [] if self._is_up() else ["P7 not every region serves"]
        agreed_us = None if problems else world.now_us
        now_us = world.now_us
        history.convergence.append(
            Convergence(now_us, history.healed_us, now_us, tuple(problems), agreed_us)
        )
        for failure in world.failures():
            history.logs.append(LogLine(world.now_us, "", "uncaught", failure))
        history.end_us = world.now_us
        return judge(history)


def _bury() -> None:
    """Collect the dead processes, whose coroutines complain that nobody listens."""
    hook, sys.unraisablehook = sys.unraisablehook, lambda unraisable: None
    try:
        gc.collect()
    finally:
        sys.unraisablehook = hook
