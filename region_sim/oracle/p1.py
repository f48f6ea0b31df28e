"""P1 No false block, as it is judged: every 409 is looked at.

**Named.** The answer names at least L distinct devices: not the asking one, not those that the
start replaces. Each has its evidence: `local` only for a session of the asked region, `beacon` at
most 3 s old. L is the limit that the answer states; it must be one that the account had, or had
until shortly before (limits.py). A suspect session is no evidence, since it yields: what is `local`
or `confirmed` was heard within the suspect time, and 2 %.

**True.** At least L distinct other devices may really have lived at some moment between 3.1 s and
one latency before the start was sent, and its answer. Starts without an answer count as soon as
something shows that they took effect. A start that is sent again with its key gets the first
answer, so it is judged as sent when it was sent first.

**Excused** is a refusal that rests on a session whose end cannot be known where it was refused:
every end of every dead session that it names was spoken beyond a link in trouble, or by or before a
region that was down meanwhile (a *pending end*, counted apart). Never excused: an end that the
asked region spoke itself and remembers, or had heard of; evidence by beacon when the beaconing
region itself spoke the end and remembers it. A region forgets with a crash what was no kick, and a
kick that nobody was promised and that was not on disk yet. Anything else is a *false block*.
"""

from collections.abc import Iterator
from typing import Any

from region_sim.history import Call, CallKind
from region_sim.oracle.run import FRESH_US, TRAVEL_US, Run, answered, seconds
from region_sim.oracle.sessions import DRIFT, SWEEP_US, End, Session
from region_sim.oracle.truth import Household, key_of
from region_sim.oracle.verdict import Finding

BEACON_AGE_S_MAX = 3.01
_HOW = ("local", "confirmed", "beacon")


def check(run: Run) -> Iterator[Finding]:
    """Every refusal."""
    for household in run.households.values():
        for call in household.starts:
            if call.status == 409 and "limit" in call.body:
                yield from _check_refusal(run, household, call)


def _check_refusal(run: Run, household: Household, call: Call) -> Iterator[Finding]:
    limit = int(call.body["limit"])
    sent_us = _first_sent_us(household, call)
    known = household.limits.known(run.network, sent_us, answered(call))
    if known != [0] and limit < known[0]:
        run.counts["false block"] += 1
        yield _finding(
            call, "a limit that does not hold", f"refused at {limit} streams of {known[0]}"
        )
        return
    named = _named(call)
    devices = {str(shown.get("device", {}).get("id")) for shown in named}
    if len(devices) < limit:
        run.counts["false block"] += 1
        yield _finding(
            call,
            "fewer than L named",
            f"refused {call.device} at {limit} streams, but names only {sorted(devices)}",
        )
        return
    if run.is_georeg:
        yield from _check_evidence(call, named)
        yield from _check_silence(run, household, call, sent_us, named)
    yield from _check_truth(run, household, call, sent_us, limit, named)


def _first_sent_us(household: Household, call: Call) -> int:
    """When a start was sent for the first time; one without a key is sent once."""
    key = key_of(call)
    if not key[1]:
        return call.sent_us
    return min(
        c.sent_us for c in household.starts if key_of(c) == key and c.device == call.device
    )


def _named(call: Call) -> list[dict[str, Any]]:
    """The sessions that count against the start."""
    replaced = set(call.request.get("replace", ()))
    return [
        shown
        for shown in call.body.get("sessions", ())
        if shown.get("device", {}).get("id") != call.device and shown.get("id") not in replaced
    ]


def _check_evidence(call: Call, named: list[dict[str, Any]]) -> Iterator[Finding]:
    for shown in named:
        evidence = shown.get("evidence") or {}
        how, age_s = evidence.get("how"), evidence.get("age_s", 0.0)
        if how not in _HOW:
            yield _finding(call, "no evidence", f"names {shown.get('id')} without evidence")
        elif how == "local" and shown.get("region") != call.region:
            yield _finding(
                call, "local elsewhere", f"calls {shown.get('id')} of {shown.get('region')} local"
            )
        elif how == "beacon" and age_s > BEACON_AGE_S_MAX:
            yield _finding(
                call, "stale beacon", f"rests on a beacon of {age_s} s for {shown.get('id')}"
            )


