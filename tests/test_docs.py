"""The documents keep up with the code: links lead somewhere, and nothing that a caller can meet is
left out. Cheap checks on names; whether the sentences are true is for a reader.
"""

import re
import tomllib
from enum import IntEnum
from pathlib import Path
from typing import get_args

import pytest

from crdt.events import ActorKind, Reason
from georeg.cli.main import make_parser
from georeg.edge.problems import KINDS
from georeg.edge.routes import ROUTES, Route
from georeg.mesh.errors import Closing
from georeg.ops.drains import DRAIN_ROUTES
from georeg.ops.routes import ROUTES as OPS_ROUTES
from georeg.ops.routes import OpsRoute
from georeg.region import messages, wire
from georeg.region.model import Basis, How, State
from georeg.region.reporting import TROUBLE

ROOT = Path(__file__).resolve().parent.parent
PAGES = sorted(
    [*(ROOT / name for name in ("README.md", "CHANGELOG.md", "infra/README.md"))]
    + [*(ROOT / "docs").glob("*.md")]
)
README = (ROOT / "README.md").read_text(encoding="utf-8")
README_LINES_MAX = 200


def page(name: str) -> str:
    return (ROOT / "docs" / name).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """The text without its code blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


def heading_anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ (.*)$", prose(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in headings}


def targets(text: str) -> list[str]:
    found: list[str] = re.findall(r"\]\(([^)\s]+)\)", prose(text))
    return [target for target in found if not target.startswith(("http://", "https://"))]


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_every_link_of_a_page_leads_somewhere(file: Path) -> None:
    broken = []
    for target in targets(file.read_text(encoding="utf-8")):
        path, _, anchor = target.partition("#")
        there = (file.parent / path).resolve() if path else file
        if not there.exists() or (
            anchor and anchor not in heading_anchors(there.read_text(encoding="utf-8"))
        ):
            broken.append(target)
    assert broken == []


def test_the_index_names_every_page() -> None:
    index = set(targets(page("README.md")))
    assert {file.name for file in (ROOT / "docs").glob("*.md")} - {"README.md"} <= index


def test_the_readme_is_short() -> None:
    assert README.count("\n") <= README_LINES_MAX


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_call_is_in_the_pages_for_clients(route: Route) -> None:
    assert f"`{route.method} {route.path}`" in page("http-api.md")


@pytest.mark.parametrize("route", [*OPS_ROUTES, *DRAIN_ROUTES], ids=lambda route: route.name)
def test_every_call_of_operators_is_in_their_page_with_what_it_takes(route: OpsRoute) -> None:
    start = f"| `{route.method} {route.path}` | {route.may}"
    assert any(row.startswith(start) for row in page("operations.md").splitlines())


def test_every_metric_that_operators_are_told_of_exists_and_has_its_labels() -> None:
    text = page("operations.md")
    told = set(re.findall(r"`georeg_(\w+?)(?:_total)?(?:{[^}]*})?`", text))
    code = "".join(
        (ROOT / "georeg" / "edge" / name).read_text(encoding="utf-8")
        for name in ("metrics.py", "region_metrics.py")
    )
    named = {*re.findall(r'"georeg_(\w+)"', code)}
    named |= {*re.findall(r'^ +\(?"(\w+)",', code, re.MULTILINE)}  # the table of gauges
    assert told - named - {f"region_{name}" for name in TROUBLE} == set()


def test_every_type_of_problem_is_told_with_its_status() -> None:
    rows = page("http-api.md").splitlines()
    missing = [
        kind.uri
        for kind in KINDS
        if not any(row.startswith(f"| `{kind.uri}` | {kind.status} |") for row in rows)
    ]
    assert missing == []


def test_every_reason_of_an_end_is_told() -> None:
    rows = page("http-api.md")
    told = {reason for reason in Reason if f"| `{reason.name.lower()}` |" in rows}
    assert told == set(Reason) - {Reason.MOVED}  # which no device is ever shown


@pytest.mark.parametrize("values", [Basis, How, State])
def test_every_value_that_an_answer_may_hold_is_explained(
    values: type[Basis | How | State],
) -> None:
    text = page("http-api.md")
    assert [value for value in values if f"`{value}`" not in text] == []


def test_every_kind_of_actor_is_explained() -> None:
    text = page("http-api.md")
    assert [a for a in ActorKind if f"`{a.name.lower()}`" not in text] == []


def test_every_message_stands_with_its_number_and_fields() -> None:
    rows = {}
    for line in page("protocol.md").splitlines():
        if found := re.match(r"\| (\d+) \| ([A-Z]\w+) \| ([^|]+) \|", line):
            fields = re.sub(r"\[[^\]]*\]", "", found[3])
            rows[found[2]] = (int(found[1]), tuple(f.strip() for f in fields.split(",")))
    kinds = {cls.__name__: (n, cls._fields) for n, (cls, _) in wire._KINDS.items()}
    assert {cls.__name__ for cls in get_args(messages.Message)} == set(kinds)
    assert rows == kinds


def test_every_close_code_of_the_mesh_is_told() -> None:
    codes: type[IntEnum] = Closing
    told = {int(code) for code in re.findall(r"^\| (\d{4}) \|", page("protocol.md"), re.MULTILINE)}
    assert told == set(map(int, codes))


def test_the_commands_that_are_named_exist() -> None:
    (commands,) = (
        set(action.choices)
        for action in make_parser()._subparsers._group_actions  # type: ignore[union-attr]
        if action.choices is not None
    )
    rules = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    for file in PAGES:
        text = file.read_text(encoding="utf-8")
        assert set(re.findall(r"(?:`|bin/)georeg ([a-z][a-z-]+)", text)) <= commands, file
        assert set(re.findall(r"(?:`|^)make ([a-z]+)", text, re.MULTILINE)) <= set(rules), file


def test_every_direct_dependency_has_its_reasons() -> None:
    text = page("dependencies.md").lower()
    named = set()
    for file in (ROOT / "requirements").glob("*.in"):
        for line in file.read_text(encoding="utf-8").splitlines():
            if found := re.match(r"([A-Za-z0-9-]+)", line):
                named.add(found[1].lower())
    assert {name for name in named if name not in text} == set()


def test_the_changelog_tells_of_the_version() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## [{project['version']}]" in changes
