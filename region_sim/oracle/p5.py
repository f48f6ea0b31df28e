"""P5 A session that heartbeats in time is never ended by us, as it is judged: every 410, every end.

**By somebody's act.** `kicked`, `superseded`, `replaced` and `stopped` need a kick, a start of the
same device, a start that names it, a stop, that was sent before the 410 was answered, whatever
became of that call. However late the heartbeat is, a reason that nobody gave is a finding. `kicked`
by `system` needs a second device that had heartbeated the session.

**In time.** A heartbeat that was answered less than the suspect time (less 2 %) after the sending
of the one that was renewed before it, of the device itself or of one that shares its token, is not
answered `displaced` or `lapsed`. Excused where only regions beyond trouble had heard the session
lately: to the asked one it had been silent. `expired` needs a session of a day, or a wall clock
that jumped.

**For the limit** a session ends only while it is provisional: admitted as overdraft or unchecked,
revived, or adopted within its first seconds. And only when L other devices lived at some moment of
the last 3.1 s, which were not themselves ended for the limit; two provisional sessions never end
one another.
Excused where a session on which the end rests was over beyond a cut. With `end_oldest` another's
start may end any session, but only of a full account, and not by a device that was so ended before.

**A refused start ends nothing** in the region that refused it. **Who yields may come back**: a
session that lapsed or was displaced is released, never kicked (tapped runs).
"""

from collections.abc import Iterator
from typing import Final

from region_sim.history import Call, Ended
from region_sim.oracle.clones import is_shared
from region_sim.oracle.run import FRESH_US, TRAVEL_US, Run, answered, seconds
from region_sim.oracle.sessions import PASSING, End, Session
from region_sim.oracle.truth import Household, is_indefinite
from region_sim.oracle.verdict import Finding

YOUNG_US: Final = 11_000_000
_ACTS: Final = frozenset({"kicked", "superseded", "replaced", "stopped"})


def check(run: Run) -> Iterator[Finding]:
    """Every 410, then every end that a region spoke."""
    for household in run.households.values():
        excused: set[str] = set()
        for session in household.sessions.values():
            for call in session.refused:
                yield from _check_410(run, household, session, call)
            for end in session.spoken:
                if end.is_kick and end.reason in PASSING:
                    text = f"{end.region} kicked {session.id}, which had only to yield"
                    yield _spoken("yielded for good", session, end, text)
        limited = sorted(
            (
                (end.at_us, number, session, end)
                for number, session in enumerate(household.sessions.values())
                for end in session.spoken
                if end.is_kick and end.reason == "limit"
            ),
            key=lambda item: item[:2],
        )
        evicted: dict[str, int] = {}
        for _, _, session, end in limited:
            if end.by_device:
                yield from _check_evicted(run, household, session, end, evicted)
            else:
                yield from _check_limited(run, household, session, end, excused)
        yield from _check_refusals(household)


# ---- what devices were told ------------------------------------------------------------------


def _check_410(run: Run, household: Household, session: Session, call: Call) -> Iterator[Finding]:
    reason = str(call.body.get("reason", ""))
    if reason in _ACTS:
        if not _has_act(run, household, session, call, reason):
            text = f"{session.id} was told {reason}, which nobody has done"
            yield _finding(f"{reason} by nobody", session, call, text)
    elif reason == "limit":
        is_evicted = run.history.on_limit == "end_oldest" and _by(call) == "device"
        has_record = run.history.is_tapped  # by which it is judged
        if not (has_record or is_evicted or _was_provisional(run, session, answered(call))):
            text = f"{session.id}, which was settled, was ended for the limit"
            yield _finding("settled session ended for the limit", session, call, text)
    elif reason == "expired":
        if not run.network.has_jumped:
            text = f"{session.id} was told expired within the run"
            yield _finding("expired within the run", session, call, text)
    elif reason in PASSING:
        yield from _check_silence(run, session, call, reason)
    else:
        yield _finding("unknown reason", session, call, f"{session.id}: {reason!r}")


def _by(call: Call) -> str:
    return str((call.body.get("by") or {}).get("kind", ""))


