"""`region-sim live` as a person meets it: flags, mistakes, a missing Toxiproxy, Ctrl-C."""

import argparse
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from region_sim.cli import live
from region_sim.plan.errors import PlanError
from region_sim.plan.faults import FaultKind
from tests.cli.processes import ROOT, eventually, is_alive

COMMAND = """
import argparse, signal, sys
from region_sim.cli import live
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background inherits none
parser = argparse.ArgumentParser()
live.add_parser(parser.add_subparsers())
options = parser.parse_args(sys.argv[1:])
sys.exit(options.run(options))
"""


def options(*arguments: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="region-sim")
    live.add_parser(parser.add_subparsers())
    return parser.parse_args(["live", *arguments])


def test_flags_change_the_scenario() -> None:
    scenario = live.scenario_of(options("--duration", "7", "--households", "3"))
    assert (scenario.name, scenario.duration_s, scenario.households) == ("live-short", 7, 3)
    assert scenario.draw.count_max > 0


def test_a_fault_that_is_given_is_the_only_one() -> None:
    scenario = live.scenario_of(options("--fault", "cut/reject:us>eu@4+6"))
    assert [(fault.kind, fault.how) for fault in scenario.faults] == [(FaultKind.CUT, "reject")]
    assert scenario.draw.count_max == 0


@pytest.mark.parametrize(
    "flags", [("--duration", "0"), ("--fault", "cut:moon@1+1"), ("--scenario", "none")]
)
def test_a_mistake_in_a_flag_is_told(flags: tuple[str, str]) -> None:
    with pytest.raises(PlanError):
        live.scenario_of(options(*flags))


def test_a_mistake_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    given = options("--fault", "drift:us@1+1")
    assert given.run(given) == live.USAGE
    assert "live mode has cut" in capsys.readouterr().err


def test_without_toxiproxy_the_remedy_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GEOREG_TOXIPROXY", str(tmp_path / "none"))
    given = options()
    assert given.run(given) == live.USAGE
    told = capsys.readouterr().err
    assert "make tools" in told
    assert "go install" in told


@pytest.mark.toxiproxy
@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_outlives_the_command_not_even_what_stands_still(
    number: signal.Signals, tmp_path: Path
) -> None:
    faults = ("pause:us@0.5+30", "kill/power:ap@0.5+30", "cut:us-eu@0.5+30")
    flags = [flag for fault in faults for flag in ("--fault", fault)]
    output = tmp_path / "output.txt"
    with output.open("wb") as out:
        command = subprocess.Popen(
            [sys.executable, "-c", COMMAND, "live", "--households", "2", *flags]
            + ["--keep-logs", str(tmp_path / "logs")],
            cwd=ROOT,
            stdout=out,
            stderr=out,
        )
    try:
        eventually(lambda: output.read_text().count("begins:") == 3, "the faults have begun")
        command.send_signal(number)
        code = command.wait(20)
    finally:
        command.kill()
        command.wait()
    said = output.read_text()
    pids = [int(pid) for pid in re.findall(r"(?:process|us|eu|ap) (\d+)(?=[,)])", said)]
    assert len(pids) == 4
    eventually(lambda: not any(is_alive(pid) for pid in pids), "all processes are gone")
    if number is signal.SIGINT:
        assert code == live.INTERRUPTED
        assert said.count("is over:") == 3
