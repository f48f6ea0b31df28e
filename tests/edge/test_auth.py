"""Who may call what: accounts, backends, devices, and anybody under dev from this machine."""

from typing import Any

import jwt
import pytest
from multidict import CIMultiDict

from georeg.edge.auth import bearer, is_loopback
from georeg.edge.backends import BackendKeys, mint_backend_key
from georeg.edge.entitlements import EntitlementVerifier
from georeg.edge.errors import KeysUnavailableError, SettingsError
from georeg.edge.jwk import secret_key
from georeg.edge.keysets import StaticKeys
from georeg.edge.problems import Problem
from georeg.edge.server import EdgeServer
from georeg.edge.settings import EdgeSettings
from tests.edge.world import BACKEND, STORED, World

SECRET = b"s" * 32
WALL_S = 1767268800


def public() -> World:
    """A region as strangers see it: no dev mode."""
    verifier = EntitlementVerifier([StaticKeys([secret_key(SECRET)])])
    return World(edge_settings=EdgeSettings(), entitlements=verifier)


def entitlement(**claims: Any) -> str:
    return jwt.encode({"account": "acc-42", "plan": "basic", "iat": WALL_S} | claims, SECRET)


CALLS = [
    ("POST", "/v1/accounts/acc-42/sessions"),
    ("GET", "/v1/accounts/acc-42/sessions"),
    ("DELETE", "/v1/accounts/acc-42/sessions/us-1-40"),
    ("PUT", "/v1/accounts/acc-42/plan"),
    ("POST", "/v1/introspect"),
    ("POST", "/v1/sessions/heartbeats"),
]


@pytest.mark.parametrize(("method", "path"), CALLS)
async def test_without_credentials_nothing_is_said(method: str, path: str) -> None:
    async with public() as world:
        assert (await world.call(method, path)).status == 401
        for wrong in ("x", "a.b", "billing.wrong", "a.b.c", STORED, BACKEND + "x"):
            assert (await world.call(method, path, token=wrong)).status == 401
        for head in ("Basic eDp5", "Bearer", "Bearer ", BACKEND):
            answer = await world.call(method, path, headers={"Authorization": head})
            assert answer.status == 401


@pytest.mark.parametrize(("method", "path"), CALLS[3:])
async def test_what_is_for_backends_is_forbidden_to_accounts(method: str, path: str) -> None:
    async with public() as world:
        assert (await world.call(method, path, token=entitlement())).status == 403


@pytest.mark.parametrize(("method", "path"), CALLS[:3])
async def test_an_entitlement_counts_for_its_own_account_only(method: str, path: str) -> None:
    async with public() as world:
        answer = await world.call(method, path, token=entitlement(account="acc-43"))
        assert answer.status == 403


async def test_an_account_starts_under_the_plan_that_was_signed_and_no_other() -> None:
    async with public() as world:
        first = await world.start(token=entitlement(), plan="premium")
        assert first.body["decision"]["limit"] == 1
        assert (await world.start(token=entitlement(), device="tv-2")).status == 409
        upgraded = entitlement(plan="standard", iat=WALL_S + 1)
        answer = await world.start(token=upgraded, device="tv-2")
        assert (answer.status, answer.body["decision"]["limit"]) == (201, 2)


async def test_a_region_whose_clock_is_behind_admits_on_a_fresh_entitlement() -> None:
    async with public() as world:
        ahead = entitlement(plan="standard", iat=WALL_S + 3600)
        answer = await world.start(token=ahead)
        assert (answer.status, answer.body["decision"]["limit"]) == (201, 2)


async def test_a_statement_from_the_future_does_not_shut_out_those_that_follow() -> None:
    async with public() as world:
        await world.start(token=entitlement(plan="standard", iat=WALL_S + 3600))
        later = entitlement(plan="premium", iat=WALL_S + 60)
        answer = await world.start(token=later, device="tv-2")
        assert answer.body["decision"]["limit"] == 2  # made at the same moment: the first stands
        world.clock.wall_base_ms += 60_000
        answer = await world.start(token=later, device="tv-3")
        assert (answer.status, answer.body["decision"]["limit"]) == (201, 4)


async def test_a_backend_starts_under_the_plan_that_it_names() -> None:
    async with public() as world:
        answer = await world.start(token=BACKEND, plan="standard")
        assert (answer.status, answer.body["decision"]["limit"]) == (201, 2)


async def test_a_key_set_out_of_reach_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    async def out_of_reach(*_: object) -> None:
        raise KeysUnavailableError("out of reach")

    monkeypatch.setattr(StaticKeys, "find", out_of_reach)
    async with public() as world:
        assert (await world.start(token=entitlement())).status == 503


async def test_wrong_credentials_are_wrong_under_dev_too() -> None:
    async with World() as world:
        assert (await world.start()).status == 201
        assert (await world.start(token="billing.wrong")).status == 401


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
async def test_under_dev_a_proxy_does_not_count_as_this_machine(header: str) -> None:
    async with World() as world:
        assert (await world.start(headers={header: "203.0.113.9"})).status == 401


async def test_dev_mode_is_never_listened_on_where_others_can_reach_it() -> None:
    async with World() as world:
        app = world.servers["us"]._app
        for host in ("0.0.0.0", "::", "192.0.2.1", "example.org", ""):  # noqa: S104 - refused
            with pytest.raises(SettingsError):
                EdgeServer(app, host, 0)
        for host in ("127.0.0.1", "127.9.9.9", "::1", "localhost"):
            EdgeServer(app, host, 0)


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("::ffff:127.0.0.1", True),
        ("::1%lo", True),
        ("10.0.0.1", False),
        ("::ffff:10.0.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_what_counts_as_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_the_scheme_is_taken_in_any_case() -> None:
    assert bearer(CIMultiDict({"authorization": "bearer  x"})) == "x"
    with pytest.raises(Problem):
        bearer(CIMultiDict({"Authorization": "Digest x"}))


def test_a_backends_key_is_verified_and_what_is_stored_is_not_a_key() -> None:
    key, stored = mint_backend_key("shop", lambda count: bytes(range(count)))
    keys = BackendKeys({"shop": stored})
    assert keys.verify(key) == "shop"
    assert stored not in key
    for wrong in (key[:-1], key + "x", f"shop.{stored}", key.replace("shop", "pub"), "shop.", "."):
        assert keys.verify(wrong) is None


@pytest.mark.parametrize(
    "stored", [{"a.b": STORED}, {"": STORED}, {"a": ""}, {"a": "00"}, {"a": "x" * 64}]
)
def test_a_stored_key_that_is_none_is_refused(stored: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        BackendKeys(stored)
