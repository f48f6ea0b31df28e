"""What answers and ends rest on, in words, beside what the oracle says of each session they name.

The times within which a session is asked about are those of the checker of P1, so that the words
agree with the verdict.
"""

from collections.abc import Iterator
from typing import Any

from region_sim.history import Call, CallKind, Ended
from region_sim.oracle.sessions import Session
from region_sim.report.subject import Subject, seconds


def of_session(subject: Subject, account: str, name: str, from_us: int, to_us: int) -> str:
    """Whether a session that something rests on lived between two moments, and since when."""
    household = subject.run.households.get(account)
    session = household.sessions.get(name) if household is not None else None
    if session is None:
        return "no such session ever began"
    if session.surely_lived(from_us, to_us):
        return f"lives since {seconds(session.admitted_us or session.began_us)}"
    if session.may_have_lived(subject.fresh_since_us(from_us), to_us):
        return f"may live, {_last_heard(session, to_us)}"
    end = session.end_by(to_us)
    if end is not None:
        return f"DEAD: {end.reason} in {end.region} {ago(to_us - end.at_us)} before"
    return f"DEAD: {_last_heard(session, to_us)}"


def _last_heard(session: Session, at_us: int) -> str:
    beat = session.last_beat(at_us)
    if beat is None:
        return f"its start was sent {ago(at_us - session.began_us)} before"
    return f"last heard in {beat.region} {ago(at_us - beat.answered_us)} before"


def ago(us: int) -> str:
    """A length of time, as short as it can be said."""
    return f"{us / 1000:.0f} ms" if us < 1_000_000 else f"{us / 1e6:.1f} s"


def call_text(call: Call) -> str:
    """One call and its answer, in a line."""
    who = call.device or "the backend"
    about = f" {call.session}" if call.session else ""
    extras = [word for word in ("again", "cloned", "late") if call.request.get(word)]
    if call.request.get("replace"):
        extras.append(f"replaces {', '.join(call.request['replace'])}")
    extra = f" ({'; '.join(extras)})" if extras else ""
    roams = f" from {call.place}" if call.place != call.region else ""
    return f"{call.kind.value}{about} of {who}{roams} to {call.region}{extra}: {answer_text(call)}"


def answer_text(call: Call) -> str:
    """What was answered and how fast."""
    if call.answered_us is None:
        return "no answer until the run ended"
    took = f"after {ago(call.answered_us - call.sent_us)}"
    if not call.status:
        return f"no answer, {call.error or 'lost'} {took}"
    body, word = call.body, ""
    if call.kind is CallKind.START and call.status == 201:
        word = f" {body.get('decision', {}).get('basis', '')} {body['session']['id']}"
    elif call.status == 409:
        word = f" evidence {body.get('evidence', 'none')}"
    elif call.status == 410:
        word = f" {body.get('reason', '')}"
    elif call.kind is CallKind.KICK and call.status == 200:
        word = f" {body.get('effect', '')}"
    return f"{call.status}{word} {took}"


def refusal(subject: Subject, call: Call) -> list[str]:
    """A refused start: what it rests on and what is true of it."""
    assert call.answered_us is not None
    limit = call.body.get("limit", "?")
    lines = [
        f"refused at {seconds(call.answered_us)} in {call.region}",
        f"{call.device} of {call.account}, limit {limit}; call {call.number}, {answer_text(call)}",
    ]
    lines += [_named(subject, call, shown) for shown in call.body.get("sessions", ())]
    if call.number in subject.pending:
        lines.append("Rests on an end that was spoken beyond a cut: the one exception to P1.")
    return lines


def _named(subject: Subject, call: Call, shown: dict[str, Any]) -> str:
    evidence = shown.get("evidence") or {}
    device = str(shown.get("device", {}).get("id", ""))
    name, assured_us = str(shown.get("id", "")), call.answered_us or call.sent_us
    how = f"{evidence.get('how', 'no evidence')}, {float(evidence.get('age_s', 0)):.1f} s old"
    words = of_session(subject, call.account, name, call.sent_us, assured_us)
    if device == call.device:
        words += "; does not count, it is the same device"
    elif name in call.request.get("replace", ()):
        words += "; does not count, it is to be replaced"
    return f"{name} on {device} in {shown.get('region', '?')}: {how}. Oracle: {words}"


def end(subject: Subject, ended: Ended) -> list[str]:
    """An end as a region spoke it."""
    how = "kick" if ended.is_kick else "released"
    by = f" by {ended.by_device}" if ended.by_device else ""
    lines = [
        f"{ended.reason} at {seconds(ended.at_us)} in {ended.region} ({how}{by})",
        f"{ended.session} on {ended.device} of {ended.account}",
    ]
    for name in ended.evidence:
        words = of_session(subject, ended.account, name, ended.at_us, ended.at_us)
        lines.append(f"because of {name}. Oracle: {words}")
    lines += _heard(subject, ended) if ended.is_kick else []
    return lines


def _heard(subject: Subject, ended: Ended) -> Iterator[str]:
    household = subject.run.households.get(ended.account)
    session = household.sessions.get(ended.session) if household is not None else None
    heard = session.learned_us if session is not None else {}
    words = [
        f"{region} after {ago(at_us - ended.at_us)}"
        for region, at_us in sorted(heard.items())
        if at_us >= ended.at_us and region != ended.region
    ]
    if words:
        yield f"heard in {', '.join(words)}"


def told(call: Call) -> list[str]:
    """A heartbeat that was answered 410."""
    assert call.answered_us is not None
    actor = call.body.get("by") or {}
    by = f" by {actor['device']}" if actor.get("device") else ""
    return [
        f"410 {call.body.get('reason', '')}{by} at {seconds(call.answered_us)} in {call.region}",
        f"{call.session} on {call.device} of {call.account}; call {call.number}",
    ]
