"""The house's style as tests (after TigerBeetle's tidy): what a reader may rely on in any file."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PRODUCT = ("crdt", "georeg", "region_sim")
LINES_MAX = 350
FUNCTION_LINES_MAX = 60

# Which packages a package may import (DESIGN, part 3): always from its own layer or below.
LAYERS: dict[str, set[str]] = {
    "crdt": set(),
    "georeg.store": {"crdt"},
    "georeg.mesh": {"crdt"},
    "georeg.region": {"crdt", "georeg.store", "georeg.mesh"},
    "georeg.edge": {"crdt", "georeg.region"},
    "georeg.ops": {"crdt", "georeg.mesh", "georeg.region", "georeg.edge"},
    "georeg.config": {"crdt", "georeg.store", "georeg.region", "georeg.edge", "georeg.ops"},
    "georeg.nodes": {
        "crdt", "georeg.store", "georeg.mesh", "georeg.region", "georeg.edge", "georeg.ops",
    },
    "georeg.cli": {
        "crdt", "georeg.store", "georeg.mesh", "georeg.region", "georeg.edge", "georeg.ops",
        "georeg.config", "georeg.nodes",
    },
    "region_sim": {
        "crdt", "georeg.store", "georeg.mesh", "georeg.region", "georeg.edge", "georeg.ops",
        "georeg.config", "georeg.cli", "georeg.nodes",
    },
}  # fmt: skip
# Where neither time, nor chance, nor the world may come in except as a parameter.
PURE = {"crdt": {"msgpack"}, "georeg.region": {"msgpack"}}
FORBIDDEN_WHERE_PURE = {
    "asyncio", "logging", "multiprocessing", "os", "pathlib", "secrets", "select", "selectors",
    "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading", "time", "uuid",
    "datetime",
}  # fmt: skip
# `random` gives the region the type of its injected generator, which is all it may take from it.
RANDOM_NAMES = {"Random"}


def sources(*packages: str) -> list[Path]:
    return sorted(file for name in packages for file in (ROOT / name).rglob("*.py"))


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def layer_of(module: str) -> str | None:
    return next((layer for layer in LAYERS if f"{module}.".startswith(f"{layer}.")), None)


def imports_of(file: Path) -> Iterator[tuple[str, list[str], int]]:
    """Module, names taken from it, line."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, [], node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno}: a relative import"
            yield node.module or "", [alias.name for alias in node.names], node.lineno


def wrong_imports(module: str, imported: str, names: list[str]) -> str | None:
    """Why a module may not import another, None when it may."""
    layer = layer_of(module)
    target = layer_of(imported)
    if layer is not None and target is not None and target not in {layer, *LAYERS[layer]}:
        return f"{layer} lies below {target}"
    if layer not in PURE:
        return None
    top = imported.split(".")[0]
    if top == "random":
        return None if names and set(names) <= RANDOM_NAMES and layer != "crdt" else "chance"
    if top in FORBIDDEN_WHERE_PURE:
        return f"{layer} is pure"
    known = set(sys.stdlib_module_names) | PURE[layer] | {"crdt", "georeg"}
    return None if top in known else f"{layer} needs nothing but the standard library"


@pytest.mark.parametrize(
    ("module", "imported", "names"),
    [
        ("crdt.log", "time", []),
        ("crdt.log", "random", ["Random"]),
        ("crdt.log", "georeg.region.model", []),
        ("crdt.log", "aiohttp", []),
        ("georeg.region.starts", "asyncio", []),
        ("georeg.region.starts", "random", []),
        ("georeg.region.starts", "random", ["random"]),
        ("georeg.region.starts", "georeg.edge.app", []),
        ("georeg.mesh.node", "georeg.region.region", []),
        ("georeg.edge.app", "georeg.mesh.node", []),
    ],
)
def test_the_rule_on_imports_catches_what_it_is_for(
    module: str, imported: str, names: list[str]
) -> None:
    assert wrong_imports(module, imported, names) is not None


def test_imports_point_down_only_and_the_rules_stay_pure() -> None:
    wrong = [
        f"{file.relative_to(ROOT)}:{line}: {imported}: {why}"
        for file in sources(*PRODUCT)
        for imported, names, line in imports_of(file)
        if (why := wrong_imports(module_of(file), imported, names)) is not None
    ]
    assert wrong == []


def test_every_package_of_the_product_has_its_layer() -> None:
    homeless = [
        str(file.relative_to(ROOT))
        for file in sources(*PRODUCT)
        if layer_of(module_of(file)) is None and module_of(file) != "georeg"
    ]
    assert homeless == []


def test_a_file_holds_one_idea_in_at_most_350_lines() -> None:
    long = {
        str(file.relative_to(ROOT)): lines
        for file in sources(*PRODUCT)
        if (lines := file.read_text(encoding="utf-8").count("\n")) > LINES_MAX
    }
    assert long == {}


def test_a_function_is_under_60_lines() -> None:
    long = {
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}": node.end_lineno - node.lineno + 1
        for file in sources(*PRODUCT)
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 >= FUNCTION_LINES_MAX
    }
    assert long == {}


def test_every_module_opens_with_what_it_does() -> None:
    silent = [
        str(file.relative_to(ROOT))
        for file in sources(*PRODUCT, "tests", "bench")
        if file.stat().st_size > 0
        and not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert silent == []


def tracked() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode != 0:
        pytest.skip("not a git repository: what is tracked cannot be told")
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def matches(pattern: re.Pattern[str], *, but: tuple[str, ...] = ()) -> list[str]:
    found = []
    for file in tracked():
        name = str(file.relative_to(ROOT))
        if name in but:
            continue
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [
            f"{name}:{number}: {line.strip()[:80]}"
            for number, line in enumerate(text.splitlines(), start=1)
            if pattern.search(line)
        ]
    return found


def test_nothing_is_left_to_do() -> None:
    unfinished = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
    assert matches(unfinished) == []


def test_no_path_of_a_machine_and_no_host_of_a_package_registry_is_named() -> None:
    machine = r"/(?:work|root|home/[a-z]+|Users/[a-z]+)/|/tmp/bash|\.library"
    hosts = r"pypi\.org|pythonhosted|registry\.npmjs|crates\.io|proxy\.golang|repo1?\.maven"
    assert matches(re.compile(f"{machine}|{hosts}"), but=("tests/test_tidy.py",)) == []


def test_every_locked_package_is_pinned_and_hashed() -> None:
    for lock in ("run.txt", "dev.txt"):
        text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
        for block in re.split(r"\n(?=[a-z])", text)[1:]:
            pin = r"[a-z0-9._-]+(\[[a-z,]+\])?==\S+( ; [^\\\n]+)? \\\n    --hash=sha256:"
            assert re.match(pin, block), block


def test_both_locks_pin_the_same_versions() -> None:
    def pins(lock: str) -> set[str]:
        text = (ROOT / "requirements" / lock).read_text(encoding="utf-8")
        return set(re.findall(r"^([a-z0-9._-]+==\S+)", text, re.MULTILINE))

    assert pins("run.txt") <= pins("dev.txt")
