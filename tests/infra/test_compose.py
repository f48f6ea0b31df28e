"""The compose file and what it mounts agree: every name, port and path in one is met in the other.

`test_compose_runs.py` plays it. What nobody could try here are the images themselves.
"""

import json
import subprocess
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from georeg.cli.main import main
from georeg.config import load
from georeg.edge.server import SHUTDOWN_S
from tests.infra.composed import (
    COMPOSE,
    REGIONS,
    config_file,
    files,
    is_node,
    services,
)
from tests.infra.files import read_yaml
from tests.tools import ROOT, tool

NODES = [name for name, service in services().items() if is_node(service)]
SHARED = ("cluster", "plans", "keys", "settings")
"""What all regions have alike, besides the number of slices."""


def raw(name: str) -> dict[str, Any]:
    """A node's config as it stands."""
    return tomllib.loads(config_file(name).read_text(encoding="utf-8"))


def region_of(node: str) -> str:
    return node.partition("-")[0]


def seconds(duration: str) -> float:
    assert duration.endswith("s")
    return float(duration[:-1])


@pytest.mark.compose
def test_the_library_of_docker_compose_takes_it() -> None:
    program = tool("compose-go")
    assert program is not None
    done = subprocess.run(
        [program, "-format", "json", "compose.yaml"], cwd=COMPOSE, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    read = json.loads(done.stdout)["services"]
    assert read.keys() == services().keys()
    command = read["us-redis"]["command"][-1]
    assert "requirepass $(cat /etc/georeg/keys/redis-password)" in command, "left to the shell"


@pytest.mark.compose
def test_a_key_that_docker_compose_does_not_know_is_noticed(tmp_path: Path) -> None:
    text = (COMPOSE / "compose.yaml").read_text(encoding="utf-8")
    (tmp_path / "compose.yaml").write_text(text.replace("read_only:", "readonly:"))
    program = tool("compose-go")
    assert program is not None
    done = subprocess.run(
        [program, "compose.yaml"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode != 0
    assert b"readonly" in done.stderr


def test_the_keys_that_the_script_makes_complete_the_config_of_every_node(
    keys: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "keys").symlink_to(keys / "nodes")
    assert {name for node in NODES for name in files(services()[node])} == {
        "/etc/georeg/config/region.toml",
        "/etc/georeg/keys",
    }
    for node in NODES:
        file = tmp_path / "config" / "region.toml"
        file.write_bytes(config_file(node).read_bytes())
        monkeypatch.setenv("NODE_HOST", services()[node]["environment"]["NODE_HOST"])
        assert main(["check-config", str(file)]) == 0, capsys.readouterr().out
        store = load(file).store
        assert store is not None
        assert store.edge_url == f"http://{node}:7401", "the name that other containers know"


def test_what_is_mounted_is_there_and_the_keys_are_never_versioned() -> None:
    mounted = {path for service in services().values() for path in files(service).values()}
    keys = {path for path in mounted if path.is_relative_to(COMPOSE / "keys")}
    assert [path for path in mounted - keys if not path.exists()] == []
    assert "/infra/compose/keys/" in (ROOT / ".gitignore").read_text().splitlines()


def test_every_region_has_two_nodes_behind_one_name_and_a_redis_on_a_network_of_its_own() -> None:
    for region in REGIONS:
        nodes = [node for node in NODES if region_of(node) == region]
        assert nodes == [f"{region}-1", f"{region}-2"]
        for node in nodes:
            assert services()[node]["networks"] == {region: {"aliases": [f"{region}-mesh"]}}
            assert urlsplit(raw(node)["store"]["url"]).hostname == f"{region}-redis"
        redis = services()[f"{region}-redis"]
        assert redis["networks"] == [region]
        assert "ports" not in redis, "nobody but the nodes"


def test_every_link_between_regions_goes_through_toxiproxy() -> None:
    proxies = {
        urlsplit(f"//{each['listen']}").port: (each["name"], each["upstream"])
        for each in json.loads((COMPOSE / "toxiproxy.json").read_text(encoding="utf-8"))
    }
    links = {}
    for region in REGIONS:
        for peer in raw(f"{region}-1")["peer"]:
            url = urlsplit(peer["url"])
            assert url.hostname == "toxiproxy"
            mesh = raw(f"{peer['name']}-1")["mesh"]["port"]
            links[url.port] = (f"{region}-{peer['name']}", f"{peer['name']}-mesh:{mesh}")
    assert links == proxies
    assert set(services()["toxiproxy"]["networks"]) == set(REGIONS)


def test_what_is_published_is_what_a_node_listens_on_and_on_this_machine_only() -> None:
    for node in NODES:
        config, region, number = raw(node), region_of(node), node[-1]
        at = f"{REGIONS[region]}{number}"
        assert services()[node]["ports"] == [
            f"127.0.0.1:74{at}:{config['edge']['port']}",
            f"127.0.0.1:76{at}:{config['ops']['port']}",
        ]
        for peer in config["peer"]:
            there = f"{REGIONS[peer['name']]}1"
            assert peer["edge_url"] == f"http://127.0.0.1:74{there}"
            assert peer["ops_url"] == f"http://127.0.0.1:76{there}"
    published = [port for each in services().values() for port in each.get("ports", ())]
    assert len({port.rsplit(":", 1)[0] for port in published}) == len(published)
    assert all(port.startswith("127.0.0.1:") for port in published)


def test_the_regions_agree_in_all_that_they_must_share() -> None:
    first = raw(NODES[0])
    for node in NODES:
        config = raw(node)
        assert config["number"] == REGIONS[config["region"]]
        assert config["region"] == region_of(node)
        assert {key: config.get(key) for key in SHARED} == {key: first.get(key) for key in SHARED}
        assert config["store"]["slices"] == first["store"]["slices"]
        others = {peer["name"]: peer["number"] for peer in config["peer"]}
        assert others | {config["region"]: config["number"]} == REGIONS


def test_a_node_that_is_stopped_has_time_to_drain() -> None:
    for node in NODES:
        grace_s = seconds(services()[node]["stop_grace_period"])
        assert grace_s > raw(node)["edge"]["drain_s"] + SHUTDOWN_S + 5


def test_prometheus_scrapes_every_node_with_its_region_and_the_alerts_of_the_project() -> None:
    config = read_yaml("compose", "prometheus.yaml")
    plain = read_yaml("prometheus", "prometheus.yaml")
    (job,), (plain_job,) = config["scrape_configs"], plain["scrape_configs"]
    scraped = [
        (target, each["labels"]["region"])
        for each in job.pop("static_configs")
        for target in each["targets"]
    ]
    edges = [(f"{node}:{raw(node)['edge']['port']}", region_of(node)) for node in NODES]
    assert scraped == edges
    del plain_job["static_configs"]
    assert config == plain
    mounted = files(services()["prometheus"])
    rules = mounted["/etc/prometheus/georeg.rules.yaml"]
    assert rules == ROOT / "infra" / "prometheus" / "georeg.rules.yaml"
    assert mounted["/etc/prometheus/prometheus.yml"] == COMPOSE / "prometheus.yaml"


@pytest.mark.prometheus
def test_prometheus_takes_its_config(tmp_path: Path) -> None:
    program = tool("promtool")
    assert program is not None
    for target, source in files(services()["prometheus"]).items():
        (tmp_path / Path(target).name).write_bytes(source.read_bytes())
    done = subprocess.run(
        [program, "check", "config", "prometheus.yml"], cwd=tmp_path, capture_output=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_grafana_gets_the_dashboard_and_its_data_source() -> None:
    mounted = files(services()["grafana"])
    (provider,) = read_yaml("grafana", "provisioning", "dashboards", "georeg.yaml")["providers"]
    assert (mounted[provider["options"]["path"]] / "georeg.json").is_file()
    assert "/etc/grafana/provisioning/dashboards/georeg.yaml" in mounted
    (source,) = read_yaml("compose", "grafana-datasource.yaml")["datasources"]
    (plain,) = read_yaml("grafana", "provisioning", "datasources", "georeg.yaml")["datasources"]
    assert source.pop("url") == "http://prometheus:9090"
    plain.pop("url")
    assert source == plain
    networks = services()
    assert set(networks["grafana"]["networks"]) & set(networks["prometheus"]["networks"])
