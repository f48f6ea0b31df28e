"""`georeg shadow`: the counts of all regions in one table, and where a shadow is not tried."""

from collections.abc import AsyncIterator

import pytest

from tests.edge.test_metrics import scrape
from tests.ops.world import BOB, OpsWorld

Captured = pytest.CaptureFixture[str]


@pytest.fixture
async def world() -> AsyncIterator[OpsWorld]:
    """Standard allows 2, its shadow 1: jan plays on two devices in eu, lena on one in us."""
    async with OpsWorld(names=("us", "eu")) as world:
        for region in world.regions.values():
            region.report.shadow.configure({"standard": 1})
        world.clock.advance(60_000)
        await world.started("jan", "tv", region="eu", plan="standard")
        await world.started("jan", "phone", region="eu")
        await world.started("lena", "tv", region="us", plan="standard")
        yield world


async def test_the_table_sums_all_regions(world: OpsWorld, capsys: Captured) -> None:
    assert await world.georeg("shadow", key=BOB) == 0
    assert capsys.readouterr().out == (
        "PLAN      LIMIT  SHADOW  FOR  STARTS   +REFUSED  ACCOUNTS  +ADMITTED  SAME\n"
        "standard      2       1   1m       3  1 (33.3%)         1   0 (0.0%)     2\n"
    )


async def test_where_a_limit_is_not_tried_and_who_is_not_asked_is_told(
    world: OpsWorld, capsys: Captured
) -> None:
    world.regions[next(iter(world.regions))].report.shadow.configure({})
    assert await world.georeg("shadow") == 0
    assert "! standard with 1 is tried in eu only\n" in capsys.readouterr().out
    await world.ops_servers["eu"].stop()
    assert await world.georeg("shadow") == 0
    out = capsys.readouterr().out
    assert out.startswith("no plan has a shadow: add [shadow.plans.NAME]")
    assert "eu could not be asked: cannot reach" in out


async def test_the_metrics_count_by_plan_and_name_no_account(world: OpsWorld) -> None:
    text, samples = await scrape(world)
    labels = (("plan", "standard"), ("real", "admitted"), ("shadow", "admitted"))
    assert samples["georeg_shadow_decisions_total", labels] == 1
    assert "lena" not in text
