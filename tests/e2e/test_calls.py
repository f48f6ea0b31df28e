"""The other calls: batches, introspection, plans, retries, preferences, replacement, the document.

Leases are those of a real service here, so nothing lapses while a test looks.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from tests.e2e.client import Answer, Client, instant_s, path_of, until

STRICT = {"Prefer": "wait=2"}
"""Two seconds to decide: on a busy machine nothing has to be decided on old evidence."""


@pytest.fixture(scope="module")
def cluster_options() -> dict[str, Any]:
    return {"heartbeat_s": 30.0, "lease_s": 90.0}


def now_text(**offset: float) -> str:
    """A time as the API takes it."""
    return (datetime.now(UTC) + timedelta(**offset)).isoformat().replace("+00:00", "Z")


async def set_plan(client: Client, account: str, plan: str, issued_at: str, region: str) -> Answer:
    body = {"plan": plan, "issued_at": issued_at}
    return await client.call("PUT", f"/v1/accounts/{account}/plan", region=region, json=body)


async def test_a_batch_renews_what_lives_in_any_region_and_tells_the_rest_apart(
    client: Client,
) -> None:
    tokens: list[bytes] = []
    for number in range(9):
        started = await client.start("batch-1", f"tv-{number}", plan="premium")
        if started.status == 201:
            tokens.append(started.token.encode())
    other = await client.start("batch-2", "tv-1", region="eu")
    stopped = await client.start("batch-3", "tv-1", region="eu")
    await client.stop(stopped.token, region="eu")
    sent = [*tokens, other.token.encode(), stopped.token.encode(), b"garbage", b""]
    answer = await client.batch(sent, region="us")
    assert answer.status == 200
    assert answer.body[:5] == [200] * 5
    assert answer.body[6:] == [401, 401]
    ended = await until(
        lambda: client.batch(sent, region="us"),
        lambda found: found.body[5] == 410,
        within_s=1,
    )
    assert ended.body == [200] * 5 + [410, 401, 401]
    (moved,) = (await client.sessions("batch-2")).body["sessions"]
    assert (moved["id"], moved["region"]) == (other.id, "us"), "a batch adopts like a heartbeat"


async def test_a_batch_of_a_thousand_is_taken_and_one_more_is_too_large(client: Client) -> None:
    token = (await client.start("batch-4", "tv-1")).token.encode()
    assert (await client.batch([token] * 1000)).body == [200] * 1000
    assert (await client.batch([token] * 1001)).status == 413
    assert (await client.batch([])).body == []


async def test_introspection_follows_the_life_of_a_session_in_every_region(client: Client) -> None:
    started = await client.start("look-1", "tv-1", region="eu")
    await client.all_list("look-1", [started.id])
    for region in client.names:
        answer = await client.introspect(started.token, region=region)
        assert answer.body["active"] is True
        assert (answer.body["sub"], answer.body["sid"]) == ("look-1", started.id)
        assert answer.body["region"] == "eu"
        assert 0 < answer.body["exp"] - answer.received_at_s <= 91
    await client.kick("look-1", started.id, region="ap")
    for region in client.names:
        await until(
            partial(client.introspect, started.token, region=region),
            lambda answer: answer.body == {"active": False},
            within_s=1,
        )
    assert (await client.introspect("garbage")).body == {"active": False}


async def test_an_upgrade_while_streams_run_admits_more_in_every_region(client: Client) -> None:
    first = await client.start("plan-1", "tv-1", region="eu")
    assert (await client.start("plan-1", "tv-2", region="eu")).status == 409
    upgraded = await set_plan(client, "plan-1", "standard", now_text(), "us")
    assert (upgraded.status, upgraded.body["limit"]) == (200, 2)

    async def limits() -> list[int]:
        found = [await client.sessions("plan-1", region=region) for region in client.names]
        return [answer.body["limit"] for answer in found]

    await until(limits, lambda found: found == [2, 2, 2], within_s=1)
    second = await client.call(
        "POST", path_of("plan-1"), region="eu", json={"device": {"id": "tv-2"}}
    )
    third = await client.call(
        "POST", path_of("plan-1"), region="ap", json={"device": {"id": "tv-3"}}, headers=STRICT
    )
    assert (second.status, third.status) == (201, 409)
    assert third.body["limit"] == 2
    await client.all_list("plan-1", [first.id, second.id])


async def test_a_plan_that_is_older_than_the_known_one_changes_nothing(client: Client) -> None:
    issued_at = now_text()
    assert (await set_plan(client, "plan-2", "premium", issued_at, "us")).status == 200
    stale = await set_plan(client, "plan-2", "basic", now_text(hours=-1), "us")
    assert stale.status == 409
    assert stale.body["type"].endswith("/plan-outdated")
    for region in client.names:
        found = await until(
            partial(client.sessions, "plan-2", region=region),
            lambda answer: answer.body["plan"] == "premium",
            within_s=1,
        )
        assert found.body["limit"] == 4
        assert (await set_plan(client, "plan-2", "basic", now_text(hours=-1), region)).status == 409
    assert (await set_plan(client, "plan-2", "basic", now_text(minutes=5), "us")).status == 422
    assert (await set_plan(client, "plan-2", "gold", now_text(), "us")).fields == ["plan"]


async def test_a_downgrade_ends_nobody_and_refuses_the_next(client: Client) -> None:
    running = [
        await client.start("plan-3", f"tv-{number}", plan="premium", region=client.names[number])
        for number in range(3)
    ]
    assert {answer.status for answer in running} == {201}
    assert (await set_plan(client, "plan-3", "basic", now_text(), "us")).status == 200
    beats = [await client.heartbeat(answer.token) for answer in running]
    assert {beat.status for beat in beats} == {200}
    body = {"device": {"id": "tv-9"}}
    refused = await client.call("POST", path_of("plan-3"), region="us", json=body, headers=STRICT)
    assert (refused.status, refused.body["limit"]) == (409, 1)
    assert set(refused.blockers) == {answer.id for answer in running}


async def test_a_retry_with_the_same_key_is_the_same_answer_and_another_request_is_none(
    client: Client,
) -> None:
    key = {"Idempotency-Key": '"7f1c"'}
    first = await client.start("retry-1", "tv-1", headers=key)
    again = await asyncio.gather(*(client.start("retry-1", "tv-1", headers=key) for _ in range(20)))
    assert {(answer.status, answer.id, answer.token) for answer in again} == {
        (201, first.id, first.token)
    }
    other = await client.start("retry-1", "tv-2", headers=key)
    assert (other.status, other.fields) == (422, ["Idempotency-Key"])
    refused_key = {"Idempotency-Key": "second"}
    refused = await client.start("retry-1", "tv-2", headers=refused_key)
    await client.stop(first.token)
    same = await client.start("retry-1", "tv-2", headers=refused_key)
    assert (refused.status, same.status, same.blockers) == (409, 409, refused.blockers)
    await client.all_list("retry-1", [])


async def test_a_device_may_say_how_long_it_waits_for_the_decision(client: Client) -> None:
    answer = await client.start("prefer-1", "tv-1", headers={"Prefer": "wait=0.5"})
    assert answer.status == 201
    assert answer.headers["Preference-Applied"] == "wait=0.5"
    assert answer.took_s < 0.5
    for bad in ("wait=0", "wait=60", "wait=soon", "wait=nan"):
        refused = await client.start("prefer-1", "tv-2", headers={"Prefer": bad})
        assert (refused.status, refused.fields) == (422, ["Prefer"])
    other = await client.start("prefer-2", "tv-2", headers={"Prefer": "respond-async"})
    assert other.status == 201


async def test_a_viewer_replaces_a_device_that_plays_in_another_region(client: Client) -> None:
    playing = await client.start("swap-1", "tv-1", region="eu")
    refused = await client.start("swap-1", "phone", region="us", headers=STRICT)
    async with client.events(playing.token, region="eu") as events:
        swapped = await client.start("swap-1", "phone", region="us", replace=refused.blockers)
        told = await events.next(within_s=1)
    assert swapped.status == 201
    assert told is not None
    assert (told[1]["reason"], told[1]["by"]) == (
        "replaced",
        {"kind": "device", "device": "Name of phone"},
    )
    await client.all_list("swap-1", [swapped.id])
    assert (await client.heartbeat(playing.token)).status == 410


async def test_a_replacement_that_is_refused_ends_nothing(client: Client) -> None:
    playing = [
        await client.start("swap-2", f"tv-{number}", plan="standard", region="ap")
        for number in range(2)
    ]
    stranger = await client.start("swap-3", "tv-1", region="ap")
    assert (await set_plan(client, "swap-2", "basic", now_text(), "ap")).status == 200
    refused = await client.call(
        "POST",
        path_of("swap-2"),
        region="ap",
        json={"device": {"id": "phone"}, "replace": [playing[0].id, stranger.id, "no id"]},
        headers=STRICT,
    )
    assert (refused.status, refused.blockers) == (409, [playing[1].id])
    beats = [await client.heartbeat(a.token, region="ap") for a in (*playing, stranger)]
    assert {beat.status for beat in beats} == {200}


async def test_replacing_a_session_of_another_account_does_not_end_it(client: Client) -> None:
    stranger = await client.start("swap-4", "tv-1", region="ap")
    started = await client.start("swap-5", "tv-1", region="ap", replace=[stranger.id])
    assert started.status == 201
    assert (await client.kick("swap-5", stranger.id, region="ap")).status == 404
    assert (await client.heartbeat(stranger.token, region="ap")).status == 200


async def test_the_list_marks_the_devices_own_session_when_asked(client: Client) -> None:
    mine = await client.start("list-1", "tv-1", plan="standard")
    await client.start("list-1", "tv-2", plan="standard")
    found = await client.call("GET", path_of("list-1") + "?device=tv-1")
    marked = {s["id"]: s["this_device"] for s in found.body["sessions"]}
    assert marked.pop(mine.id) is True
    assert list(marked.values()) == [False]
    assert all(s["state"] == "live" for s in found.body["sessions"])
    assert all(instant_s(s["started_at"]) <= found.received_at_s for s in found.body["sessions"])
    assert found.body["regions_out_of_reach"] == []


async def test_the_served_document_is_valid_and_the_same_in_every_region(client: Client) -> None:
    answers = [await client.call("GET", "/openapi.json", region=name) for name in client.names]
    documents = [answer.body for answer in answers]
    OpenAPIV31SpecValidator(documents[0]).validate()
    servers = [document.pop("servers")[0]["url"] for document in documents]
    assert len(set(servers)) == len(servers), "each region names its own address"
    assert all(document == documents[0] for document in documents)


async def test_what_machines_ask_is_answered_in_every_region(client: Client) -> None:
    for region in client.names:
        assert (await client.call("GET", "/livez", region=region)).body == {"alive": True}
        assert (await client.call("GET", "/readyz", region=region)).body == {"ready": True}
        page = (await client.call("GET", "/metrics", region=region)).body.decode()
        assert "georeg_ready 1" in page
        assert "batch-1" not in page, "no account in metrics"
    kind = (await client.start("docs-1", "\x01")).body["type"]
    assert (await client.call("GET", kind)).status == 200
