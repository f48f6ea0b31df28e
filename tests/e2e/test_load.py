"""Households on three regions for a while: what the service promises holds for every answer.

The devices write down what they asked and were told (`truth.py`), which is judged at the end.
"""

import asyncio
import time
from random import Random

import pytest

from tests.e2e.client import Client
from tests.e2e.cluster import LEASE_S, Cluster
from tests.e2e.households import LIMITS, Household
from tests.e2e.truth import Truth

HOUSEHOLDS = 60
LOAD_S = 16.0
EXCESS_S = 3.0
NETWORK_S = 1.0


async def cut_off_s(port: int) -> float:
    """How long a stranger holds a connection whose first request never ends."""
    began_s = time.monotonic()
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /livez HTTP/1.1\r\nX-Slow: ")
    assert await reader.read() == b""
    writer.close()
    return time.monotonic() - began_s


@pytest.mark.slow
async def test_under_load_no_refusal_is_false_no_excess_stays_and_no_slot_leaks(
    client: Client, cluster: Cluster
) -> None:
    truth = Truth(lease_s=LEASE_S, suspect_s=LEASE_S * 65 / 90, network_s=NETWORK_S)
    homes = [Household(number, client, truth, Random(number)) for number in range(HOUSEHOLDS)]
    end_s = time.monotonic() + LOAD_S
    async with asyncio.TaskGroup() as group:
        strangers = [
            group.create_task(cut_off_s(region.plan.edge_port))
            for region in cluster.regions.values()
        ]
        for home in homes:
            group.create_task(home.live(end_s))
    assert truth.wrong == []
    assert list(truth.false_refusals()) == []
    assert {a: s for a, s in truth.excesses().items() if s > EXCESS_S} == {}
    assert max(task.result() for task in strangers) < 15
    assert len(truth.lives) > 5 * HOUSEHOLDS
    assert len(truth.refusals) > 2 * HOUSEHOLDS
    for home in homes:
        await client.all_list(home.account, [], within_s=LEASE_S + 2)
    await asyncio.gather(*(every_slot_is_there(client, home, at) for at, home in enumerate(homes)))


async def every_slot_is_there(client: Client, home: Household, number: int) -> None:
    """The account can use exactly its limit again, wherever its slots were lent to last."""
    limit = LIMITS[home.plan]
    starts = [
        await client.start(
            home.account,
            f"new-{at}",
            plan=home.plan,
            region=client.names[(number + at) % 3],
            headers={"Prefer": "wait=2"},
        )
        for at in range(limit + 1)
    ]
    assert [answer.status for answer in starts] == [201] * limit + [409], home.account
    assert {answer.body["decision"]["basis"] for answer in starts[:-1]} <= {"granted", "borrowed"}
