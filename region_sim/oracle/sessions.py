"""One session as it really was: when it may have lived, and when it surely did.

Both are needed because nobody outside sees the instant at which a region acts. *May have lived* is
the larger: from the sending of its start until its end was certain, or a client lease after the
last heartbeat that was, or may have been, renewed. *Surely lived* is the smaller: from the answer
of its start until the first act that may have ended it. Invariant: the second lies within the
first, but for sessions that lived on where their end was not known.

A refusal is judged by the larger, an excess by the smaller, so that what cannot be known never
becomes a finding. Clocks of regions may run 2 % off; both leave room for that.
"""

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from region_sim.history import Call, Ended, Told
from region_sim.oracle.trouble import Span

DRIFT: Final = 0.021
"""Rate error of a region's clock, and a little."""
SWEEP_US: Final = 100_000
"""Roundings and milliseconds of clocks."""
PASSING: Final = frozenset({"displaced", "lapsed"})
"""Ends after which the same session may come back by a heartbeat."""


class Beat(NamedTuple):
    """A start or heartbeat that was answered 201 or 200; or, in `perhaps`, one without answer."""

    sent_us: int
    answered_us: int
    region: str
    number: int


class Act(NamedTuple):
    """Something that somebody did and that may have ended the session."""

    reason: str
    """stopped, kicked, superseded, replaced."""
    sent_us: int
    answered_us: int
    """FOREVER_US-like when there was no answer: then it may take effect at any time."""
    region: str
    is_sure: bool
    """It was answered as done."""
    number: int


class End(NamedTuple):
    """An end that is certain."""

    at_us: int
    region: str
    """Where it was spoken."""
    reason: str
    is_kick: bool
    is_final: bool


@dataclass(slots=True, eq=False)
class Session:
    """One session."""

    id: str
    account: str
    device: str
    region: str
    """Where it was admitted."""
    began_us: int
    """Its start was sent."""
    admitted_us: int | None
    """Its start was answered 201; None: the answer was lost."""
    basis: str = ""
    number: int = 0
    """Of its start."""
    keys: list[tuple[str, str]] = field(default_factory=list)
    """Region and Idempotency-Key of its start, if it had one."""
    beats: list[Beat] = field(default_factory=list)
    """In the order of their answers; the first is its start, if that was answered."""
    perhaps: list[Beat] = field(default_factory=list)
    """Heartbeats that may have renewed it; `answered_us` is the last moment for that."""
    acts: list[Act] = field(default_factory=list)
    refused: list[Call] = field(default_factory=list)
    """Heartbeats that were answered 410."""
    told: list[Told] = field(default_factory=list)
    """Ends of which its device heard by the event stream."""
    spoken: list[Ended] = field(default_factory=list)
    """What regions did, in order (tapped runs)."""
    learned_us: dict[str, int] = field(default_factory=dict)
    """Region -> when it heard of its kick (tapped runs)."""
    may: list[Span] = field(default_factory=list)
    sure: list[Span] = field(default_factory=list)
    ends: list[End] = field(default_factory=list)

    # ---- asked by the checkers ---------------------------------------------------------------

    def may_have_lived(self, from_us: int, to_us: int) -> bool:
        """Whether it may have lived at some moment between."""
        return any(a <= to_us and b >= from_us for a, b in self.may)

    def surely_lived(self, from_us: int, to_us: int) -> bool:
        """Whether it surely lived all the time between."""
        return any(a <= from_us and b > to_us for a, b in self.sure)

    def last_beat(self, by_us: int) -> Beat | None:
        """The last start or heartbeat that was answered by then."""
        index = bisect_right(self.beats, by_us, key=lambda beat: beat.answered_us)
        return self.beats[index - 1] if index else None

    def only_in(self, region: str, by_us: int) -> bool:
        """Whether no other region can have held it by then."""
        return all(
            beat.region == region
            for beats in (self.beats, self.perhaps)
            for beat in beats
            if beat.sent_us <= by_us
        )

    def regions(self) -> list[str]:
        """All regions that it was in, in order of its coming."""
        return list(dict.fromkeys(beat.region for beat in self.beats))

    def is_promised(self, region: str, by_us: int) -> bool:
        """Whether a region had acknowledged a kick of it by then."""
        return any(
            act.is_sure and act.reason == "kicked" and act.region == region
            for act in self.acts
            if act.answered_us <= by_us
        )

    def end_by(self, at_us: int) -> End | None:
        """Its first end that held at this time."""
        standing = [end for end in self.ends if end.at_us <= at_us]
        final = [end for end in standing if end.is_final]
        return (final or standing[-1:] or [None])[0]  # type: ignore[list-item]

    @property
    def kicked(self) -> Ended | None:
        """Its first kick, as a region spoke it (tapped runs)."""
        return next((end for end in self.spoken if end.is_kick), None)


def settle(session: Session, *, lease_us: int, suspect_us: int, is_tapped: bool) -> None:
    """Work out when it lived, once all is gathered."""
    session.beats.sort(key=lambda beat: (beat.answered_us, beat.number))
    session.perhaps.sort(key=lambda beat: (beat.sent_us, beat.number))
    session.acts.sort(key=lambda act: (act.sent_us, act.number))
    longest_us = int(lease_us * (1 + DRIFT)) + SWEEP_US
    shortest_us = int(lease_us * (1 - DRIFT))
    session.ends = sorted(_ends(session, longest_us, shortest_us, is_tapped=is_tapped))
    session.may = list(_may(session, longest_us))
    if session.admitted_us is not None:
        silence_us = lease_us if is_tapped else suspect_us
        session.sure = list(_sure(session, int(silence_us * (1 - DRIFT)), is_tapped=is_tapped))


