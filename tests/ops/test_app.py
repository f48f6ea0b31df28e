"""Who gets in, what the audit log says of it, and that every answer is JSON or a problem."""

import pytest

from georeg.ops.drains import DRAIN_ROUTES
from georeg.ops.keys import May
from georeg.ops.routes import ROUTES
from tests.ops.world import ANN, BOB, OpsWorld

EVERY = [(route.method, route.path, route.may) for route in (*ROUTES, *DRAIN_ROUTES)]


@pytest.mark.parametrize("key", [None, "", "ann.wrong", "nobody.x", "Basic"])
async def test_nobody_gets_past_without_a_good_key(key: str | None) -> None:
    async with OpsWorld() as world:
        for method, path, _ in [*EVERY, ("GET", "/v1/nowhere", May.READ)]:
            answer = await world.ask(method, path, key=key)
            assert answer.status == 401, path
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert world.audit[-1]["outcome"] == "unauthorized"
            assert world.audit[-1]["from"] == "127.0.0.1"


async def test_a_key_that_may_read_sees_everything_and_changes_nothing() -> None:
    async with OpsWorld() as world:
        session = await world.started("anna", "tv-1")
        for method, path, may in EVERY:
            real = path.replace("{account}", "anna").replace("{session}", session)
            answer = await world.ask(method, real, key=BOB, json={"plan": "basic"})
            assert answer.status == (403 if may is May.OPERATE else 200), path
            if may is May.OPERATE:
                assert world.audit[-1]["outcome"] == "forbidden"
                assert world.audit[-1]["operator"] == "bob"
        assert (await world.call("GET", "/v1/accounts/anna/sessions")).body["limit"] == 4
        assert world.region.status().sessions == 1
        assert world.region.ready


async def test_a_path_that_is_not_there_is_404_and_a_method_405() -> None:
    async with OpsWorld() as world:
        assert (await world.ask("GET", "/v1/nowhere")).status == 404
        answer = await world.ask("POST", "/v1/status")
        assert answer.status == 405
        assert answer.headers["Allow"] == "GET,HEAD" or "GET" in answer.headers["Allow"]


async def test_a_look_at_an_account_is_audited_and_a_status_is_not() -> None:
    async with OpsWorld() as world:
        await world.ask("GET", "/v1/status")
        assert world.audit == []
        await world.ask("GET", "/v1/accounts/anna")
        (line,) = world.audit
        assert (line["action"], line["account"], line["operator"]) == ("account", "anna", "ann")


async def test_what_cannot_be_audited_is_not_done() -> None:
    async with OpsWorld() as world:
        await world.started("anna", "tv-1")
        world.audit_error = OSError(28, "No space left on device")
        answer = await world.ask("DELETE", "/v1/accounts/anna/sessions")
        assert answer.status == 503
        assert "audit log" in answer.body["detail"]
        assert world.region.status().sessions == 1


async def test_an_action_is_written_before_and_after() -> None:
    async with OpsWorld() as world:
        session = await world.started("anna", "tv-1")
        await world.ask("DELETE", f"/v1/accounts/anna/sessions/{session}")
        assert [line["outcome"] for line in world.audit] == ["begun", "done"]
        assert {line["session"] for line in world.audit} == {session}


async def test_a_bug_in_a_handler_is_one_500_and_one_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with OpsWorld() as world:
        def broken(account: str) -> None:
            raise RuntimeError(account)

        monkeypatch.setattr(world.region.report, "account", broken)
        answer = await world.ask("GET", "/v1/accounts/anna", key=ANN)
        assert answer.status == 500
        assert "anna" not in str(answer.body)
        assert world.audit[-1]["outcome"] == "failed"


async def test_problems_of_a_region_that_joins_do_not_look_like_refusals() -> None:
    async with OpsWorld(names=("us", "eu")) as world:
        world.region._joining.is_joined = False
        answer = await world.ask("DELETE", "/v1/accounts/anna/sessions")
        assert answer.status == 503
        status = (await world.ask("GET", "/v1/status")).body
        assert [region["code"] for region in status["regions"]] == ["JN", "UN"]
        assert status["problems"][0]["kind"] == "joining"
