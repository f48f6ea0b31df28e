"""A cluster under a little load with a real Prometheus that scrapes it, for the modules here."""

from collections.abc import Iterator

import pytest

from tests.e2e.cluster import Cluster, free_ports, running
from tests.infra.server import Prometheus


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
