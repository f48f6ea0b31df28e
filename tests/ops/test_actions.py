"""Kicks, plans and drains by operators: what they do, what a dry run does not, what is refused."""

from crdt.dots import RegionId
from tests.ops.world import OpsWorld


async def test_a_kick_ends_a_session_that_another_region_holds() -> None:
    async with OpsWorld(names=("us", "eu")) as world:
        session = await world.started("anna", "tv-1", region="eu")
        world.clock.advance(200)
        path = f"/v1/accounts/anna/sessions/{session}"
        answer = await world.while_time_passes(world.ask("DELETE", path))
        (kicked,) = answer.body["kicked"]
        assert (kicked["session"], kicked["effect"]) == (session, "ended")
        assert kicked["waiting_for"] == []
        assert world.regions[RegionId(2)].status().sessions == 0


async def test_a_kick_says_which_region_it_waits_for() -> None:
    async with OpsWorld(names=("us", "eu")) as world:
        session = await world.started("anna", "tv-1", region="eu")
        world.clock.advance(200)
        world.cut.update({RegionId(2)})
        path = f"/v1/accounts/anna/sessions/{session}"
        answer = await world.while_time_passes(world.ask("DELETE", path))
        (kicked,) = answer.body["kicked"]
        assert (kicked["effect"], kicked["waiting_for"]) == ("pending", ["eu"])


async def test_the_device_hears_that_an_operator_ended_its_session() -> None:
    async with OpsWorld() as world:
        started = await world.start()
        session = started.body["session"]["id"]
        await world.ask("DELETE", f"/v1/accounts/acc-1/sessions/{session}")
        await world.ask("DELETE", f"/v1/accounts/{started.body['session']['account']}/sessions")
        answer = await world.heartbeat(started.body["token"])
        assert answer.status == 410
        assert answer.body["by"] == {"kind": "operator", "device": "ann"}


async def test_kick_all_ends_every_session_and_a_dry_run_only_names_them() -> None:
    async with OpsWorld() as world:
        ids = {await world.started("anna", device) for device in ("tv", "phone")}
        other = await world.started("berta", "tv")
        dry = await world.ask("DELETE", "/v1/accounts/anna/sessions?dry_run=1")
        assert {one["id"] for one in dry.body["would_end"]} == ids
        assert world.region.status().sessions == 3
        real = await world.ask("DELETE", "/v1/accounts/anna/sessions")
        assert {one["session"] for one in real.body["kicked"]} == ids
        left = await world.ask("GET", "/v1/accounts/berta")
        assert [one["id"] for one in left.body["sessions"]] == [other]


async def test_a_session_that_is_not_the_accounts_is_not_kicked() -> None:
    async with OpsWorld() as world:
        session = await world.started("anna", "tv")
        for path in (f"berta/sessions/{session}", "anna/sessions/us-1-fff", "anna/sessions/x"):
            for query in ("", "?dry_run=1"):
                assert (await world.ask("DELETE", f"/v1/accounts/{path}{query}")).status == 404
        assert world.region.status().sessions == 1
        assert world.audit[-1]["outcome"] == "not-found"


async def test_a_disk_that_refuses_a_kick_is_told() -> None:
    async with OpsWorld() as world:
        await world.started("anna", "tv")
        world.journals[RegionId(1)].broken = OSError(5, "Input/output error")
        answer = await world.ask("DELETE", "/v1/accounts/anna/sessions")
        assert answer.status == 503
        assert "kick it again" in answer.body["detail"]
        world.clock.advance(1_500)
        status = (await world.ask("GET", "/v1/status")).body
        assert [p["kind"] for p in status["problems"]] == ["journal_refusals"]
        assert status["problems"][0]["severity"] == "critical"


async def test_a_plan_is_stated_and_says_how_many_streams_are_above_it() -> None:
    async with OpsWorld() as world:
        for device in ("tv", "phone", "laptop"):
            await world.started("anna", device, plan="premium")
        path = "/v1/accounts/anna/plan"
        dry = await world.ask("PUT", path + "?dry_run=1", json={"plan": "basic"})
        assert dry.body["before"] == {"plan": "premium", "limit": 4}
        assert dry.body["after"] == {"plan": "basic", "limit": 1}
        assert (dry.body["live"], dry.body["above_limit"]) == (3, 2)
        assert world.region.sessions("anna").limit == 4
        await world.ask("PUT", path, json={"plan": "basic"})
        listing = world.region.sessions("anna")
        assert (listing.plan, listing.limit, len(listing.sessions)) == ("basic", 1, 3)
        assert world.audit[-1]["plan"] == "basic"


async def test_a_plan_that_is_not_in_the_config_needs_a_limit() -> None:
    async with OpsWorld() as world:
        path = "/v1/accounts/anna/plan"
        bad = ({"plan": "gala"}, {"plan": "basic", "limit": 0}, {"plan": "basic", "limit": True})
        for body in bad:
            assert (await world.ask("PUT", path, json=body)).status == 422
        assert (await world.ask("PUT", path, json={"plan": "gala", "limit": 9})).status == 200
        assert world.region.sessions("anna").limit == 9


async def test_a_drain_is_refused_while_there_is_nowhere_to_go_unless_forced() -> None:
    async with OpsWorld() as world:
        for query in ("", "?dry_run=1"):
            answer = await world.ask("PUT", "/v1/drain" + query, json={})
            assert answer.status == 409
            assert answer.body["type"] == "/problems/would-lose"
        assert world.region.ready
        assert (await world.ask("PUT", "/v1/drain", json={"force": "yes"})).status == 200
        assert not world.region.ready


async def test_a_drain_begins_shows_how_far_it_is_ends_and_expires() -> None:
    async with OpsWorld(names=("us", "eu")) as world:
        await world.started("anna", "tv")
        dry = await world.ask("PUT", "/v1/drain?dry_run=1", json={"for_s": 60})
        assert (dry.body["sessions"], dry.body["elsewhere"]) == (1, ["eu"])
        assert world.region.ready
        body = {"for_s": 60, "over_s": 10, "comment": "new disks"}
        begun = await world.ask("PUT", "/v1/drain", json=body)
        assert (begun.body["is_draining"], begun.body["ends_in_s"]) == (True, 60.0)
        assert world.audit[-1]["comment"] == "new disks"
        world.clock.advance(2_000)
        status = (await world.ask("GET", "/v1/status", region="eu")).body
        assert [region["code"] for region in status["regions"]] == ["UD", "UN"]
        world.clock.advance(60_000)
        assert not (await world.ask("GET", "/v1/drain")).body["is_draining"]
        await world.ask("PUT", "/v1/drain", json={})
        assert (await world.ask("DELETE", "/v1/drain?dry_run=1")).body["is_draining"]
        assert not (await world.ask("DELETE", "/v1/drain")).body["is_draining"]
        assert world.region.ready


async def test_terms_that_cannot_be_are_told_by_their_names() -> None:
    async with OpsWorld(names=("us", "eu")) as world:
        for body in ({"for_s": 0}, {"for_s": 10, "over_s": 20}, {"force": "maybe"}, {"more": 1}):
            answer = await world.ask("PUT", "/v1/drain", json=body)
            assert answer.status == 422, body
            assert answer.body["errors"]
        assert (await world.ask("GET", "/v1/drain?dry_run=1")).status in (200, 422)
        assert world.region.ready
