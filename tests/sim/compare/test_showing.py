"""The comparison as table, JSON, chart and page."""

import json
import re
from xml.etree import ElementTree as ET

import pytest

from region_sim.compare import chart, table
from region_sim.compare.figures import FIGURES, shown
from region_sim.compare.runs import SYSTEMS, Comparison
from region_sim.compare.tally import Tally
from region_sim.plan.scenario import Scenario


@pytest.fixture
def comparison() -> Comparison:
    tallies = {
        system: Tally(runs=1, starts=100 * n, admitted=90 * n, refused=10 * n, start_us=[n * 1000])
        for n, system in enumerate(SYSTEMS, start=1)
    }
    tallies["gossip"].false_blocks = 1
    return Comparison(Scenario("a <b>"), (3, 4, 5), tallies)


def test_the_table_has_a_row_per_figure_and_a_column_per_system(comparison: Comparison) -> None:
    lines = table.text(comparison).splitlines()
    assert lines[0].startswith("a <b>: seeds 3..5, 200 households in 3 regions")
    assert lines[2].split() == ["georeg", "central", "independent", "gossip"]
    (row,) = [line for line in lines if line.startswith("admitted")]
    assert row.split() == ["admitted", "90", "180", "270", "360"]


def test_the_json_has_all_figures_of_all_systems(comparison: Comparison) -> None:
    document = json.loads(json.dumps(table.document(comparison)))
    assert list(document["systems"]) == list(SYSTEMS)
    assert set(document["systems"]["georeg"]) == {figure.key for figure in FIGURES}
    assert document["systems"]["gossip"]["false_blocks_per_1000"] == 25.0


def test_figures_have_keys_of_their_own() -> None:
    assert len({figure.key for figure in FIGURES}) == len(FIGURES)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(0.0, 1, "0.0"), (0.04, 1, "0.04"), (12345.6, 0, "12,346"), (0.0004, 0, "0.0004")],
)
def test_what_is_not_nothing_does_not_look_like_nothing(
    value: float, digits: int, text: str
) -> None:
    assert shown(value, digits) == text


def test_the_chart_is_well_formed_and_draws_every_system_in_every_panel(
    comparison: Comparison,
) -> None:
    root = ET.fromstring(chart.svg(comparison))  # noqa: S314 - our own text
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    drawn = [figure for figure in FIGURES if figure.is_drawn]
    for system in SYSTEMS:
        assert texts.count(system) == len(drawn)
    width = float(root.attrib["width"])
    for bar in list(root.iter("{http://www.w3.org/2000/svg}rect"))[1:]:
        assert float(bar.attrib["x"]) + float(bar.attrib["width"]) < width


def test_the_page_needs_nothing_from_outside(comparison: Comparison) -> None:
    page = chart.html(comparison)
    assert "a &lt;b&gt;" in page
    links = re.findall(r"(?:src|href|url\()\s*=?\s*['\"]?([^'\" )>]+)", page)
    assert links == []