def _ends(
    session: Session, lease_us: int, shortest_us: int, *, is_tapped: bool
) -> Iterator[End]:
    """Ends that are certain, in no order. Who had lapsed was not there to be replaced, and may be
    revived; only a tap tells."""
    for act in session.acts:
        if act.is_sure and act.reason in ("stopped", "kicked"):
            yield End(act.answered_us, act.region, act.reason, act.reason == "kicked", True)
        elif (
            act.is_sure
            and not is_tapped
            and session.only_in(act.region, act.answered_us)
            and (last := session.last_beat(act.answered_us)) is not None
            and act.answered_us - last.sent_us < shortest_us
        ):
            yield End(act.answered_us, act.region, act.reason, True, True)
    for spoken in session.spoken:
        if spoken.is_kick or spoken.reason in ("stopped", "expired"):
            yield End(spoken.at_us, spoken.region, spoken.reason, spoken.is_kick, True)
        elif spoken.reason in PASSING and _is_alone(session, spoken.region, spoken.at_us, lease_us):
            yield End(spoken.at_us, spoken.region, spoken.reason, False, False)
    for at_us, region, reason in _said(session) if not is_tapped else ():
        if reason not in PASSING:
            yield End(at_us, region, reason, reason not in ("stopped", "expired"), True)
        elif _is_alone(session, region, at_us, lease_us):
            yield End(at_us, region, reason, False, False)


def _said(session: Session) -> Iterator[tuple[int, str, str]]:
    """When and where a device was told of its end, and the reason."""
    for call in session.refused:
        assert call.answered_us is not None
        yield call.answered_us, call.region, str(call.body.get("reason", ""))
    for told in session.told:
        yield told.at_us, told.region, told.reason


def _is_alone(session: Session, region: str, at_us: int, lease_us: int) -> bool:
    """Whether no other region can have held the session then. One that was left may still hold it,
    where it is not known that the session has moved."""
    return all(
        beat.region == region
        for beats in (session.beats, session.perhaps)
        for beat in beats
        if beat.sent_us <= at_us <= beat.answered_us + lease_us
    )


def _may(session: Session, lease_us: int) -> Iterator[Span]:
    """The larger times: heartbeats prolong and reopen, ends close, a final end closes for good."""
    last_us = session.admitted_us if session.admitted_us is not None else session.began_us
    opened_us: int | None = session.began_us
    closed_us = session.began_us
    for at_us, _, what in _in_order(session):
        begun_us = what.sent_us if isinstance(what, Beat) else at_us
        if opened_us is not None and begun_us > last_us + lease_us:
            closed_us = last_us + lease_us
            yield opened_us, closed_us
            opened_us = None
        if isinstance(what, Beat):
            if opened_us is None:
                opened_us = max(closed_us, what.sent_us)
            last_us = max(last_us, at_us)
        else:
            if opened_us is not None:
                closed_us = max(opened_us, min(at_us, last_us + lease_us))
                yield opened_us, closed_us
                opened_us = None
            if what.is_final:
                return
    if opened_us is not None:
        yield opened_us, last_us + lease_us


def _in_order(session: Session) -> list[tuple[int, bool, Beat | End]]:
    """Beats when they were answered, ends when they were spoken; at the same time ends first. A
    heartbeat without an answer may have been heard when it was sent, or as late as it can be."""
    beats = [(beat.answered_us, True, beat) for beat in (*session.beats, *session.perhaps)]
    early = [(beat.sent_us, True, beat) for beat in session.perhaps]
    ends = [(end.at_us, False, end) for end in session.ends]
    return sorted([*beats, *early, *ends], key=lambda item: (item[0], item[1]))


def _sure(session: Session, silence_us: int, *, is_tapped: bool) -> Iterator[Span]:
    """The smaller times: between answered heartbeats that are close enough together, and in tapped
    runs on until a region spoke its end. Nothing is sure after the first act that may end it."""
    assert session.admitted_us is not None
    over_us = min((act.sent_us for act in session.acts), default=None)
    breaks = sorted(end.at_us for end in session.spoken)
    opened_us, heard_us = session.admitted_us, session.admitted_us
    for beat in session.beats:
        if beat.sent_us <= heard_us:
            continue
        broken = _first_within(breaks, heard_us, beat.answered_us)
        if broken is not None or beat.sent_us - heard_us > silence_us:
            until_us = heard_us if broken is None else broken
            yield from _cut(opened_us, min(until_us, heard_us + silence_us), over_us)
            opened_us = beat.answered_us
        heard_us = beat.sent_us
    broken = _first_within(breaks, heard_us, heard_us + silence_us)
    until_us = broken if is_tapped and broken is not None else heard_us
    yield from _cut(opened_us, until_us, over_us)


def _first_within(times_us: list[int], from_us: int, to_us: int) -> int | None:
    index = bisect_right(times_us, from_us)
    return times_us[index] if index < len(times_us) and times_us[index] <= to_us else None


def _cut(from_us: int, to_us: int, over_us: int | None) -> Iterator[Span]:
    until_us = to_us if over_us is None else min(to_us, over_us)
    if until_us > from_us:
        yield from_us, until_us
