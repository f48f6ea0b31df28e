"""Starts over HTTP: admitted, refused with evidence, repeated, replaced, limited."""

import asyncio

import pytest

from georeg.edge.settings import EdgeSettings
from georeg.region.model import Conflict, Outcome
from georeg.region.pending import Pending
from tests.edge.world import World


async def test_a_start_under_the_limit_is_admitted_with_all_that_a_player_needs() -> None:
    async with World() as world:
        answer = await world.start(title="A film")
        assert answer.status == 201
        session = answer.body["session"]
        assert session["id"] == "us-1-" + session["id"].rsplit("-", 1)[1]
        assert session["account"] == "acc-42"
        assert session["device"] == {"id": "tv-1", "name": "Name of tv-1", "kind": "tv"}
        assert session["region"] == "us"
        assert session["started_at"] == "2026-01-01T12:00:09.000Z"
        assert session["state"] == "live"
        assert session["title"] == "A film"
        assert session["this_device"] is True
        assert answer.body["heartbeat_interval_s"] == 30
        assert answer.body["lease_s"] == 90
        assert answer.body["decision"]["limit"] == 1
        assert answer.body["sessions"] == [session]


async def test_a_start_over_the_limit_shows_who_plays_and_since_when_it_would_be_free() -> None:
    async with World() as world:
        first = await world.start()
        world.clock.advance(10_000)
        answer = await world.start(device="tv-2")
        assert answer.status == 409
        assert answer.body["type"].endswith("/limit-reached")
        assert answer.body["limit"] == 1
        blocking = answer.body["sessions"][0]
        assert blocking["id"] == first.body["session"]["id"]
        assert blocking["this_device"] is False
        assert blocking["evidence"]["how"] == answer.body["evidence"] == "local"
        assert "Name of tv-1" in answer.body["detail"]
        assert answer.body["slot_free_at"] == "2026-01-01T12:01:39.000Z"


async def test_a_replaced_session_makes_room_and_hears_that_it_was_replaced() -> None:
    async with World() as world:
        first = await world.start()
        answer = await world.start(device="tv-2", replace=[first.body["session"]["id"]])
        assert answer.status == 201
        told = await world.heartbeat(first.body["token"])
        assert (told.status, told.body["reason"]) == (410, "replaced")


async def test_ids_of_other_clusters_in_replace_do_not_keep_a_start_from_its_answer() -> None:
    async with World() as world:
        answer = await world.start(replace=["mars-1-1", "us-1-0f", "nonsense"])
        assert answer.status == 201


async def test_the_same_device_takes_its_own_place() -> None:
    async with World() as world:
        first = await world.start()
        second = await world.start()
        assert second.status == 201
        told = await world.heartbeat(first.body["token"])
        assert (told.status, told.body["reason"]) == (410, "superseded")
        assert told.body["by"] == {"kind": "device", "device": "Name of tv-1"}


@pytest.mark.parametrize("key", ['"a key"', "a-key", '"with \\" and \\\\"'])
async def test_a_retry_with_the_same_key_gets_the_first_answer(key: str) -> None:
    async with World() as world:
        first = await world.start(headers={"Idempotency-Key": key})
        world.clock.advance(2_000)
        again = await world.start(headers={"Idempotency-Key": key})
        assert again.body == first.body


async def test_a_key_that_was_used_for_another_request_is_an_invalid_request() -> None:
    async with World() as world:
        await world.start(headers={"Idempotency-Key": "one"})
        answer = await world.start(device="tv-2", headers={"Idempotency-Key": "one"})
        assert answer.status == 422
        assert answer.body["errors"][0]["field"] == "Idempotency-Key"


@pytest.mark.parametrize("key", ['"open', "two words", "a,b", '"bad \\escape"', "x" * 129, '""'])
async def test_a_malformed_key_is_named(key: str) -> None:
    async with World() as world:
        answer = await world.start(headers={"Idempotency-Key": key})
        assert answer.status == 422
        assert answer.body["errors"][0]["field"] == "Idempotency-Key"


async def test_the_caller_may_choose_its_deadline() -> None:
    async with World() as world:
        answer = await world.start(headers={"Prefer": "respond-async, wait=0.5"})
        assert answer.status == 201
        assert answer.headers["Preference-Applied"] == "wait=0.5"


@pytest.mark.parametrize("wait", ["0", "3", "nan", "x", "1e99", "-1"])
async def test_a_deadline_out_of_range_is_named(wait: str) -> None:
    async with World() as world:
        answer = await world.start(headers={"Prefer": f"wait={wait}"})
        assert answer.status == 422
        assert answer.body["errors"][0]["field"] == "Prefer"


async def test_a_plan_that_is_unknown_here_is_named_with_those_that_are() -> None:
    async with World() as world:
        answer = await world.start(plan="gold")
        assert answer.status == 422
        assert "basic, premium, standard" in answer.body["errors"][0]["message"]


async def test_too_many_starts_of_one_account_are_told_to_wait_and_others_are_not() -> None:
    async with World(edge_settings=EdgeSettings(dev=True, start_burst=2)) as world:
        for _ in range(2):
            assert (await world.start()).status == 201
        answer = await world.start()
        assert answer.status == 429
        assert answer.headers["Retry-After"] == "1"
        assert (await world.start("acc-43")).status == 201


async def test_a_draining_region_takes_no_starts_but_goes_on_serving() -> None:
    async with World() as world:
        first = await world.start()
        world.edges["us"].drain()
        answer = await world.start("acc-43")
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "1"
        assert (await world.heartbeat(first.body["token"])).status == 200
        assert (await world.call("GET", "/readyz")).status == 503
        assert (await world.call("GET", "/livez")).status == 200


async def test_of_two_hundred_starts_at_once_one_lives() -> None:
    async with World() as world:
        answers = await asyncio.gather(*(world.start(device=f"tv-{n}") for n in range(200)))
        assert sorted(answer.status for answer in answers) == [201] + [409] * 199


async def test_a_region_that_never_decides_is_trouble_of_ours_and_holds_no_request(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    waiting: Pending[Outcome] = Pending()
    settings = EdgeSettings(dev=True, answer_ms_max=20)
    async with World(edge_settings=settings) as world:
        monkeypatch.setattr(world.region, "start", lambda request: waiting)
        answer = await world.start()
        assert (answer.status, answer.body["detail"]) == (503, "the region did not decide in time")
        assert answer.headers["Retry-After"] == "1"
        waiting.settle(Conflict())  # harmless when nobody waits any longer
