"""Leases of 3 s: who vanishes frees the slot, who is late may yield it, who is in time stays."""

import asyncio
import time

from tests.e2e.client import Answer, Client, until
from tests.e2e.cluster import HEARTBEAT_S, LEASE_S

SUSPECT_S = LEASE_S * 65 / 90
LATE_S = 1.5
"""A lapse is noticed by a sweep, told to the others, and polled for; on a busy machine."""
LEASES = 3


async def beat_until(client: Client, playing: Answer, end_s: float, roams: bool) -> list[Answer]:
    """Heartbeats in time, each second, in one region or in turn in all of them."""
    beats: list[Answer] = []
    while time.monotonic() < end_s:
        region = client.names[len(beats) % 3] if roams else playing.body["session"]["region"]
        beats.append(await client.heartbeat(playing.token, region=region))
        await asyncio.sleep(HEARTBEAT_S)
    return beats


async def test_sessions_that_heartbeat_in_time_are_never_ended(client: Client) -> None:
    end_s = time.monotonic() + LEASES * LEASE_S
    stays = await client.start("lease-1", "tv-1", plan="standard")
    roams = await client.start("lease-1", "phone", plan="standard", region="eu")

    async def intrude() -> list[Answer]:
        """Others who want the slots all the time."""
        refusals: list[Answer] = []
        while time.monotonic() < end_s:
            region = client.names[len(refusals) % 3]
            refusals.append(await client.start("lease-1", "tablet", plan="standard", region=region))
            await asyncio.sleep(HEARTBEAT_S / 5)
        return refusals

    *beats, refusals = await asyncio.gather(
        beat_until(client, stays, end_s, roams=False),
        beat_until(client, roams, end_s, roams=True),
        intrude(),
    )
    assert {beat.status for beat in beats[0] + beats[1]} == {200}
    assert {answer.status for answer in refusals} == {409}
    assert all(set(answer.blockers) == {stays.id, roams.id} for answer in refusals)
    await client.all_list("lease-1", [stays.id, roams.id])


async def test_a_device_that_vanishes_frees_its_slot_in_every_region_after_the_lease(
    client: Client,
) -> None:
    gone = await client.start("lease-2", "tv-1", region="eu")
    async with client.events(gone.token, region="eu") as events:
        told = await events.next(within_s=LEASE_S + LATE_S)
        waited_s = time.monotonic() - gone.received_s
    assert waited_s >= SUSPECT_S, "an open event stream neither keeps a session nor ends it"
    assert told is not None
    assert told[1]["reason"] == "lapsed"
    await client.all_list("lease-2", [], within_s=LATE_S)
    assert (await client.introspect(gone.token)).body == {"active": False}
    assert (await client.start("lease-2", "phone", region="us")).status == 201


async def test_a_suspect_session_yields_before_its_lease_ends_and_a_live_one_does_not(
    client: Client,
) -> None:
    silent = await client.start("lease-3", "tv-1", region="eu")
    answers: list[Answer] = []

    async def try_again() -> Answer:
        answers.append(await client.start("lease-3", "phone", region="us"))
        return answers[-1]

    freed = await until(try_again, lambda answer: answer.status == 201, within_s=LEASE_S)
    waited_s = freed.received_s - silent.sent_s
    assert SUSPECT_S <= waited_s < LEASE_S
    assert {answer.status for answer in answers[:-1]} == {409}
    assert all(answer.blockers == [silent.id] for answer in answers[:-1])
    ended = await client.heartbeat(silent.token, region="eu")
    assert (ended.status, ended.body["reason"]) == (410, "displaced")


async def test_a_device_that_comes_back_after_its_lease_goes_on_unless_its_slot_was_taken(
    client: Client,
) -> None:
    free = await client.start("lease-4", "tv-1", region="ap")
    lost = await client.start("lease-5", "tv-1", region="ap")
    await client.all_list("lease-4", [], within_s=LEASE_S + LATE_S)
    await client.all_list("lease-5", [], within_s=LATE_S)
    assert (await client.heartbeat(free.token, region="ap")).status == 200
    await client.all_list("lease-4", [free.id], within_s=1)
    taken = await client.start("lease-5", "phone", region="us")
    assert taken.status == 201
    for region in ("ap", "us"):
        late = await client.heartbeat(lost.token, region=region)
        assert (late.status, late.body["reason"]) == (410, "lapsed")
    await client.all_list("lease-5", [taken.id])
