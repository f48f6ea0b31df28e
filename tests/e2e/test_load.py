"""Households on three regions for a while: what the service promises holds for every answer.

The devices write down what they asked and were told (`truth.py`), which is judged at the end.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

import pytest

from tests.e2e.client import Client
from tests.e2e.cluster import LEASE_S, Cluster
from tests.e2e.households import LIMITS, Household
from tests.e2e.truth import Truth

HOUSEHOLDS = 60
LOAD_S = 8.0
EXCESS_S = 3.0
NETWORK_S = 1.0
DECIDED_S = 0.3
"""Of a start; all starts of one account take less than a session needs to become suspect."""


@pytest.fixture(scope="module")
def cluster_options() -> dict[str, Any]:
    """A cluster of its own: a home that was restarted lends nothing for a while."""
    return {"name": "load"}


async def cut_off_s(port: int) -> float:
    """How long a stranger holds a connection whose first request never ends."""
    began_s = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /livez HTTP/1.1\r\nX-Slow: ")
    try:
        assert await reader.read() == b""
    finally:
        writer.close()
    return time.monotonic() - began_s


async def nothing_happens(cluster: Cluster) -> None:
    """The calm case."""


async def a_region_dies(cluster: Cluster) -> None:
    """A crash in the midst of everything, and a restart while everything goes on."""
    await asyncio.sleep(LOAD_S / 4)
    cluster["us"].kill()
    await asyncio.sleep(LOAD_S / 4)
    cluster["us"].start()
    await asyncio.to_thread(cluster["us"].wait_until_ready)


@pytest.mark.slow
@pytest.mark.parametrize("fault", [nothing_happens, a_region_dies])
async def test_under_load_no_refusal_is_false_no_excess_stays_and_no_slot_leaks(
    client: Client, cluster: Cluster, fault: Callable[[Cluster], Coroutine[None, None, None]]
) -> None:
    truth = Truth(lease_s=LEASE_S, suspect_s=LEASE_S * 65 / 90, network_s=NETWORK_S)
    homes = [
        Household(fault.__name__, number, client, truth, Random(number))
        for number in range(HOUSEHOLDS)
    ]
    end_s = time.monotonic() + LOAD_S
    async with asyncio.TaskGroup() as strangers:
        stranger = strangers.create_task(cut_off_s(cluster["eu"].plan.edge_port))
        async with asyncio.TaskGroup() as group:
            group.create_task(fault(cluster))
            for home in homes:
                group.create_task(home.live(end_s))
        assert truth.wrong == []
        assert list(truth.false_refusals()) == []
        assert {a: s for a, s in truth.excesses().items() if s > EXCESS_S} == {}
        assert len(truth.lives) > 5 * HOUSEHOLDS
        assert len(truth.refusals) > 5 * HOUSEHOLDS
        for home in homes:
            await client.all_list(home.account, [], within_s=LEASE_S + 2)
        async with asyncio.TaskGroup() as group:
            for number, home in enumerate(homes):
                group.create_task(every_slot_is_there(client, home, number))
    assert stranger.result() < 15


async def every_slot_is_there(client: Client, home: Household, number: int) -> None:
    """The account can use exactly its limit again, wherever its slots were lent to last.

    A home that has just come back lends nothing yet, so a start may take as long as it is given.
    """
    limit = LIMITS[home.plan]
    starts = [
        await client.start(
            home.account,
            f"new-{at}",
            plan=home.plan,
            region=client.names[(number + at) % 3],
            headers={"Prefer": f"wait={DECIDED_S}"},
        )
        for at in range(limit + 1)
    ]
    assert [answer.status for answer in starts] == [201] * limit + [409], home.account
