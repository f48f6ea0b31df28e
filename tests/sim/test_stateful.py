"""Hypothesis plays the simulated world: it looks for a short story in which a promise breaks.

Real HTTP calls against three real regions, faults and time in any order; the oracle judges the
history at the end of each story. A failure is shrunk to a transcript that can be read aloud. The
stories are the same in each run of the suite; with HYPOTHESIS_EXPLORE=1 they are new ones.
"""

import os
import re

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from region_sim.plan.faults import FaultKind
from region_sim.plan.scenario import Scenario
from tests.model import mutants_ends
from tests.model.mutants import MUTANTS
from tests.sim.theatre import Theatre

pytestmark = [
    # What a run has killed closes nothing; collected, it complains, in whatever test that happens.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

REGIONS = ("us", "eu", "ap")
DEVICES = ("basic.1", "basic.2", "standard.1", "standard.2", "standard.3")
SCENARIO = Scenario("stateful", regions=REGIONS, world="near", jitter=0.0, households=0)

some_device = st.sampled_from(DEVICES)
playing_device = st.runner().flatmap(lambda self: st.sampled_from(self.theatre.playing()))
some_region = st.sampled_from(REGIONS)
some_links = st.sampled_from(["us", "eu", "ap", "us-eu", "us>eu,ap", "eu,ap>us", "*"])


class Watching(RuleBasedStateMachine):
    """Two households and three regions, in which nothing goes wrong."""

    def __init__(self) -> None:
        super().__init__()
        self.theatre = Theatre(SCENARIO)
        self.theatre.__enter__()

    @rule(device=some_device, region=some_region)
    def start(self, device: str, region: str) -> None:
        self.theatre.start(device, regions=(region,))

    @precondition(lambda self: bool(self.theatre.playing()))
    @rule(device=playing_device, region=some_region)
    def heartbeat(self, device: str, region: str) -> None:
        self.theatre.heartbeat(device, region)

    @precondition(lambda self: bool(self.theatre.playing()))
    @rule(device=playing_device, region=some_region)
    def kick(self, device: str, region: str) -> None:
        self.theatre.kick(device, region)

    @precondition(lambda self: bool(self.theatre.playing()))
    @rule(device=playing_device, region=some_region)
    def stop(self, device: str, region: str) -> None:
        self.theatre.stop(device, region)

    @rule(seconds=st.sampled_from([0.1, 2.0, 10.0, 30.0, 70.0]))
    def advance(self, seconds: float) -> None:
        self.theatre.advance(seconds)

    def teardown(self) -> None:
        try:
            verdict = self.theatre.verdict()
        finally:
            self.theatre.__exit__()
        assert not verdict.findings, "; ".join(
            f"{f.promise} {f.rule}: {f.text}" for f in verdict.findings
        )


class Cutting(Watching):
    """Links are cut and healed."""

    def __init__(self) -> None:
        super().__init__()
        self.cuts: list[int] = []

    @rule(links=some_links, how=st.sampled_from(["drop", "reject"]))
    def cut(self, links: str, how: str) -> None:
        self.cuts.append(self.theatre.inject(FaultKind.CUT, links, how))

    @precondition(lambda self: bool(self.cuts))
    @rule()
    def heal(self) -> None:
        while self.cuts:
            self.theatre.nemesis.end(self.cuts.pop())


class Everything(Cutting):
    """Regions die, stand still and come back; a whole household presses play at one moment."""

    def __init__(self) -> None:
        super().__init__()
        self.down: dict[str, int] = {}
        self.paused: dict[str, int] = {}

    @rule(account=st.sampled_from(["basic", "standard"]), regions=st.permutations(REGIONS))
    def start_at_once(self, account: str, regions: list[str]) -> None:
        devices = [device for device in DEVICES if device.startswith(account)]
        self.theatre.start(*devices, regions=tuple(regions))

    @rule(region=some_region, how=st.sampled_from(["crash", "power", "wipe"]))
    def kill(self, region: str, how: str) -> None:
        if region not in self.down:
            self.down[region] = self.theatre.inject(FaultKind.KILL, region, how)

    @precondition(lambda self: bool(self.down))
    @rule(region=st.runner().flatmap(lambda self: st.sampled_from(sorted(self.down))))
    def restart(self, region: str) -> None:
        self.theatre.nemesis.end(self.down.pop(region))

    @rule(region=some_region)
    def pause(self, region: str) -> None:
        if region not in self.paused:
            self.paused[region] = self.theatre.inject(FaultKind.PAUSE, region)

    @precondition(lambda self: bool(self.paused))
    @rule(region=st.runner().flatmap(lambda self: st.sampled_from(sorted(self.paused))))
    def resume(self, region: str) -> None:
        self.theatre.nemesis.end(self.paused.pop(region))


def play(machine: type[Watching], examples_max: int, *, steps: int = 20) -> None:
    """Look for a story that breaks a promise; raises AssertionError with the shortest one."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples_max, stateful_step_count=steps, deadline=None, database=None,
            derandomize="HYPOTHESIS_EXPLORE" not in os.environ, print_blob=False,
            phases=(Phase.generate, Phase.shrink), suppress_health_check=list(HealthCheck),
        ),
    )  # fmt: skip


def transcript_of(error: BaseException) -> list[str]:
    """The steps of the story that Hypothesis tells, but for its beginning and end."""
    lines = "\n".join(getattr(error, "__notes__", [])).splitlines()
    return [line for line in lines if re.match(r"state\.(?!teardown)", line)]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_no_story_breaks_a_promise() -> None:
    play(Everything, 80)


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_planted_bug_is_told_as_a_short_story(monkeypatch: pytest.MonkeyPatch) -> None:
    assert mutants_ends
    MUTANTS["noledger"](monkeypatch)
    with pytest.raises(AssertionError, match="P4 kicked session answered 200") as found:
        play(Watching, 100, steps=8)
    start, kick, heartbeat = transcript_of(found.value)
    assert start.startswith("state.start(device=")
    assert kick.startswith("state.kick(device=")
    assert heartbeat.startswith("state.heartbeat(device=")
