"""`georeg explain`: each kind of decision as its sentence, the story of all regions, a moment."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from georeg.cli.ops.explain import explained, lines_of
from georeg.cli.ops.moments import moment_of, without_echoes, without_repeats
from georeg.cli.ops.sentences import naming, sentence
from georeg.edge.instants import instant, parse_instant
from tests.ops.world import BOB, OpsWorld

Captured = pytest.CaptureFixture[str]
Json = dict[str, Any]


def seen(device: str, region: str, how: str | None = None, age_s: float | None = None) -> Json:
    return {
        "session": f"s-{device}", "device": {"id": device, "name": ""}, "region": region,
        "how": how, "age_s": age_s,
    }  # fmt: skip


def decision(kind: str, device: str | None = "phone-2", **more: Any) -> Json:
    """One as the API tells it, decided by eu."""
    return {
        "at": "2026-11-27T20:14:07.000Z", "decided_by": "eu", "kind": kind,
        "session": None if device is None else f"s-{device}",
        "device": None if device is None else {"id": device, "name": ""},
        "word": None, "region": None, "actor": None, "who": None, "plan": None, "limit": None,
        "live": None, "took_s": None, "seen": [], **more,
    }  # fmt: skip


BASIC = {"plan": "basic", "limit": 1, "live": 1, "took_s": 0.0}
GOLDEN = [
    (
        decision("refused", session=None, word="confirmed", **BASIC,
                 seen=[seen("tv-1", "us", "confirmed", 0.041)]),
        "eu refused phone-2: Basic allows 1; tv-1 in us was live, confirmed 41ms earlier",
    ),
    (
        decision("refused", session=None, word="beacon", plan="", limit=2, live=3, took_s=0.08,
                 seen=[seen("a", "eu", "local", 12.0), seen("b", "ap", "beacon", 2.5)]),
        "eu refused phone-2: its plan, unknown then, allows 2; a in eu was live, heard there 12s "
        "earlier; b in ap was live, by a beacon 2.5s old; and 1 more (decided after 80ms)",
    ),
    (
        decision("refused", word="local", **BASIC, seen=[seen("tv-1", "eu", "local", 1.0)]),
        "eu did not let phone-2 go on: Basic allows 1; tv-1 in eu was live, heard there 1.0s "
        "earlier",
    ),
    (
        decision("admitted", word="granted", **BASIC),
        "eu admitted phone-2 on a slot that eu held; 1 played then, Basic allows 1",
    ),
    (
        decision("admitted", word="borrowed", plan="standard", limit=2, live=2, took_s=0.073,
                 seen=[seen("tv-1", "us")]),
        "eu admitted phone-2 on a slot that the home lent for it; 2 played then, Standard allows "
        "2; beside tv-1 in us (decided after 73ms)",
    ),
    (
        decision("revived", word="overdraft", **BASIC),
        "eu let phone-2 go on after its silence without a slot: the regions that answered in time "
        "did not prove the limit full; 1 played then, Basic allows 1",
    ),
    (
        decision("adopted", region="us"),
        "eu took phone-2 over from us: its device came there",
    ),
    (
        decision("adopted", region="eu"),
        "eu took phone-2 up again, which it had held before a restart",
    ),
    (decision("covered"), "eu got a slot for phone-2: no overdraft any more"),
    (
        decision("may_finish"),
        "eu learned that phone-2 is beyond the limit, when it had played for a while: it may "
        "finish",
    ),
    (decision("moved", region="us"), "eu gave phone-2 up: us holds it now"),
    (
        decision("ended", word="lapsed"),
        "eu ended phone-2: no heartbeat within its lease",
    ),
    (
        decision("ended", word="displaced"),
        "eu gave the slot of phone-2 away: it had missed two heartbeats",
    ),
    (decision("ended", word="stopped"), "phone-2 stopped; eu held it"),
    (
        decision("ended", word="expired"),
        "eu ended phone-2: it had reached the longest time a session may last",
    ),
    (
        decision("kicked", word="superseded", actor="device", region="eu"),
        "eu ended phone-2: the same device started anew",
    ),
    (
        decision("kicked", word="replaced", actor="device", who="the tv", region="us"),
        "eu ended phone-2 in us: another device was started in its place, the tv",
    ),
    (
        decision("kicked", word="limit", actor="device", region="eu"),
        "eu ended phone-2: its plan ends the oldest when another device starts",
    ),
    (
        decision("kicked", word="limit", actor="system", region="eu"),
        "eu ended phone-2: an overdraft, and beyond the limit",
    ),
    (
        decision("kicked", word="kicked", actor="operator", who="ann", region="us"),
        "eu ended phone-2 in us, by an operator, ann",
    ),
    (
        decision("kicked", word="kicked", actor="system", region="eu"),
        "eu ended phone-2, since two devices used its token",
    ),
    (
        decision("heard_kick", word="kicked", actor="account", region="us"),
        "eu heard that phone-2 was ended, by the account",
    ),
    (
        decision("stop_passed_on", None, session="s-1", word="stopped"),
        "s-1 stopped at eu, which told the others",
    ),
    (
        decision("heard_stop", None, session="s-1", word="stopped", region="us"),
        "eu heard that s-1 has stopped; us held it",
    ),
    (
        decision("home_given", None, region="us"),
        "eu made us the account's home: it had streamed nowhere else for long enough",
    ),
    (
        decision("home_taken", None, region="us"),
        "eu is the account's home from here on, after us",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("told", "words"), GOLDEN)
def test_each_decision_has_its_sentence(told: Json, words: str) -> None:
    assert sentence(told, naming([told])) == words


def test_a_session_is_called_by_what_any_region_knows_of_its_device() -> None:
    stop = decision("heard_stop", None, session="s-tv", word="stopped")
    admitted = decision("admitted", "tv", word="granted", **BASIC)
    assert sentence(stop, naming([stop, admitted])) == "eu heard that tv has stopped"
    named = {**admitted, "device": {"id": "tv", "name": "the tv"}}
    assert sentence(stop, naming([named, admitted])) == "eu heard that the tv (tv) has stopped"


def test_what_is_heard_of_at_once_is_left_out_and_what_is_heard_late_is_not() -> None:
    kicked = decision("kicked", word="kicked", actor="account", region="us")
    soon = decision("heard_kick", word="kicked", at="2026-11-27T20:14:10.000Z")
    late = decision("heard_kick", word="kicked", at="2026-11-27T20:14:10.001Z")
    assert without_echoes([kicked, soon, late]) == [kicked, late]
    assert without_echoes([soon]) == [soon]


def test_a_player_that_tries_again_and_again_is_one_line() -> None:
    first = decision("refused", session=None, word="confirmed", **BASIC,
                     seen=[seen("tv-1", "us", "confirmed", 0.041)])  # fmt: skip
    again = {**first, "at": "2026-11-27T20:14:12.000Z", "seen": [seen("tv-1", "us", "beacon", 1.0)]}
    other = {**first, "seen": [seen("radio", "us", "confirmed", 0.041)]}
    stop = decision("ended", "tv-1", word="stopped")
    assert without_repeats([first, again, again, stop, again, other]) == [
        (first, [again, again]), (stop, []), (again, []), (other, [])
    ]  # fmt: skip
    answer = {
        "at": "2026-11-27T20:15:00.000Z", "account": "anna", "is_kept": True,
        "complete_since": "2026-11-26T20:15:00.000Z", "decisions": [first, again, again],
    }  # fmt: skip
    told = lines_of(explained({"eu": answer}, {}, at=None, since_s=None))
    assert [line.text for line in told[3:]] == [
        "20:14:07 eu refused phone-2: Basic allows 1; tv-1 in us was live, confirmed 41ms earlier; "
        "and 2 times more until 2026-11-27 20:14:12"
    ]


NOW_MS = parse_instant("2026-11-27T20:15:00.000Z") or 0


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("20:14:07", "2026-11-27T20:14:07.000Z"),
        ("20:14", "2026-11-27T20:14:00.000Z"),
        ("23:00", "2026-11-26T23:00:00.000Z"),
        ("2026-11-27 20:14", "2026-11-27T20:14:00.000Z"),
        ("2026-11-27T20:14:07.5Z", "2026-11-27T20:14:07.500Z"),
        ("2026-11-27T22:14:07+02:00", "2026-11-27T20:14:07.000Z"),
    ],
)
def test_a_moment_may_be_written_as_people_do(text: str, moment: str) -> None:
    assert instant(moment_of(text, NOW_MS)) == moment


def test_what_is_no_moment_is_told_with_what_would_be_one() -> None:
    with pytest.raises(ValueError, match="write 20:14:07, or"):
        moment_of("yesterday", NOW_MS)


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[OpsWorld]:
    """Jan plays on two devices in eu, and is refused a third in us, confirmed by eu."""
    async with OpsWorld(names=("us", "eu", "ap")) as world:
        await world.started("jan", "tv", region="eu", plan="standard")
        await world.started("jan", "phone", region="eu")
        body = {"device": {"id": "laptop", "name": "jan's laptop"}}
        path = "/v1/accounts/jan/sessions"
        world.clock.advance(5_000)
        refused = await world.while_time_passes(world.call("POST", path, json=body))
        assert refused.status == 409
        yield world


def printed(capsys: Captured) -> list[str]:
    return capsys.readouterr().out.splitlines()


async def test_the_story_of_an_account_over_all_regions(
    world: OpsWorld, capsys: Captured
) -> None:
    assert await world.georeg("explain", "jan") == 0
    lines = printed(capsys)
    assert lines[0].startswith("jan, 2025-12-31 12:00:")
    assert lines[2] == "2026-01-01"
    story = [line[9:].split(" (decided")[0] for line in lines[3:6]]
    assert story == [
        "eu admitted tv on a slot that the home lent for it; 1 played then, Standard allows 2",
        "eu admitted phone on a slot that eu held; 2 played then, Standard allows 2; beside tv in "
        "eu",
        "us refused laptop: Standard allows 2; phone in eu was live, confirmed 2ms earlier; tv in "
        "eu was live, confirmed 2ms earlier",
    ]
    assert [line for line in lines if "remembers all since" in line] == [
        f"{name} remembers all since 2026-01-01 12:00:00 only" for name in ("us", "eu", "ap")
    ]
    actions = [line["action"] for line in world.audit]
    assert actions == ["explain"] * 3


async def test_no_name_of_a_device_is_told_unless_the_config_keeps_names(
    world: OpsWorld, capsys: Captured
) -> None:
    assert await world.georeg("explain", "jan", "--json") == 0
    assert "of jan" not in capsys.readouterr().out


async def test_a_moment_shows_who_held_what_and_what_was_known(
    world: OpsWorld, capsys: Captured
) -> None:
    now = instant(world.clock.wall_ms())
    assert await world.georeg("explain", "jan", "--at", now, "--since", "1s") == 0
    lines = printed(capsys)
    at = f"{now[:10]} {now[11:19]}"
    assert lines[2] == f"at {at}"
    assert lines[3].startswith("  us held nothing; when it last decided, ")
    assert lines[3].endswith(" it knew of phone in eu, tv in eu")
    assert lines[4].startswith("  eu held tv, phone; when it last decided, ")
    assert lines[4].endswith(" it knew of tv in eu")
    assert lines[5] == "  ap held nothing"
    assert [line for line in lines if "admitted" in line] == []
    assert sum("refused laptop" in line for line in lines) == 1


async def test_a_region_that_cannot_be_asked_is_named(
    world: OpsWorld, capsys: Captured
) -> None:
    await world.ops_servers["eu"].stop()
    assert await world.georeg("explain", "jan", "--since", "10m", key=BOB) == 0
    lines = printed(capsys)
    assert any(line.startswith("eu could not be asked: cannot reach http://") for line in lines)
    assert sum("refused laptop" in line for line in lines) == 1


async def test_an_account_of_which_nothing_is_known_is_told_so(
    world: OpsWorld, capsys: Captured
) -> None:
    assert await world.georeg("explain", "nobody") == 0
    assert "no decision is remembered of this time" in printed(capsys)


async def test_a_time_that_is_none_is_wrong_usage(world: OpsWorld, capsys: Captured) -> None:
    assert await world.georeg("explain", "jan", "--at", "soon") == 2
    assert "soon is no time" in capsys.readouterr().err


async def test_the_api_tells_a_refusal_with_its_evidence(world: OpsWorld) -> None:
    answer = await world.ask("GET", "/v1/accounts/jan/decisions", key=BOB)
    assert answer.status == 200
    (refused,) = answer.body["decisions"]
    assert refused["device"] == {"id": "laptop", "name": ""}
    assert (refused["kind"], refused["word"], refused["limit"]) == ("refused", "confirmed", 2)
    assert [(one["device"]["id"], one["region"]) for one in refused["seen"]] == [
        ("phone", "eu"), ("tv", "eu")
    ]  # fmt: skip
    assert {one["how"] for one in refused["seen"]} == {"confirmed"}
    assert json.dumps(answer.body).count("laptop") == 1


def test_a_region_that_keeps_nothing_says_so() -> None:
    answer = {
        "at": "2026-11-27T20:15:00.000Z", "account": "anna", "is_kept": False,
        "complete_since": "2026-11-27T20:15:00.000Z", "decisions": [],
    }  # fmt: skip
    told = explained({"eu": answer}, {}, at=None, since_s=None)
    assert lines_of(told)[-1].text == "eu keeps no decisions: records_max of its [explain] is 0"
