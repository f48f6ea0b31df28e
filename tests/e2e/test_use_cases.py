"""The four things that a viewer does, as a newcomer would try them on three regions."""

import asyncio
import time

from tests.e2e.client import Client, until


async def test_a_start_under_the_limit_is_admitted_and_listed_in_every_region(
    client: Client,
) -> None:
    started = await client.start("use-1", "tv-1", title="A film")
    assert started.status == 201
    assert started.body["session"]["account"] == "use-1"
    assert started.body["session"]["device"] == {
        "id": "tv-1",
        "name": "Name of tv-1",
        "kind": "tv",
    }
    assert started.body["session"]["title"] == "A film"
    assert started.body["session"]["this_device"] is True
    assert started.body["heartbeat_interval_s"] == 1
    assert started.body["lease_s"] == 3
    assert started.body["decision"]["limit"] == 1
    assert started.body["decision"]["live"] == 1
    assert started.body["sessions"] == [started.body["session"]]
    await client.all_list("use-1", [started.id], within_s=1)


async def test_a_start_over_the_limit_is_refused_with_the_devices_that_play(client: Client) -> None:
    first = await client.start("use-2", "tv-1", plan="standard")
    second = await client.start("use-2", "phone", plan="standard", region="eu")
    refused = await client.start("use-2", "tablet", plan="standard", region="ap")
    assert (first.status, second.status, refused.status) == (201, 201, 409)
    assert sorted(refused.blockers) == sorted([first.id, second.id])
    assert {(s["device"]["name"], s["region"]) for s in refused.body["sessions"]} == {
        ("Name of tv-1", "us"),
        ("Name of phone", "eu"),
    }
    assert refused.body["limit"] == 2
    assert "Name of tv-1" in refused.body["detail"]
    assert {s["evidence"]["how"] for s in refused.body["sessions"]} <= {"confirmed", "beacon"}
    assert all(s["evidence"]["age_s"] < 3 for s in refused.body["sessions"])
    assert refused.body["slot_free_at"] > refused.body["sessions"][0]["last_seen_at"]
    await client.all_list("use-2", [first.id, second.id], within_s=1)


async def test_after_a_stop_the_next_device_starts_at_once_in_any_region(client: Client) -> None:
    region = "us"
    playing = await client.start("use-3", "device-0", region=region)
    for turn in range(1, 12):
        assert (await client.stop(playing.token, region=region)).status == 204
        region = client.names[turn % 3]
        playing = await client.start("use-3", f"device-{turn}", region=region)
        assert playing.status == 201, (turn, playing)
    await client.all_list("use-3", [playing.id])


async def test_a_stop_in_another_region_frees_the_slot_in_all_of_them(client: Client) -> None:
    playing = await client.start("use-8", "tv-1", region="us")
    assert (await client.stop(playing.token, region="eu")).status == 204
    again = await until(
        lambda: client.start("use-8", "phone", region="ap"),
        lambda answer: answer.status == 201,
        within_s=1,
    )
    await client.all_list("use-8", [again.id])
    ended = await client.heartbeat(playing.token)
    assert (ended.status, ended.body["reason"]) == (410, "stopped")


async def test_a_kicked_device_is_told_within_a_second_and_at_its_next_heartbeat(
    client: Client,
) -> None:
    playing = await client.start("use-4", "tv-1")
    await client.all_list("use-4", [playing.id], within_s=1)
    async with client.events(playing.token) as events:
        kicked = await client.kick("use-4", playing.id, region="ap")
        told = await events.next()
        told_s = time.monotonic() - kicked.sent_s
        assert await events.next() is None, "nothing follows the end"
    assert kicked.status == 200
    assert kicked.body["effect"] == "ended"
    assert kicked.body["waiting_for"] == []
    assert told_s < 1
    assert told is not None
    name, ended = told
    assert name == "ended"
    for region in client.names:
        answer = await client.heartbeat(playing.token, region=region)
        assert answer.status == 410
        assert answer.body == ended
    assert (ended["reason"], ended["by"]["kind"], ended["retry"]) == ("kicked", "account", False)
    freed = await client.start("use-4", "phone", region="eu")
    assert freed.status == 201
    await client.all_list("use-4", [freed.id])


async def test_a_kick_is_heard_on_a_stream_that_is_open_in_another_region(client: Client) -> None:
    playing = await client.start("use-5", "tv-1", region="us")
    await client.all_list("use-5", [playing.id], within_s=1)
    async with client.events(playing.token, region="eu") as events:
        await until(
            lambda: client.sessions("use-5", region="ap"),
            lambda found: [s["region"] for s in found.body["sessions"]] == ["eu"],
            within_s=1,
        )
        assert (await client.kick("use-5", playing.id, region="ap")).status == 200
        told = await events.next(within_s=1)
    assert told is not None
    assert told[1]["reason"] == "kicked"


async def test_a_superseded_device_hears_it_on_its_stream(client: Client) -> None:
    playing = await client.start("use-6", "tv-1", region="us")
    async with client.events(playing.token, region="us") as events:
        again = await client.start("use-6", "tv-1", region="eu")
        told = await events.next(within_s=1)
    assert again.status == 201
    assert told is not None
    assert told[1]["reason"] == "superseded"


async def test_calls_of_many_accounts_at_once_do_not_meet(client: Client) -> None:
    names = [f"many-{number}" for number in range(60)]
    started = await asyncio.gather(
        *(client.start(name, "tv", region=client.names[at % 3]) for at, name in enumerate(names))
    )
    assert {answer.status for answer in started} == {201}
    for name, answer in zip(names, started, strict=True):
        assert [session["id"] for session in answer.body["sessions"]] == [answer.id]
        assert answer.body["session"]["account"] == name
