"""crdt/ is pure: what it may import, and what not."""

import ast
from pathlib import Path

import pytest

import crdt

FILES = sorted(Path(crdt.__file__).parent.glob("*.py"))
ALLOWED = {
    "array", "bisect", "collections", "collections.abc", "dataclasses", "enum", "itertools",
    "math", "struct", "typing", "zlib",
}  # fmt: skip
"""Values and containers. No time, random, asyncio, socket, threading, logging, os."""
ALSO_ALLOWED = {"codec.py": {"msgpack"}}


def imported(source: str) -> set[str]:
    """The modules that a source text imports, at any depth."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            names.add("." * node.level + (node.module or ""))
        elif isinstance(node, ast.Name) and node.id in ("__import__", "open", "eval", "exec"):
            names.add(node.id)
    return names


def forbidden(name: str, source: str) -> set[str]:
    """What a file imports and may not."""
    allowed = ALLOWED | ALSO_ALLOWED.get(name, set())
    return {m for m in imported(source) if m not in allowed and m.split(".")[0] != "crdt"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_a_module_imports_only_values_and_its_own_package(path: Path) -> None:
    assert forbidden(path.name, path.read_text()) == set()


@pytest.mark.parametrize(
    "line",
    ["import time", "from random import Random", "def f():\n import asyncio", "from . import x",
     "import msgpack", "import georeg.region", "__import__('os')"],
)  # fmt: skip
def test_the_check_finds_what_is_forbidden(line: str) -> None:
    assert forbidden("shard.py", line)
