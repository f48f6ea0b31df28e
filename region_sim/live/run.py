"""One live run: boots, lets viewers act under faults, heals, and looks whether everything settles.

The phases are those of a simulated run. Safety: `duration_s` of viewers and faults. Convergence:
everything is healed, nobody starts any more, and within `AGREE_S` all regions must list the same.
Emptiness: all devices leave without a word, and one client lease later nothing may be left.

Invariant: however a run ends, Toxiproxy, its proxies and the regions are gone afterwards. Killed
outright, this process takes them with it (guard.py, cluster.py).
"""

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final, Protocol

from region_sim.history import History, Life, LifeEvent
from region_sim.live.agreement import differences, leftovers, settle
from region_sim.live.cluster import Cluster
from region_sim.live.configs import ClusterPlan, write_cluster
from region_sim.live.errors import LiveError
from region_sim.live.links import Links
from region_sim.live.nemesis import Nemesis, Say, check_live
from region_sim.live.town import LiveTown
from region_sim.live.toxiproxy import ToxiproxyServer, find_server
from region_sim.live.watch import read_logs, watch
from region_sim.plan.draw import draw
from region_sim.plan.scenario import Scenario
from region_sim.viewers import Town, Viewers

AGREE_S: Final = 10.0
"""From healing to agreement: a link that was cut notices (3.5 s), dials again (up to 1 s between
attempts, 2 s each), and two beacon rounds follow; the rest is for a machine that is busy."""
EMPTY_SLACK_S: Final = 4.0
"""After the client lease: the sweep, its spread to the others, a busy machine."""
GAUGE_ROUNDS: Final = 6
"""Beacon rounds until a region has looked at all accounts in overdraft again (overdrafts.py)."""
_WAY_SAMPLES: Final = 20
_WAY_US_MIN: Final = 5_000


class Crowd(Protocol):
    """The viewers, as a run drives them."""

    def begin(self) -> None:
        """Let households live."""

    def quiet(self) -> None:
        """Nobody starts any more; streams that run go on."""

    def leave(self) -> None:
        """All devices go without a word."""

    async def close(self) -> None:
        """Nothing runs any more."""


MakeCrowd = Callable[[Town, Scenario], Crowd]


@dataclass(frozen=True, slots=True)
class Stage:
    """Everything that a run takes place on."""

    cluster: Cluster
    links: Links
    town: LiveTown


async def run_live(
    scenario: Scenario,
    seed: int,
    *,
    say: Say,
    make_crowd: MakeCrowd = Viewers,
    keep_logs: Path | None = None,
) -> History:
    """Run a scenario against real processes. Raises LiveError, PlanError.

    Faults that the scenario leaves open are drawn from the seed, and said first. `keep_logs`: a
    directory for configs and logs of the regions; left out, they go with the run.
    """
    scenario = draw(scenario, seed)
    check_live(scenario.faults)
    for fault in scenario.faults:
        say(f"will be: {fault.describe()}")
    with tempfile.TemporaryDirectory(prefix="region-sim-live-") as temporary:
        directory = keep_logs if keep_logs is not None else Path(temporary)
        _make_empty(directory)
        plan = write_cluster(scenario, directory)
        history = _new_history(scenario, seed, plan)
        async with _stage(scenario, seed, plan, history, directory, say) as stage:
            await _phases(scenario, stage, make_crowd, history, say)
        read_logs(stage.cluster, history, stage.town.began_wall_s)
    return history


def _make_empty(directory: Path) -> None:
    """What an earlier run left must not become the disk of a region of this one."""
    directory.mkdir(parents=True, exist_ok=True)
    if any(directory.iterdir()):
        raise LiveError(f"{directory} is not empty; give a directory of its own to each run")


def _new_history(scenario: Scenario, seed: int, plan: ClusterPlan) -> History:
    settings = plan.settings
    return History(
        seed,
        scenario.name,
        system="live",
        regions=scenario.regions,
        heartbeat_us=settings.heartbeat_ms * 1000,
        lease_us=settings.client_lease_ms * 1000,
        suspect_us=settings.suspect_ms * 1000,
        deadline_us=settings.deadline_ms * 1000,
        excess_policy=scenario.excess,
        on_limit=scenario.on_limit,
        is_tapped=False,
        max_latency_us=max(scenario.distances_us().values(), default=0),
    )


