"""The Kustomize overlays: rendered by kustomize, judged by Kubernetes' own schemas, and by what no
schema sees: that selectors meet labels, ports and paths meet those of georeg, and secrets are made.
"""

import shutil
import tomllib
from pathlib import Path

import kubernetes_validate
import pytest

from georeg.cli.main import main
from georeg.config import load
from georeg.edge.routes import ROUTES
from georeg.edge.server import SHUTDOWN_S
from tests.infra.rendered import (
    KUSTOMIZE,
    REGIONS,
    Resource,
    config,
    container,
    generated,
    matches,
    named,
    nodes,
    of_kind,
    pod,
    ports,
    resources,
    workloads,
)

pytestmark = pytest.mark.kustomize
OLDEST, NEWEST = "1.31", "1.37"
"""Of Kubernetes: the oldest where all that is used is on by default, and the newest whose schemas
are here."""
NOT_OF_KUBERNETES = {"ServiceMonitor"}
PROBES = ("startup", "readiness", "liveness")
MESH_TLS = ("tls.crt", "tls.key", "ca.crt")
"""What cert-manager puts into a Secret."""
every_region = pytest.mark.parametrize("region", REGIONS)


@pytest.mark.parametrize(
    ("region", "version"), [("us", OLDEST), *((region, NEWEST) for region in REGIONS)]
)
def test_kubernetes_knows_every_field(region: str, version: str) -> None:
    for resource in resources(region):
        if resource["kind"] not in NOT_OF_KUBERNETES:
            kubernetes_validate.validate(resource, version, strict=True)


def test_a_field_that_kubernetes_does_not_know_is_noticed() -> None:
    for path, wrong in ((["spec"], "replica"), (["spec", "template", "spec"], "nodeSelektor")):
        resource = nodes("us")
        place = resource
        for name in path:
            place = place[name]
        place[wrong] = 2
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(resource, NEWEST, strict=True)


@every_region
def test_selectors_meet_labels(region: str) -> None:
    labels = [pod(workload)["metadata"]["labels"] for workload in workloads(region)]
    selectors = [workload["spec"]["selector"]["matchLabels"] for workload in workloads(region)]
    selectors += [service["spec"]["selector"] for service in of_kind(region, "Service")]
    selectors += [
        each["spec"]["selector"]["matchLabels"] for each in of_kind(region, "PodDisruptionBudget")
    ]
    for policy in of_kind(region, "NetworkPolicy"):
        sides = [*policy["spec"].get("ingress", ()), *policy["spec"].get("egress", ())]
        peers = [peer for side in sides for peer in (*side.get("from", ()), *side.get("to", ()))]
        chosen = [policy["spec"], *peers]
        selectors += [
            each["podSelector"]["matchLabels"] for each in chosen if each.get("podSelector")
        ]
    assert len(selectors) > 10
    for selector in selectors:
        assert sum(matches(selector, each) for each in labels) == 1, selector
    for workload in workloads(region):
        own = workload["spec"]["selector"]["matchLabels"]
        for spread in pod(workload)["spec"].get("topologySpreadConstraints", ()):
            assert spread["labelSelector"]["matchLabels"] == own
    (monitor,) = of_kind(region, "ServiceMonitor")
    wanted = monitor["spec"]["selector"]["matchLabels"]
    watched = [s for s in of_kind(region, "Service") if matches(wanted, s["metadata"]["labels"])]
    assert [service["metadata"]["name"] for service in watched] == ["georeg-edge"]
    assert pod(nodes(region))["metadata"]["labels"]["region"] == region


@every_region
def test_ports_are_those_of_the_config_and_every_reference_to_one_meets_it(region: str) -> None:
    given = tomllib.loads(config(region))
    known = ports(nodes(region))
    assert known == {part: given[part]["port"] for part in ("edge", "mesh", "ops")}
    redis = ports(named(region, "StatefulSet", "georeg-redis"))
    for service in of_kind(region, "Service"):
        has = redis if service["metadata"]["name"] == "georeg-redis" else known
        assert {port["targetPort"] for port in service["spec"]["ports"]} <= has.keys()
    probed = [container(nodes(region))[f"{kind}Probe"]["httpGet"]["port"] for kind in PROBES]
    assert set(probed) == {"edge"}
    allowed = [
        port["port"]
        for policy in of_kind(region, "NetworkPolicy")
        for side in (*policy["spec"].get("ingress", ()), *policy["spec"].get("egress", ()))
        for port in side["ports"]
    ]
    assert set(allowed) == {"edge", "mesh", "ops", "redis", known["mesh"], 53}
    for peer in given["peer"]:
        assert peer["url"] == f"wss://mesh.{peer['name']}.video.example:{known['mesh']}"


