"""A redis-server and clients of it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from georeg.store.redis import RedisClient, RedisSettings
from tests.redis_server import RedisServer


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """One server for all tests that leave it as it is; see `redis_url`."""
    server = RedisServer(tmp_path_factory.mktemp("redis")).start()
    yield server
    server.stop()


@pytest.fixture
def server(shared_server: RedisServer) -> RedisServer:
    """It, empty."""
    shared_server.cli("FLUSHALL")
    return shared_server


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server for a test that kills or pauses it."""
    server = RedisServer(tmp_path).start()
    yield server
    server.stop()


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator[RedisClient]:
    client = await RedisClient.connect(RedisSettings.parse(server.url))
    yield client
    await client.close()


@pytest.fixture
async def own_client(own_server: RedisServer) -> AsyncIterator[RedisClient]:
    client = await RedisClient.connect(RedisSettings.parse(own_server.url, timeout_ms=200))
    yield client
    await client.close()
