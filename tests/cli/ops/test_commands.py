"""The commands against real regions on loopback whose clock stands still: what they print, exactly.

Where a test says so, a region is cut off or lost first; what is shown then is its whole truth.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from crdt.dots import RegionId
from georeg.cli.main import main
from tests.ops.world import ANN, BOB, OpsWorld

AP = RegionId(3)
Captured = pytest.CaptureFixture[str]


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpsWorld]:
    """Three regions, us the home of both accounts: jan plays on two devices in eu, where a third
    was refused, lena on one in ap.
    """
    monkeypatch.setattr("georeg.region.reporting.__version__", "1.2.3")
    async with OpsWorld(names=("us", "eu", "ap")) as world:
        await world.started("jan", "tv", region="eu", plan="standard")
        await world.started("jan", "phone", region="eu")
        await world.started("lena", "tv", region="ap", plan="basic")
        body = {"device": {"id": "laptop"}}
        path = "/v1/accounts/jan/sessions"
        refused = await world.while_time_passes(world.call("POST", path, region="eu", json=body))
        assert refused.status == 409
        late_ms = 1_000_000 + 30_500 - world.clock.time_ms
        assert late_ms > 0
        world.clock.advance(late_ms)
        yield world


def printed(capsys: Captured) -> str:
    return capsys.readouterr().out


async def test_status_is_one_line_a_region(world: OpsWorld, capsys: Captured) -> None:
    assert await world.georeg("status") == 0
    assert printed(capsys) == """\
test as us sees it, 2026-01-01 12:00:30Z
U up, S suspect, D down, J joining; then N normal, D draining

ST  REGION  SESSIONS  HELD  USED  FREE  OVER    BEHIND  SEEN  REFUSED/M  VERSION  UPTIME
UN  us*            0     0     0     0     0         -     -      0+0+0  1.2.3       30s
UN  eu             2     2     2     0     0  0 / 1.5s  0.5s      1+0+0  1.2.3       30s
UN  ap             1     1     1     0     0  0 / 1.5s  0.5s      0+0+0  1.2.3       30s