def _has_act(run: Run, household: Household, session: Session, call: Call, reason: str) -> bool:
    """A refused start counts too: a holder may have handed over for it, in vain."""
    by_us = answered(call)
    if reason == "kicked" and _by(call) == "system":
        return any(is_shared(c, session.id) and c.sent_us <= by_us for c in household.calls)
    if any(act.reason == reason and act.sent_us <= by_us for act in session.acts):
        return True
    return any(
        start.number != session.number
        and start.sent_us <= by_us
        and _latest_us(run, start) >= session.began_us
        and (
            (reason == "superseded" and start.device == session.device)
            or (reason == "replaced" and session.id in start.request.get("replace", ()))
            or (reason == "stopped" and _is_unchecked_stop(session, start))
        )
        for start in household.starts
    )


def _is_unchecked_stop(session: Session, start: Call) -> bool:
    """Whether a start ended the session without its slice, which is told of a stop."""
    is_unchecked = start.body.get("decision", {}).get("basis") == "unchecked"
    is_ended = start.device == session.device or session.id in start.request.get("replace", ())
    return is_unchecked and is_ended


def _latest_us(run: Run, start: Call) -> int:
    if start.answered_us is None or is_indefinite(start):
        return run.network.latest_effect_us(start)
    return start.answered_us


def _check_silence(run: Run, session: Session, call: Call, reason: str) -> Iterator[Finding]:
    heard = [beat for beat in session.beats if beat.sent_us < call.sent_us]
    in_time = [b for b in heard if answered(call) - b.sent_us <= run.in_time_us]
    if not in_time:
        return
    since_us = in_time[0].sent_us
    near = [
        beat
        for beat in in_time
        if beat.region == call.region
        or not run.network.is_unreachable(call.region, beat.region, since_us, answered(call))
    ]
    if not near or _may_have_stopped(session, call):
        run.counts["410 in time, heard beyond a cut"] += not near
        return
    silent_us = answered(call) - near[-1].sent_us
    text = (
        f"{call.region} answered {session.id} with {reason} {seconds(silent_us)} after "
        f"{near[-1].region} had renewed it"
    )
    yield _finding(f"in time, {reason}", session, call, text)


def _may_have_stopped(session: Session, call: Call) -> bool:
    """An end that is remembered no more is told as `lapsed`."""
    return any(act.sent_us <= answered(call) for act in session.acts)


def _was_provisional(run: Run, session: Session, by_us: int) -> bool:
    """Whether it may have been provisional: as overdraft, revived, or adopted young."""
    if session.basis in ("overdraft", "unchecked") or session.admitted_us is None:
        return True
    heard_us = session.admitted_us
    for beats in (session.beats, session.perhaps):
        for beat in beats:
            is_elsewhere = beat.region != session.region or run.network.restarted(
                session.region, session.began_us, beat.answered_us
            )
            if is_elsewhere and beat.sent_us <= session.admitted_us + YOUNG_US:
                return True
            if by_us > beat.answered_us > heard_us + run.in_time_us:
                return True  # it may have been revived
            heard_us = max(heard_us, beat.sent_us)
    return False


# ---- what regions did ------------------------------------------------------------------------


def _check_limited(
    run: Run, household: Household, session: Session, end: Ended, excused: set[str]
) -> Iterator[Finding]:
    run.counts["overdraft disproved"] += 1
    if not _was_provisional(run, session, end.at_us):
        text = f"{end.region} ended {session.id} for the limit, which was settled"
        yield _spoken("settled session ended for the limit", session, end, text)
        return
    since_us = end.at_us - FRESH_US - run.latency_us - TRAVEL_US
    others = [
        s
        for s in household.sessions.values()
        if s.device != session.device and s.may_have_lived(since_us, end.at_us)
    ]
    ended = {s.id for s in others if _limited_by(s, end.at_us)}
    limit = min(household.limits.known(run.network, since_us, end.at_us))
    dead = [
        s
        for name in end.evidence
        if name != session.id
        and (s := household.sessions.get(name)) is not None
        and (s.id in ended or not s.may_have_lived(since_us, end.at_us))
    ]
    is_excused = any(s.id in excused or _is_beyond(run, end, s) for s in dead)
    if is_excused:
        excused.add(session.id)
    living = {s.device for s in others if s.id not in ended}
    if len(living) + _unheard(household, session, end, living) >= limit:
        return
    if is_excused or any(name in excused for name in end.evidence):
        run.counts["limit end on a pending end"] += 1
        return
    rule = "provisional sessions ended one another" if ended else "limit end without L others"
    text = (
        f"{end.region} ended {session.id} for the limit of {limit} while only "
        f"{sorted(living)} lived"
    )
    yield _spoken(rule, session, end, text)


