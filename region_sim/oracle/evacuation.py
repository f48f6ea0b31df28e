"""Evacuation, as it is judged: what a region answers that is drained and goes on running.

Judged is what it answers from `SETTLED_US` after its operator's word until that is undone or about
to expire (`SURE` of the time, since its clock may be off), while nothing was wrong between regions,
nor long before, and another region took starts.

**It admits nobody.** A start is not answered 201.

**It tells everybody where to go.** A heartbeat that it renews is answered with `regions`, of which
the first takes starts. (The pace of a drain in the simulator is one heartbeat, so that everybody's
turn comes before the next one.) What happens to those who go, and to those who stay, is judged by
P3, P5 and availability, as at any time.

Counted: heartbeats and starts that a draining region sent elsewhere and that were heard there, and
drains at whose end the region, which had held sessions, held none.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from region_sim.history import Call, CallKind
from region_sim.oracle.run import Run, answered
from region_sim.oracle.sessions import Session
from region_sim.oracle.trouble import Trouble
from region_sim.oracle.verdict import Finding

SETTLED_US: Final = 2_000_000
"""A drain is said to the others at once, and every region looks again once a beacon round."""
SURE: Final = 0.94
FORGOTTEN_US: Final = 25_000_000
"""What was drained or lost for so long is known everywhere."""


def check(run: Run) -> Iterator[Finding]:
    """Every start and heartbeat that a draining region answered, then every drain."""
    if not run.is_georeg:
        return
    drains = {
        region: [t for t in found if t.note == "operator"]
        for region, found in sorted(run.network.draining.items())
    }
    if not any(drains.values()):
        return
    for call in run.history.calls:
        if call.status in (200, 201) and _is_judged(run, call, drains.get(call.region, [])):
            yield from _check(run, call)
    calls = {call.number: call for call in run.history.calls}
    sessions = [s for household in run.households.values() for s in household.sessions.values()]
    for session in sessions:
        for before, beat in pairwise(session.beats):
            named = [place["name"] for place in calls[before.number].body.get("regions", ())]
            run.counts["drained heartbeat went"] += beat.region in named
    run.counts["drained start went"] += _starts_that_went(run)
    for region, found in drains.items():
        for drain in found:
            run.counts["evacuated"] += _is_evacuated(run, sessions, region, drain)


def _is_judged(run: Run, call: Call, drains: list[Trouble]) -> bool:
    to_us = answered(call)
    return (
        any(_surely_had_effect(drain, call) for drain in drains)
        and run.network.is_settled(call.sent_us, to_us, FORGOTTEN_US, FORGOTTEN_US)
        and bool(_others(run, call))
    )


def _surely_had_effect(drain: Trouble, call: Call) -> bool:
    """Whether a drain was known everywhere when a call was sent, and not over at its answer."""
    sure_us = SURE * (drain.to_us - drain.from_us)
    return drain.from_us + SETTLED_US <= call.sent_us and answered(call) < drain.from_us + sure_us


def _others(run: Run, call: Call) -> list[str]:
    """The regions that took starts when a call was sent, and when its region last heard of them."""
    return [
        other
        for other in run.history.regions
        if other != call.region
        and not run.network.is_draining(other, call.sent_us - SETTLED_US, answered(call))
    ]


def _check(run: Run, call: Call) -> Iterator[Finding]:
    if call.kind is CallKind.START:
        yield _finding(call, "start admitted while drained", "admitted a start")
    if call.kind is CallKind.HEARTBEAT and not call.request.get("events"):
        named = [place["name"] for place in call.body.get("regions", ())]
        if not named:
            yield _finding(call, "not told where to go", "renewed a session, and did not say where")
        elif any(_surely_had_effect(d, call) for d in run.network.draining.get(named[0], ())):
            yield _finding(call, "sent to a drained region", f"sent a device to {named[0]}")


def _starts_that_went(run: Run) -> int:
    """Starts that were declined with regions, and whose device was admitted in one of them next."""
    went = 0
    declined: dict[str, list[str]] = {}
    for call in run.history.calls:
        if call.kind is not CallKind.START:
            continue
        named = declined.pop(call.device, [])
        went += call.status == 201 and call.region in named
        if call.status == 503:
            declined[call.device] = [place["name"] for place in call.body.get("regions", ())]
    return went


def _is_evacuated(run: Run, sessions: list[Session], region: str, drain: Trouble) -> bool:
    """Whether some session lived there when it began, and none at its end."""
    lease_us = run.history.lease_us
    end_us = min(drain.to_us, run.history.end_us)
    began = any(_is_held(s, region, drain.from_us, lease_us) for s in sessions)
    return began and not any(_is_held(s, region, end_us, lease_us) for s in sessions)


def _is_held(session: Session, region: str, at_us: int, lease_us: int) -> bool:
    """Whether a region was the last to renew it, within its lease, and it had not ended."""
    last = session.last_beat(at_us)
    if last is None or last.region != region or last.answered_us + lease_us < at_us:
        return False
    return session.end_by(at_us) is None


def _finding(call: Call, rule: str, what: str) -> Finding:
    text = f"{call.region}, which its operator had drained, {what} ({call.device})"
    sessions = (call.session,) if call.session else ()
    at_us = answered(call)
    return Finding("evacuation", rule, at_us, call.account, text, (call.number,), sessions)
