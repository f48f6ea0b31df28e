"""List, kick, plan and introspection over HTTP."""

import pytest

from tests.edge.world import BACKEND, World


async def test_a_list_shows_every_session_and_which_one_is_the_callers_own() -> None:
    async with World() as world:
        first = await world.start(plan="standard")
        await world.start(device="tv-2", plan="standard")
        answer = await world.call("GET", "/v1/accounts/acc-42/sessions?device=tv-1")
        assert answer.status == 200
        assert answer.body["plan"] == "standard"
        assert answer.body["limit"] == 2
        assert answer.body["regions_out_of_reach"] == []
        assert [s["device"]["id"] for s in answer.body["sessions"]] == ["tv-1", "tv-2"]
        assert [s["this_device"] for s in answer.body["sessions"]] == [True, False]
        assert answer.body["sessions"][0] == first.body["session"]


async def test_a_list_takes_no_parameters_that_it_does_not_know() -> None:
    async with World() as world:
        answer = await world.call("GET", "/v1/accounts/acc-42/sessions?devise=tv-1")
        assert answer.status == 422
        assert answer.body["errors"][0]["field"] == "devise"


async def test_a_kick_ends_the_session_and_its_device_learns_who_did_it() -> None:
    async with World() as world:
        started = await world.start()
        path = f"/v1/accounts/acc-42/sessions/{started.body['session']['id']}"
        first = await world.call("DELETE", path)
        assert first.status == 200
        assert (first.body["effect"], first.body["waiting_for"]) == ("ended", [])
        again = await world.call("DELETE", path)
        assert again.body == first.body
        told = await world.heartbeat(started.body["token"])
        assert (told.status, told.body["reason"]) == (410, "kicked")
        assert told.body["by"]["kind"] == "account"
        assert (await world.start(device="tv-2")).status == 201


async def test_a_kick_by_a_backend_is_an_operators() -> None:
    async with World() as world:
        started = await world.start()
        path = f"/v1/accounts/acc-42/sessions/{started.body['session']['id']}"
        assert (await world.call("DELETE", path, token=BACKEND)).status == 200
        told = await world.heartbeat(started.body["token"])
        assert told.body["by"]["kind"] == "operator"


@pytest.mark.parametrize("name", ["us-1-ffff", "mars-1-1", "us-1-0f", "x", "us-99999999-1", "%00"])
async def test_an_id_that_is_not_the_accounts_is_not_found(name: str) -> None:
    async with World() as world:
        await world.start()
        assert (await world.call("DELETE", f"/v1/accounts/acc-42/sessions/{name}")).status == 404


async def test_another_accounts_session_cannot_be_kicked() -> None:
    async with World() as world:
        started = await world.start("acc-1")
        path = f"/v1/accounts/acc-2/sessions/{started.body['session']['id']}"
        assert (await world.call("DELETE", path)).status == 404
        assert (await world.heartbeat(started.body["token"])).status == 200


async def test_a_kick_that_the_disk_refused_is_not_acknowledged() -> None:
    async with World() as world:
        started = await world.start()
        world.journals[world.region.id].broken = OSError("disk full")
        path = f"/v1/accounts/acc-42/sessions/{started.body['session']['id']}"
        assert (await world.call("DELETE", path)).status == 503


async def test_a_kick_beyond_a_cut_is_pending_and_names_the_region() -> None:
    async with World(names=("us", "eu")) as world:
        started = await world.while_time_passes(world.start(region="eu"))
        world.clock.advance(2_000)
        world.cut.add(world.regions[world.region.id].id)
        path = f"/v1/accounts/acc-42/sessions/{started.body['session']['id']}"
        answer = await world.while_time_passes(world.call("DELETE", path))
        assert answer.status == 200
        assert (answer.body["effect"], answer.body["waiting_for"]) == ("pending", ["eu"])


async def test_the_latest_plan_counts() -> None:
    async with World() as world:
        path = "/v1/accounts/acc-42/plan"
        body = {"plan": "premium", "issued_at": "2026-01-01T12:00:00.5Z"}
        answer = await world.call("PUT", path, json=body)
        assert answer.status == 200
        assert answer.body == {
            "account": "acc-42",
            "plan": "premium",
            "limit": 4,
            "issued_at": "2026-01-01T12:00:00.500Z",
        }
        older = {"plan": "basic", "issued_at": "2026-01-01T13:00:00.499+01:00"}
        assert (await world.call("PUT", path, json=older)).status == 409
        listed = await world.call("GET", "/v1/accounts/acc-42/sessions")
        assert (listed.body["plan"], listed.body["limit"]) == ("premium", 4)


@pytest.mark.parametrize(
    "body",
    [
        {"plan": "gold", "issued_at": "2026-01-01T12:00:00Z"},
        {"plan": "basic", "issued_at": "2027-01-01T12:00:00Z"},
        {"plan": "basic", "issued_at": "yesterday"},
        {"plan": "basic", "issued_at": "2026-02-30T12:00:00Z"},
        {"plan": "basic", "issued_at": 1767268800},
        {"plan": "basic"},
        {"issued_at": "2026-01-01T12:00:00Z"},
    ],
)
async def test_a_plan_that_cannot_be_is_refused(body: dict[str, object]) -> None:
    async with World() as world:
        assert (await world.call("PUT", "/v1/accounts/acc-42/plan", json=body)).status == 422


async def test_a_licence_server_learns_what_a_live_token_is_worth() -> None:
    async with World() as world:
        started = await world.start()
        world.clock.advance(20_000)
        form = {"token": started.body["token"], "token_type_hint": "access_token"}
        answer = await world.call("POST", "/v1/introspect", data=form, token=BACKEND)
        assert answer.body == {
            "active": True,
            "sub": "acc-42",
            "sid": started.body["session"]["id"],
            "region": "us",
            "exp": 1767268800 + 9 + 90,
        }


async def test_an_ended_or_foreign_token_is_not_active_and_nothing_else_is_said() -> None:
    async with World() as world:
        token = (await world.start()).body["token"]
        await world.call("POST", "/v1/sessions/stop", token=token)
        for text in (token, token[:-3], "x", ""):
            answer = await world.call("POST", "/v1/introspect", data={"token": text})
            assert answer.body == {"active": False}


@pytest.mark.parametrize("form", ["", "tokens=x", "token=a&token=b", "token=%FF", "a&b"])
async def test_a_form_that_is_not_one_token_is_refused(form: str) -> None:
    async with World() as world:
        sent = {"Content-Type": "application/x-www-form-urlencoded"}
        answer = await world.call("POST", "/v1/introspect", data=form, headers=sent)
        assert answer.status == 422


async def test_nothing_is_written_before_the_region_has_joined() -> None:
    async with World() as world:
        token = (await world.start()).body["token"]
        world.region._joining.is_joined = False  # as in the first seconds of a process
        assert (await world.start("acc-43")).status == 503
        assert (await world.call("POST", "/v1/sessions/stop", token=token)).status == 503
        assert (await world.call("DELETE", "/v1/accounts/acc-42/sessions/us-1-40")).status == 503
        plan = {"plan": "basic", "issued_at": "2026-01-01T12:00:00Z"}
        assert (await world.call("PUT", "/v1/accounts/acc-42/plan", json=plan)).status == 503
        assert (await world.call("GET", "/readyz")).status == 503
        assert (await world.call("GET", "/v1/accounts/acc-42/sessions")).status == 200
