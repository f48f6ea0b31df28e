"""Regions that die, drain or stand still: the others go on, and afterwards nothing has been lost.

Each test restores the cluster that it found, so that they do not depend on one another's order.
"""

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import aiohttp
import pytest

from tests.e2e.client import Answer, Client, until
from tests.e2e.cluster import Cluster, Region

IN_TIME_S = 1.0
"""The service promises 0.1 s; a test on a busy machine only notices what hangs."""
READY_S = 15.0


@pytest.fixture(scope="module")
def cluster_options() -> dict[str, Any]:
    """Long leases, so that no session lapses while its region is away; drains until told again."""
    return {
        "name": "faults",
        "heartbeat_s": 30.0,
        "lease_s": 90.0,
        "config": [("drain_s = 0", "drain_s = 300")],
    }


async def restarted(client: Client, region: Region) -> None:
    """The region runs again, takes starts, and has its place in the cluster."""
    region.start()

    async def is_ready() -> bool:
        try:
            return (await client.call("GET", "/readyz", region=region.name)).status == 200
        except aiohttp.ClientConnectionError:
            return False

    await until(is_ready, bool, within_s=READY_S)


@asynccontextmanager
async def killed(client: Client, region: Region) -> AsyncIterator[None]:
    """The region is gone as after a crash; started again at the end."""
    region.kill()
    try:
        yield
    finally:
        await restarted(client, region)


async def every_call(client: Client, region: str, account: str) -> list[Answer]:
    """One of each call that a region must answer whatever the others do."""
    started = await client.start(account, "tv-1", region=region)
    assert started.status == 201, started
    beat = await client.heartbeat(started.token, region=region)
    batch = await client.batch([started.token.encode()], region=region)
    look = await client.introspect(started.token, region=region)
    found = await client.sessions(account, region=region)
    again = await client.start(account, "tv-1", region=region)
    kicked = await client.kick(account, again.id, region=region)
    other = await client.start(account, "tv-2", region=region)
    stopped = await client.stop(other.token, region=region)
    answers = [started, beat, batch, look, found, again, kicked, other, stopped]
    assert [a.status for a in answers] == [201, 200, 200, 200, 200, 201, 200, 201, 204]
    assert (batch.body, look.body["active"]) == ([200], True)
    assert kicked.body["effect"] == "ended"
    return answers


async def test_while_a_region_is_dead_the_others_answer_every_call_in_time(
    client: Client, cluster: Cluster
) -> None:
    async with killed(client, cluster["ap"]):
        for turn in range(4):
            for region in ("us", "eu"):
                answers = await every_call(client, region, f"dead-{region}-{turn}")
                assert max(answer.took_s for answer in answers) < IN_TIME_S


async def test_a_session_of_a_dead_region_goes_on_where_its_device_is_heard(
    client: Client, cluster: Cluster
) -> None:
    playing = await client.start("moved", "tv-1", region="ap")
    refusing = await client.start("unmoved", "tv-1", region="us")
    await client.all_list("moved", [playing.id])
    async with killed(client, cluster["ap"]):
        beat = await client.heartbeat(playing.token, region="eu")
        assert (beat.status, beat.took_s < IN_TIME_S) == (200, True)
        found = await until(
            lambda: client.sessions("moved", region="us"),
            lambda answer: [s["region"] for s in answer.body["sessions"]] == ["eu"],
            within_s=2,
        )
        (session,) = found.body["sessions"]
        assert session["id"] == playing.id
        assert session["device"]["name"] == "Name of tv-1"
        assert session["started_at"] == playing.body["session"]["started_at"]
        over = await client.start("moved", "phone", region="us")
        assert (over.status, over.blockers) == (409, [playing.id])
        assert (await client.heartbeat(refusing.token, region="us")).status == 200
    await client.all_list("moved", [playing.id])
    assert (await client.heartbeat(playing.token, region="ap")).status == 200
    await client.all_list("moved", [playing.id])


