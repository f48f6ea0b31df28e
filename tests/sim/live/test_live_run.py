"""One short run of real processes under a cut and a kill, and what its parts make of bad news."""

import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from region_sim.history import CallKind, Life
from region_sim.live.errors import LiveError
from region_sim.live.run import run_live
from region_sim.live.watch import read_line
from region_sim.oracle.judge import judge
from region_sim.oracle.verdict import Outcome
from region_sim.plan.reader import load, parse_fault
from region_sim.plan.scenario import Draw, Scenario
from tests.cli.processes import is_alive

DURATION_S = 8


def scenario(*faults: str) -> Scenario:
    """The default one, shorter, with these faults and no others."""
    whole = load("live-short")
    given = tuple(parse_fault(text, whole.regions) for text in faults)
    return replace(whole, duration_s=DURATION_S, households=24, faults=given, draw=Draw())


@pytest.mark.toxiproxy
@pytest.mark.slow
async def test_promises_hold_through_a_cut_and_a_kill(tmp_path: Path) -> None:
    said: list[str] = []
    history = await run_live(
        scenario("cut:us|eu,ap@1+4", "kill:ap@5.5+2"),
        1,
        say=said.append,
        keep_logs=tmp_path / "logs",
    )
    verdict = judge(history, expects=load("live-short").expects)
    assert verdict.findings == []
    assert verdict.outcome is Outcome.HOLDS, verdict.missing
    assert [found.problems for found in history.convergence] == [(), ()]
    assert [(event.kind, event.is_begin) for event in history.faults] == [
        ("cut", True),
        ("cut", False),
        ("kill", True),
        ("kill", False),
    ]
    assert [life.what for life in history.lives if life.region == "ap"] == [
        Life.BOOTED,
        Life.READY,
        Life.KILLED,
        Life.BOOTED,
        Life.READY,
    ]
    starts = {call.status for call in history.calls if call.kind is CallKind.START}
    assert starts >= {201, 409}
    assert history.system == "live"
    assert not history.is_tapped
    pids = [int(pid) for pid in re.findall(r"(?:process|us|eu|ap) (\d+)", " ".join(said))]
    assert len(pids) == 4
    assert not any(is_alive(pid) for pid in pids)


async def test_a_directory_with_an_earlier_run_is_refused(tmp_path: Path) -> None:
    (tmp_path / "us").mkdir()
    with pytest.raises(LiveError, match="not empty"):
        await run_live(scenario(), 1, say=lambda text: None, keep_logs=tmp_path)


def line(**entry: object) -> str:
    return json.dumps({"event": "e", "timestamp": "2026-01-01T00:00:02Z", **entry})


def test_errors_tracebacks_and_lines_that_are_no_log_are_trouble() -> None:
    began_s = 1767225600.0  # 2026-01-01T00:00:00Z
    error = read_line("us", line(level="error"), began_s)
    assert error is not None
    assert (error.at_us, error.region, error.event) == (2_000_000, "us", "e")
    assert read_line("us", line(level="warning", exception="Traceback ..."), began_s) is not None
    assert read_line("us", "Traceback (most recent call last):", began_s) is not None
    assert read_line("us", line(level="warning"), began_s) is None
    ready = "georeg: region us of cluster live is ready: edge http://127.0.0.1:1, mesh x, process 2"
    assert read_line("us", ready, began_s) is None
