"""What the diagram of messages needs: frames and calls around chosen moments, as compact numbers.

Kept are windows around findings, the begins and ends of faults, healing, and the moment that a
reader asked for; the script draws any moment within one of them. A window that holds more than it
may is made narrower, and says so. Times are tenths of a millisecond since the window's begin: more
than can be seen.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from typing import Any, Final

from region_sim.history import Call, CallKind, Frame
from region_sim.report import truth
from region_sim.report.details import Details
from region_sim.report.subject import Subject, seconds

WINDOWS_MAX: Final = 20
FINDINGS_MAX: Final = 12
HALF_US: Final = 1_500_000
_APART_US: Final = 800_000
FRAMES_MAX: Final = 700
CALLS_MAX: Final = 200
ENDS_MAX: Final = 100
_UNIT_US: Final = 100
_LONGEST_US: Final = 20_000_000
"""Frames and calls that take longer are not looked for in windows that they only cross."""


def data(subject: Subject, details: Details) -> dict[str, Any]:
    """Windows and names, for the script."""
    moments = list(_moments(subject))
    kinds = sorted({frame.kind for frame in subject.history.frames})
    frames = sorted(subject.history.frames, key=lambda frame: frame.sent_us)
    sent = [frame.sent_us for frame in frames]
    calls_sent = [call.sent_us for call in subject.history.calls]
    windows = []
    for at_us, label in moments[:WINDOWS_MAX]:
        windows.append(_window(subject, details, at_us, label, kinds, (frames, sent, calls_sent)))
    return {
        "regions": list(subject.history.regions),
        "kinds": kinds,
        "focus": moments[0][0] / 1e6 if moments else 0,
        "left_out": max(0, len(moments) - WINDOWS_MAX),
        "has_frames": bool(frames),
        "windows": windows,
    }


def _moments(subject: Subject) -> Iterator[tuple[int, str]]:
    """Moments of interest with what they are, the one to begin with first, none twice."""
    taken: list[int] = []
    for at_us, label in _wished(subject):
        if all(abs(at_us - other) >= _APART_US for other in taken):
            taken.append(at_us)
            yield at_us, label


def _wished(subject: Subject) -> Iterator[tuple[int, str]]:
    if subject.around_us is not None:
        yield subject.around_us, "the moment that was asked for"
    for finding in subject.verdict.findings[:FINDINGS_MAX]:
        yield finding.at_us, f"{finding.promise} broken: {finding.rule}"
    for span in subject.faults:
        yield span.event.at_us, f"begins: {span.text}"
    for span in subject.faults:
        yield span.to_us, f"ends: {span.text}"
    if subject.history.healed_us:
        yield subject.history.healed_us, "everything is healed"
    for finding in subject.verdict.findings[FINDINGS_MAX:]:
        yield finding.at_us, f"{finding.promise} broken: {finding.rule}"


def _window(
    subject: Subject, details: Details, at_us: int, label: str, kinds: list[str],
    found: tuple[list[Frame], list[int], list[int]],
) -> dict[str, Any]:  # fmt: skip
    frames, sent, calls_sent = found
    half_us, note = HALF_US, ""
    while True:
        from_us, to_us = max(0, at_us - half_us), at_us + half_us
        low, high = bisect_left(sent, from_us - _LONGEST_US), bisect_right(sent, to_us)
        inside = [f for f in frames[low:high] if (f.arrived_us or f.sent_us) >= from_us]
        low, high = bisect_left(calls_sent, from_us - _LONGEST_US), bisect_right(calls_sent, to_us)
        calls = [c for c in subject.history.calls[low:high] if (c.answered_us or to_us) >= from_us]
        ends = [e for e in subject.history.ended if from_us <= e.at_us <= to_us]
        if half_us < 2_000 or (
            len(inside) <= FRAMES_MAX and len(calls) <= CALLS_MAX and len(ends) <= ENDS_MAX
        ):
            break
        half_us //= 2
        note = f"too much at once: only {half_us / 1e6:g} s on either side are kept"
    regions = {region: index for index, region in enumerate(subject.history.regions)}
    return {
        "at": at_us / 1e6,
        "label": f"{seconds(at_us)}  {label}",
        "from": from_us / 1e6,
        "to": to_us / 1e6,
        "note": note,
        "frames": [_frame(frame, from_us, regions, kinds) for frame in inside[:FRAMES_MAX]],
        "calls": [_call(subject, call, from_us, regions) for call in calls[:CALLS_MAX]],
        "ends": [
            [(e.at_us - from_us) // _UNIT_US, regions[e.region], e.reason, e.account,
             details.add(*truth.end(subject, e))]
            for e in ends[:ENDS_MAX]
        ],
        "events": [
            [(at - from_us) // _UNIT_US, words]
            for at, words in _events(subject)
            if from_us <= at <= to_us
        ],
    }  # fmt: skip


def _events(subject: Subject) -> Iterator[tuple[int, str]]:
    """What else happened, that is no call and no message."""
    for span in subject.faults:
        yield span.event.at_us, f"begins: {span.text}"
        yield span.to_us, f"ends: {span.text}"
    for life in subject.history.lives:
        yield life.at_us, f"{life.region} {life.what.value}"
    told = {(f.at_us, f.promise, f.account): None for f in subject.verdict.findings}
    for at_us, promise, account in told:
        yield at_us, f"{promise} broken, {account or 'no account'}"


def _frame(
    frame: Frame, from_us: int, regions: dict[str, int], kinds: list[str]
) -> list[int | None]:
    arrived = None if frame.arrived_us is None else (frame.arrived_us - from_us) // _UNIT_US
    return [
        (frame.sent_us - from_us) // _UNIT_US, arrived, regions[frame.source],
        regions[frame.target], kinds.index(frame.kind), frame.bytes,
    ]  # fmt: skip


def _call(subject: Subject, call: Call, from_us: int, regions: dict[str, int]) -> list[Any]:
    answered = None if call.answered_us is None else (call.answered_us - from_us) // _UNIT_US
    return [
        call.number, (call.sent_us - from_us) // _UNIT_US, answered, regions[call.region],
        _short(call), call.account, call.status, int(call.number in subject.blamed),
        truth.call_text(call),
    ]  # fmt: skip


def _short(call: Call) -> str:
    """A call on one short line."""
    answer = str(call.status or "lost")
    if call.kind is CallKind.START and call.status == 201:
        answer = str(call.body.get("decision", {}).get("basis", ""))
    elif call.status in (409, 410):
        answer += f" {call.body.get('evidence' if call.status == 409 else 'reason', '')}"
    return f"{call.kind.value} {call.device or call.account}: {answer}"
