"""The table of limits keeps up with the code: a row's number is that of the constant it names."""

import re
from functools import reduce
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from georeg.edge.settings import EdgeSettings
from georeg.mesh.settings import MeshSettings

ROOT = Path(__file__).resolve().parent.parent
UNITS = {"": 1, "bytes": 1, "characters": 1, "KiB": 1 << 10, "MiB": 1 << 20, "s": 1}
_ROW = re.compile(
    r"^\| ([^|]+) \| ([\d.,]+) ?([A-Za-z]*) \| `([\w.]+)` \| [^|]+ \| [^|]+ \|$", re.MULTILINE
)
ROWS = _ROW.findall((ROOT / "docs" / "limits.md").read_text(encoding="utf-8"))
NO_LIMITS = {
    "dev", "cors_origins", "comment_ms", "retry_after_s", "connect_ms", "ping_ms", "silence_ms",
    "backoff_first_ms", "backoff_max_ms", "close_ms", "versions",
}  # fmt: skip
"""Settings of edge and mesh that bound nothing that grows."""


def constant(path: str) -> Any:
    """The value under a dotted name: a module, then what is in it."""
    parts = path.split(".")
    at = next(n for n in range(len(parts), 0, -1) if _is_module(".".join(parts[:n])))
    found = reduce(getattr, parts[at:-1], import_module(".".join(parts[:at])))
    field = getattr(found, "__dataclass_fields__", {}).get(parts[-1])
    return field.default if field is not None else getattr(found, parts[-1])


def _is_module(name: str) -> bool:
    try:
        import_module(name)
    except ModuleNotFoundError:
        return False
    return True


@pytest.mark.parametrize(("what", "number", "unit", "path"), ROWS, ids=[row[3] for row in ROWS])
def test_each_limit_is_what_the_code_says(what: str, number: str, unit: str, path: str) -> None:
    value = constant(path)
    if path.lower().endswith(("_ms", "_ms_max")):
        value /= 1000
    assert float(number.replace(",", "")) * UNITS[unit] == value, what


def test_every_row_was_understood() -> None:
    text = (ROOT / "docs" / "limits.md").read_text(encoding="utf-8")
    assert len(ROWS) == sum(line.startswith("| ") for line in text.splitlines()) - 5
    assert len(ROWS) > 40


def test_every_limit_of_edge_and_mesh_is_there() -> None:
    fields = {*EdgeSettings.__dataclass_fields__, *MeshSettings.__dataclass_fields__}
    assert fields - NO_LIMITS == {row[3].rpartition(".")[2] for row in ROWS} & fields
