"""Every expression of dashboard and alerts against a real Prometheus that scraped real regions:
it parses, it finds the series it names, and in calm weather it wakes nobody.
"""

import pytest

from tests.cli.processes import call, eventually, start
from tests.e2e.cluster import Cluster
from tests.infra.files import as_sent, queries, rules, selectors
from tests.infra.server import Prometheus

pytestmark = [pytest.mark.prometheus, pytest.mark.slow]


def a_little_load(cluster: Cluster, round_: int) -> None:
    """Starts of all regions that are admitted, refused here and refused from elsewhere; then their
    heartbeats and stops."""
    ports = [region.plan.edge_port for region in cluster.regions.values()]
    tokens = []
    for at, port in enumerate(ports):
        account = f"acc-{round_}-{at}"
        status, answer = start(port, account, "tv-1", plan="basic")
        assert status == 201, answer
        tokens.append(answer["token"])
        for where in (port, ports[at - 1]):
            assert start(where, account, "tv-2", plan="basic")[0] == 409
    for at, port in enumerate(ports):
        url = f"http://127.0.0.1:{port}/v1/sessions"
        assert call("POST", f"{url}/heartbeat", token=tokens[at])[0] == 200
        assert call("POST", f"{url}/stop", token=tokens[at])[0] == 204


def test_every_panel_shows_something_and_every_selector_finds_its_series(
    cluster: Cluster, prometheus: Prometheus
) -> None:
    cluster.heal()
    expressions = {expr for _, expr in queries()} | {as_sent(rule["expr"]) for rule in rules()}
    named = {selector for expr in expressions for selector in selectors(expr)}
    assert len(named) > 60
    missing = {*named, *(expr for _, expr in queries())}
    rounds = iter(range(1_000))

    def have_all() -> bool:
        a_little_load(cluster, next(rounds))
        missing.difference_update([expr for expr in missing if prometheus.values(expr)])
        return not missing

    try:
        eventually(have_all, "every panel has data")
    except AssertionError as error:
        error.add_note("\n".join(sorted(missing)))
        raise


def test_every_alert_is_evaluated_and_calm_weather_wakes_nobody(prometheus: Prometheus) -> None:
    def evaluated() -> list[dict[str, object]] | None:
        groups = prometheus.get("rules")["groups"]
        found = [rule for group in groups for rule in group["rules"]]
        return found if all(rule["health"] != "unknown" for rule in found) else None

    found = eventually(evaluated, "every rule is evaluated")
    assert len(found) == len(rules())
    assert [rule["name"] for rule in found if rule["health"] != "ok"] == []
    firing = prometheus.values('ALERTS{alertstate="firing", severity="page"}')
    assert firing == []


def test_a_region_that_is_killed_is_noticed(cluster: Cluster, prometheus: Prometheus) -> None:
    cluster["ap"].kill()
    eventually(
        lambda: prometheus.values('ALERTS{alertname="GeoregRegionUnreachable", region="ap"}'),
        "the alert is on its way",
    )
    assert prometheus.values('up{job="georeg", region="ap"}') == [0]
