"""The document says what the server does: `world.py` checks every answer, this the rest."""

import json
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from georeg.edge.problems import KINDS
from georeg.edge.routes import ROUTES
from georeg.edge.schemas import PLAN, START
from tests.edge.world import DOCUMENT, World, check_answer


async def test_the_served_document_is_valid_openapi() -> None:
    async with World() as world:
        answer = await world.call("GET", "/openapi.json")
        assert answer.body == DOCUMENT
        OpenAPIV31SpecValidator(answer.body).validate()


async def test_the_document_and_the_router_know_the_same_calls() -> None:
    async with World() as world:
        router = world.servers["us"]._app.router
        routed = {
            (route.method, route.resource.canonical)
            for route in router.routes()
            if route.resource is not None and route.method != "*"
        }
    described = {
        (method.upper(), path)
        for path, operations in DOCUMENT["paths"].items()
        for method in operations
    }
    assert routed == described


def test_the_calls_are_those_of_the_api() -> None:
    assert sorted((route.method, route.path) for route in ROUTES if "/v1/" in route.path) == [
        ("DELETE", "/v1/accounts/{account}/sessions/{session}"),
        ("GET", "/v1/accounts/{account}/sessions"),
        ("GET", "/v1/sessions/events"),
        ("POST", "/v1/accounts/{account}/sessions"),
        ("POST", "/v1/introspect"),
        ("POST", "/v1/sessions/heartbeat"),
        ("POST", "/v1/sessions/heartbeats"),
        ("POST", "/v1/sessions/stop"),
        ("PUT", "/v1/accounts/{account}/plan"),
    ]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: str(kind.name))
async def test_a_problems_type_can_be_followed(kind: Any) -> None:
    async with World() as world:
        answer = await world.call("GET", kind.uri)
        assert answer.status == 200
        assert kind.meaning in answer.body.decode()


async def test_an_unknown_type_of_problem_is_not_found() -> None:
    async with World() as world:
        assert (await world.call("GET", "/problems/none")).status == 404


def test_only_four_statuses_are_refusals() -> None:
    refusals = {kind.status for kind in KINDS if "Go on playing" not in kind.meaning}
    assert refusals == {401, 403, 404, 409, 410}
    assert all(kind.name != "not-found" or kind.status == 404 for kind in KINDS)


@pytest.mark.parametrize(
    "body",
    [
        {"device": {"id": "a"}},
        {"device": {"id": "a", "name": "b", "kind": "c"}, "title": "t", "replace": ["us-1-1"]},
        {"device": {"id": ""}},
        {"device": {"id": "a", "x": 1}},
        {"device": {"id": "a"}, "replace": ["x"] * 17},
        {"device": 1},
        {},
        [],
    ],
)
def test_a_shape_and_its_schema_agree(body: object) -> None:
    errors: list[tuple[str, str]] = []
    START.check(body, "", errors)
    assert Draft202012Validator(START.schema()).is_valid(body) is not bool(errors)


@pytest.mark.parametrize(
    "when",
    ["2026-01-01T12:00:00Z", "2026-01-01t12:00:00.123456789+05:30", "2026-01-01", "", "now"],
)
def test_the_shape_of_a_time_and_its_schema_agree(when: str) -> None:
    errors: list[tuple[str, str]] = []
    body = {"plan": "basic", "issued_at": when}
    PLAN.check(body, "", errors)
    assert Draft202012Validator(PLAN.schema()).is_valid(body) is not bool(errors)


@pytest.mark.parametrize(
    "mutate",
    [
        lambda answer: answer.pop("token"),
        lambda answer: answer.update(extra=1),
        lambda answer: answer["session"].update(state="dead"),
        lambda answer: answer["session"].update(started_at="2026-01-01 12:00"),
        lambda answer: answer["decision"].update(basis="guess"),
    ],
)
async def test_the_check_of_answers_catches_a_wrong_one(mutate: Any) -> None:
    async with World() as world:
        answer = json.loads(json.dumps((await world.start()).body))
    path = "/v1/accounts/acc-42/sessions"
    check_answer("POST", path, 201, "application/json", answer)
    mutate(answer)
    with pytest.raises(Exception, match=r"."):
        check_answer("POST", path, 201, "application/json", answer)


async def test_a_status_that_is_not_in_the_document_is_caught() -> None:
    with pytest.raises(AssertionError):
        check_answer("GET", "/livez", 202, "application/json", {})
