"""Rolled tokens over HTTP: who takes them, who need not, and what two hands on one token show."""

from dataclasses import replace

import msgpack
import pytest

from georeg.edge.rolling import Rolling
from georeg.region.settings import OnClone, PlanPolicy, Settings
from tests.edge.world import World

HEARTBEAT_MS, ROLL_MS = 30_000, 300_000


class Player:
    """A device that takes rolled tokens, or does not."""

    def __init__(self, world: World, token: str, *, takes: bool = True) -> None:
        self.world, self.token, self.takes = world, token, takes
        self.rolled = 0

    async def beat(self) -> int:
        answer = await self.world.heartbeat(self.token)
        if "token" in answer.body:
            self.rolled += 1
            if self.takes:
                self.token = answer.body["token"]
        return answer.status


async def playing(world: World, *players: Player, beats: int) -> list[int]:
    """Each heartbeats at its pace, one after the other."""
    statuses = []
    for _ in range(beats):
        for player in players:
            statuses.append(await player.beat())
            world.clock.advance(HEARTBEAT_MS // len(players))
    return statuses


def clones(world: World) -> int:
    return world.region.status().counters.get("clones", 0)


@pytest.mark.parametrize("takes", [True, False])
async def test_a_player_is_offered_a_token_now_and_then_and_may_ignore_it(takes: bool) -> None:
    async with World() as world:
        player = Player(world, (await world.start()).body["token"], takes=takes)
        assert set(await playing(world, player, beats=41)) == {200}
        assert 3 <= player.rolled <= 8
        assert clones(world) == 0


def test_an_offer_stands_for_a_heartbeat_and_a_half_of_each_period() -> None:
    rolling = Rolling(ROLL_MS, HEARTBEAT_MS)
    due = [age for age in range(-ROLL_MS, 3 * ROLL_MS, 15_000) if rolling.is_due(age)]
    assert due == [ROLL_MS + n for n in (0, 15_000, 30_000)] + [
        2 * ROLL_MS + n for n in (0, 15_000, 30_000)
    ]
    assert not any(Rolling(0, HEARTBEAT_MS).is_due(age) for age in (0, ROLL_MS))


async def test_tokens_are_not_rolled_where_the_settings_say_so() -> None:
    async with World(settings=replace(Settings(), token_roll_ms=0)) as world:
        player = Player(world, (await world.start()).body["token"])
        await playing(world, player, beats=21)
        assert player.rolled == 0


@pytest.mark.parametrize("policy", OnClone)
async def test_two_players_of_one_token_are_found_and_the_plan_decides(policy: OnClone) -> None:
    plans = {"basic": PlanPolicy(1, clones=policy)}
    async with World(settings=replace(Settings(), plans=plans)) as world:
        token = (await world.start()).body["token"]
        statuses = await playing(world, Player(world, token), Player(world, token), beats=16)
        assert clones(world) == 1
        if policy is OnClone.REPORT:
            assert set(statuses) == {200}
            return
        assert statuses[-2:] == [410, 410]
        told = (await world.heartbeat(token)).body
        assert (told["reason"], told["by"]["kind"], told["retry"]) == ("kicked", "system", False)


async def test_a_gateway_may_go_on_with_the_token_of_the_start() -> None:
    async with World() as world:
        token = (await world.start()).body["token"]
        player = Player(world, token)
        for _ in range(40):
            assert await player.beat() == 200
            world.clock.advance(HEARTBEAT_MS // 2)
            for sent in (token, player.token):
                answer = await world.call(
                    "POST",
                    "/v1/sessions/heartbeats",
                    data=msgpack.packb([sent]),
                    headers={"Content-Type": "application/msgpack"},
                )
                assert msgpack.unpackb(answer.body) == [200]
            world.clock.advance(HEARTBEAT_MS // 2)
        assert player.rolled > 0
        assert clones(world) == 0


async def test_a_rolled_token_stops_its_session() -> None:
    async with World() as world:
        player = Player(world, (await world.start()).body["token"])
        await playing(world, player, beats=11)
        assert player.rolled == 1
        assert (await world.call("POST", "/v1/sessions/stop", token=player.token)).status == 204
        assert await player.beat() == 410
