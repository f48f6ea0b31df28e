"""All benchmarks run and say what they measured; how fast it was is not for tests to judge."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.timeout(300)
ROOT = Path(__file__).resolve().parents[2]
PARTS = ("inside", "http", "peers", "nodes", "memory", "wire", "apply")


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bench", *arguments], cwd=ROOT, capture_output=True, text=True
    )


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    file = tmp_path_factory.mktemp("bench") / "bench.json"
    done = bench("--quick", "--json", str(file))
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(file.read_text())
    return document


@pytest.mark.slow
def test_every_part_runs_and_gives_figures(report: dict[str, Any]) -> None:
    assert [part["part"] for part in report["parts"]] == list(PARTS)
    for part in report["parts"]:
        if part["part"] in ("peers", "nodes") and shutil.which("redis-server") is None:
            continue
        assert part["state"] == "ran", part["reason"]
        assert part["figures"]


@pytest.mark.slow
def test_every_figure_says_its_value_spread_target_and_verdict(report: dict[str, Any]) -> None:
    figures = [figure for part in report["parts"] for figure in part["figures"]]
    for figure in figures:
        assert figure["lowest"] <= figure["value"] <= figure["highest"], figure
        assert figure["unit"]
        assert (figure["target"] is None) == (figure["verdict"] == "shown")
    missed = [figure["name"] for figure in figures if figure["verdict"] == "missed"]
    assert report["missed"] == missed


@pytest.mark.slow
def test_the_report_says_where_and_of_what_it_is(report: dict[str, Any]) -> None:
    assert report["quick"] is True
    assert {"cpu", "cores", "memory", "system", "python"} <= set(report["machine"])
    assert {"aiohttp", "uvloop", "redis-server"} <= set(report["versions"])


@pytest.mark.slow
def test_without_redis_its_part_is_skipped_and_says_why(
    report: dict[str, Any],
) -> None:
    if shutil.which("redis-server") is not None:
        pytest.skip("redis-server is here, so that part ran")
    peers = next(part for part in report["parts"] if part["part"] == "peers")

    assert peers["state"] == "skipped"
    assert "redis-server is missing" in peers["reason"]


def test_a_wrong_part_is_refused_with_the_parts_that_there_are() -> None:
    done = bench("--only", "everything")

    assert done.returncode == 2
    assert "inside" in done.stderr
