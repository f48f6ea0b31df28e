"""Viewers in a simulated world: what they do, what they write down, and when they stop."""

import asyncio
import re
from collections import Counter, defaultdict
from dataclasses import replace
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest

from region_sim.history import Call, CallKind, History, Joined
from region_sim.plan.errors import PlanError
from region_sim.plan.faults import Fault, FaultKind
from region_sim.plan.habits import Habits
from region_sim.plan.scenario import Scenario
from region_sim.run import Run, run
from region_sim.viewers import Town, Viewers
from region_sim.viewers.calls import Caller, Token, words_of
from region_sim.viewers.passport import LIMITS, Passport
from region_sim.viewers.sharing import share
from region_sim.viewers.starting import is_lost
from region_sim.viewers.street import Street

pytestmark = [
    # What a run has killed closes nothing; collected, it complains, in whatever test that happens.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

BUSY = Scenario(
    "busy",
    households=16,
    duration_s=100,
    habits=Habits(
        idle_s=8, play_s=12, kick_s=40, plan_s=40, burst_s=30, doubled=0.2, share=0.2,
        watch_events=0.5, late_beat=0.4, paused=0.3, replace=0.6, sleep=0.12,
    ),
)  # fmt: skip
STILL = Habits(
    idle_s=500, play_s=1e6, kick_s=1e6, plan_s=1e6, burst_s=0, away=0, doubled=0, share=0,
    watch_events=0, keyed=1.0, replace=0,
)  # fmt: skip
"""They start once and then do nothing but heartbeat."""


@pytest.fixture(scope="module")
def busy() -> Run:
    return run(BUSY, 10)


@pytest.fixture(scope="module")
def history(busy: Run) -> History:
    return busy.history


def of(history: History, kind: CallKind) -> list[Call]:
    return [call for call in history.calls if call.kind is kind]


def own_beats(history: History) -> list[Call]:
    """Heartbeats that a device sent for what it plays itself."""
    beats = of(history, CallKind.HEARTBEAT)
    return [call for call in beats if not {"cloned", "late", "events"} & call.request.keys()]


def session_of(call: Call) -> str:
    return str(call.body["session"]["id"]) if call.kind is CallKind.START else call.session


def test_the_same_seed_gives_the_same_calls(history: History) -> None:
    again = run(BUSY, 10).history
    assert repr(again.calls) == repr(history.calls)
    assert (again.joined, again.gone, again.told) == (history.joined, history.gone, history.told)


def test_no_task_of_a_viewer_fails(history: History) -> None:
    assert [line for line in history.logs if line.event == "uncaught"] == []


def test_households_have_the_plans_of_the_scenario_and_limits_that_go_with_them() -> None:
    scenario = replace(BUSY, households=300, duration_s=0.1, habits=STILL)
    joined = run(scenario, 1).history.joined
    assert [record.account for record in joined] == [f"acc-{n:04d}" for n in range(1, 301)]
    assert all(record.limit == LIMITS[record.plan] for record in joined)
    shares = Counter(record.plan for record in joined)
    assert 90 < shares["basic"] < 150
    assert 45 < shares["premium"] < 105


def test_devices_are_numbered_within_their_account(history: History) -> None:
    devices = {call.device for call in history.calls if call.device}
    assert all(re.fullmatch(r"acc-\d{4}\.[1-6]", device) for device in devices)
    assert all(call.device.startswith(f"{call.account}.") for call in history.calls if call.device)


def test_every_habit_is_lived(history: History) -> None:
    seen: Counter[str] = Counter()
    for call in history.calls:
        seen[f"{call.kind} {call.status}"] += 1
        seen.update(call.request.keys())
    for what in (
        *("start 201", "start 409", "heartbeat 200", "heartbeat 410", "stop 204"),
        *("list 200", "kick 200", "plan 200"),
        *("key", "again", "replace", "cloned", "late", "events", "state", "by"),
    ):
        assert seen[what], what
    assert history.told
    began = {session_of(c): c for c in of(history, CallKind.START) if c.status == 201}
    assert any(began[c.session].region != c.region for c in own_beats(history))
    assert any(began[c.session].place != c.place for c in own_beats(history))
    starts = Counter(c.place == c.region for c in of(history, CallKind.START))
    assert starts[True] > starts[False] > 0


def test_calls_are_numbered_in_the_order_of_their_sending(history: History) -> None:
    assert [call.number for call in history.calls] == list(range(1, len(history.calls) + 1))
    sent = [call.sent_us for call in history.calls]
    assert sent == sorted(sent)
    assert all(call.answered_us >= call.sent_us for call in history.calls if call.answered_us)


def test_a_repeated_start_has_the_key_the_device_and_the_wishes_of_the_first(
    history: History,
) -> None:
    again = [call for call in history.calls if "again" in call.request]
    for call in again:
        first = history.calls[call.request["again"] - 1]
        assert (first.device, first.request["key"]) == (call.device, call.request["key"])
        assert first.request.get("replace") == call.request.get("replace")
        assert "again" not in first.request
    keys = Counter(c.request["key"] for c in history.calls if "key" in c.request)
    assert sum(count - 1 for count in keys.values()) == len(again)


def test_a_replacement_names_a_session_that_a_refusal_named(history: History) -> None:
    named: dict[str, set[str]] = defaultdict(set)
    for call in of(history, CallKind.START):
        assert set(call.request.get("replace", ())) <= named[call.device]
        if call.status == 409:
            named[call.device] |= {session["id"] for session in call.body["sessions"]}


def test_a_device_that_was_told_the_end_heartbeats_no_more(history: History) -> None:
    ended_us: dict[str, int] = {}
    for call in of(history, CallKind.HEARTBEAT):
        if call.status == 410 and not {"cloned", "late"} & call.request.keys():
            ended_us.setdefault(call.session, cast(int, call.answered_us))
    for told in history.told:
        ended_us[told.session] = min(told.at_us, ended_us.get(told.session, told.at_us))
    late = [c for c in own_beats(history) if c.sent_us > ended_us.get(c.session, c.sent_us)]
    assert late == []


def test_a_device_plays_one_stream_at_a_time(history: History) -> None:
    began: dict[tuple[str, str], int] = {}
    for call in of(history, CallKind.START):
        if call.status == 201:
            began.setdefault((call.device, session_of(call)), cast(int, call.answered_us))
    latest: dict[str, tuple[int, str]] = {}
    for call in sorted(own_beats(history), key=lambda call: call.sent_us):
        at_us = began[call.device, call.session]
        assert at_us >= latest.get(call.device, (0, ""))[0]
        latest[call.device] = (at_us, call.session)


def test_no_session_is_left_without_a_record(history: History) -> None:
    admitted = {session_of(c) for c in of(history, CallKind.START) if c.status == 201}
    over = {record.session for record in history.gone}
    over |= {record.session for record in history.told}
    over |= {call.session for call in of(history, CallKind.STOP)}
    over |= {c.session for c in of(history, CallKind.HEARTBEAT) if c.status == 410}
    assert admitted - over == set()


def test_in_the_quiet_there_are_only_heartbeats_and_none_moves() -> None:
    patient = replace(BUSY, households=24, habits=replace(BUSY.habits, play_s=40))
    history = run(patient, 7).history
    quiet = [call for call in history.calls if call.sent_us > history.healed_us]
    assert quiet
    assert {call.kind for call in quiet} == {CallKind.HEARTBEAT}
    where = {call.session: call.region for call in own_beats(history) if call not in quiet}
    moved = [c for c in quiet if c.region != where.get(c.session, c.region)]
    assert moved == []


def test_nothing_is_sent_after_everybody_has_left(history: History) -> None:
    assert max(call.sent_us for call in history.calls) <= history.gone[-1].at_us


def test_a_higher_limit_counts_from_the_change_and_a_lower_one_from_the_answer() -> None:
    habits = replace(STILL, plan_s=4)
    history = run(replace(BUSY, households=12, duration_s=20, habits=habits), 3).history
    changes: dict[str, list[Joined]] = defaultdict(list)
    for record in history.joined:
        changes[record.account].append(record)
    calls = of(history, CallKind.PLAN)
    assert len(calls) > 20
    for account, records in changes.items():
        own = [call for call in calls if call.account == account]
        for record, call in zip(records[1:], own, strict=False):
            assert (record.plan, record.limit) == (call.request["plan"], call.request["limit"])
            is_raise = call.request["limit"] > call.request["was"]
            expected_us = call.sent_us - 2000 if is_raise else cast(int, call.answered_us)
            assert abs(record.at_us - expected_us) <= 1  # timers are rounded up


def test_a_start_carries_the_plan_that_the_household_has_then(history: History) -> None:
    plan: dict[str, str] = {}
    for kind, at_us, account, name in sorted(
        [("joined", r.at_us, r.account, r.plan) for r in history.joined[: BUSY.households]]
        + [("plan", c.sent_us, c.account, c.request["plan"]) for c in of(history, CallKind.PLAN)]
        + [("start", c.sent_us, c.account, c.request["plan"]) for c in of(history, CallKind.START)],
        key=lambda item: item[1],
    ):
        if kind != "start":
            plan[account] = name
        elif plan[account] != name:
            assert any(  # the 2 ms in which the backend has not spoken yet
                c.account == account and 0 < c.sent_us - at_us <= 2001
                for c in of(history, CallKind.PLAN)
            )


def test_heartbeats_keep_the_interval_of_the_answer() -> None:
    history = run(replace(BUSY, households=6, duration_s=100, habits=STILL), 1).history
    by_session: dict[str, list[Call]] = defaultdict(list)
    for call in history.calls:
        if call.kind is CallKind.HEARTBEAT or call.status == 201:
            by_session[session_of(call)].append(call)
    gaps = [
        after.sent_us - cast(int, before.answered_us)
        for calls in by_session.values()
        for before, after in zip(calls, calls[1:], strict=False)
    ]
    assert len(gaps) > 20
    assert all(28_400_000 <= gap <= 30_000_000 for gap in gaps)


def test_a_device_whose_region_is_silent_plays_on_and_asks_the_next_one() -> None:
    kill = Fault(FaultKind.KILL, at_s=12, for_s=60, regions=("us",), how="power")
    scenario = replace(BUSY, households=10, duration_s=75, habits=STILL, faults=(kill,))
    history = run(scenario, 2).history
    by_session: dict[str, list[Call]] = defaultdict(list)
    for call in own_beats(history):
        by_session[call.session].append(call)
    tried = 0
    for calls in by_session.values():
        for before, after in zip(calls, calls[1:], strict=False):
            if is_lost(before):
                tried += 1
                assert before.region == "us"
                assert after.region == "eu"
                assert after.status == 200
                assert 500_000 <= after.sent_us - cast(int, before.answered_us) <= 2_000_000
    assert tried > 3


def test_lost_starts_are_repeated_with_their_key() -> None:
    line = Fault(FaultKind.LINE, at_s=0.001, for_s=5, regions=("us", "eu", "ap"), how="drop")
    scenario = replace(BUSY, households=8, duration_s=15, habits=STILL, faults=(line,))
    history = run(scenario, 1).history
    lost = [call for call in of(history, CallKind.START) if not call.status]
    assert {call.error for call in lost} == {"timeout"}
    repeats = [c.request["again"] for c in of(history, CallKind.START) if "again" in c.request]
    assert {call.number for call in lost if "again" not in call.request} <= set(repeats)


def test_a_device_that_is_starting_does_not_start_again() -> None:
    habits = replace(STILL, idle_s=1, burst_s=1, play_s=2)
    history = run(replace(BUSY, households=4, duration_s=20, habits=habits), 1).history
    until_us: dict[str, int] = {}
    for call in of(history, CallKind.START):
        assert call.sent_us > until_us.get(call.device, 0)
        until_us[call.device] = cast(int, call.answered_us)
    assert len(of(history, CallKind.START)) > 100


def test_an_unknown_plan_is_told() -> None:
    with pytest.raises(PlanError, match="gold"):
        Viewers(cast(Town, None), Scenario("bad", plans=(("gold", 1.0),)))


class StillTown:
    """A town without regions, on the loop of the test."""

    def __init__(self) -> None:
        self.regions = ("us", "eu", "ap")
        self.random = Random(1)
        self.history = History(1, "still", regions=self.regions, heartbeat_us=10_000)
        self.issued = 0

    def now_us(self) -> int:
        return 0

    def address(self, region: str) -> str:
        return f"http://{region}"

    def entitlement(self, account: str, plan: str, home: str) -> dict[str, str]:
        self.issued += 1
        return {"Authorization": f"{plan} {self.issued}"}


def still_town() -> Town:
    return cast(Town, StillTown())


async def test_ten_thousand_households_begin_without_a_task_of_their_own() -> None:
    town = still_town()
    viewers = Viewers(town, Scenario("many", households=10_000))
    viewers.begin()
    try:
        assert len(town.history.joined) == 10_000
        assert asyncio.all_tasks() == {asyncio.current_task()}
    finally:
        await viewers.close()


async def test_an_error_in_a_task_reaches_the_loop_and_whoever_closes() -> None:
    told: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))
    street = Street(still_town(), Habits())

    async def fail() -> None:
        raise ValueError("a bug")

    street.send_off(fail())
    with pytest.raises(ValueError, match="a bug"):
        await street.close()
    assert [context["exception"].args for context in told] == [("a bug",)]


