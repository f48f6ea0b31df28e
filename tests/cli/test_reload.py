"""Another config for a region that runs: peers, keys, plans at once; the rest not at all."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from crdt.dots import RegionId
from georeg.cli.demo.plan import RegionPlan, make_plan, write_configs
from georeg.cli.keygen import new_secret
from georeg.cli.reload import ReloadError, check
from georeg.cli.runtime import Node
from georeg.config import load
from georeg.edge.app import EDGE
from georeg.mesh import LinkState
from tests.cli.processes import Command, call, start
from tests.cli.test_runtime import node_of
from tests.config.example import EXAMPLE, read

US, EU, AP = RegionId(1), RegionId(2), RegionId(3)
NOW = read(EXAMPLE)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ('cluster = "demo"', 'cluster = "other"', "cluster"),
        ('data_dir = "data"', 'data_dir = "elsewhere"', "data_dir"),
        ("port = 7401", "port = 7409", "edge.port"),
        ("port = 7501", "port = 7509", "[mesh]"),
        ("port = 7501", "port = 7501\nprotocol_max = 1", "[mesh]"),
        ("[mesh]", '[home]\nelection = "best-effort"\n[mesh]', "[home]"),
        ("heartbeat_s = 10", "heartbeat_s = 20", "settings.heartbeat_s"),
        ("heartbeat_s = 10", "heartbeat_s = 10\ngrant_lease_s = 20", "settings.grant_lease_s"),
        ('name = "eu"', 'name = "europe"', "the name of region 2"),
    ],
)
def test_what_needs_a_restart_is_refused_by_name(old: str, new: str, what: str) -> None:
    with pytest.raises(ReloadError, match="cannot change while the region runs") as caught:
        check(NOW, read(EXAMPLE.replace(old, new, 1)))
    assert what in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("limit = 1", "limit = 3", ["plans"]),
        ("heartbeat_s = 10", "heartbeat_s = 10\ndeadline_s = 0.2", ["settings.deadline_s"]),
        ("port = 7401", "port = 7401\ndrain_s = 1", ["edge.drain_s"]),
        ("[mesh]", "[explain]\nnames = true\n[mesh]", ["explain"]),
        ("[mesh]", "[shadow.plans.basic]\nlimit = 3\n[mesh]", ["shadow.plans"]),
        (
            '[[peer]]\nname = "ap"\nnumber = 3\nurl = "ws://127.0.0.1:7503"\n',
            "[former]\nap = 3\n",
            ["peer ap removed", "former"],
        ),
        ("127.0.0.1:7503", "127.0.0.1:7504", ["peer ap at another address"]),
    ],
)
def test_what_takes_effect_at_once_is_told(old: str, new: str, what: list[str]) -> None:
    assert check(NOW, read(EXAMPLE.replace(old, new, 1))) == what


def test_the_same_config_changes_nothing() -> None:
    assert check(NOW, read(EXAMPLE)) == []


@asynccontextmanager
async def running(*regions: RegionPlan) -> AsyncIterator[list[Node]]:
    nodes = [node_of(region) for region in regions]
    try:
        await asyncio.gather(*(node.start() for node in nodes))
        yield nodes
    finally:
        await asyncio.gather(*(node.stop() for node in nodes))


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(15):
        while not holds():  # noqa: ASYNC110 - links and agreements set no event
            await asyncio.sleep(0.01)


@pytest.fixture
def three(tmp_path: Path, consecutive_ports: Callable[[int], int]) -> list[RegionPlan]:
    plan = make_plan(["us", "eu", "ap"], consecutive_ports(3), tmp_path)
    write_configs(plan, heartbeat_s=1.0, lease_s=None)
    return plan


def without_ap(region: RegionPlan, *, former: bool = False) -> None:
    text = region.config_file.read_text()
    begin = text.index('[[peer]]\nname = "ap"')
    end = text.index("\n\n", begin)
    table = "[former]\nap = 3" if former else ""
    region.config_file.write_text(text[:begin] + table + text[end:])


async def test_a_cluster_grows_and_shrinks_again_while_it_runs(three: list[RegionPlan]) -> None:
    us_plan, eu_plan, ap_plan = three
    with_ap = {region.name: region.config_file.read_text() for region in (us_plan, eu_plan)}
    for region in (us_plan, eu_plan):
        without_ap(region)
    async with running(us_plan, eu_plan) as (us, eu):
        for node, region in ((us, us_plan), (eu, eu_plan)):
            region.config_file.write_text(with_ap[region.name])
            assert node.reload(load(region.config_file)) == ["peer ap added"]
        async with running(ap_plan) as (ap,):
            await until(lambda: all(link.state is LinkState.UP for link in ap.links().values()))
            await until(lambda: not us.region.status().regions_not_agreed)
            await until(lambda: us.links()[AP].state is LinkState.UP)
            assert us.region.names[AP] == "ap"
            assert us.reload(load(us_plan.config_file)) == []
        for node, region in ((us, us_plan), (eu, eu_plan)):
            without_ap(region, former=True)
            assert node.reload(load(region.config_file)) == ["peer ap removed", "former"]
        await until(lambda: not us.region.status().regions_not_agreed)
        assert list(us.links()) == [EU]
        assert us._app[EDGE].render.parse_session_id("ap-1-b7") is not None


async def test_nothing_changes_when_a_part_needs_a_restart(three: list[RegionPlan]) -> None:
    region = three[0]
    for other in (1, 2):
        three[other].config_file.unlink()
    async with running(region) as (us,):
        before = us.config
        changed = replace(
            load(region.config_file), peers=before.peers[:1], cluster="another"
        )
        with pytest.raises(ReloadError, match="cluster cannot change"):
            us.reload(changed)
        assert us.config is before
        assert list(us.links()) == [EU, AP]


async def test_keys_are_rotated_without_a_restart(three: list[RegionPlan]) -> None:
    region = three[0]
    async with running(region) as (us,):
        edge = us._app[EDGE]
        text = region.config_file.read_text()
        fresh = f'[[keys.session]]\nsecret = "{new_secret()}"\n'
        region.config_file.write_text(text.replace("[[keys.session]]", f"{fresh}[[keys.session]]"))
        keys = edge.keys
        assert us.reload(load(region.config_file)) == ["keys.session"]
        assert edge.keys is keys
        assert us.config.keys.session[1:] == load_keys(text, region)


async def test_what_is_remembered_and_tried_follows_the_file(three: list[RegionPlan]) -> None:
    region = three[0]
    text = region.config_file.read_text()
    region.config_file.write_text(text + "\n[explain]\nrecords_max = 7\n")
    async with running(region) as (us,):
        report = us.region.report
        assert report.decisions.keeping.records_max == 7
        more = "\n[explain]\nrecords_max = 9\n[shadow.plans.basic]\nlimit = 2\n"
        region.config_file.write_text(text + more)
        assert us.reload(load(region.config_file)) == ["explain", "shadow.plans"]
        assert report.decisions.keeping.records_max == 9
        assert [(count.plan, count.limit) for count in report.shadow.counts()] == [("basic", 2)]


def load_keys(text: str, region: RegionPlan) -> tuple[bytes, ...]:
    region.config_file.write_text(text)
    return load(region.config_file).keys.session


def test_a_hangup_reloads_the_file_and_what_is_wrong_with_it_is_logged(
    tmp_path: Path, free_ports: Callable[[int], list[int]]
) -> None:
    (region,) = make_plan(["us"], free_ports(1)[0], tmp_path)
    write_configs([region], heartbeat_s=1.0, lease_s=None)
    command = Command(("serve", "--config", str(region.config_file)), tmp_path)
    try:
        command.said("is ready")
        text = region.config_file.read_text()
        region.config_file.write_text(text.replace("heartbeat_s = 1.0", "heartbeat_s = 2.0"))
        command.signal(signal.SIGHUP)
        command.said("settings.client_lease_s.*reload_refused")
        region.config_file.write_text(text + "\n[plans.basic]\nlimit = 3\n")
        command.signal(signal.SIGHUP)
        command.said('"changed": \\["plans"\\].*"reloaded"')
        status, started = start(region.edge_port, "anna", "tv-1", "basic")
        assert (status, started["decision"]["limit"]) == (201, 3)
        assert call("GET", f"{region.address}/readyz")[0] == 200
    finally:
        command.end()
