"""What each design cannot do: the reason why georeg is made otherwise."""

import asyncio

from tests.sim.baselines.cluster import NAMES, Regions, id_of


async def test_central_answers_nobody_across_a_cut_but_the_players_go_on(central: Regions) -> None:
    started = await central.start("eu")
    central.part(("us",), ("eu", "ap"))
    assert (await central.start("eu", account="b")).status == 503
    assert (await central.heartbeat("eu", started)).status == 503
    assert (await central.kick("eu", id_of(started))).status == 503
    assert (await central.start("us", account="b")).status == 201


async def test_central_frees_the_slot_of_a_stream_that_it_cannot_hear(central: Regions) -> None:
    started = await central.start("eu")
    central.part(("us",), ("eu", "ap"))
    central.clock.advance(100_000)
    assert (await central.start("us", "phone-1")).status == 201
    central.cut.clear()
    assert (await central.heartbeat("eu", started)).body["reason"] == "lapsed"


async def test_central_never_admits_more_than_the_limit_in_a_race(central: Regions) -> None:
    answers = await asyncio.gather(*(central.start(name, f"tv-{name}") for name in NAMES))
    assert sorted(answer.status for answer in answers) == [201, 409, 409]


async def test_central_without_its_home_is_no_service_at_all(central: Regions) -> None:
    await central.kill("us")
    assert [(await central.start(name)).status for name in ("eu", "ap")] == [503, 503]


async def test_independent_regions_admit_the_limit_each_without_any_fault(
    independent: Regions,
) -> None:
    answers = [await independent.start(name, f"tv-{name}") for name in NAMES]
    assert [answer.status for answer in answers] == [201, 201, 201]
    assert independent.crossings == []


async def test_independent_regions_do_not_know_what_to_kick(independent: Regions) -> None:
    started = await independent.start("us")
    assert await independent.listed("eu") == []
    assert (await independent.kick("eu", id_of(started))).status == 404


async def test_an_independent_region_blocks_a_viewer_who_moved_away_and_stopped(
    independent: Regions,
) -> None:
    started = await independent.start("us")
    await independent.heartbeat("eu", started)
    await independent.stop("eu", started)
    refused = await independent.start("us", "phone-1")
    assert refused.status == 409, "the session has ended, but not here"


async def test_gossip_refuses_what_plays_elsewhere_once_it_has_heard(gossip: Regions) -> None:
    started = await gossip.start("us")
    await gossip.until(lambda: gossip.listed("eu"), [id_of(started)])
    refused = await gossip.start("eu", "phone-1")
    assert (refused.status, refused.body["evidence"]) == (409, "beacon")
    assert refused.body["sessions"][0]["region"] == "us"


async def test_gossip_carries_a_kick_to_the_holder(gossip: Regions) -> None:
    started = await gossip.start("us")
    await gossip.until(lambda: gossip.listed("eu"), [id_of(started)])
    kicked = await gossip.kick("eu", id_of(started))
    assert (kicked.body["effect"], kicked.body["waiting_for"]) == ("pending", ["us"])
    await gossip.until(lambda: gossip.listed("us"), [])
    assert (await gossip.heartbeat("us", started)).body["reason"] == "kicked"
    assert (await gossip.kick("eu", id_of(started))).body["effect"] == "ended"


async def test_gossip_admits_the_limit_on_each_side_of_a_cut_and_ends_nothing_after_it(
    gossip: Regions,
) -> None:
    gossip.part(("us",), ("eu",), ("ap",))
    answers = [await gossip.start(name, f"tv-{name}") for name in NAMES]
    assert [answer.status for answer in answers] == [201, 201, 201]
    gossip.cut.clear()

    async def views() -> list[int]:
        return [len(await gossip.listed(name)) for name in NAMES]

    await gossip.until(views, [3, 3, 3])
    beats = [
        await gossip.heartbeat(name, answer) for name, answer in zip(NAMES, answers, strict=True)
    ]
    assert [beat.status for beat in beats] == [200, 200, 200]


async def test_gossip_reaches_a_region_around_a_cut(gossip: Regions) -> None:
    gossip.part(("us",), ("eu",))
    started = await gossip.start("us")
    await gossip.until(lambda: gossip.listed("eu"), [id_of(started)])


async def test_a_region_that_lost_its_disk_learns_again_what_the_others_know(
    gossip: Regions,
) -> None:
    started = await gossip.start("us")
    await gossip.until(lambda: gossip.listed("eu"), [id_of(started)])
    await gossip.kill("eu")
    gossip.disks["eu"].store = None
    await gossip.boot("eu")
    assert await gossip.listed("eu") == [id_of(started)]
