"""The files of `infra/` as tests read them, and the selectors of their expressions."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.tools import ROOT

PROMETHEUS = ROOT / "infra" / "prometheus"
GRAFANA = ROOT / "infra" / "grafana"
RULES = PROMETHEUS / "georeg.rules.yaml"
DASHBOARD = GRAFANA / "dashboards" / "georeg.json"
_SELECTOR = re.compile(
    r"(?:(?:region|instance):)?\b(?:georeg|process)_\w+(?::\w+)?(?:\{[^}]*\})?|\bup\{[^}]*\}"
)


def read_yaml(*parts: str) -> Any:
    """A file below infra/."""
    return yaml.safe_load((ROOT / "infra").joinpath(*parts).read_text(encoding="utf-8"))


def rules() -> list[dict[str, Any]]:
    """All recording rules and alerts, in order."""
    groups = read_yaml("prometheus", "georeg.rules.yaml")["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    """The alerts alone."""
    return [rule for rule in rules() if "alert" in rule]


def dashboard() -> dict[str, Any]:
    """The dashboard; a new one each time."""
    found: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return found


def queries() -> Iterator[tuple[str, str]]:
    """Title and expression of each query of the dashboard, as Grafana sends it: every region, over
    times that a test has data for."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], as_sent(target["expr"])


def as_sent(expr: str) -> str:
    """The expression with Grafana's variables filled in."""
    for name, value in (("region", ".+"), ("__rate_interval", "10s"), ("__range", "10m")):
        expr = expr.replace(f"${name}", value)
    assert "$" not in expr, f"a variable that nobody fills in: {expr}"
    return expr


def selectors(expr: str) -> set[str]:
    """`metric` or `metric{labels}`, wherever the expression reads series of georeg."""
    return set(_SELECTOR.findall(re.sub(r"(by|on|without|ignoring) \([^)]*\)", "", expr)))
