"""What every baseline answers, inside one region: the same API as georeg's."""

import pytest

from tests.sim.baselines.cluster import NAMES, Regions, id_of


@pytest.fixture(params=["us", "eu"])
def here(request: pytest.FixtureRequest) -> str:
    """The home of the central store, and a region that is not it."""
    return str(request.param)


async def test_a_start_within_the_limit_is_admitted_and_listed(regions: Regions, here: str) -> None:
    started = await regions.start(here)
    assert started.status == 201
    assert started.body["session"]["region"] == here
    assert id_of(started).startswith(f"{here}-")
    assert (started.body["heartbeat_interval_s"], started.body["lease_s"]) == (30, 90)
    assert await regions.listed(here) == [id_of(started)]


async def test_a_start_over_the_limit_is_refused_with_who_plays(
    regions: Regions, here: str
) -> None:
    started = await regions.start(here)
    regions.clock.advance(5_000)
    refused = await regions.start(here, "phone-1")
    assert refused.status == 409
    assert refused.body["type"].endswith("/limit-reached")
    assert (refused.body["limit"], refused.body["evidence"]) == (1, "local")
    (blocker,) = refused.body["sessions"]
    assert blocker["id"] == id_of(started)
    assert blocker["evidence"] == {"how": "local", "age_s": 5.0}


async def test_the_same_device_again_supersedes(regions: Regions, here: str) -> None:
    first = await regions.start(here)
    second = await regions.start(here)
    assert second.status == 201
    over = await regions.heartbeat(here, first)
    assert (over.status, over.body["reason"], over.body["retry"]) == (410, "superseded", False)
    assert over.body["by"] == {"kind": "device", "device": "Name of tv-1"}


async def test_a_start_replaces_the_session_that_it_names(regions: Regions, here: str) -> None:
    first = await regions.start(here)
    second = await regions.start(here, "phone-1", replace=[id_of(first)])
    assert second.status == 201
    assert (await regions.heartbeat(here, first)).body["reason"] == "replaced"


async def test_a_refused_start_ends_nothing(regions: Regions, here: str) -> None:
    first = await regions.start(here, plan="standard")
    await regions.start(here, "tablet-1", plan="standard")
    refused = await regions.start(here, "phone-1", replace=[id_of(first)], plan="basic")
    assert refused.status == 409
    assert (await regions.heartbeat(here, first)).status == 200


async def test_a_retry_with_its_key_gets_the_first_answer(regions: Regions, here: str) -> None:
    key = {"Idempotency-Key": "k1"}
    first = await regions.start(here, headers=key)
    again = await regions.start(here, headers=key)
    other = await regions.start(here, "phone-1", headers=key)
    assert (again.status, again.body) == (201, first.body)
    assert other.status == 422


async def test_a_stop_frees_the_slot_and_may_be_repeated(regions: Regions, here: str) -> None:
    first = await regions.start(here)
    assert [(await regions.stop(here, first)).status for _ in range(2)] == [204, 204]
    assert (await regions.heartbeat(here, first)).body["reason"] == "stopped"
    assert (await regions.start(here, "phone-1")).status == 201


async def test_a_kick_is_final_and_repeats_its_answer(regions: Regions, here: str) -> None:
    first = await regions.start(here)
    kicked = await regions.kick(here, id_of(first))
    assert (kicked.status, kicked.body["effect"]) == (200, "ended")
    assert (await regions.kick(here, id_of(first))).body["effect"] == "ended"
    assert (await regions.heartbeat(here, first)).body["reason"] == "kicked"
    assert (await regions.start(here, "phone-1")).status == 201
    assert (await regions.kick(here, "us-9-41")).status == 404


async def test_a_session_without_heartbeats_lapses_after_its_lease(
    regions: Regions, here: str
) -> None:
    first = await regions.start(here)
    regions.clock.advance(60_000)
    assert (await regions.heartbeat(here, first)).status == 200
    regions.clock.advance(89_999)
    assert await regions.listed(here) == [id_of(first)]
    regions.clock.advance(1)
    assert await regions.listed(here) == []


