"""A cluster under a little load with a real Prometheus that scrapes it, and keys, for the modules
here."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from georeg.cli.demo.ports import free_ports
from tests.e2e.cluster import Cluster, running
from tests.infra.composed import make_keys
from tests.infra.server import Prometheus


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What infra/make-keys makes."""
    directory = tmp_path_factory.mktemp("keys") / "keys"
    make_keys(directory)
    return directory


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three regions."""
    with running(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def prometheus(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Prometheus]:
    """It scrapes the cluster once a second."""
    targets = {name: address.removeprefix("http://") for name, address in cluster.addresses.items()}
    (port,) = free_ports(1)
    with Prometheus(tmp_path_factory.mktemp("prometheus"), targets, port) as prometheus:
        yield prometheus
