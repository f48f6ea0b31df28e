"""P3 Always an answer, as it is judged: every answer while all was in order around it.

In order: its region was up, ready and not paused from its sending to its answer, and for `AFTER_US`
before; so was the line from the caller's place. Whatever is wrong between regions is no excuse.

**In time.** From sending to answer at most twice the usual round trip of the line (a connection may
have to be opened) and `SLACK_US`, and for a start, and a heartbeat that brings a lapsed session
back, the deadline; for a kick two deadlines (the session may have to be looked for) and the disk: a
kick while the disk is in trouble may take as long as it likes. A GET, PUT or DELETE on a connection
that a restart has left dead is sent again by the client's library: two round trips more.

**An answer.** No 503 but for a start or an event stream where the region drains, or a kick that a
refusing disk cannot store. No 5xx at all, and none of the statuses that say that the caller was
wrong (401, 403, 413, 422, 429), since the viewers are not; but a plan of the future, as a clock
that jumped sees it, is 422; and a start of an account that has sent `FLOOD` to that region within
`FLOOD_US` may be 429, whoever of the household it was.

**The same answer** to a start that is repeated with its key in the same region, unless the region
has begun anew in between.

**Not refused** with the policy `end_oldest`, but for a device that was ended by it before.
"""

from collections.abc import Iterator
from typing import Final

from region_sim.history import Call, CallKind
from region_sim.oracle.run import Run, answered, seconds
from region_sim.oracle.truth import Household, key_of
from region_sim.oracle.verdict import Finding

SLACK_US: Final = 30_000
LIVE_SLACK_US: Final = 1_500_000
"""Real processes share two cores with everything else of a run."""
AFTER_US: Final = 1_000_000
"""What piled up while a region stood still is served first."""
KEPT_ALIVE_US: Final = 100_000_000
"""A client keeps an idle connection at most for so long."""
FLOOD: Final = 256
FLOOD_US: Final = 20_000_000
_FINE: Final = {
    CallKind.START: (201, 409),
    CallKind.HEARTBEAT: (200, 410),
    CallKind.STOP: (204,),
    CallKind.LIST: (200,),
    CallKind.KICK: (200, 404),
    CallKind.PLAN: (200, 409),
}
_REPEATABLE: Final = frozenset({CallKind.LIST, CallKind.KICK, CallKind.PLAN})


def check(run: Run) -> Iterator[Finding]:
    """Every answer."""
    for call in run.history.calls:
        if call.status and call.answered_us is not None:
            yield from _check_answer(run, call)
    for household in run.households.values():
        yield from _check_repeats(run, household)
        if run.history.on_limit == "end_oldest" and run.is_georeg and run.history.is_tapped:
            yield from _check_oldest(household)


def _check_answer(run: Run, call: Call) -> Iterator[Finding]:
    took_us = answered(call) - call.sent_us
    is_late = took_us > _allowed_us(run, call)
    is_wrong = call.status not in _FINE[call.kind]
    if not (is_late or is_wrong) or not run.network.is_served(call, AFTER_US):
        return
    if not run.network.is_whole(call.region, call.sent_us, answered(call)):
        return  # inside.py
    if is_late and not _may_wait(run, call):
        text = f"{call.region} answered a {call.kind.value} after {seconds(took_us)}"
        yield _finding(call, f"late {call.kind.value}", text)
    if is_wrong and not _may_decline(run, call):
        detail = str(call.body.get("detail", call.body.get("title", "")))
        text = f"{call.region} answered a {call.kind.value} with {call.status} {detail}"
        yield _finding(call, f"{call.kind.value} answered {call.status}", text)


def _allowed_us(run: Run, call: Call) -> int:
    history = run.history
    usual_us = history.round_trips_us.get(f"{call.place}>{call.region}", 0)
    slack_us = LIVE_SLACK_US if history.system == "live" else SLACK_US
    deadline_us = int(float(call.request.get("wait", 0)) * 1e6) or history.deadline_us
    is_repeatable = call.kind in _REPEATABLE or call.request.get("events")
    repeats = is_repeatable and run.network.restarted(
        call.region, call.sent_us - KEPT_ALIVE_US, call.sent_us
    )
    usual_us *= 2 if repeats else 1
    deadlines = {CallKind.START: 1, CallKind.HEARTBEAT: 1, CallKind.KICK: 2}.get(call.kind, 0)
    return 2 * usual_us + slack_us + deadlines * deadline_us * 103 // 100


def _may_wait(run: Run, call: Call) -> bool:
    is_kick = call.kind is CallKind.KICK
    return is_kick and not run.network.has_disk(
        call.region, call.sent_us, answered(call), 10 * AFTER_US
    )


def _floods(household: Household, call: Call) -> bool:
    """Whether the account starts more often than anybody presses play."""
    since_us = call.sent_us - FLOOD_US
    starts = household.starts
    return sum(
        s.region == call.region and since_us <= s.sent_us <= call.sent_us for s in starts
    ) >= FLOOD


def _may_decline(run: Run, call: Call) -> bool:
    if call.status == 404 and call.request.get("events") and not run.is_georeg:
        return True  # baselines have no event streams
    if call.status == 429:
        return _floods(run.households[call.account], call)
    if call.status == 422 and call.kind is CallKind.PLAN:
        return run.network.has_jumped_in(call.region, call.sent_us, answered(call))
    if call.status == 503 and (call.kind is CallKind.START or call.request.get("events")):
        return run.network.is_draining(call.region, call.sent_us, answered(call))
    if call.status == 503 and call.kind is CallKind.KICK:
        return not run.network.has_disk(call.region, call.sent_us, answered(call), AFTER_US)
    return False


def _check_repeats(run: Run, household: Household) -> Iterator[Finding]:
    first: dict[tuple[str, str, str], Call] = {}
    for call in household.starts:
        region, key = key_of(call)
        if not key or call.status not in (201, 409):
            continue
        before = first.setdefault((region, key, call.device), call)
        if before is call or run.network.restarted(region, before.sent_us, answered(call)):
            continue
        if _gist(before) != _gist(call):
            text = f"{region} answered the same start of {call.device} with another answer"
            yield _finding(call, "another answer to the same start", text, before.number)
        else:
            run.counts["idempotent answer repeated"] += 1


def _gist(call: Call) -> object:
    if call.status == 201:
        return call.body["session"]["id"]
    return [shown.get("id") for shown in call.body.get("sessions", ())]


def _check_oldest(household: Household) -> Iterator[Finding]:
    evicted: dict[str, int] = {}
    for session in household.sessions.values():
        for end in session.spoken:
            if end.is_kick and end.reason == "limit" and end.by_device:
                evicted[end.device] = min(end.at_us, evicted.get(end.device, end.at_us))
    for call in household.starts:
        if call.status == 409 and evicted.get(call.device, answered(call)) >= answered(call):
            text = f"{call.region} refused {call.device} though the oldest session may be ended"
            yield _finding(call, "refused though the oldest may end", text)


def _finding(call: Call, rule: str, text: str, *others: int) -> Finding:
    sessions = (call.session,) if call.session else ()
    return Finding("P3", rule, answered(call), call.account, text, (call.number, *others), sessions)