async def test_leaving_cancels_what_is_under_way() -> None:
    street = Street(still_town(), Habits())
    task = street.spawn(asyncio.sleep(3600))
    await asyncio.sleep(0)
    street.leave()
    await street.close()
    assert task.cancelled()


def test_why_there_was_no_answer_is_told_in_one_word() -> None:
    key = cast(Any, SimpleNamespace(host="us", port=80, ssl=False, is_ssl=False))
    refused = aiohttp.ClientConnectorError(key, ConnectionRefusedError())
    unreachable = aiohttp.ClientConnectorError(key, OSError(113, "no route to host"))
    assert words_of(TimeoutError()) == "timeout"
    assert words_of(aiohttp.ServerTimeoutError()) == "timeout"
    assert words_of(refused) == "refused"
    assert words_of(unreachable) == "unreachable"
    assert words_of(aiohttp.ServerDisconnectedError()) == "reset"
    assert words_of(ConnectionResetError()) == "reset"
    assert words_of(aiohttp.ClientPayloadError("cut short")) == "ClientPayloadError: cut short"


def test_an_entitlement_is_kept_until_the_plan_changes_and_never_comes_back() -> None:
    passport = Passport(still_town(), "acc-0001", "basic")
    assert passport.headers() is passport.headers()
    assert passport.start_headers()["Authorization"] == "basic 1"
    passport.change("premium")
    assert passport.headers() == {"Authorization": "premium 2"}
    passport.change("basic")
    assert passport.start_headers()["Authorization"] == "basic 3"


async def test_a_second_device_shares_a_token_until_it_is_quiet() -> None:
    street = Street(still_town(), Habits())
    beats: list[dict[str, Any]] = []

    async def heartbeat(caller: Caller, region: str, token: Token, request: Any) -> Any:
        beats.append(request)
        street.is_quiet = len(beats) == 2
        return SimpleNamespace(status=200, body={})

    street.calls.heartbeat = heartbeat  # type: ignore[method-assign, assignment]
    caller = Caller("acc-0001", "acc-0001.2", "us")
    await asyncio.wait_for(share(street, caller, Token.of("us-1-1", "token")), 10)
    assert beats == [{"cloned": True}] * 2
