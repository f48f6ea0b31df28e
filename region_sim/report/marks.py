"""The refusals and ends of a run as marks, as many as a page can carry.

What findings rest on, refusals on a pending end, ends for the limit and all of the chosen account
are always there; of the others, when there are too many, every n-th is. How many there were is
told beside each lane, so that a thin lane is not taken for a quiet one.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from region_sim.history import Call, CallKind, Ended
from region_sim.report import truth
from region_sim.report.details import Details
from region_sim.report.subject import Subject

MARKS_MAX: Final = 3_000
KEPT_MAX: Final = 1_500
"""Of those that would always be there."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One refusal or end."""

    at_us: int
    region: str
    row: str
    """`refused` or `ended`."""
    kind: str
    """Evidence of a refusal, reason of an end."""
    detail: int
    is_answer: bool = False
    """An end that a device was told of by a 410."""
    is_blamed: bool = False
    is_pending: bool = False


@dataclass(slots=True)
class Marks:
    """All marks of a page, in the order of time."""

    shown: list[Mark] = field(default_factory=list)
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(row, region) -> how many there really were."""
    kinds: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(row, kind) -> how many there really were."""
    special_left_out: int = 0
    """Of those that should always be there: too many even of them."""

    @property
    def is_thinned(self) -> bool:
        """Whether some were left out."""
        return len(self.shown) < self.counts.total()


_Found = tuple[int, Call | Ended]


def gather(subject: Subject, details: Details) -> Marks:
    """The marks of a run."""
    history, marks = subject.history, Marks()
    found: list[_Found] = [(ended.at_us, ended) for ended in history.ended]
    for call in history.calls:
        is_mark = call.status == 410 or (call.status == 409 and call.kind is CallKind.START)
        if is_mark and call.answered_us is not None:
            found.append((call.answered_us, call))
    found.sort(key=lambda item: item[0])
    for _, what in found:
        row, kind = _row(what), _kind(what)
        marks.counts[row, what.region] += 1
        marks.kinds[row, kind] += 1
    if len(found) > MARKS_MAX:
        found = _thinned(subject, marks, found)
    marks.shown = [_mark(subject, details, what) for _, what in found]
    return marks


def _thinned(subject: Subject, marks: Marks, found: list[_Found]) -> list[_Found]:
    special = [index for index, (_, what) in enumerate(found) if _is_special(subject, what)]
    kept = set(special[:KEPT_MAX])
    marks.special_left_out = len(special) - len(kept)
    step = -(-len(found) // (MARKS_MAX - len(kept)))
    return [item for index, item in enumerate(found) if index in kept or index % step == 0]


def _is_special(subject: Subject, what: Call | Ended) -> bool:
    if what.account == subject.account:
        return True
    if isinstance(what, Call):
        return what.number in subject.blamed or what.number in subject.pending
    return what.reason == "limit" or what.session in subject.blamed_sessions


def _row(what: Call | Ended) -> str:
    return "refused" if isinstance(what, Call) and what.status == 409 else "ended"


def _kind(what: Call | Ended) -> str:
    if isinstance(what, Ended):
        return what.reason
    return str(what.body.get("evidence" if what.status == 409 else "reason", "") or "none")


def _mark(subject: Subject, details: Details, what: Call | Ended) -> Mark:
    if isinstance(what, Ended):
        return Mark(
            what.at_us, what.region, "ended", what.reason,
            details.add(*truth.end(subject, what)),
            is_blamed=what.session in subject.blamed_sessions,
        )  # fmt: skip
    assert what.answered_us is not None
    is_refusal = what.status == 409
    lines = truth.refusal(subject, what) if is_refusal else truth.told(what)
    return Mark(
        what.answered_us, what.region, _row(what), _kind(what), details.add(*lines),
        is_answer=not is_refusal, is_blamed=what.number in subject.blamed,
        is_pending=what.number in subject.pending,
    )  # fmt: skip


def stacked(xs: list[float], width: float, rows: int) -> list[int]:
    """Rows for marks at sorted x so that they do not hide one another; a full stack overlaps."""
    ends = [float("-inf")] * rows
    found = []
    for x in xs:
        row = next((r for r in range(rows) if ends[r] + width <= x), rows - 1)
        ends[row] = x
        found.append(row)
    return found