no problems
"""


async def test_status_tells_of_a_lost_region_in_plain_words(
    world: OpsWorld, capsys: Captured
) -> None:
    world.cut.add(AP)
    world.clock.advance(42_000)
    assert await world.georeg("status") == 0
    lines = printed(capsys).splitlines()
    assert lines[6].split() == [
        "DN", "ap", "1", "-", "-", "-", "-", "0", "/", "43s", "42s", "-", "1.2.3", "-",
    ]  # fmt: skip
    assert lines[8:] == [
        "!! ap has not been heard for 42 s: its session is not counted; a device that reports "
        "elsewhere is adopted there"
    ]


async def test_all_views_shows_who_sees_whom_and_where_they_disagree(
    world: OpsWorld, capsys: Captured
) -> None:
    world.cut.add(AP)
    world.clock.advance(20_000)
    assert await world.georeg("status", "--all-views") == 0
    out = printed(capsys)
    table = "SEEN BY  us  eu  ap\nus       UN  UN  DN\neu       UN  UN  DN\nap       DN  DN  UN\n"
    assert table in out
    assert "ap answers here, but no other region hears it: it is cut off, not lost" in out


async def test_json_is_what_the_api_answers(world: OpsWorld, capsys: Captured) -> None:
    assert await world.georeg("status", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer == (await world.ask("GET", "/v1/status")).body
    assert [region["code"] for region in answer["regions"]] == ["UN", "UN", "UN"]
    assert answer["regions"][1]["refusals_last_minute"] == {"local": 1, "confirmed": 0, "beacon": 0}


async def test_peers_is_a_matrix_from_row_to_column(world: OpsWorld, capsys: Captured) -> None:
    world.cut.add(AP)
    world.clock.advance(20_000)
    assert await world.georeg("peers") == 0
    assert printed(capsys).splitlines()[:4] == [
        "FROM \\ TO  us            eu            ap",
        "us         -             up 2ms, 1.5s  cut 20s",
        "eu         up 2ms, 1.5s  -             cut 20s",
        "ap         cut 20s       cut 20s       -",
    ]


async def test_quota_shows_both_roles_and_the_worst_case(
    world: OpsWorld, capsys: Captured
) -> None:
    assert await world.georeg("quota", "--all-views") == 0
    out = printed(capsys)
    assert "at most 6 streams beyond the limits of 2 accounts (sum of limits 3)" in out
    assert "MOST REFUSED  REFUSALS  ERROR\njan                  1\n" in out
    answers = {
        name: (await world.ask("GET", "/v1/quota", region=name)).body for name in world.names
    }
    owed = {
        (home, lent["region"]): (lent["lent"], lent["used"])
        for home, answer in answers.items()
        for lent in answer["as_home"]
        if lent["lent"]
    }
    held = {
        (one["home"], holder): (one["held"], one["used"])
        for holder, answer in answers.items()
        for one in answer["as_holder"]
        if one["held"]
    }
    assert owed == held
    assert sum(slots for slots, _ in held.values()) == 3


async def test_quota_of_an_account_shows_each_session_as_its_own_region_knows_it(
    world: OpsWorld, capsys: Captured
) -> None:
    assert await world.georeg("quota", "jan") == 0
    lines = printed(capsys).splitlines()
    assert lines[0] == "jan: plan standard, limit 2, 2 devices playing"
    sessions = [line.split() for line in lines if line.startswith("eu-1-")]
    assert [row[-1] for row in sessions] == ["yes", "yes"]
    assert all("local," in row and "live" in row for row in sessions)
    assert audited(world, "account") == ["us", "eu", "ap"]


async def test_kick_names_what_it_ends_first_when_asked_to(
    world: OpsWorld, capsys: Captured
) -> None:
    (session,) = (await world.ask("GET", "/v1/accounts/lena")).body["sessions"]
    assert await world.georeg("kick", "lena", "--all", "--dry-run") == 0
    assert printed(capsys) == (
        f"would end 1 session of lena:\n  {session['id']}  tv of lena in ap\n"
    )
    kick = world.georeg("kick", "lena", session["id"])
    assert await world.while_time_passes(kick) == 0
    assert printed(capsys) == f"{session['id']}  tv of lena has ended\n"
    assert await world.georeg("kick", "lena", "--all") == 1
    assert printed(capsys) == "lena has no live session\n"


async def test_plan_tells_what_changes_and_that_nothing_is_ended(
    world: OpsWorld, capsys: Captured
) -> None:
    assert await world.georeg("plan", "jan", "basic", region="eu") == 0
    assert printed(capsys) == (
        "jan: standard (2) is now basic (1)\n2 devices playing\n"
        "! 1 stream above the new limit: none is ended, new starts are refused\n"
    )
    assert await world.georeg("plan", "jan", "gala") == 1
    assert "give a limit with it" in capsys.readouterr().err


async def test_drain_and_undrain_reach_the_region_that_is_named(
    world: OpsWorld, capsys: Captured
) -> None:
    assert await world.georeg("drain", "eu", "--dry-run") == 0
    would = "eu would drain: 2 sessions would go to us, ap; it would end after 1h\n"
    assert printed(capsys) == would
    assert await world.georeg("drain", "eu", "--for", "2h") == 0
    assert printed(capsys) == (
        "eu drains: 2 sessions to go to us, ap\nit ends by itself in 2h\n"
    )
    assert audited(world, "drain") == ["eu", "eu", "eu"]
    assert await world.georeg("undrain", "eu") == 0
    assert "eu admits again" in printed(capsys)
    assert await world.georeg("drain", "mars") == 2
    assert "there is no region mars; known are ap, eu, us" in capsys.readouterr().err


async def test_drain_of_the_last_region_that_admits_is_refused(
    world: OpsWorld, capsys: Captured
) -> None:
    for region in ("eu", "ap"):
        assert await world.georeg("drain", region) == 0
        world.clock.advance(1_500)
    assert await world.georeg("drain", "us") == 1
    assert "no other region is up and admits" in capsys.readouterr().err
    assert await world.georeg("drain", "us", "--force") == 0


async def test_keys_shows_ids_and_never_a_key(world: OpsWorld, capsys: Captured) -> None:
    assert await world.georeg("keys") == 0
    out = printed(capsys)
    assert len([line for line in out.splitlines() if line.startswith("session")]) == 3
    assert await world.georeg("keys", "rotate", "session") == 0
    assert "next  1. make a key: georeg keygen session" in printed(capsys)


async def test_check_gives_the_exit_codes_of_nagios(world: OpsWorld, capsys: Captured) -> None:
    assert await world.georeg("check", "--regions-expect", "3") == 0
    assert printed(capsys).startswith("OK: all regions are well\n")
    world.cut.add(AP)
    world.clock.advance(7_000)
    assert await world.georeg("check", "--format", "nagios") == 1
    world.clock.advance(20_000)
    assert await world.georeg("check", "--format", "nagios") == 2
    assert printed(capsys).splitlines()[-1].startswith("GEOREG CRITICAL - ap was heard 27s ago")
    assert await world.georeg("check", key="nobody.x") == 3


@pytest.mark.parametrize("command", ["status", "peers", "quota", "keys"])
async def test_a_key_that_is_not_good_and_a_region_that_is_not_there_are_told_apart(
    world: OpsWorld, capsys: Captured, command: str
) -> None:
    assert await world.georeg(command, key="ann.wrong") == 4
    assert "does not know this key" in capsys.readouterr().err
    assert await _asked(command, "http://127.0.0.1:1") == 3
    assert "cannot reach http://127.0.0.1:1: Connection refused" in capsys.readouterr().err


async def test_a_key_that_may_read_does_not_operate(world: OpsWorld, capsys: Captured) -> None:
    assert await world.georeg("kick", "jan", "--all", key=BOB) == 4
    assert 'may = "operate" is needed' in capsys.readouterr().err
    assert world.regions[RegionId(2)].status().sessions == 2


async def test_a_port_that_is_not_the_operators_is_told(world: OpsWorld, capsys: Captured) -> None:
    assert await _asked("status", world.url("").rstrip("/")) in (1, 3)
    assert "port of [ops]" in capsys.readouterr().err


def audited(world: OpsWorld, action: str) -> list[Any]:
    return [line["region"] for line in world.audit if line["action"] == action]


async def _asked(command: str, url: str) -> int:
    return await asyncio.to_thread(main, [command, "--to", url, "--key", ANN])
