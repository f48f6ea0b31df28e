"""`region-sim report` as a person types it."""

from pathlib import Path

import pytest

from region_sim.cli.main import main

SMALL = ["report", "--households", "3", "--duration", "6", "--fault", "cut:us|eu,ap@2+2",
         "--set", "client_lease_s=4", "--set", "heartbeat_s=1.2", "--set", "suspect_s=3",
         "--set", "idle_grant_s=2", "--quiet"]  # fmt: skip


def test_a_page_is_written_twice_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / "a.html", tmp_path / "b.html"]
    assert [main([*SMALL, "--out", str(file)]) for file in files] == [0, 0]
    assert f"page: {files[0]} (" in capsys.readouterr().out
    assert files[0].read_bytes() == files[1].read_bytes()
    assert "cut drop" in files[0].read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--out", "no/such/place.html"], "there is no directory no/such"),
        (["--around", "-1"], "0 or more"),
    ],
)
def test_wrong_use_is_said_before_anything_runs(
    flags: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMALL, *flags]) == 64
    assert words in capsys.readouterr().err