def _check_silence(
    run: Run, household: Household, call: Call, sent_us: int, named: list[dict[str, Any]]
) -> Iterator[Finding]:
    heard_us = sent_us - int(run.history.suspect_us * (1 + DRIFT)) - SWEEP_US
    for shown in named:
        session = household.sessions.get(str(shown.get("id")))
        if session is None or (shown.get("evidence") or {}).get("how") == "beacon":
            continue
        if all(b.answered_us < heard_us for b in (*session.beats, *session.perhaps)):
            yield _finding(
                call, "rests on a suspect session", f"refused on {session.id}, which must yield"
            )


def _check_truth(
    run: Run,
    household: Household,
    call: Call,
    sent_us: int,
    limit: int,
    named: list[dict[str, Any]],
) -> Iterator[Finding]:
    since_us = sent_us - FRESH_US - run.latency_us - TRAVEL_US
    until_us = answered(call)
    replaced = set(call.request.get("replace", ()))
    living = {
        s.device
        for s in household.sessions.values()
        if s.device != call.device and s.id not in replaced and s.may_have_lived(since_us, until_us)
    }
    if len(living) >= limit:
        return
    dead, words = [], []
    for shown in named:
        session = household.sessions.get(str(shown.get("id")))
        if session is None:
            words.append(f"{shown.get('id')}: never began")
        elif not session.may_have_lived(since_us, until_us):
            dead.append((shown, session))
    has_phantoms = bool(words)
    if dead and not has_phantoms and all(_is_pending(run, call, *item) for item in dead):
        run.counts["pending end"] += 1
        return
    run.counts["false block"] += 1
    for _, session in dead:
        end = session.end_by(until_us)
        words.append(f"{session.id}: {_why(session, end, until_us)}")
    whys = {_reason(s.end_by(until_us)) for _, s in dead} | ({"phantom"} if has_phantoms else set())
    how = call.body.get("evidence", "")
    yield _finding(
        call,
        f"false block: {how}: {','.join(sorted(whys))}",
        f"refused {call.device} at {limit} streams while only {sorted(living)} lived; "
        + "; ".join(words),
        tuple(session.id for _, session in dead),
    )


def _is_pending(run: Run, call: Call, shown: dict[str, Any], session: Session) -> bool:
    """Whether none of a dead session's ends can be known where the start was refused."""
    until_us = answered(call)
    ends = [end for end in session.ends if end.at_us <= until_us]
    how = (shown.get("evidence") or {}).get("how")
    vouched = how == "beacon" and any(
        end.region == shown.get("region") and run.remembers(session, end, until_us) for end in ends
    )
    return bool(ends) and not vouched and not any(_is_known(run, call, session, e) for e in ends)


def _is_known(run: Run, call: Call, session: Session, end: End) -> bool:
    """Whether the asked region must know of an end."""
    here, until_us, network = call.region, answered(call), run.network
    if end.region == here:
        return run.remembers(session, end, until_us)
    if network.is_unreachable(here, end.region, end.at_us, until_us):
        learned_us = session.learned_us.get(here, until_us)
        return (
            end.is_kick
            and learned_us < call.sent_us - FRESH_US
            and not network.restarted(here, learned_us, until_us)
        )
    holder = session.last_beat(end.at_us)
    if end.is_kick or holder is None:
        return True
    return not network.is_unreachable(here, holder.region, end.at_us, until_us)


def _reason(end: End | None) -> str:
    return end.reason if end is not None else "silent"


def _why(session: Session, end: End | None, at_us: int) -> str:
    if end is not None:
        return f"{end.reason} in {end.region} {seconds(at_us - end.at_us)} before"
    last = session.last_beat(at_us)
    silent_us = at_us - (last.answered_us if last is not None else session.began_us)
    return f"silent for {seconds(silent_us)}"


def _finding(call: Call, rule: str, text: str, sessions: tuple[str, ...] = ()) -> Finding:
    assert call.kind is CallKind.START
    named = sessions or tuple(str(shown.get("id")) for shown in call.body.get("sessions", ()))
    return Finding(
        "P1", rule, answered(call), call.account, f"{call.region} {text}", (call.number,), named
    )
