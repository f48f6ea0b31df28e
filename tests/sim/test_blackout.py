"""All regions lose power at once: nobody is left to ask, and they know their sessions again."""

from dataclasses import replace

import pytest

from region_sim.history import Call, CallKind, History
from region_sim.oracle.judge import judge
from region_sim.oracle.verdict import Outcome
from region_sim.plan.reader import load
from region_sim.run import run

pytestmark = [
    # What a run has killed closes nothing; collected, it complains, in whatever test that happens.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]


def started_before(history: History, at_us: int) -> dict[str, Call]:
    """Session -> its start, of those that had been there for long enough to be on a disk."""
    return {
        str(call.body["session"]["id"]): call
        for call in history.calls
        if call.kind is CallKind.START and call.status == 201 and call.sent_us < at_us - 10_000_000
    }


def test_after_a_blackout_streams_go_on_and_lists_name_their_devices() -> None:
    scenario = load("blackout")
    blackout = replace(scenario.faults[0], at_s=40.0)
    evening = replace(
        scenario, households=40, duration_s=90.0, faults=(blackout,),
        expects=("fault kill power", "adopted", "unconfirmed listed"),
        habits=replace(scenario.habits, play_s=30.0),
    )  # fmt: skip
    history = run(evening, 3).history
    verdict = judge(history, expects=evening.expects)
    assert verdict.outcome is Outcome.HOLDS, verdict.findings or verdict.missing

    before = started_before(history, round(blackout.at_s * 1e6))
    back_us = round(blackout.end_s * 1e6)
    shown = [
        (before[session["id"]], session)
        for call in history.calls
        if call.kind is CallKind.LIST and call.status == 200 and call.sent_us > back_us
        for session in call.body["sessions"]
        if session["id"] in before
    ]
    assert any(session["state"] == "unconfirmed" for _, session in shown)
    for start, session in shown:
        assert session["device"] == start.body["session"]["device"]
        assert session.get("title") == start.body["session"].get("title")
