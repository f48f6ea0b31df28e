"""The commands against whole regions with real clocks and links, as `georeg serve` runs them."""

import asyncio
import json
import random
import secrets
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import aiohttp
import pytest

from georeg.cli.demo.plan import RegionPlan, make_plan, write_configs
from georeg.cli.keygen import new_secret
from georeg.cli.main import main, make_parser
from georeg.cli.ops.status import _status
from georeg.cli.reload import ReloadError
from georeg.cli.runtime import Node, StartError, Surroundings
from georeg.cli.serve import wall_ms
from georeg.config import load
from georeg.ops.keys import mint_operator_key
from georeg.store import NoJournal

Captured = pytest.CaptureFixture[str]


@pytest.fixture
async def plan(
    tmp_path: Path, consecutive_ports: Callable[[int], int]
) -> AsyncIterator[list[RegionPlan]]:
    """Two regions with a heartbeat of a second, running on the loop of the test."""
    plan = make_plan(["us", "eu"], consecutive_ports(2), tmp_path)
    write_configs(plan, heartbeat_s=1.0, lease_s=2.0)
    nodes = []
    for region in plan:
        outside = Surroundings(wall_ms, random.SystemRandom(), secrets.token_bytes, NoJournal())
        nodes.append(Node(load(region.config_file), outside))
    try:
        await asyncio.gather(*(node.start() for node in nodes))
        yield plan
    finally:
        await asyncio.gather(*(node.stop() for node in nodes))


async def georeg(plan: list[RegionPlan], *arguments: str, at: int = 0) -> int:
    given = [*arguments, "--config", str(plan[at].config_file)]
    return await asyncio.to_thread(main, given)


async def start(plan: list[RegionPlan], account: str, at: int = 0) -> None:
    url = f"{plan[at].address}/v1/accounts/{account}/sessions"
    body = {"device": {"id": "tv"}}
    async with aiohttp.ClientSession() as session, session.post(url, json=body) as answer:
        assert answer.status == 201


async def test_a_region_is_drained_until_its_last_session_has_gone(
    plan: list[RegionPlan], capsys: Captured
) -> None:
    await start(plan, "anna", at=1)
    assert await georeg(plan, "drain", "eu", "--wait", "--comment", "new disks") == 0
    out = capsys.readouterr()
    assert out.out == "eu is evacuated: no session is left\n"
    assert "eu drains: 1 session left\n" in out.err
    assert await georeg(plan, "status", "--json") == 0
    codes = [region["code"] for region in json.loads(capsys.readouterr().out)["regions"]]
    assert codes == ["UN", "UD"]
    assert await georeg(plan, "undrain", "eu") == 0
    lines = (plan[1].directory / "audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["outcome"] for line in lines] == ["begun", "done"] * 2
    assert json.loads(lines[1])["comment"] == "new disks"


async def test_a_refusal_is_explained_by_the_region_that_refused(
    plan: list[RegionPlan], capsys: Captured
) -> None:
    await start(plan, "anna")
    async with aiohttp.ClientSession() as session:
        for device in ("b", "c", "d", "e"):  # the plan is unknown: 4
            url = f"{plan[0].address}/v1/accounts/anna/sessions"
            async with session.post(url, json={"device": {"id": device}}) as answer:
                assert answer.status == (201 if device != "e" else 409)
    assert await georeg(plan, "explain", "anna", at=1) == 0
    lines = capsys.readouterr().out.splitlines()
    (refused,) = [line for line in lines if "us refused e: " in line]
    assert "its plan, unknown then, allows 4; d in us was live, heard there" in refused
    assert sum("us admitted" in line for line in lines) == 4


async def test_the_matrix_shows_the_real_links(plan: list[RegionPlan], capsys: Captured) -> None:
    assert await georeg(plan, "peers", "--json") == 0
    rows = json.loads(capsys.readouterr().out)["rows"]
    for viewer, peer in (("us", "eu"), ("eu", "us")):
        (row,) = rows[viewer]["peers"]
        assert (row["region"], row["state"], row["link"]["state"]) == (peer, "up", "up")
        assert row["link"]["is_accepted"]


async def test_keys_of_all_regions_are_compared_by_their_ids(
    plan: list[RegionPlan], capsys: Captured
) -> None:
    assert await georeg(plan, "keys", "--json", at=1) == 0
    answer = json.loads(capsys.readouterr().out)
    for ring in ("cluster", "session"):
        ids = [region["rings"][ring][0]["id"] for region in answer["regions"].values()]
        assert len(ids) == 2
        assert len(set(ids)) == 1
    secret = load(plan[0].config_file).keys.session[0]
    assert secret.hex() not in json.dumps(answer)


async def test_a_watch_goes_on_until_it_is_stopped(
    plan: list[RegionPlan], capsys: Captured
) -> None:
    """As a task of this loop: Ctrl-C cancels it just so."""
    given = ["status", "--watch", "0.2", "--config", str(plan[0].config_file)]
    watching = asyncio.ensure_future(_status(make_parser().parse_args(given)))
    out = ""
    async with asyncio.timeout(20):
        while out.count("demo as us sees it") < 2:
            await asyncio.sleep(0)
            out += capsys.readouterr().out
    watching.cancel()
    assert await watching == 0


async def test_a_port_that_is_taken_is_told_with_its_table(plan: list[RegionPlan]) -> None:
    text = plan[0].config_file.read_text()
    for port in (plan[0].edge_port, plan[0].mesh_port):
        text = text.replace(f"port = {port}", f"port = {port + 1000}")
    plan[0].config_file.write_text(text)
    outside = Surroundings(wall_ms, random.SystemRandom(), secrets.token_bytes, NoJournal())
    node = Node(load(plan[0].config_file), outside)
    with pytest.raises(StartError, match=r"change \[ops\] port"):
        await node.start()
    await node.stop()


async def test_other_operators_and_keys_are_taken_while_the_region_runs(
    tmp_path: Path, consecutive_ports: Callable[[int], int], capsys: Captured
) -> None:
    (region,) = make_plan(["us"], consecutive_ports(1), tmp_path)
    write_configs([region], heartbeat_s=1.0, lease_s=2.0)
    outside = Surroundings(wall_ms, random.SystemRandom(), secrets.token_bytes, NoJournal())
    node = Node(load(region.config_file), outside)
    await node.start()
    try:
        assert await georeg([region], "status") == 0
        key, stored = mint_operator_key("demo", secrets.token_bytes)
        text = region.config_file.read_text()
        old = load(region.config_file).keys.operators[0].hash
        added = f'\n[[keys.session]]\nsecret = "{new_secret()}"\n'
        region.config_file.write_text(text.replace(old, stored) + added)
        assert set(node.reload(load(region.config_file))) == {"keys.operators", "keys.session"}
        assert await georeg([region], "status") == 4
        (region.directory / "operator.key").write_text(key)
        capsys.readouterr()
        assert await georeg([region], "keys", "--json") == 0
        answer = json.loads(capsys.readouterr().out)
        ring = answer["regions"]["us"]["rings"]["session"]
        assert [key["is_first"] for key in ring] == [True, False]
        text = region.config_file.read_text()
        port = f"port = {region.ops_port}"
        region.config_file.write_text(text.replace(port, f"port = {region.ops_port + 1}"))
        with pytest.raises(ReloadError, match=r"\[ops\]"):
            node.reload(load(region.config_file))
    finally:
        await node.stop()
