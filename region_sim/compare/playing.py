"""Which screens really played, and when: the truth of the sofa, whatever the regions believed.

A screen plays from the answer that admitted it until its device stops, leaves without a word or
hears that its session is over; a device that slept and goes on plays again. What a person has ended
elsewhere (a kick, a replacement) counts as over when that call is answered, although its screen
goes on until its next heartbeat, since that is the same in every design; but only if that heartbeat
is refused, since a kick that the session's region never hears of ends nothing.

This needs nothing that only georeg's tap writes down, so that all systems are measured alike.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from region_sim.history import Call, CallKind, History

NOISE_US: Final = 1_000_000
"""Times above the limit that are shorter are the flight of answers, in every design."""
_OVER: Final = 2
_LEFT: Final = 1
_ON: Final = 0

Span = tuple[int, int]


class Above(NamedTuple):
    """A time in which more screens of one account played than it pays for."""

    account: str
    from_us: int
    to_us: int
    limit: int
    screen_us: int
    """Screens above the limit, times how long."""
    peak: int
    """The most screens above the limit at once."""


@dataclass(slots=True)
class Household:
    """One account."""

    account: str
    limits: list[tuple[int, int]] = field(default_factory=list)
    """(since, limit)."""
    screens: dict[str, list[Span]] = field(default_factory=dict)
    """Device -> when it played; spans of one device may overlap."""
    sessions: dict[str, list[Span]] = field(default_factory=dict)
    """Session -> when its screen played."""

    def limit_at(self, at_us: int) -> int:
        """The largest so far, since running streams outlive a smaller plan."""
        return max((limit for since_us, limit in self.limits if since_us <= at_us), default=0)

    def playing(self, from_us: int, to_us: int) -> set[str]:
        """Devices that played at some moment between."""
        return {
            device
            for device, spans in self.screens.items()
            if any(a <= to_us and b >= from_us for a, b in spans)
        }

    def playing_us(self) -> int:
        """Time played, over all devices."""
        return sum(b - a for spans in self.screens.values() for a, b in _united(spans))


def households(history: History) -> dict[str, Household]:
    """All accounts, in the order in which they came."""
    found = {change.account: Household(change.account) for change in history.joined}
    for change in history.joined:
        found[change.account].limits.append((change.at_us, change.limit))
    for session, account, device, spans in _spans(history):
        if account in found:
            found[account].sessions[session] = spans
            found[account].screens.setdefault(device, []).extend(spans)
    return found


def above(household: Household) -> Iterator[Above]:
    """All times of at least NOISE_US in which more screens played than are paid for."""
    changes = sorted(
        [(since_us, 0) for since_us, _ in household.limits]
        + [(at, step) for spans in household.screens.values() for at, step in _steps(spans)]
    )
    count = screen_us = peak = limit = 0
    last_us = begun_us = 0
    for at_us, step in changes:
        screen_us += max(0, count - limit) * (at_us - last_us)
        was_above, last_us = count > limit, at_us
        count += step
        limit = household.limit_at(at_us)
        if count > limit and not was_above:
            begun_us, screen_us, peak = at_us, 0, 0
        peak = max(peak, count - limit)
        if was_above and count <= limit and at_us - begun_us >= NOISE_US:
            yield Above(household.account, begun_us, at_us, limit, screen_us, peak)


def _steps(spans: list[Span]) -> Iterator[tuple[int, int]]:
    for from_us, to_us in _united(spans):
        yield from_us, 1
        yield to_us, -1


def _united(spans: list[Span]) -> Iterator[Span]:
    """The same time without overlaps."""
    begun_us: int | None = None
    until_us = 0
    for from_us, to_us in sorted(spans):
        if begun_us is not None and from_us > until_us:
            yield begun_us, until_us
            begun_us = None
        if begun_us is None:
            begun_us, until_us = from_us, to_us
        until_us = max(until_us, to_us)
    if begun_us is not None:
        yield begun_us, until_us


def _spans(history: History) -> Iterator[tuple[str, str, str, list[Span]]]:
    """Session, account, device, when it played."""
    owners: dict[str, tuple[str, str]] = {}
    beats: dict[str, list[Call]] = {}
    events: dict[str, list[tuple[int, int]]] = {}
    for call in history.calls:
        if call.kind is CallKind.START and call.status == 201:
            session = str(call.body["session"]["id"])
            owners.setdefault(session, (call.account, call.device))
            events.setdefault(session, []).append((_answered(call), _ON))
        elif call.kind is CallKind.HEARTBEAT and _is_own(call):
            beats.setdefault(call.session, []).append(call)
    for at_us, session, what in _moments(history):
        if session in events:
            events[session].append((at_us, what))
    for at_us, session in _acts(history):
        if session in events and not _goes_on(beats.get(session, ()), at_us):
            events[session].append((at_us, _OVER))
    for session, (account, device) in owners.items():
        spans = list(_of_session(sorted(events[session]), history.end_us))
        yield session, account, device, spans


def _is_own(call: Call) -> bool:
    return not call.request.get("cloned") and not call.request.get("late")


def _moments(history: History) -> Iterator[tuple[int, str, int]]:
    """(when, session, what became of its screen)."""
    for gone in history.gone:
        yield gone.at_us, gone.session, _LEFT
    for told in history.told:
        yield told.at_us, told.session, _OVER
    for call in history.calls:
        if call.kind is CallKind.STOP:
            yield call.sent_us, call.session, _OVER
        elif call.kind is CallKind.HEARTBEAT and _is_own(call):
            if call.status in (401, 410):
                yield _answered(call), call.session, _OVER
            elif not call.request.get("events"):
                yield call.sent_us, call.session, _ON


def _acts(history: History) -> Iterator[tuple[int, str]]:
    """(when, session): somebody else ended it, as far as he was told."""
    for call in history.calls:
        if call.kind is CallKind.KICK and call.status == 200:
            yield _answered(call), call.session
        elif call.kind is CallKind.START and call.status == 201:
            for replaced in call.request.get("replace", ()):
                yield _answered(call), str(replaced)


def _goes_on(beats: Iterable[Call], at_us: int) -> bool:
    """Whether the next heartbeat that anybody answered was let pass: the act had no effect."""
    answers = (beat.status for beat in beats if beat.sent_us > at_us)
    return next((status == 200 for status in answers if status in (200, 410)), False)


def _of_session(events: list[tuple[int, int]], end_us: int) -> Iterator[Span]:
    begun_us: int | None = None
    for at_us, what in events:
        if what == _ON:
            begun_us = at_us if begun_us is None else begun_us
            continue
        if begun_us is not None:
            yield begun_us, at_us
        begun_us = None
        if what == _OVER:
            return
    if begun_us is not None:
        yield begun_us, end_us


def _answered(call: Call) -> int:
    assert call.answered_us is not None
    return call.answered_us