def _unheard(household: Household, session: Session, end: Ended, living: set[str]) -> int:
    """How many more devices the evidence may name: their starts were admitted, but never answered,
    so that nobody outside knows of their sessions."""
    unknown = [name for name in end.evidence if name not in household.sessions]
    lost = {call.device for call in household.lost if call.sent_us <= end.at_us}
    return min(len(unknown), len(lost - living - {session.device}))


def _limited_by(session: Session, at_us: int) -> bool:
    return any(
        e.is_kick and e.reason == "limit" and not e.by_device and e.at_us <= at_us
        for e in session.spoken
    )


def _is_beyond(run: Run, end: Ended, session: Session) -> bool:
    """Whether none of a dead session's ends can be known in the region that counted it."""
    ends = [e for e in session.ends if e.at_us <= end.at_us]
    return bool(ends) and not any(_is_known(run, end.region, session, e, end.at_us) for e in ends)


def _is_known(run: Run, here: str, session: Session, end: End, by_us: int) -> bool:
    """Whether a region must know of an end."""
    if end.region != here:
        return not run.network.is_unreachable(here, end.region, end.at_us, by_us)
    return run.remembers(session, end, by_us)


def _check_evicted(
    run: Run, household: Household, session: Session, end: Ended, evicted: dict[str, int]
) -> Iterator[Finding]:
    run.counts["oldest ended"] += 1
    since_us = end.at_us - FRESH_US - run.latency_us - TRAVEL_US
    others = household.living(since_us, end.at_us, end.by_device)
    limit = min(household.limits.known(run.network, since_us, end.at_us))
    if len(others) < limit and not _rests_on_pending(run, household, end, since_us):
        text = f"{end.region} ended {session.id} although only {sorted(others)} lived"
        yield _spoken("oldest ended though not full", session, end, text)
    if evicted.get(end.by_device, end.at_us) < end.at_us - 1_000_000:
        text = f"{end.by_device}, which was ended that way itself, ended {session.id}"
        yield _spoken("oldest ended in turn", session, end, text)
    evicted.setdefault(session.device, end.at_us)


def _rests_on_pending(run: Run, household: Household, end: Ended, since_us: int) -> bool:
    return any(
        not s.may_have_lived(since_us, end.at_us) and _is_beyond(run, end, s)
        for s in household.sessions.values()
        if s.began_us <= end.at_us
    )


def _check_refusals(household: Household) -> Iterator[Finding]:
    refused = [call for call in household.starts if call.status == 409]
    for session in household.sessions.values() if refused else ():
        for end in session.spoken:
            for call in refused if end.is_kick and end.by_device else ():
                is_his = call.device == end.by_device and call.region == end.region
                is_his = is_his and call.sent_us <= end.at_us <= answered(call)
                is_his = is_his and not any(act.reason == "stopped" for act in session.acts)
                if is_his and _is_alone(household, call):
                    text = f"{end.region} ended {session.id} for a start that it refused"
                    yield _spoken("a refused start ended a session", session, end, text)


def _is_alone(household: Household, call: Call) -> bool:
    """Whether no other start was under way that may have ended it, or have taken the slot that the
    session was handed over for."""
    return not any(
        other.number != call.number
        and other.status != 409
        and (other.device == call.device or other.region == call.region)
        and other.sent_us <= answered(call)
        and (other.answered_us is None or other.answered_us >= call.sent_us)
        for other in household.starts
    )


def _spoken(rule: str, session: Session, end: Ended, text: str) -> Finding:
    sessions = (session.id, *end.evidence)
    return Finding("P5", rule, end.at_us, session.account, text, (session.number,), sessions)


def _finding(rule: str, session: Session, call: Call, text: str) -> Finding:
    return Finding("P5", rule, answered(call), session.account, text, (call.number,), (session.id,))