@asynccontextmanager
async def _stage(
    scenario: Scenario,
    seed: int,
    plan: ClusterPlan,
    history: History,
    directory: Path,
    say: Say,
) -> AsyncIterator[Stage]:
    """Toxiproxy with its proxies, the regions, and lines to them; all gone at the end."""
    logging.getLogger("urllib3").setLevel(logging.WARNING)
    async with AsyncExitStack() as stack:
        server = ToxiproxyServer(find_server(), directory / "toxiproxy.log")
        stack.push_async_callback(server.stop)
        await server.start()
        links = Links(server)
        await links.open(plan.proxies)
        await links.stretch(scenario.distances_us(), scenario.jitter)
        say(f"Toxiproxy (process {server.pid}) carries {len(plan.proxies)} links")
        cluster = await stack.enter_async_context(Cluster(plan))
        await cluster.start()
        pids = ", ".join(f"{region.name} {region.pid}" for region in cluster.regions.values())
        say(f"regions are ready (processes: {pids})")
        random = Random(f"live viewers {seed}")
        town = await stack.enter_async_context(LiveTown(plan, history, random))
        history.round_trips_us = await _round_trips_us(town)
        yield Stage(cluster, links, town)


async def _round_trips_us(town: LiveTown) -> dict[str, int]:
    """The longest of some round trips from each place to each region, when nothing else goes on."""
    found = {}
    for place in town.regions:
        for region in town.regions:
            longest_us = _WAY_US_MIN
            for _ in range(_WAY_SAMPLES):
                sent_us = town.now_us()
                async with town.lines(place).get(f"{town.address(region)}/livez") as answer:
                    await answer.read()
                longest_us = max(longest_us, town.now_us() - sent_us)
            found[f"{place}>{region}"] = longest_us
    return found


async def _phases(
    scenario: Scenario, stage: Stage, make_crowd: MakeCrowd, history: History, say: Say
) -> None:
    """The run itself, from 0."""
    town = stage.town
    town.begin()
    for name in scenario.regions:
        history.lives += [LifeEvent(0, name, what) for what in (Life.BOOTED, Life.READY)]
    nemesis = Nemesis(scenario.faults, stage.cluster, stage.links, history, town.now_us, say)
    crowd = make_crowd(town, scenario)
    async with _beside(watch(stage.cluster, history, town.now_us)):
        try:
            crowd.begin()
            await nemesis.run(scenario.duration_s)
            history.healed_us = town.now_us()
            say("healed; nobody starts any more")
            crowd.quiet()
            await _look_for_agreement(town, history, say)
            say("all devices leave without a word")
            crowd.leave()
            await _look_for_emptiness(stage, history, say)
        finally:
            await crowd.close()
            history.end_us = town.now_us()


@asynccontextmanager
async def _beside(work: Awaitable[None]) -> AsyncIterator[None]:
    """Run something that never ends beside the block; if it fails, so does the block."""
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(_awaited(work))
        try:
            yield
        finally:
            task.cancel()


async def _awaited(work: Awaitable[None]) -> None:
    await work


def _accounts(history: History) -> list[str]:
    return sorted({joined.account for joined in history.joined})


async def _look_for_agreement(town: LiveTown, history: History, say: Say) -> None:
    accounts = _accounts(history)
    found = await settle(
        lambda: differences(town, accounts),
        healed_us=history.healed_us,
        limit_us=history.healed_us + round(AGREE_S * 1e6),
        now_us=town.now_us,
    )
    history.convergence.append(found)
    if found.problems:
        say(f"regions still disagree {AGREE_S:g} s after healing")
    else:
        say(f"all regions agree {(found.at_us - history.healed_us) / 1e6:.1f} s after healing")


async def _look_for_emptiness(stage: Stage, history: History, say: Say) -> None:
    town = stage.town
    beacon_us = stage.cluster.plan.settings.beacon_ms * 1000
    accounts = _accounts(history)
    left_us = town.now_us()
    slack_us = round(EMPTY_SLACK_S * 1e6) + GAUGE_ROUNDS * beacon_us
    found = await settle(
        lambda: leftovers(town, accounts),
        healed_us=history.healed_us,
        limit_us=left_us + history.lease_us + slack_us,
        now_us=town.now_us,
    )
    history.convergence.append(found)
    since_s = (found.at_us - left_us) / 1e6
    say(f"{'sessions are left' if found.problems else 'nothing is left'} {since_s:.1f} s later")
