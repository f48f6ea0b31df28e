"""The same seed is the same run: in any process, under any hash seed, with asyncio's debug mode."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from region_sim.cli.main import main
from region_sim.kernel.links import Link
from region_sim.kernel.trace import Trace, first_difference
from region_sim.plan.reader import load
from region_sim.plan.scenario import Scenario
from region_sim.run import run

pytestmark = [
    # What a run has killed closes nothing; collected, it complains, in whatever test that happens.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

ROOT = Path(__file__).resolve().parents[2]
CASES = [("short", 1), ("short", 5), ("storm", 3), ("storm", 8), ("nodes", 3)]
SMALL = ["--scenario", "short", "--households", "3", "--duration", "8", "--seed", "4"]
ELSEWHERE = """
import json, sys
sys.path.insert(0, sys.argv[1])
from tests.sim.test_determinism import CASES, small
from region_sim.run import run
print(json.dumps([run(small(name), seed).digest for name, seed in CASES]))
"""


def small(name: str) -> Scenario:
    """The scenario, with few households and a short life: a second a run."""
    return replace(load(name), households=6, duration_s=25.0)


@pytest.fixture(scope="module")
def digests() -> list[str]:
    return [run(small(name), seed).digest for name, seed in CASES]


def test_a_seed_run_again_in_the_same_process_is_the_same_run(digests: list[str]) -> None:
    # Backwards: a run must not depend on which runs came before it.
    again = [run(small(name), seed).digest for name, seed in reversed(CASES)]
    assert list(reversed(again)) == digests


def test_seeds_differ_from_one_another(digests: list[str]) -> None:
    assert len(set(digests)) == len(CASES)


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONHASHSEED": "0"},
        {"PYTHONHASHSEED": "1"},
        {"PYTHONHASHSEED": "random", "PYTHONASYNCIODEBUG": "1"},
    ],
    ids=str,
)
def test_a_seed_is_the_same_run_in_any_other_process(
    variables: dict[str, str], digests: list[str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE, str(ROOT)],
        env=os.environ | variables, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert json.loads(done.stdout) == digests


def test_replay_says_that_a_run_is_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", *SMALL]) == 0
    assert capsys.readouterr().out.startswith("the same: ")


def test_replay_finds_real_entropy_and_shows_where_it_came_in(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    trip_us = Link.trip_us
    monkeypatch.setattr(Link, "trip_us", lambda self: trip_us(self) + os.urandom(1)[0])
    assert main(["replay", *SMALL]) == 70
    out = capsys.readouterr().out
    assert out.startswith("NOT THE SAME: ")
    assert "differs, after" in out
    one, other = out.splitlines()[-2:]
    assert one.startswith("one: ")
    assert other.startswith("other: ")
    assert one.split()[1:] != other.split()[1:]


def test_a_run_is_compared_with_a_kept_trace(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trace = tmp_path / "trace"
    assert main(["run", *SMALL, "--quiet", "--trace", str(trace)]) == 0
    assert main(["replay", *SMALL, "--against", str(trace)]) == 0
    capsys.readouterr()
    lines = trace.read_text(encoding="utf-8").splitlines()
    lines[1000] += "!"
    trace.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert main(["replay", *SMALL, "--against", str(trace), "--json"]) == 70
    found = json.loads(capsys.readouterr().out)
    assert not found["is_same"]
    assert found["difference"].startswith("event 1,000 differs")


def test_a_trace_that_is_not_there_is_a_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["replay", *SMALL, "--against", "nowhere.txt"]) == 64
    assert "nowhere.txt" in capsys.readouterr().err


def test_the_first_difference_of_two_traces_comes_with_what_was_before_it() -> None:
    one = [f"{n} us step" for n in range(100)]
    assert first_difference(one, list(one)) is None
    other = [*one[:50], "50 eu step", *one[51:]]
    found = first_difference(one, iter(other))
    assert found is not None
    assert found.splitlines() == [
        "event 50 differs, after",
        *(f"  {n} us step" for n in range(45, 50)),
        "one:   50 us step",
        "other: 50 eu step",
    ]


def test_a_trace_that_ends_earlier_differs_where_it_ends() -> None:
    found = first_difference(["a", "b"], ["a", "b", "c"])
    assert found is not None
    assert found.endswith("one:   (the run is over)\nother: c")


def test_of_a_long_event_the_part_that_differs_is_shown() -> None:
    long = "1 us>eu " + "x" * 5000
    found = first_difference([long + "A" + "y" * 500], [long + "B" + "y" * 500])
    assert found is not None
    one, other = found.splitlines()[-2:]
    assert "xA" in one
    assert "xB" in other
    assert len(one) < 300


def test_the_fingerprint_covers_every_step_byte_and_change() -> None:
    def digest(*, step: str = "task", data: bytes = b"hello", what: str = "fault") -> str:
        trace = Trace()
        trace.step(1, "us", step)
        trace.deliver(2, "us", "eu", data)
        trace.change(3, what)
        return trace.digest()

    digests = {digest(), digest(step="other"), digest(data=b"hellp"), digest(what="heal")}
    assert len(digests) == 4
    assert digest() == digest()