async def test_a_lapsed_session_goes_on_while_its_slot_is_free(regions: Regions, here: str) -> None:
    first = await regions.start(here)
    regions.clock.advance(100_000)
    assert (await regions.heartbeat(here, first)).status == 200
    regions.clock.advance(100_000)
    await regions.start(here, "phone-1")
    over = await regions.heartbeat(here, first)
    assert (over.status, over.body["reason"], over.body["retry"]) == (410, "lapsed", True)


async def test_a_suspect_session_yields_to_a_start(regions: Regions, here: str) -> None:
    first = await regions.start(here)
    regions.clock.advance(65_001)
    assert (await regions.start(here, "phone-1")).status == 201
    over = await regions.heartbeat(here, first)
    assert (over.status, over.body["reason"]) == (410, "displaced")


async def test_a_session_goes_on_in_another_region(regions: Regions, here: str) -> None:
    first = await regions.start("ap")
    assert (await regions.heartbeat(here, first)).status == 200
    assert await regions.listed(here) == [id_of(first)]


async def test_the_latest_plan_counts(regions: Regions, here: str) -> None:
    path = "/v1/accounts/a/plan"
    now, before = "2026-01-01T12:00:00.000Z", "2026-01-01T11:00:00.000Z"
    premium = {"plan": "premium", "issued_at": now}
    stated = await regions.call("PUT", path, here, json=premium)
    assert (stated.status, stated.body["limit"]) == (200, 4)
    old = await regions.call("PUT", path, here, json=premium | {"issued_at": before})
    assert old.status == 409
    bad = await regions.call("PUT", path, here, json=premium | {"plan": "gold"})
    assert bad.status == 422


@pytest.mark.parametrize("region", NAMES)
async def test_what_is_not_offered_is_not_found(regions: Regions, region: str) -> None:
    assert (await regions.call("GET", "/elsewhere", region)).status == 404
    assert (await regions.call("GET", "/v1/sessions/events", region)).status == 404


async def test_a_token_of_nobody_is_unauthorized(regions: Regions, here: str) -> None:
    headers = {"Authorization": "Bearer nonsense"}
    for path in ("/v1/sessions/heartbeat", "/v1/sessions/stop"):
        assert (await regions.call("POST", path, here, headers=headers)).status == 401


async def test_a_draining_region_takes_no_starts_but_heartbeats(
    regions: Regions, here: str
) -> None:
    first = await regions.start(here)
    regions.living[here].drain()
    assert (await regions.start(here, "phone-1")).status == 503
    assert (await regions.heartbeat(here, first)).status == 200
    assert (await regions.start("ap", account="b")).status == 201


async def test_a_store_survives_a_crash(regions: Regions, here: str) -> None:
    first, second = await regions.start(here), await regions.start(here, account="b")
    await regions.kick(here, id_of(second), account="b")
    await regions.kill(here)
    await regions.boot(here)
    assert await regions.listed(here) == [id_of(first)]
    assert (await regions.heartbeat(here, second)).body["reason"] == "kicked"


async def test_after_a_crash_a_lease_leaves_time_for_one_heartbeat_and_no_more(
    regions: Regions,
) -> None:
    first, second = await regions.start("us"), await regions.start("us", account="b")
    regions.clock.advance(30_000)
    await regions.heartbeat("us", second)
    regions.clock.advance(55_000)
    await regions.kill("us")
    await regions.boot("us")
    regions.clock.advance(29_999)
    assert await regions.listed("us") == [id_of(first)]
    regions.clock.advance(1)
    assert await regions.listed("us") == []
    assert await regions.listed("us", "b") == [id_of(second)]


async def test_a_crash_does_not_bring_back_what_had_lapsed(regions: Regions) -> None:
    await regions.start("us")
    regions.clock.advance(90_000)
    await regions.start("us", account="b")
    await regions.kill("us")
    await regions.boot("us")
    assert await regions.listed("us") == []
