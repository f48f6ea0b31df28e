"""The story of one account: its devices as lanes, their sessions as bars, calls as ticks.

A bar is solid while its session surely lived, pale while it may have. Its colour is that of the
region that last renewed it, so that roaming shows. Under the devices stands how many streamed, as a
step line against the limit: what is above is the excess.
"""

from collections.abc import Iterator
from typing import Final

from region_sim.history import Call, CallKind
from region_sim.oracle.sessions import Session
from region_sim.oracle.trouble import Span
from region_sim.oracle.truth import Household
from region_sim.report import counting, truth
from region_sim.report.axis import Axis
from region_sim.report.details import Details
from region_sim.report.subject import Subject, seconds
from region_sim.report.svg import cross, diamond, dot, figure, line, path, rect, tag, text, triangle

_LANE: Final = 25.0
_COUNT_HEIGHT: Final = 44.0
_BAR: Final = 7.0
DEVICES_MAX: Final = 24
CALLS_MAX: Final = 1_500
_LABELLED_US: Final = 100_000_000
"""Only a close-up has the room to say which call a broken promise rests on."""


def draw(subject: Subject, account: str, axis: Axis, details: Details, at_us: int | None) -> str:
    """One account over an axis; `at_us`: the moment that it is about."""
    household = subject.run.households[account]
    devices = devices_of(household)[:DEVICES_MAX]
    top = 18.0
    counts_y = top + len(devices) * _LANE + 14
    bottom = counts_y + _COUNT_HEIGHT
    parts = [axis.draw(top - 4, bottom, above=False), _faults(subject, axis, top, bottom)]
    if at_us is not None and axis.holds(at_us, at_us):
        x = axis.x(at_us)
        parts += [
            line(x, top - 6, x, bottom, "hair"),
            text(x, 9, seconds(at_us), "tick bad", "middle"),
        ]
    for index, device in enumerate(devices):
        y = top + index * _LANE
        parts.append(text(axis.left - 8, y + 14, device or "backend", "tick", "end"))
        parts.append(line(axis.left, y + _LANE - 2, axis.right, y + _LANE - 2, "base"))
        for session in household.sessions.values():
            if session.device == device:
                parts.append(_session(subject, axis, session, details, y + 9))
    parts.append(_calls(subject, axis, household, devices, details, top))
    parts.append(counting.draw(household, subject.limits(account), axis, counts_y, _COUNT_HEIGHT))
    return figure(axis.right + 14, bottom + 18, "".join(parts), f"The story of {account}", "story")


def devices_of(household: Household) -> list[str]:
    """The devices of an account, and last its backend."""
    found = {s.device for s in household.sessions.values()} | {c.device for c in household.calls}
    return sorted(found, key=lambda device: (not device, device))


def _faults(subject: Subject, axis: Axis, top: float, bottom: float) -> str:
    parts = []
    for span in subject.faults:
        if span.event.kind == "cut" and axis.holds(span.event.at_us, span.to_us):
            x = axis.x(span.event.at_us)
            parts.append(rect(x, top - 4, axis.x(span.to_us) - x, bottom - top + 4, "cut-shade"))
    return "".join(parts)


# ---- sessions --------------------------------------------------------------------------------


def _session(subject: Subject, axis: Axis, session: Session, details: Details, y: float) -> str:
    detail = details.add(*session_lines(session))
    blamed = " blamed" if session.id in subject.blamed_sessions else ""
    parts = []
    for kind, spans in (("may", session.may), ("sure", session.sure)):
        for (from_us, to_us), region in _by_region(session, spans):
            if axis.holds(from_us, to_us) and to_us > from_us:
                x, hue = axis.x(from_us), subject.hue(region)
                width = axis.x(to_us) - x
                style = f"bar {kind} fill{hue}{blamed if kind == 'sure' else ''}"
                parts.append(rect(x, y, width, _BAR, style, detail))
    ends = [end for end in session.ends if axis.holds(end.at_us, end.at_us)]
    for end in ends[:4]:
        x = axis.x(end.at_us)
        parts.append(rect(x - 0.8, y - 2.5, 1.8, _BAR + 5, f"m end-{end.reason}", detail))
    return "".join(parts)


