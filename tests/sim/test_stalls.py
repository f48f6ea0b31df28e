"""A region that stood still decides nothing for callers who have given up."""

from collections.abc import Iterator

import pytest
from aiohttp import ClientTimeout

from region_sim.history import History
from region_sim.kernel import entropy
from region_sim.kernel.trace import Trace
from region_sim.plan.scenario import Scenario
from region_sim.world import logs
from region_sim.world.georeg import Georeg
from region_sim.world.world import World

ACCOUNT = "/v1/accounts/acc-1/sessions"
tokens: dict[str, str] = {}


@pytest.fixture
def world() -> Iterator[World]:
    scenario = Scenario("stalls", regions=("us",))
    history = History(1, "stalls")
    with logs.kept(history), entropy.seeded(1, lambda: 0.0):
        made = World(scenario, 1, Georeg(), history, Trace())
        made.boot("us")
        made.run_until(30, lambda: bool(made.processes()))
        yield made
        made.close()


async def start(world: World, device: str, timeout_s: float) -> int:
    lines, headers = world.town.lines("us"), world.town.entitlement("acc-1", "premium", "")
    body = {"device": {"id": device, "name": device, "kind": "tv"}}
    try:
        async with lines.post(
            world.town.address("us") + ACCOUNT,
            json=body,
            headers=headers,
            timeout=ClientTimeout(total=timeout_s),
        ) as answer:
            tokens[device] = (await answer.json()).get("token", "")
            return answer.status
    except TimeoutError:
        return 0


async def devices(world: World) -> list[str]:
    lines, headers = world.town.lines("us"), world.town.entitlement("acc-1", "premium", "")
    async with lines.get(world.town.address("us") + ACCOUNT, headers=headers) as answer:
        return [session["device"]["id"] for session in (await answer.json())["sessions"]]


def test_a_start_whose_caller_gave_up_while_the_process_stood_still_is_not_decided(
    world: World,
) -> None:
    assert world.call(start(world, "tv", 3)) == 201
    world.pause("us")
    assert world.call(start(world, "gave-up", 2)) == 0
    waiting = world.viewers.create_task(start(world, "waits", 30))
    world.run_until(world.now_us / 1e6 + 3)
    world.resume("us")
    world.run_until(world.now_us / 1e6 + 2)

    assert waiting.result() == 201
    assert world.call(devices(world)) == ["tv", "waits"]


async def heartbeat(world: World, token: str, timeout_s: float) -> int:
    lines, headers = world.town.lines("us"), {"Authorization": f"Bearer {token}"}
    address = world.town.address("us") + "/v1/sessions/heartbeat"
    timeout = ClientTimeout(total=timeout_s)
    try:
        async with lines.post(address, headers=headers, timeout=timeout) as answer:
            return answer.status
    except TimeoutError:
        return 0


def test_a_heartbeat_of_a_device_that_went_elsewhere_brings_nothing_back(world: World) -> None:
    assert world.call(start(world, "tv", 3)) == 201
    world.run_until(world.now_us / 1e6 + 60)
    world.pause("us")
    assert world.call(heartbeat(world, tokens["tv"], 5)) == 0
    world.run_until(world.now_us / 1e6 + 60)
    world.resume("us")
    world.run_until(world.now_us / 1e6 + 2)

    assert world.call(devices(world)) == []
    assert world.call(heartbeat(world, tokens["tv"], 5)) == 200  # it is there and asks: revived


def test_a_start_after_a_moment_without_a_stall_does_not_wait(world: World) -> None:
    world.pause("us")
    world.run_until(world.now_us / 1e6 + 1.0)
    world.resume("us")
    world.run_until(world.now_us / 1e6 + 0.01)
    began_us = world.now_us

    assert world.call(start(world, "tv", 3)) == 201
    assert world.now_us - began_us < 40_000  # two round trips of the last mile
