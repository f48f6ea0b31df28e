"""A real cluster for each pace or config that modules need, and a client that checks its answers.

A module whose tests need another one overrides `cluster_options`; modules with the same options
share theirs, so tests keep to accounts of their own. The tests of the HTTP API run twice: what
devices see is the same whether a region is one process, or several nodes and a Redis.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from typing import Any

import aiohttp
import pytest

from tests.e2e.client import KEPT, Answer, Client
from tests.e2e.cluster import Cluster, running

OF_BOTH_STORES = ("test_calls", "test_garbage", "test_races", "test_repeats", "test_use_cases")
"""Modules that know nothing but the HTTP API."""


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a module's tests against both kinds of regions, unless one was chosen."""
    is_of_both = metafunc.module.__name__.rpartition(".")[2] in OF_BOTH_STORES
    if is_of_both and "store" in metafunc.fixturenames and not metafunc.config.getoption("store"):
        stores = ("memory", pytest.param("redis", marks=pytest.mark.redis))
        metafunc.parametrize("store", stores, indirect=True, scope="module")


@pytest.fixture(scope="module")
def store(request: pytest.FixtureRequest, pytestconfig: pytest.Config) -> str:
    """What keeps a region's state: "memory" of one process, or "redis" for two nodes."""
    return str(getattr(request, "param", pytestconfig.getoption("store") or "memory"))


@pytest.fixture(scope="module")
def cluster_options() -> dict[str, Any]:
    """What `running` is called with."""
    return {}


@pytest.fixture(scope="session")
def run_cluster(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[[dict[str, Any]], Cluster]]:
    """`run_cluster(options)`: started when it is asked for first, stopped at the very end."""
    clusters: dict[str, Cluster] = {}
    with ExitStack() as stack:

        def run(options: dict[str, Any]) -> Cluster:
            key = repr(options)
            if key not in clusters:
                directory = tmp_path_factory.mktemp("cluster")
                clusters[key] = stack.enter_context(running(directory, **options))
            return clusters[key]

        yield run


@pytest.fixture(scope="module")
def cluster(
    cluster_options: dict[str, Any],
    run_cluster: Callable[[dict[str, Any]], Cluster],
    store: str,
) -> Iterator[Cluster]:
    """Three regions that take starts; after the module their logs must hold no trouble."""
    cluster = run_cluster(({"nodes": 2} if store == "redis" else {}) | cluster_options)
    cluster.heal()
    yield cluster
    assert cluster.troubles == []


@pytest.fixture
async def client(cluster: Cluster) -> AsyncIterator[Client]:
    """Talks to the module's cluster; a connection per request that is under way."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:
        client = Client(cluster, http)
        await client.read_document()
        yield client


@pytest.fixture
async def kept(client: Client) -> AsyncIterator[Answer]:
    """A session on an account with a free slot, which nothing may change."""
    started = await client.start(KEPT, "tv-1", plan="standard")
    assert started.status == 201
    yield started
    for region in client.names:
        assert (await client.heartbeat(started.token, region="us")).status == 200
        await client.all_list(KEPT, [started.id], within_s=2)
        assert (await client.call("GET", "/livez", region=region)).status == 200
    last = await client.start(KEPT, "tv-2", plan="standard", region="ap")
    over = await client.start(KEPT, "tv-3", plan="standard", region="ap")
    assert (last.status, over.status) == (201, 409), "a slot was gained or leaked"
    for region in client.names:
        await client.stop(last.token, region=region)
    await client.stop(started.token)
    await client.all_list(KEPT, [])
