"""A region of many nodes that leaves as a whole: while it is needed, all of it is there."""

import asyncio
import signal
from typing import Any

import pytest

from tests.e2e.client import Client
from tests.e2e.cluster import Cluster

pytestmark = pytest.mark.redis
BEATS = 12


@pytest.fixture(scope="module")
def cluster_options() -> dict[str, Any]:
    """One region of two nodes, which drains for as long as anybody is left, and another one."""
    return {"names": ("us", "eu"), "nodes": 2, "config": [("drain_s = 0", "drain_s = 60")]}


async def test_nodes_that_leave_together_wait_for_the_last_session_of_any_of_them(
    client: Client, cluster: Cluster
) -> None:
    """A device may call any node, so one without sessions is needed for as long as others."""
    last = await client.start("last", "tv-1", region="us")
    cluster["us"].signal(signal.SIGTERM)
    for _ in range(BEATS):
        await asyncio.sleep(0.25)
        for node in cluster["us"].nodes:
            assert node.is_running, "one node has left before the other was empty"
        assert (await client.heartbeat(last.token, region="us")).status == 200
    assert (await client.stop(last.token, region="us")).status == 204
    assert await asyncio.to_thread(cluster["us"].ended) == 0
