"""Shrinking: what is left is small, still fails in the same way, and runs by the command given."""

import json
import shlex
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from region_sim import shrink
from region_sim.cli.main import main
from region_sim.oracle.verdict import Finding, Outcome
from region_sim.plan.faults import Fault, FaultKind
from region_sim.plan.habits import Habits
from region_sim.plan.reader import load
from region_sim.plan.scenario import Scenario
from region_sim.run import run
from region_sim.shrink import Shrinker, Trial, fewer, written_out
from region_sim.sweep import sweep
from tests.model import mutants_ends
from tests.model.mutants import MUTANTS

pytestmark = [
    # What a run has killed closes nothing; collected, it complains, in whatever test that happens.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

WRONG = ("P1", "false block")
PLAN = Scenario(
    "plan",
    households=20,
    duration_s=100.0,
    faults=tuple(
        Fault(FaultKind.CUT, 5.0 * n, 8.0, links=(("us", "eu"), ("eu", "us"), ("us", "ap")))
        for n in range(1, 9)
    ),
)
Fails = Callable[[Scenario], bool]


def shrunk(
    monkeypatch: pytest.MonkeyPatch, fails: Fails, *, runs_max: int = 500, at_s: float = 30.0
) -> tuple[Trial, int]:
    """Shrinks `PLAN` where runs fail as a function of their scenario."""

    def attempt(scenario: Scenario, seed: int) -> Trial:
        assert seed == 7
        finding = Finding(*WRONG, round(at_s * 1e6), "acc-0004", "")
        other = Finding("P2", "excess", 0, "", "")
        is_wrong = fails(scenario)
        return Trial(scenario, Outcome.BROKEN, (other, finding) if is_wrong else (other,))

    monkeypatch.setattr(shrink, "attempt", attempt)
    shrinker = Shrinker(7, WRONG, runs_max)
    return shrinker.shrink(attempt(PLAN, 7)), shrinker.runs


def test_only_what_the_failure_needs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(scenario: Scenario) -> bool:
        cuts = [fault for fault in scenario.faults if fault.at_s <= 15 < fault.end_s]
        return (
            any(("us", "eu") in fault.links for fault in cuts)
            and "acc-0004" in scenario.accounts()
            and scenario.habits.roam > 0
            and scenario.duration_s >= 30
        )

    small, _ = shrunk(monkeypatch, fails)
    (fault,) = small.scenario.faults
    assert fault.for_s < 2
    assert set(fault.links) == {("us", "eu"), ("eu", "us")}
    assert small.scenario.only == ("acc-0004",)
    assert small.scenario.duration_s == 30
    habits = small.scenario.habits
    off = shrink.HABITS_OFF
    assert [name for name in off if getattr(habits, name) != off[name]] == ["roam"]


def test_two_faults_that_are_needed_together_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    small, _ = shrunk(monkeypatch, lambda s: {10.0, 35.0} <= {fault.at_s for fault in s.faults})
    assert {fault.at_s for fault in small.scenario.faults} == {10.0, 35.0}


def test_two_households_that_are_needed_together_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = {"acc-0003", "acc-0017"}
    small, _ = shrunk(monkeypatch, lambda s: needed <= set(s.accounts()))
    assert set(small.scenario.only) == needed
    assert small.scenario.faults == ()


def test_no_more_runs_than_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    small, runs = shrunk(monkeypatch, lambda s: len(s.faults) > 3, runs_max=5)
    assert runs == 5
    assert len(small.scenario.faults) > 3


def test_a_run_that_cannot_be_made_smaller_is_left_as_it_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    small, _ = shrunk(monkeypatch, lambda s: s == PLAN)
    assert small.scenario == PLAN


def test_lists_are_offered_without_all_halves_quarters_and_single_items() -> None:
    assert list(fewer("abcd")) == [
        (), tuple("cd"), tuple("ab"), tuple("bcd"), tuple("acd"), tuple("abd"), tuple("abc"),
    ]  # fmt: skip
    assert list(fewer([])) == []


def test_what_was_drawn_is_written_out_as_the_same_run() -> None:
    scenario = replace(load("short"), households=2, duration_s=10.0)
    explicit = written_out(scenario, 3)
    assert explicit.faults
    assert explicit.draw.kinds == ()
    assert run(explicit, 3).digest == run(scenario, 3).digest


def test_households_do_the_same_without_the_others() -> None:
    calm = Scenario("calm", households=12, duration_s=40.0, jitter=0.0, habits=Habits(burst_s=15))

    some = ("acc-0002", "acc-0007", "acc-0011")

    def acts(scenario: Scenario) -> dict[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {}
        for call in run(scenario, 5).history.calls:
            if call.account in some and call.sent_us < 40e6:
                found.setdefault(call.device, []).append((call.kind.value, call.region))
        return found

    alone, among = acts(replace(calm, only=some)), acts(calm)
    assert sum(map(len, alone.values())) > 20
    # Not the times: who shares connections with others waits for fewer handshakes.
    assert alone == among


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_planted_bug_is_found_by_a_sweep_and_shrunk_to_a_small_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mutants_ends
    MUTANTS["noledger"](monkeypatch)
    flags = ["--households", "10", "--duration", "25"]
    scenario = replace(load("short"), households=10, duration_s=25.0)
    failing = next(r for r in sweep(scenario, range(1, 9), jobs=1) if r.failed)
    out = tmp_path / "small.toml"
    asked = ["shrink", "--scenario", "short", *flags, "--seed", str(failing.seed), "--runs", "20"]
    assert main([*asked, "--promise", "P4", "--out", str(out), "--json"]) == 1
    told = capsys.readouterr()
    found = json.loads(told.out)
    assert found["runs"] <= 20
    assert len(found["scenario"]["faults"]) <= 3
    assert 1 <= len(found["scenario"]["only"]) <= 2
    assert found["failure"][0] == "P4"
    assert "left: " in told.err
    # The command and the file that it gives show the same failure.
    _, *command = shlex.split(found["reproduce"])
    assert main([*command, "--json"]) == 1
    again = json.loads(capsys.readouterr().out)
    assert again["digest"] == found["digest"]
    assert main(["run", "--scenario", str(out), "--seed", str(failing.seed)]) == 1
    assert f"fingerprint: {found['digest']}" in capsys.readouterr().out


def test_a_run_that_does_not_fail_is_not_shrunk(capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["shrink", "--scenario", "calm", "--households", "2", "--duration", "5"]
    assert main([*asked, "--no-faults"]) == 0
    assert "nothing to shrink" in capsys.readouterr().out
    assert main([*asked, "--no-faults", "--expect", "adopted", "--habit", "roam=0"]) == 2


def test_wrong_usage_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["shrink", "--runs", "0"]) == 64
    assert main(["shrink", "--out", "nowhere/small.toml"]) == 64
    assert "nowhere" in capsys.readouterr().err