def _by_region(session: Session, spans: list[Span]) -> Iterator[tuple[Span, str]]:
    """The spans, cut where another region took the session over."""
    for from_us, to_us in spans:
        region, since_us = session.region, from_us
        for beat in session.beats:
            if beat.answered_us <= from_us:
                region = beat.region
            elif beat.answered_us < to_us and beat.region != region:
                yield (since_us, beat.answered_us), region
                region, since_us = beat.region, beat.answered_us
        yield (since_us, to_us), region


def session_lines(session: Session) -> list[str]:
    """A session in words."""
    began = (
        f"admitted at {seconds(session.admitted_us)} in {session.region}, basis {session.basis}"
        if session.admitted_us is not None
        else f"its start was sent at {seconds(session.began_us)}, the answer was lost"
    )
    lines = [f"session {session.id} on {session.device}", began]
    if len(session.regions()) > 1:
        lines.append(f"then in {', '.join(session.regions()[1:])}")
    if session.beats:
        lines.append(f"last heard at {seconds(session.beats[-1].sent_us)}")
    lines += [f"{end.reason} in {end.region} at {seconds(end.at_us)}" for end in session.ends[:4]]
    return lines


# ---- calls -----------------------------------------------------------------------------------


def _calls(
    subject: Subject, axis: Axis, household: Household, devices: list[str], details: Details,
    top: float,
) -> str:  # fmt: skip
    rows = {device: index for index, device in enumerate(devices)}
    parts = []
    labelled: dict[float, list[Call]] = {}
    for call in household.calls[:CALLS_MAX]:
        if call.device not in rows or not axis.holds(call.sent_us, call.sent_us):
            continue
        y = top + rows[call.device] * _LANE + 4.5
        lines = (
            truth.refusal(subject, call)
            if call.status == 409 and call.kind is CallKind.START
            else [f"call {call.number} at {seconds(call.sent_us)}", truth.call_text(call)]
        )
        parts.append(_tick(call, axis.x(call.sent_us), y, details.add(*lines), subject))
        if call.number in subject.blamed and axis.to_us - axis.from_us < _LABELLED_US:
            labelled.setdefault(y, []).append(call)
    for y, blamed in labelled.items():
        parts += _labels(axis, blamed, y)
    return tag("g", "".join(parts), class_="marks", tabindex="0", role="group",
               aria_label="calls; arrow keys go from one to the next")  # fmt: skip


def _labels(axis: Axis, blamed: list[Call], y: float) -> Iterator[str]:
    """What calls of one device are; one that has no room to its right says it to its left."""
    xs = [axis.x(call.sent_us) for call in blamed]
    for call, x, next_x in zip(blamed, xs, [*xs[1:], float("inf")], strict=True):
        words = f"{call.kind.value} {call.status or 'unanswered'} in {call.region}"
        is_tight = next_x - x < len(words) * 6 + 20
        yield text(x - 9 if is_tight else x + 9, y - 3, words, "call-text blamed",
                   "end" if is_tight else None)  # fmt: skip


def _tick(call: Call, x: float, y: float, detail: int, subject: Subject) -> str:
    """A call as a mark over its device's bar."""
    hue, ring = subject.hue(call.region), ""
    if call.number in subject.blamed:
        ring = dot(x, y, 6.5, "ring")
    if not call.status:
        return ring + dot(x, y, 2.6, "m lost", detail)
    match call.kind, call.status:
        case CallKind.START, 201:
            return ring + path(triangle(x, y, 3.4), f"m fill{hue}", detail)
        case CallKind.START, 409:
            kind = f"m x ev-{call.body.get('evidence', 'none')}"
            return ring + path(cross(x, y, 2.8), kind, detail)
        case CallKind.HEARTBEAT, 410:
            kind = f"m end-{call.body.get('reason', '')}"
            return ring + path(diamond(x, y, 3.4), kind, detail)
        case CallKind.HEARTBEAT, 200:
            return ring + rect(x - 0.7, y - 2.5, 1.4, 5, f"m fill{hue}", detail)
        case CallKind.STOP, _:
            return ring + rect(x - 2.4, y - 2.4, 4.8, 4.8, "m end-stopped", detail)
        case CallKind.KICK, _:
            return ring + path(triangle(x, y, 3.4, is_down=True), "m end-kicked", detail)
        case _:
            return ring + dot(x, y, 1.6, "m other", detail)