@every_region
def test_probes_ask_what_the_edge_answers(region: str) -> None:
    paths = {route.path for route in ROUTES if route.method == "GET"}
    node = container(nodes(region))
    asked = {kind: node[f"{kind}Probe"]["httpGet"]["path"] for kind in PROBES}
    assert set(asked.values()) <= paths
    assert asked["startup"] == "/readyz", "a node is a neighbour only with its slices"
    (monitor,) = of_kind(region, "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint["path"] in paths
    assert endpoint["port"] in {port["name"] for port in _service(region, "edge")["spec"]["ports"]}


def _service(region: str, part: str) -> Resource:
    return named(region, "Service", f"georeg-{part}")


@every_region
def test_a_pod_that_is_deleted_has_time_to_drain(region: str) -> None:
    drain_s = tomllib.loads(config(region))["edge"]["drain_s"]
    grace_s = pod(nodes(region))["spec"]["terminationGracePeriodSeconds"]
    assert grace_s > drain_s + SHUTDOWN_S + 5
    probe = container(nodes(region))["readinessProbe"]
    assert drain_s > 2 * probe["periodSeconds"] * probe["failureThreshold"]


@every_region
def test_the_config_that_a_node_is_given_has_no_mistakes(
    region: str,
    keys: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """With each volume laid out as Kubernetes mounts it, and the keys as the script makes them."""
    tls = tmp_path / "tls"
    tls.mkdir()
    for name in MESH_TLS:
        (tls / name).touch()
    secrets = {"georeg-keys": keys / "nodes", "georeg-mesh-tls": tls}
    root = tmp_path / "root"
    spec = pod(nodes(region))["spec"]
    mounts = {m["name"]: m["mountPath"] for m in container(nodes(region))["volumeMounts"]}
    for volume in spec["volumes"]:
        place = root / mounts.pop(volume["name"])[1:]
        place.mkdir(parents=True)
        if "configMap" in volume:
            found = named(region, "ConfigMap", volume["configMap"]["name"])
            for name, text in found["data"].items():
                (place / name).write_text(text)
            continue
        source = secrets[volume["secret"]["secretName"]]
        for item in volume["secret"]["items"]:
            shutil.copy(source / item["key"], place / item["path"])
    assert mounts == {}
    (variable,) = container(nodes(region))["env"]
    monkeypatch.setenv(variable["name"], "10.0.1.7")
    file = root / "etc/georeg/config/region.toml"
    assert main(["check-config", str(file)]) == 0, capsys.readouterr().out
    read = load(file)
    assert (read.name, read.number) == (region, REGIONS[region])
    assert read.store is not None
    assert read.store.mesh_url == "wss://10.0.1.7:7501"
    assert [host for host, _ in read.store.redis.hosts] == ["georeg-redis"]


def test_the_regions_differ_in_names_numbers_and_addresses_only() -> None:
    us = tomllib.loads(config("us"))
    for region in REGIONS:
        given = tomllib.loads(config(region))
        peers = {peer["name"]: peer["number"] for peer in given["peer"]}
        assert peers | {given["region"]: given["number"]} == REGIONS
        for key in ("cluster", "store", "plans", "keys", "ops"):
            assert given[key] == us[key]
        files = {file.name for file in (KUSTOMIZE / "overlays" / region).iterdir()}
        assert files == {"kustomization.yaml", "peers.yaml", "region.toml"}


@every_region
def test_nodes_can_be_dealt_the_slices_evenly(region: str) -> None:
    slices = tomllib.loads(config(region))["store"]["slices"]
    replicas = nodes(region)["spec"]["replicas"]
    assert replicas >= 2
    assert slices % replicas == 0


@every_region
def test_nothing_runs_as_root_or_with_more_than_it_needs(region: str) -> None:
    for workload in workloads(region):
        spec = pod(workload)["spec"]
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        context = container(workload)["securityContext"]
        assert context["readOnlyRootFilesystem"] is True
        assert context["allowPrivilegeEscalation"] is False
        assert context["capabilities"] == {"drop": ["ALL"]}
        resources_ = container(workload)["resources"]
        assert "memory" in resources_["limits"]
        assert "cpu" not in resources_["limits"], "one that is throttled stands still"


@every_region
def test_who_is_not_named_reaches_nothing(region: str) -> None:
    policies = {each["metadata"]["name"]: each["spec"] for each in of_kind(region, "NetworkPolicy")}
    nobody = policies.pop("georeg-nobody")
    assert nobody == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    callers: dict[object, set[str]] = {}
    for spec in policies.values():
        for side in spec.get("ingress", ()):
            for port in side["ports"]:
                callers.setdefault(port["port"], set()).update(map(_caller, side["from"]))
    others = {"198.51.100.0/24", "203.0.113.0/24", "192.0.2.0/24"}
    assert callers.pop(7501) < others
    assert callers == {
        "edge": {"ingress-nginx", "monitoring", "node"},
        "mesh": {"node"},
        "ops": {"monitoring", "node"},
        "redis": {"node"},
    }


def _caller(peer: Resource) -> str:
    if "ipBlock" in peer:
        return str(peer["ipBlock"]["cidr"])
    if "namespaceSelector" in peer:
        return str(peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"])
    return str(peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"])


@every_region
def test_a_config_that_changes_is_an_update_of_the_nodes(region: str) -> None:
    (volume,) = (v for v in pod(nodes(region))["spec"]["volumes"] if v["name"] == "config")
    assert volume["configMap"]["name"].startswith("georeg-config-")


def test_redis_has_the_same_config_as_in_compose_and_the_password_of_the_nodes() -> None:
    redis = named("us", "StatefulSet", "georeg-redis")
    config_map = generated("us", "redis.conf")
    (volume,) = pod(redis)["spec"]["volumes"]
    from_map, from_secret = volume["projected"]["sources"]
    assert from_map["configMap"]["name"] == config_map["metadata"]["name"]
    assert from_secret["secret"]["name"] == "georeg-keys"
    (item,) = from_secret["secret"]["items"]
    mounts = {m["name"]: m["mountPath"] for m in container(redis)["volumeMounts"]}
    paths = {f"{mounts['config']}/redis.conf", f"{mounts['config']}/{item['path']}"}
    command = " ".join(container(redis)["command"])
    assert {part for part in paths if part in command} == paths
    (claim,) = redis["spec"]["volumeClaimTemplates"]
    assert mounts[claim["metadata"]["name"]] == "/data"
    assert "dir /data" in config_map["data"]["redis.conf"]
