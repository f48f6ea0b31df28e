"""Heartbeat, stop and batches over HTTP."""

from typing import Any

import msgpack
import pytest

from georeg.edge.tokens import KeyRing, raw_of
from tests.edge.world import BACKEND, KEY, World


async def test_a_heartbeat_says_when_to_come_next() -> None:
    async with World() as world:
        started = await world.start()
        answer = await world.heartbeat(started.body["token"])
        assert answer.status == 200
        assert answer.body == {
            "session": started.body["session"]["id"],
            "next_heartbeat_s": 30,
            "lease_s": 90,
        }


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"state":"paused"}', b'{ "state" : "playing" }', b'{"state": "playing"}']
)
async def test_a_player_may_say_whether_it_plays(body: bytes) -> None:
    async with World() as world:
        token = (await world.start()).body["token"]
        answer = await world.heartbeat(
            token, data=body, headers={"Content-Type": "application/json"}
        )
        assert answer.status == 200


@pytest.mark.parametrize("body", [b'{"state":"x"}', b'{"stat":"playing"}', b"[]", b"{", b"\xff"])
async def test_another_body_is_refused_and_renews_nothing(body: bytes) -> None:
    async with World() as world:
        token = (await world.start()).body["token"]
        world.clock.advance(60_000)
        sent = {"Content-Type": "application/json"}
        assert (await world.heartbeat(token, data=body, headers=sent)).status == 422
        listed = await world.call("GET", "/v1/accounts/acc-42/sessions")
        assert listed.body["sessions"][0]["last_seen_at"] == "2026-01-01T12:00:09.000Z"


async def test_a_session_without_heartbeats_lapses_and_one_with_them_does_not() -> None:
    async with World() as world:
        silent = await world.start("acc-1")
        heard = await world.start("acc-2")
        for _ in range(4):
            world.clock.advance(30_000)
            assert (await world.heartbeat(heard.body["token"])).status == 200
        listed = await world.call("GET", "/v1/accounts/acc-1/sessions")
        assert listed.body["sessions"] == []
        assert silent.status == 201


async def test_a_stopped_session_is_free_at_once_and_never_comes_back() -> None:
    async with World() as world:
        started = await world.start()
        for _ in range(2):
            stopped = await world.call("POST", "/v1/sessions/stop", token=started.body["token"])
            assert stopped.status == 204
        told = await world.heartbeat(started.body["token"])
        assert (told.status, told.body["reason"], told.body["retry"]) == (410, "stopped", False)
        assert (await world.start(device="tv-2")).status == 201


async def test_a_page_that_closes_stops_its_session_with_a_text_body() -> None:
    async with World() as world:
        started = await world.start()
        sent = {"Content-Type": "text/plain;charset=UTF-8"}
        stopped = await world.call(
            "POST", "/v1/sessions/stop", data=started.body["token"].encode(), headers=sent
        )
        assert stopped.status == 204
        assert (await world.heartbeat(started.body["token"])).status == 410


async def test_a_stop_without_a_token_is_unauthorized() -> None:
    async with World() as world:
        assert (await world.call("POST", "/v1/sessions/stop")).status == 401


@pytest.mark.parametrize("path", ["/v1/sessions/heartbeat", "/v1/sessions/stop"])
async def test_garbage_truncated_and_foreign_tokens_are_unauthorized(path: str) -> None:
    async with World() as world:
        token = (await world.start()).body["token"]
        claims = world.keys.verify(token)
        foreign = [
            KeyRing([KEY], cluster="another").sign(claims),
            KeyRing([bytes(32)], cluster="test").sign(claims),
        ]
        wrong = [token[:-1], token[:20], token + "A", "A" + token, token.upper(), "x", "=" * 40]
        for bad in wrong + foreign:
            answer = await world.call("POST", path, token=bad)
            assert answer.status == 401
            assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert (await world.heartbeat(token)).status == 200


async def test_any_region_takes_the_token_of_any_other() -> None:
    async with World(names=("us", "eu")) as world:
        started = await world.while_time_passes(world.start())
        answer = await world.heartbeat(started.body["token"], region="eu")
        assert answer.status == 200
        assert answer.body["session"] == started.body["session"]["id"]


async def batch(world: World, tokens: list[Any], **kwargs: Any) -> Any:
    answer = await world.call(
        "POST",
        "/v1/sessions/heartbeats",
        data=msgpack.packb(tokens),
        headers={"Content-Type": "application/msgpack"},
        **kwargs,
    )
    assert answer.status == 200
    return msgpack.unpackb(answer.body)


async def test_a_batch_answers_each_token_in_its_order_whatever_form_it_has() -> None:
    async with World() as world:
        live = (await world.start("acc-1")).body["token"]
        ended = (await world.start("acc-2")).body["token"]
        await world.call("POST", "/v1/sessions/stop", token=ended)
        tokens = [live.encode(), ended, raw_of(live.encode()), b"", 7, None, [], live[:-2], live]
        statuses = await batch(world, tokens, token=BACKEND)
        assert statuses == [200, 410, 200, 401, 401, 401, 401, 401, 200]


async def test_a_batch_of_a_thousand_is_taken_and_one_more_is_too_large() -> None:
    async with World() as world:
        token = (await world.start()).body["token"]
        assert await batch(world, [token] * 1000) == [200] * 1000
        answer = await world.call(
            "POST",
            "/v1/sessions/heartbeats",
            data=msgpack.packb([token] * 1001),
            headers={"Content-Type": "application/msgpack"},
        )
        assert answer.status == 413


@pytest.mark.parametrize(
    "body", [b"", b"\xc1", b"\xdd\x00\x00\x00\x10", b"\x91" * 5000, b"\x80", b"\x90\x90", b"\xa1a"]
)
async def test_a_batch_that_is_no_array_of_tokens_is_an_invalid_request(body: bytes) -> None:
    async with World() as world:
        answer = await world.call(
            "POST",
            "/v1/sessions/heartbeats",
            data=body,
            headers={"Content-Type": "application/msgpack"},
        )
        assert answer.status == 422
