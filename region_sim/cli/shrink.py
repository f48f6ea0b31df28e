"""`region-sim shrink`: the smallest run that still fails in the same way."""

import argparse
import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from region_sim import run as runner
from region_sim.cli.exits import EPILOG, Exit
from region_sim.cli.options import (
    add_scenario_flags,
    add_seed_flag,
    flags_of,
    flags_text,
    scenario_of,
)
from region_sim.cli.show import finding_text, plan_text, verdict_json, verdict_text
from region_sim.oracle.judge import judge
from region_sim.oracle.verdict import Outcome
from region_sim.plan.errors import PlanError
from region_sim.plan.scenario import Scenario
from region_sim.plan.writer import scenario_text
from region_sim.shrink import HABITS_OFF, Shrinker, Trial, attempt, kind_of, written_out

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(commands: "Commands") -> None:
    """Add this command to the command line."""
    parser = commands.add_parser(
        "shrink",
        help="the smallest run that still fails in the same way",
        description="Takes a failing seed and leaves out what it can: time, households, faults, "
        "habits, as long as the same promise is broken by the same rule. Ends with the command "
        "that runs what is left. A run that does not fail is told so, with its exit code.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_scenario_flags(parser, default="storm")
    add_seed_flag(parser)
    parser.add_argument("--runs", type=int, default=200, metavar="N",
                        help="how many runs it may take (default: 200)")  # fmt: skip
    parser.add_argument("--jobs", type=int, default=1, metavar="N",
                        help="runs side by side (default: 1)")  # fmt: skip
    parser.add_argument("--promise", metavar="P1",
                        help="of several broken promises which one; default: first")  # fmt: skip
    parser.add_argument("--out", type=Path, metavar="FILE.toml",
                        help="write the small run as a scenario file too")  # fmt: skip
    parser.add_argument("--json", action="store_true", help="the result as one JSON object")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Shrink one seed; raises PlanError."""
    scenario, seed = scenario_of(options), options.seed
    if options.runs < 1 or options.jobs < 1:
        raise PlanError("--runs and --jobs are 1 or more")
    if options.out is not None and not options.out.parent.is_dir():
        raise PlanError(f"--out {options.out}: there is no directory {options.out.parent}")
    whole = attempt(scenario, seed)
    findings = [f for f in whole.findings if options.promise in (None, f.promise)]
    if not findings:
        return _not_failing(options, whole)
    failure = kind_of(findings[0])
    _say(options, f"seed {seed} fails: {failure[0]} {failure[1]}; {_size(whole.scenario)}")
    # Written out it is the same run: what was drawn from the seed is told in words instead.
    begin = Trial(written_out(scenario, seed), whole.outcome, whole.findings)
    shrinker = Shrinker(
        seed, failure, options.runs, options.jobs,
        on_run=lambda runs: _count(options, runs),
        on_step=lambda name, trial: _say(
            options, f"run {shrinker.runs:4}  {name:<18} {_size(trial.scenario)}"
        ),
    )  # fmt: skip
    small = shrinker.shrink(begin)
    return _tell(options, small, shrinker)


def _tell(options: argparse.Namespace, small: Trial, shrinker: Shrinker) -> int:
    """The result: what is left, its verdict, and the command that runs it."""
    scenario, seed = small.scenario, options.seed
    finding = small.finding(shrinker.failure)
    assert finding is not None
    flags = shlex.join(flags_of(scenario, options.scenario))
    reproduce = f"region-sim run {flags} --seed {seed}"
    if options.out is not None:
        head = f"Shrunk from seed {seed} of {options.scenario}.\n{finding_text(finding).strip()}\n"
        head += f"region-sim run --scenario {options.out} --seed {seed}"
        options.out.write_text(scenario_text(scenario, head=head), encoding="utf-8")
    _say(options, f"{shrinker.runs} runs; left: {_size(scenario)}")
    if small.outcome is None:
        print(f"{plan_text(scenario, seed)}\n{finding_text(finding)}\nreproduce: {reproduce}")
        return Exit.BUG
    done = runner.run(scenario, seed)
    verdict = judge(done.history)
    if options.json:
        found = verdict_json(scenario, done.history, verdict, done.digest, reproduce)
        print(json.dumps({**found, "runs": shrinker.runs, "failure": shrinker.failure}))
    else:
        print(plan_text(scenario, seed))
        print(verdict_text(done.history, verdict))
        print(f"reproduce: {reproduce}")
    return int(verdict.outcome)


def _not_failing(options: argparse.Namespace, whole: Trial) -> int:
    """There is nothing to shrink."""
    outcome = whole.outcome or Outcome.HOLDS
    if options.promise is not None and whole.findings:
        broken = ", ".join(sorted({f.promise for f in whole.findings}))
        raise PlanError(f"--promise {options.promise}: this run breaks {broken}")
    if options.json:
        print(json.dumps({"outcome": outcome.name.lower(), "exit_code": int(outcome), "runs": 1}))
    else:
        print(f"nothing to shrink: seed {options.seed} does not fail ({outcome.name.lower()})")
        print(f"reproduce: region-sim run {flags_text(options)} --seed {options.seed}")
    return int(outcome)


def _size(scenario: Scenario) -> str:
    """How large a run is, in one line."""
    habits = sum(getattr(scenario.habits, name) != off for name, off in HABITS_OFF.items())
    fault_s = sum(fault.for_s for fault in scenario.faults)
    return (
        f"{len(scenario.faults)} faults of {fault_s:.1f} s, {len(scenario.accounts())} households, "
        f"{scenario.duration_s:g} s, {habits} habits"
    )


def _say(options: argparse.Namespace, line: str) -> None:
    if not options.quiet:
        print(f"\r{line:<78}" if sys.stderr.isatty() else line, file=sys.stderr, flush=True)


def _count(options: argparse.Namespace, runs: int) -> None:
    if not options.quiet and sys.stderr.isatty():
        print(f"\r{runs} of {options.runs} runs ", end="", file=sys.stderr, flush=True)
