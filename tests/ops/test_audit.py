"""The audit log: kept, private, bounded against strangers."""

import json
import stat
from pathlib import Path

from georeg.ops.audit import STRANGERS_MAX, Audit, to_file

AT_MS = 1_767_268_800_000


def audit_of(lines: list[str], now_ms: list[int]) -> Audit:
    return Audit(lines.append, lambda: now_ms[0], region="us", cluster="test")


def test_a_line_says_who_did_what_from_where_and_what_came_of_it() -> None:
    lines: list[str] = []
    audit_of(lines, [AT_MS]).note("kick", "done", operator="ann", account="a\nb", **{"from": "::1"})
    assert "\n" not in lines[0]
    assert json.loads(lines[0]) == {
        "logger": "georeg.audit", "timestamp": "2026-01-01T12:00:00.000Z", "region": "us",
        "cluster": "test", "action": "kick", "outcome": "done", "operator": "ann",
        "account": "a\nb", "from": "::1",
    }  # fmt: skip


def test_strangers_cannot_fill_the_disk_and_are_counted() -> None:
    lines: list[str] = []
    now_ms = [AT_MS]
    audit = audit_of(lines, now_ms)
    for _ in range(1_000):
        audit.stranger("status", "unauthorized")
    assert len(lines) == STRANGERS_MAX
    now_ms[0] += 60_000
    audit.stranger("status", "unauthorized")
    assert json.loads(lines[-2])["count"] == 1_000 - STRANGERS_MAX
    assert json.loads(lines[-1])["outcome"] == "unauthorized"


def test_the_file_is_its_owners_alone_and_may_be_moved_away(tmp_path: Path) -> None:
    file = tmp_path / "audit.jsonl"
    write = to_file(file)
    write("one")
    write("two")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert file.read_text() == "one\ntwo\n"
    file.rename(tmp_path / "audit.1")
    write("three")
    assert file.read_text() == "three\n"