async def test_after_a_restart_all_regions_show_the_same_lists(
    client: Client, cluster: Cluster
) -> None:
    accounts = [f"back-{number}" for number in range(12)]
    started = {
        account: [
            await client.start(account, f"tv-{at}", plan="premium", region=region)
            for at, region in enumerate(client.names)
        ]
        for account in accounts
    }
    for account, answers in started.items():
        assert {answer.status for answer in answers} == {201}
        await client.all_list(account, [answer.id for answer in answers])
    async with killed(client, cluster["eu"]):
        stopped = started["back-0"].pop(0)
        assert (await client.stop(stopped.token, region="us")).status == 204
        kicked = started["back-1"].pop(1)
        answer = await client.kick("back-1", kicked.id, region="ap")
        assert (answer.body["effect"], answer.body["waiting_for"]) == ("pending", ["eu"])
        started["back-2"].append(await client.start("back-2", "tv-9", plan="premium", region="ap"))
    for account, answers in started.items():
        await client.all_list(account, [answer.id for answer in answers])
        beats = [await client.heartbeat(a.token, region="eu") for a in answers]
        assert {beat.status for beat in beats} == {200}
        await client.all_list(account, [answer.id for answer in answers])
    again = await client.kick("back-1", kicked.id, region="ap")
    assert (again.body["effect"], again.body["waiting_for"]) == ("ended", [])
    assert (await client.heartbeat(stopped.token, region="eu")).body["reason"] == "stopped"
    assert (await client.heartbeat(kicked.token, region="eu")).body["reason"] == "kicked"


async def test_a_kick_survives_the_death_of_the_region_that_took_it(
    client: Client, cluster: Cluster
) -> None:
    mine = await client.start("final", "tv-1", plan="standard", region="eu")
    other = await client.start("final", "tv-2", plan="standard", region="us")
    await client.all_list("final", [mine.id, other.id])
    kicks = await asyncio.gather(
        client.kick("final", mine.id, region="eu"), client.kick("final", other.id, region="eu")
    )
    assert {answer.status for answer in kicks} == {200}
    async with killed(client, cluster["eu"]):
        for region in ("us", "ap"):
            for token in (mine.token, other.token):
                beat = await client.heartbeat(token, region=region)
                assert (beat.status, beat.body["reason"]) == (410, "kicked")
    for region in client.names:
        for token in (mine.token, other.token):
            beat = await client.heartbeat(token, region=region)
            assert (beat.status, beat.body["reason"]) == (410, "kicked")
    await client.all_list("final", [])


async def test_a_kick_is_on_disk_when_it_is_acknowledged(client: Client, cluster: Cluster) -> None:
    """No other region can tell the one that dies of the kick: they all die."""
    playing = await client.start("durable", "tv-1", region="us")
    assert (await client.kick("durable", playing.id, region="us")).body["effect"] == "ended"
    for region in cluster.regions.values():
        region.kill()
    for region in cluster.regions.values():
        region.start()
    for region in cluster.regions.values():
        await asyncio.to_thread(region.wait_until_ready)
    for name in client.names:
        beat = await until(
            partial(client.heartbeat, playing.token, region=name),
            lambda answer: answer.status == 410,
            within_s=2,
        )
        assert beat.body["reason"] == "kicked"


async def test_after_all_regions_crashed_running_streams_go_on_in_their_slots(
    client: Client, cluster: Cluster
) -> None:
    playing = [await client.start(f"all-{n}", "tv-1", region=client.names[n]) for n in range(3)]
    for region in cluster.regions.values():
        region.kill()
    for region in cluster.regions.values():
        region.start()
    for region in cluster.regions.values():
        await asyncio.to_thread(region.wait_until_ready)
    for number, answer in enumerate(playing):
        beat = await client.heartbeat(answer.token, region=client.names[(number + 1) % 3])
        assert beat.status == 200
        await client.all_list(f"all-{number}", [answer.id])
        over = await client.start(f"all-{number}", "tv-2", region=client.names[(number + 2) % 3])
        assert (over.status, over.blockers) == (409, [answer.id])


