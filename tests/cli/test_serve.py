"""`georeg serve` as an operator meets it: ready, drained, refused with a reason."""

import json
import re
import signal
import socket
import sqlite3
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from georeg.cli.demo.plan import RegionPlan, make_plan, write_configs
from georeg.store.journal_file import JournalFile
from tests.cli.processes import Command, call, eventually, start

Ports = Callable[[int], list[int]]


@pytest.fixture
def region(tmp_path: Path, free_ports: Ports) -> RegionPlan:
    """A cluster of one region, with its config written."""
    (region,) = make_plan(["us"], free_ports(1)[0], tmp_path)
    write_configs([region], heartbeat_s=1.0, lease_s=None)
    return region


@pytest.fixture
def serve(region: RegionPlan, tmp_path: Path) -> Iterator[Callable[..., Command]]:
    """`serve()`: the region as a process."""
    commands: list[Command] = []

    def run(*arguments: str) -> Command:
        given = ("serve", "--config", str(region.config_file), *arguments)
        commands.append(Command(given, tmp_path))
        return commands[-1]

    yield run
    for command in commands:
        command.end()


@pytest.mark.parametrize("arguments", [(), ("--no-uvloop",)])
def test_it_says_once_that_it_is_ready_and_stops_with_0_when_told(
    serve: Callable[..., Command], region: RegionPlan, arguments: tuple[str, ...]
) -> None:
    command = serve(*arguments)
    command.said(f"^georeg: region us of cluster demo is ready: edge {region.address}, mesh")
    assert call("GET", f"{region.address}/readyz")[0] == 200
    command.signal(signal.SIGTERM)
    assert command.ended() == 0
    assert "Traceback" not in command.output


def test_while_it_drains_it_takes_no_starts_and_renews_running_streams(
    serve: Callable[..., Command], region: RegionPlan
) -> None:
    config = region.config_file.read_text()
    region.config_file.write_text(config.replace("drain_s = 0", "drain_s = 300"))
    command = serve()
    command.said("is ready")
    status, started = start(region.edge_port, "anna", "tv-1")
    assert status == 201
    command.signal(signal.SIGTERM)
    eventually(lambda: call("GET", f"{region.address}/readyz")[0] == 503, "still ready")
    assert call("GET", f"{region.address}/livez")[0] == 200
    assert start(region.edge_port, "anna", "tv-2")[0] == 503
    heartbeat = f"{region.address}/v1/sessions/heartbeat"
    assert call("POST", heartbeat, token=started["token"])[0] == 200
    command.signal(signal.SIGTERM)  # the second one skips the rest of the wait
    assert command.ended() == 0


def test_told_to_stop_it_ends_as_soon_as_the_last_session_has_left(
    serve: Callable[..., Command], region: RegionPlan
) -> None:
    config = region.config_file.read_text()
    region.config_file.write_text(config.replace("drain_s = 0", "drain_s = 300"))
    command = serve()
    command.said("is ready")
    _, started = start(region.edge_port, "anna", "tv-1")
    command.signal(signal.SIGTERM)
    eventually(lambda: call("GET", f"{region.address}/readyz")[0] == 503, "still ready")
    call("POST", f"{region.address}/v1/sessions/stop", token=started["token"])
    assert command.ended() == 0
    assert '"sessions_left": 0' in command.output


def test_a_kick_survives_the_process(serve: Callable[..., Command], region: RegionPlan) -> None:
    first = serve()
    first.said("is ready")
    _, started = start(region.edge_port, "anna", "tv-1")
    session = started["session"]["id"]
    assert call("DELETE", f"{region.address}/v1/accounts/anna/sessions/{session}")[0] == 200
    first.signal(signal.SIGKILL)
    first.ended()
    serve().said("is ready")
    heartbeat = f"{region.address}/v1/sessions/heartbeat"
    status, problem = call("POST", heartbeat, token=started["token"])
    assert (status, problem["reason"]) == (410, "kicked")


@pytest.mark.parametrize("what", ["edge", "mesh"])
def test_a_taken_port_is_named_with_a_remedy(
    serve: Callable[..., Command], region: RegionPlan, what: str
) -> None:
    port = region.edge_port if what == "edge" else region.mesh_port
    with socket.create_server(("127.0.0.1", port)):
        command = serve()
        assert command.ended() == 1
    assert f"the {what} cannot listen on 127.0.0.1:{port}" in command.output
    assert f"change [{what}] port" in command.output
    assert "Traceback" not in command.output


def test_a_data_dir_that_cannot_be_made_is_named(
    serve: Callable[..., Command], region: RegionPlan
) -> None:
    (region.directory / "data").write_text("a file, not a directory")
    command = serve()
    assert command.ended() == 1
    assert f"data_dir {region.directory / 'data'} cannot be made" in command.output
    assert "Traceback" not in command.output


def test_after_a_restart_it_knows_its_sessions_again(
    serve: Callable[..., Command], region: RegionPlan
) -> None:
    first = serve()
    first.said("is ready")
    _, started = start(region.edge_port, "anna", "tv-1")
    first.signal(signal.SIGTERM)
    assert first.ended() == 0
    again = serve()
    again.said("is ready")
    again.said('"event": ?"begun"')  # told when all sessions have been read
    (line,) = re.findall('.*"event": ?"begun".*', again.output)
    told = json.loads(line)
    assert (told["incarnation"], told["plans"], told["recalled"], told["lost"]) == (2, 1, 1, "")
    token = started["token"]
    status, listed = call("GET", f"{region.address}/v1/accounts/anna/sessions")
    assert status == 200
    assert listed["sessions"][0]["device"] == started["session"]["device"]
    assert listed["sessions"][0]["state"] == "unconfirmed"
    assert call("POST", f"{region.address}/v1/sessions/heartbeat", token=token)[0] == 200


def test_a_damaged_journal_is_moved_aside_and_told(
    serve: Callable[..., Command], region: RegionPlan
) -> None:
    data = region.directory / "data"
    data.mkdir()
    (data / "journal.sqlite3").write_bytes(b"not a database" * 1000)
    command = serve()
    command.said("is ready")
    command.said('"begun_with_a_loss"')
    (aside,) = data.glob("journal.sqlite3.corrupt-*")
    assert aside.read_bytes() == b"not a database" * 1000
    for event in ("journal_damaged", "begun_with_a_loss"):
        assert f'"{event}"' in command.output
    with urllib.request.urlopen(f"{region.address}/metrics", timeout=5) as page:
        assert b"georeg_journal_lost 1.0" in page.read()


def test_a_journal_of_a_newer_georeg_is_refused_with_what_to_do(
    serve: Callable[..., Command], region: RegionPlan
) -> None:
    data = region.directory / "data"
    data.mkdir()
    JournalFile(data / "journal.sqlite3").close()
    with sqlite3.connect(data / "journal.sqlite3") as database:
        database.execute("UPDATE meta SET value = 99 WHERE name = 'schema'")
        database.execute("PRAGMA user_version = 99")
    database.close()
    command = serve()
    assert command.ended() == 1
    assert "written by a newer georeg" in command.output
    assert "Run that georeg again" in command.output
    assert "Traceback" not in command.output
