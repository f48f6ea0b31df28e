"""What callers of a draining region are told: where to go, when, and that nothing has ended."""

import json
from collections.abc import Callable

import pytest

from crdt.dots import RegionId
from georeg.edge.openapi import build_document
from georeg.edge.routes import ROUTES
from georeg.region.drain import Drain
from georeg.region.region import Region
from tests.edge.test_events import listen
from tests.edge.test_metrics import scrape
from tests.edge.world import World

EU = {"name": "eu", "url": "https://eu.example"}
AP = {"name": "ap"}
THREE = ("us", "eu", "ap")


def three() -> World:
    return World(names=THREE)


async def started(world: World, account: str = "acc-42") -> str:
    """The token of a session in us."""
    answer = await world.while_time_passes(world.start(account))
    assert answer.status == 201
    return str(answer.body["token"])


# ---- starts ----------------------------------------------------------------------------------


async def test_a_start_is_declined_with_where_to_go_and_admitted_there() -> None:
    async with three() as world:
        world.region.drain.begin()
        answer = await world.start()
        assert (answer.status, answer.body["type"]) == (503, "/problems/draining")
        assert answer.body["regions"] == [EU, AP]
        assert answer.headers["Retry-After"] == "1"
        assert (await world.while_time_passes(world.start(region="eu"))).status == 201


async def test_undone_starts_are_admitted_again() -> None:
    async with three() as world:
        world.region.drain.begin()
        world.region.drain.end()
        assert (await world.while_time_passes(world.start())).status == 201
        assert (await world.call("GET", "/readyz")).status == 200


async def test_with_nowhere_to_go_a_forced_drain_names_nobody() -> None:
    async with World() as world:
        token = await started(world)
        world.region.drain.begin(force=True)
        answer = await world.start("acc-43")
        assert (answer.status, answer.body["type"]) == (503, "/problems/unavailable")
        heartbeat = await world.heartbeat(token)
        assert heartbeat.body["next_heartbeat_s"] == 30
        assert "regions" not in heartbeat.body


async def test_a_region_that_drains_or_is_down_is_not_named() -> None:
    async with three() as world:
        world.regions[RegionId(2)].drain.begin()
        world.clock.advance(10)
        world.region.drain.begin()
        assert (await world.start()).body["regions"] == [AP]


async def test_readiness_says_where_to_go() -> None:
    async with three() as world:
        world.region.drain.begin()
        answer = await world.call("GET", "/readyz")
        assert (answer.status, answer.body["regions"]) == (503, [EU, AP])
        assert (await world.call("GET", "/livez")).status == 200


# ---- heartbeats ------------------------------------------------------------------------------


async def test_a_heartbeat_is_answered_with_where_the_next_one_goes() -> None:
    async with three() as world:
        token = await started(world)
        assert "regions" not in (await world.heartbeat(token)).body
        world.region.drain.begin()
        answer = await world.heartbeat(token)
        assert answer.status == 200
        assert answer.body["regions"] == [EU, AP]
        assert 1 <= answer.body["next_heartbeat_s"] <= 30
        assert answer.body["lease_s"] == 90


async def test_whose_turn_comes_later_is_answered_as_always() -> None:
    async with three() as world:
        tokens = [await started(world, f"acc-{n}") for n in range(12)]
        world.region.drain.begin(over_ms=120_000)
        answers = [(await world.heartbeat(token)).body for token in tokens]
        told = [answer for answer in answers if "regions" in answer]
        assert 0 < len(told) < len(answers)
        assert {a["next_heartbeat_s"] for a in answers if "regions" not in a} == {30}


async def test_an_adopted_session_is_told_to_go_on() -> None:
    async with three() as world:
        token = (await world.while_time_passes(world.start(region="eu"))).body["token"]
        world.clock.advance(100)
        world.region.drain.begin()
        answer = await world.heartbeat(token)
        assert (answer.status, answer.body["regions"]) == (200, [EU, AP])


async def test_stops_lists_and_kicks_go_on() -> None:
    async with three() as world:
        first, second = await started(world), await started(world, "acc-43")
        world.region.drain.begin()
        assert (await world.call("POST", "/v1/sessions/stop", token=first)).status == 204
        listed = await world.call("GET", "/v1/accounts/acc-43/sessions")
        session = listed.body["sessions"][0]["id"]
        path = f"/v1/accounts/acc-43/sessions/{session}"
        assert (await world.while_time_passes(world.call("DELETE", path))).status == 200
        assert (await world.heartbeat(second)).status == 410


# ---- events ----------------------------------------------------------------------------------


async def test_event_streams_are_told_and_new_ones_are_sent_on_until_it_is_undone() -> None:
    async with three() as world:
        token = await started(world)
        listener = await listen(world, token)
        world.region.drain.begin()
        name, data = await listener.event()
        assert (name, data["regions"]) == ("drain", [EU, AP])
        assert 0 <= data["reconnect_in_s"] <= 30
        assert await listener.closed()
        answer = await world.call("GET", "/v1/sessions/events", token=token)
        assert (answer.status, answer.body["regions"]) == (503, [EU, AP])
        world.region.drain.end()
        await listen(world, token)


# ---- machines --------------------------------------------------------------------------------


async def test_metrics_say_that_it_drains_and_how_many_are_left() -> None:
    async with three() as world:
        await started(world)
        world.region.drain.begin()
        _, samples = await scrape(world)
        assert (samples["georeg_draining", ()], samples["georeg_ready", ()]) == (1, 0)
        assert samples["georeg_drain_sessions_left", ()] == 1
        assert samples["georeg_peer_draining", (("peer", "eu"),)] == 0
        world.region.drain.end()
        _, samples = await scrape(world)
        assert samples["georeg_draining", ()] == 0
        assert samples["georeg_drain_sessions_left", ()] == 0


def test_the_document_names_the_public_address_where_there_is_one() -> None:
    document = json.loads(build_document(ROUTES, "https://us.example"))
    assert document["servers"] == [{"url": "https://us.example"}]
    assert "servers" not in json.loads(build_document(ROUTES))


# ---- planted bugs ----------------------------------------------------------------------------


def _admits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Region, "ready", property(lambda region: region.joined))


def _drops_heartbeats(monkeypatch: pytest.MonkeyPatch) -> None:
    renew = Region.renew
    monkeypatch.setattr(
        Region, "renew",
        lambda region, *claims: not region.drain.has_effect and renew(region, *claims),
    )  # fmt: skip
    monkeypatch.setattr(Region, "joined", property(lambda region: not region.drain.has_effect))


def _tells_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Drain, "next_heartbeat_ms", lambda drain, session: None)


@pytest.mark.parametrize(
    ("plant", "test"),
    [
        (_admits, test_a_start_is_declined_with_where_to_go_and_admitted_there),
        (_drops_heartbeats, test_a_heartbeat_is_answered_with_where_the_next_one_goes),
        (_tells_nobody, test_a_heartbeat_is_answered_with_where_the_next_one_goes),
    ],
)
async def test_a_draining_region_that_does_it_wrong_is_noticed(
    monkeypatch: pytest.MonkeyPatch,
    plant: Callable[[pytest.MonkeyPatch], None],
    test: Callable[[], object],
) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, KeyError)):
        await test()  # type: ignore[misc]  # all three are coroutines
