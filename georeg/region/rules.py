"""A start, decided: rules 2 to 4 of DESIGN part 7 as one pure function of what is known.

`judge` looks at one account at one instant and says what to do next. The caller acts and asks
again after every answer, so no rule ever rests on a state that has passed. `superseded` is rule 1,
`disproved` rule 5.

Why so: the order of the clauses is the result of fuzzing (tests/model); each one that looks
superfluous gave false blocks or more than L streams when it was taken away.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from crdt.dots import SessionId
from crdt.events import Entry, Reason
from georeg.region.model import Basis, How
from georeg.region.seen import Seen, devices


class Case(NamedTuple):
    """What a region knows of one account while it decides one start.

    Sessions that the start supersedes or replaces are in none of the lists (rule 1).
    """

    limit: int
    own: Sequence[Seen]
    """Live sessions held here."""
    usable: int
    """Slots that may be used here without asking."""
    slot: int
    """Slots that the home has just granted to this very request, judged on fresh answers."""
    in_view: int
    """Distinct devices that the view shows anywhere."""
    has_asked: bool
    answers: Sequence[Seen]
    """What other regions answered during this request."""
    covered: Sequence[Entry]
    """Sessions of regions that did not answer, whose fresh beacon covers them."""
    is_final: bool
    """The deadline is here."""


@dataclass(frozen=True, slots=True)
class Admit:
    """The start goes on."""

    basis: Basis


@dataclass(frozen=True, slots=True)
class Refuse:
    """The account is full; `seen` and `covered` are the evidence."""

    how: How
    seen: tuple[Seen, ...]
    covered: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class Yield:
    """An own suspect session yields; then judge again."""

    session: Seen


@dataclass(frozen=True, slots=True)
class Ask:
    """Ask the home for a slot and every region for its sessions."""


@dataclass(frozen=True, slots=True)
class Wait:
    """For the next answer, or the deadline."""


Verdict = Admit | Refuse | Yield | Ask | Wait


def superseded(
    known: Mapping[SessionId, Entry],
    device: str,
    replaced: Iterable[SessionId],
    evicted: Iterable[SessionId],
) -> dict[SessionId, Reason]:
    """Rule 1: what does not count, and ends when the device's start is admitted, with the reason.

    `known`: every session of the account of which anything is known.
    """
    gone = {s: Reason.SUPERSEDED for s in sorted(known) if known[s].device.id == device}
    gone.update((s, Reason.REPLACED) for s in replaced if s not in gone)
    gone.update((s, Reason.LIMIT) for s in evicted)
    return gone


def judge(case: Case) -> Verdict:
    """The next step of a start."""
    limit = case.limit
    own_count = devices(case.own)
    own_weak = [s for s in case.own if s.yields]
    if own_count >= limit:  # rule 2
        own_firm = [s for s in case.own if s.firm]
        if devices(own_firm) >= limit:
            return Refuse(How.LOCAL, tuple(own_firm))
        if own_weak:
            return Yield(own_weak[0])
    elif own_count < case.slot or (own_count < case.usable and case.in_view < limit):  # rule 3
        return Admit(Basis.BORROWED if case.has_asked else Basis.GRANTED)
    if not case.has_asked:  # rule 4
        return Ask()
    found = [*case.own, *case.answers]
    firm = [s for s in found if s.firm]
    if devices(firm) >= limit:
        return Refuse(How.CONFIRMED, tuple(firm))
    if own_weak and devices(found) >= limit:
        return Yield(own_weak[0])
    if not case.is_final:
        return Wait()  # few confirmations never admit before the home has spoken
    evidence: list[Seen | Entry] = [*firm, *case.covered]
    if devices(evidence) >= limit:
        return Refuse(How.BEACON, tuple(firm), tuple(case.covered))
    if own_weak and devices([*evidence, *own_weak]) >= limit:
        return Yield(own_weak[0])
    return Admit(Basis.OVERDRAFT)


def disproved(
    limit: int, usable: int, own: Sequence[Seen], answers: Sequence[Seen]
) -> tuple[Seen, ...]:
    """Rule 5: the provisional sessions of `own` that L other sessions precede, newest first.

    Settled sessions precede all provisional ones; among provisional ones the earlier place does,
    so that two of them never end one another. At most the excess over the usable slots. A device
    that has another session ranks as the better of the two: ending one of them makes no room.
    """
    excess = len(own) - usable
    if excess <= 0:
        return ()
    firm = [s for s in [*own, *answers] if s.firm]
    unsettled = sorted((s for s in own if not s.settled), key=_place, reverse=True)
    return tuple(
        session
        for session in unsettled[:excess]
        if devices(s for s in firm if _precedes(s, session, firm)) >= limit
    )


def _precedes(other: Seen, session: Seen, firm: Sequence[Seen]) -> bool:
    """Whether another device's session ranks before all sessions of this one's device."""
    same = [session, *(s for s in firm if s.device == session.device)]
    return other.device != session.device and _rank(other) < min(map(_rank, same))


def _rank(session: Seen) -> tuple[bool, tuple[int, int]]:
    return (not session.settled, session.place)


def _place(session: Seen) -> tuple[int, int]:
    return session.place