async def test_sigterm_drains_and_a_second_one_ends_the_process_with_0(
    client: Client, cluster: Cluster
) -> None:
    playing = await client.start("drain", "tv-1", plan="standard", region="us")
    await client.all_list("drain", [playing.id])
    async with client.events(playing.token, region="us") as events:
        cluster["us"].signal(signal.SIGTERM)
        told = await events.next(within_s=2)
        assert await events.next(within_s=2) is None, "the stream ends"
    assert told is not None
    assert told[0] == "drain"
    assert 0 <= told[1]["reconnect_in_s"] <= 300, "its turn within drain_s"
    assert [place["name"] for place in told[1]["regions"]] in (["eu", "ap"], ["ap", "eu"])
    refused = await client.start("drain", "tv-2", plan="standard", region="us")
    assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
    assert (await client.call("GET", "/readyz", region="us")).status == 503
    assert (await client.call("GET", "/livez", region="us")).status == 200
    events_again = await client.call("GET", "/v1/sessions/events", token=playing.token, region="us")
    assert events_again.status == 503
    assert (await client.heartbeat(playing.token, region="us")).status == 200
    assert await client.listed("drain", region="us") == [playing.id]
    async with client.events(playing.token, region="eu"):
        other = await client.start("drain", "tv-2", plan="standard", region="eu")
    assert other.status == 201
    cluster["us"].signal(signal.SIGTERM)
    assert await asyncio.to_thread(cluster["us"].ended) == 0
    for answer in (playing, other):
        assert (await client.heartbeat(answer.token, region="ap")).status == 200
    await restarted(client, cluster["us"])
    await client.all_list("drain", [playing.id, other.id])


async def test_a_region_that_stood_still_for_seconds_breaks_nothing(
    client: Client, cluster: Cluster
) -> None:
    here = await client.start("still-1", "tv-1", region="us")
    there = await client.start("still-2", "tv-1", region="us")
    await client.all_list("still-2", [there.id])
    cluster["us"].signal(signal.SIGSTOP)
    try:
        stood_s = time.monotonic() + 6
        assert (await client.heartbeat(there.token, region="eu")).status == 200
        turn = 0
        while time.monotonic() < stood_s:
            for region in ("eu", "ap"):
                answer = await client.start(f"still-{region}-{turn}", "tv-1", region=region)
                assert (answer.status, answer.took_s < IN_TIME_S) == (201, True)
                beat = await client.heartbeat(answer.token, region=region)
                assert (beat.status, beat.took_s < IN_TIME_S) == (200, True)
            turn += 1
        out_of_reach = (await client.sessions("still-1", region="eu")).body["regions_out_of_reach"]
    finally:
        cluster["us"].signal(signal.SIGCONT)
    assert out_of_reach == ["us"]
    assert (await client.heartbeat(here.token, region="us")).status == 200
    assert (await client.heartbeat(there.token, region="ap")).status == 200
    await client.all_list("still-1", [here.id])
    await client.all_list("still-2", [there.id])

    async def reached() -> list[list[str]]:
        lists = [await client.sessions("still-1", region=name) for name in client.names]
        return [answer.body["regions_out_of_reach"] for answer in lists]

    await until(reached, lambda found: found == [[], [], []], within_s=10)
    for name in client.names:
        over = await client.start("still-1", "tv-2", region=name, headers={"Prefer": "wait=2"})
        assert (over.status, over.blockers) == (409, [here.id])


async def test_starts_that_overtook_one_another_without_their_home_are_sorted_out_when_it_is_back(
    client: Client, cluster: Cluster
) -> None:
    """Nobody could tell them of one another's slots: both play, and one ends within seconds."""
    accounts = [f"twice-{number}" for number in range(24)]
    cluster["us"].signal(signal.SIGSTOP)
    try:
        pairs = await asyncio.gather(
            *(
                asyncio.gather(
                    client.start(account, "tv-1", region="eu"),
                    client.start(account, "tv-2", region="ap"),
                )
                for account in accounts
            )
        )
    finally:
        cluster["us"].signal(signal.SIGCONT)
    starts = [answer for pair in pairs for answer in pair]
    assert max(answer.took_s for answer in starts) < IN_TIME_S
    assert {answer.status for answer in starts} <= {201, 409}
    doubles = 0
    for account, pair in zip(accounts, pairs, strict=True):
        admitted = [answer for answer in pair if answer.status == 201]
        doubles += len(admitted) == 2
        assert admitted, "one of the two has to play"

        async def alive(admitted: list[Answer] = admitted) -> list[str]:
            beats = [await client.heartbeat(answer.token, region="eu") for answer in admitted]
            wrong = [b for b in beats if b.status == 410 and b.body["reason"] != "limit"]
            assert wrong == []
            return [a.id for a, b in zip(admitted, beats, strict=True) if b.status == 200]

        (winner,) = await until(alive, lambda found: len(found) == 1, within_s=10)
        await client.all_list(account, [winner])
    assert doubles > 0, "the test did not bring about what it is about"
