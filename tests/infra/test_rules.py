"""Alerts: each says what it means and what to do, and is shown to fire and to be silent."""

import re
import subprocess
from collections import Counter

import pytest

from georeg.cli.main import make_parser
from tests.infra.files import PROMETHEUS, alerts, read_yaml, rules
from tests.tools import ROOT, tool


def promtool(*arguments: str) -> None:
    """Run promtool where the rules are; fails with what it says."""
    program = tool("promtool")
    assert program is not None
    done = subprocess.run(
        [program, *arguments], cwd=PROMETHEUS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.prometheus
def test_prometheus_takes_the_config_and_its_rules() -> None:
    promtool("check", "config", "prometheus.yaml")


@pytest.mark.prometheus
@pytest.mark.slow
def test_every_alert_fires_where_it_should_and_nowhere_else() -> None:
    promtool("test", "rules", "georeg.rules_test.yaml")


def test_every_alert_is_shown_to_fire_and_to_be_silent() -> None:
    shown = Counter(
        (check["alertname"], bool(check["exp_alerts"]))
        for test in read_yaml("prometheus", "georeg.rules_test.yaml")["tests"]
        for check in test["alert_rule_test"]
    )
    names = [alert["alert"] for alert in alerts()]
    assert len(set(names)) == len(names)
    assert set(shown) == {(name, fires) for name in names for fires in (True, False)}


def test_every_alert_says_how_urgent_it_is_what_it_means_and_where_to_read_what_to_do() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    anchors = {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}
    for alert in alerts():
        assert alert["labels"]["severity"] in ("page", "ticket")
        assert alert["annotations"].keys() == {"summary", "description", "runbook"}
        assert "$labels.region" in alert["annotations"]["summary"]
        file, _, anchor = alert["annotations"]["runbook"].partition("#")
        assert file == "docs/operations.md"
        assert anchor in anchors
        assert f"`{alert['alert']}`" in page, "the section names it"


def test_the_page_names_no_alert_that_is_not_there() -> None:
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`(Georeg\w+)`", page))
    assert named == {alert["alert"] for alert in alerts()}


def test_every_record_is_used() -> None:
    dashboard = (ROOT / "infra" / "grafana" / "dashboards" / "georeg.json").read_text()
    expressions = dashboard + " ".join(rule["expr"] for rule in rules())
    unused = [rule["record"] for rule in rules() if rule.get("record", "") not in expressions]
    assert unused == []


def test_prometheus_scrapes_the_regions_of_a_demo() -> None:
    demo = make_parser().parse_args(["demo"])
    (job,) = read_yaml("prometheus", "prometheus.yaml")["scrape_configs"]
    scraped = {each["labels"]["region"]: each["targets"] for each in job["static_configs"]}
    assert scraped == {
        name: [f"127.0.0.1:{demo.port + at}"] for at, name in enumerate(demo.regions.split(","))
    }
    assert job["job_name"] == "georeg", "the alerts name it"
