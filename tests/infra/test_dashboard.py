"""The dashboard, as far as it can be judged without a Grafana: by the types that Grafana's makers
publish for version 11.6, and by what Grafana would take silently and show wrongly.
"""

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard

from tests.infra.files import as_sent, dashboard, read_yaml


def lost(given: object, kept: object, path: str = "") -> Iterator[str]:
    """Where Grafana's types do not hold what is given."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, value in given.items():
            if name not in kept:
                yield f"{path}.{name}"
            else:
                yield from lost(value, kept[name], f"{path}.{name}")
    elif isinstance(given, list) and isinstance(kept, list) and len(given) == len(kept):
        for at, (value, other) in enumerate(zip(given, kept, strict=True)):
            yield from lost(value, other, f"{path}[{at}]")
    elif given != kept:
        yield path


def through_grafanas_types(document: dict[str, Any]) -> list[str]:
    """What gets lost on the way."""
    register_default_plugins()
    kept = json.loads(JSONEncoder().encode(Dashboard.from_json(document)))
    return list(lost(document, kept))


def panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def test_grafanas_types_know_every_key_of_it() -> None:
    document = dashboard()
    assert document.pop("id") is None, "Grafana gives it"
    assert document["uid"] == "georeg", "fixed, so that links to it last"
    assert through_grafanas_types(document) == []


@pytest.mark.parametrize(
    "wrong", [{"titel": "x"}, {"options": {"graphmode": "area"}}, {"gridPos": {"width": 4}}]
)
def test_a_key_that_grafana_does_not_know_is_noticed(wrong: dict[str, Any]) -> None:
    document = dashboard()
    del document["id"]
    panel = next(panel for panel in document["panels"] if panel["type"] == "stat")
    for name, value in wrong.items():
        panel[name] = panel[name] | value if isinstance(value, dict) else value
    assert len(through_grafanas_types(document)) == 1


def test_every_panel_says_what_it_shows_and_in_which_unit() -> None:
    for panel in panels():
        assert len(panel["description"]) > 10, panel["title"]
        defaults = panel["fieldConfig"]["defaults"]
        assert "unit" in defaults or panel["type"] == "heatmap", panel["title"]
        assert panel["datasource"]["uid"] == "georeg"


def test_ids_differ_and_panels_do_not_overlap() -> None:
    boxes = [
        (at["x"], at["y"], at["x"] + at["w"], at["y"] + at["h"])
        for at in (panel["gridPos"] for panel in dashboard()["panels"])
    ]
    for left, right in combinations(boxes, 2):
        apart = (
            left[2] <= right[0] or right[2] <= left[0]
            or left[3] <= right[1] or right[3] <= left[1]
        )  # fmt: skip
        assert apart, (left, right)
    assert all(box[2] <= 24 for box in boxes)
    ids = [panel["id"] for panel in dashboard()["panels"]]
    assert len(set(ids)) == len(ids)


def test_every_query_follows_the_choice_of_regions_and_the_pace_of_scrapes() -> None:
    for panel in panels():
        refs = [target["refId"] for target in panel["targets"]]
        assert len(set(refs)) == len(refs)
        for target in panel["targets"]:
            expr = target["expr"]
            assert "$region" in expr or "ALERTS" in expr, panel["title"]
            assert not re.search(r"rate\([^()]*\[\d", expr), f"{panel['title']}: $__rate_interval"
            as_sent(expr)


def test_a_region_of_several_nodes_is_one_line_and_what_is_a_nodes_own_names_it() -> None:
    for panel in panels():
        for target in panel["targets"]:
            expr = target["expr"]
            is_of_region = re.search(r"\b(sum|min|max|avg|count)\b|region:", expr) is not None
            assert is_of_region is not ("{{instance}}" in target["legendFormat"]), expr


def test_what_grafana_is_provisioned_with_fits_the_dashboard() -> None:
    (source,) = read_yaml("grafana", "provisioning", "datasources", "georeg.yaml")["datasources"]
    pace = read_yaml("prometheus", "prometheus.yaml")["global"]["scrape_interval"]
    assert (source["uid"], source["jsonData"]["timeInterval"]) == ("georeg", pace)
    (provider,) = read_yaml("grafana", "provisioning", "dashboards", "georeg.yaml")["providers"]
    assert (provider["type"], provider["allowUiUpdates"]) == ("file", False)
