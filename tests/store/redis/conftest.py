"""Clients of real redis-servers; `server` is in the folder above."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from georeg.store.redis import RedisClient, RedisSettings
from tests.redis_server import RedisServer


@pytest.fixture
def own_server(tmp_path: Path) -> Iterator[RedisServer]:
    """A server for a test that kills or pauses it."""
    server = RedisServer(tmp_path).start()
    yield server
    server.stop()


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator[RedisClient]:
    client = await RedisClient.connect(RedisSettings.parse(server.url, timeout_ms=5_000))
    yield client
    await client.close()


@pytest.fixture
async def own_client(own_server: RedisServer) -> AsyncIterator[RedisClient]:
    client = await RedisClient.connect(RedisSettings.parse(own_server.url, timeout_ms=200))
    yield client
    await client.close()
