"""Overload: what is put off, in which order, when it is let in again, and who never waits."""

import asyncio

import pytest

from georeg.edge.overload import (
    LOOKS_TURN_S,
    RELEASE,
    STARTS_TURN_S,
    WINDOW_S,
    Overload,
    Urgency,
)
from georeg.edge.routes import ROUTES
from tests.edge.world import BACKEND, World

STEP_S = WINDOW_S / 10
NEVER = {"heartbeat", "heartbeats", "stop", "kick", "livez", "readyz", "metrics"}


def turned(overload: Overload, turn_s: float, now_s: float, for_s: float) -> float:
    """Turns of one length for a while; the time after it."""
    end_s = now_s + for_s
    while now_s < end_s:
        overload.turned(turn_s, now_s)
        now_s += STEP_S
    return now_s


def test_looks_are_put_off_first_then_starts_and_let_in_at_half_of_that() -> None:
    overload, now_s = Overload(), 100.0
    levels = []
    for turn_s in (
        0.9 * LOOKS_TURN_S, LOOKS_TURN_S, 0.9 * STARTS_TURN_S, STARTS_TURN_S,
        1.1 * RELEASE * STARTS_TURN_S, 0.9 * RELEASE * STARTS_TURN_S,
        0.9 * RELEASE * LOOKS_TURN_S,
    ):  # fmt: skip
        now_s = turned(overload, turn_s, now_s, 3 * WINDOW_S)
        levels.append(overload.level)
    assert levels == [0, 1, 1, 2, 2, 1, 0]


def test_one_long_turn_is_no_overload_and_one_short_turn_ends_none() -> None:
    overload = Overload()
    now_s = turned(overload, 0.001, 100.0, WINDOW_S)
    for _ in range(5):
        overload.turned(1.0, now_s)
        now_s = turned(overload, 0.001, now_s + STEP_S, WINDOW_S)
        assert overload.level == 0


def test_turns_of_seconds_are_an_overload_and_one_of_them_is_none() -> None:
    overload = Overload()
    turned(overload, 0.001, 100.0, WINDOW_S)
    overload.turned(3.0, 103.5)
    assert overload.level == 0
    overload.turned(3.0, 106.5)
    assert overload.level == 2


async def test_an_idle_loop_is_not_behind() -> None:
    overload = Overload()
    for _ in range(100):
        assert overload.admits(Urgency.LOOK)
        await asyncio.sleep(0)


async def test_a_quiet_time_ends_an_overload() -> None:
    overload = Overload()
    now_s = asyncio.get_running_loop().time()
    turned(overload, 1.0, now_s - 20, 5)
    assert overload.level == 2
    assert overload.admits(Urgency.LOOK)
    assert overload.level == 0


async def behind(world: World, turn_s: float) -> None:
    """The region's loop is behind, and will be for longer than the test takes."""
    now_s = asyncio.get_running_loop().time() + 60
    turned(world.edges["us"].overload, turn_s, now_s, 3 * WINDOW_S)


@pytest.mark.parametrize("turn_s", [LOOKS_TURN_S, STARTS_TURN_S])
async def test_heartbeats_stops_and_kicks_are_served_while_others_are_put_off(
    turn_s: float,
) -> None:
    async with World() as world:
        tv, phone = await world.start("acc-1"), await world.start("acc-2", "phone")
        await behind(world, turn_s)
        listed = await world.call("GET", "/v1/accounts/acc-1/sessions")
        asked = await world.call(
            "POST", "/v1/introspect", data={"token": tv.body["token"]}, token=BACKEND
        )
        started = await world.start("acc-3")
        assert (listed.status, asked.status) == (503, 503)
        assert listed.headers["Retry-After"] == "1"
        assert started.status == (503 if turn_s == STARTS_TURN_S else 201)
        assert (await world.heartbeat(tv.body["token"])).status == 200
        path = f"/v1/accounts/acc-2/sessions/{phone.body['session']['id']}"
        assert (await world.call("DELETE", path)).status == 200
        stopped = await world.call("POST", "/v1/sessions/stop", token=tv.body["token"])
        assert stopped.status == 204
        assert (await world.call("GET", "/readyz")).status == 200
        page = (await world.call("GET", "/metrics")).body.decode()
        assert 'georeg_shed_requests_total{kind="look"} 2.0' in page


def test_what_ends_renews_or_frees_a_stream_is_never_put_off() -> None:
    assert {route.name for route in ROUTES if route.urgency is Urgency.ALWAYS} == NEVER


async def test_starts_that_wait_for_other_regions_are_bounded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("georeg.edge.overload.STARTS_MAX", 1)
    async with World(names=("us", "eu")) as world:
        world.cut.add(world.regions[1].id)
        remote = next(
            f"acc-{n}" for n in range(99) if world.region._state.home_of(f"acc-{n}") != 1
        )
        waiting = asyncio.ensure_future(world.start(remote))
        while not world.edges["us"].overload.starts:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0)
        assert (await world.start("acc-1000")).status == 503
        assert (await world.while_time_passes(waiting)).status == 201
        assert world.edges["us"].overload.starts == 0
