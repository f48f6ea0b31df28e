"""The Kustomize overlays as kustomize renders them, and the config in each."""

import subprocess
from copy import deepcopy
from functools import cache
from typing import Any

import yaml

from tests.tools import ROOT, tool

KUSTOMIZE = ROOT / "infra" / "kustomize"
REGIONS = {"us": 1, "eu": 2, "ap": 3}
Resource = dict[str, Any]


@cache
def _render(region: str) -> list[Resource]:
    program = tool("kustomize")
    assert program is not None, "tests that need it are skipped where it is missing"
    folder = KUSTOMIZE / "overlays" / region
    done = subprocess.run([program, "build", folder], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return list(yaml.safe_load_all(done.stdout))


def resources(region: str) -> list[Resource]:
    """All resources of a region; new ones each time."""
    return deepcopy(_render(region))


def of_kind(region: str, kind: str) -> list[Resource]:
    return [each for each in resources(region) if each["kind"] == kind]


def named(region: str, kind: str, name: str) -> Resource:
    """The one of that name."""
    (found,) = (each for each in of_kind(region, kind) if each["metadata"]["name"] == name)
    return found


def generated(region: str, file: str) -> Resource:
    """The ConfigMap that is made from a file; its name ends with a hash."""
    (found,) = (each for each in of_kind(region, "ConfigMap") if file in each["data"])
    return found


def nodes(region: str) -> Resource:
    """The Deployment."""
    return named(region, "Deployment", "georeg")


def pod(workload: Resource) -> Resource:
    """Metadata and spec of its pods."""
    found: Resource = workload["spec"]["template"]
    return found


def container(workload: Resource) -> Resource:
    (found,) = pod(workload)["spec"]["containers"]
    return dict(found)


def ports(workload: Resource) -> dict[str, int]:
    """Name -> number."""
    return {port["name"]: port["containerPort"] for port in container(workload)["ports"]}


def workloads(region: str) -> list[Resource]:
    """What runs pods."""
    return [*of_kind(region, "Deployment"), *of_kind(region, "StatefulSet")]


def config(region: str) -> str:
    """The region.toml that the nodes are given."""
    text: str = generated(region, "region.toml")["data"]["region.toml"]
    return text


def matches(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return bool(selector) and selector.items() <= labels.items()
