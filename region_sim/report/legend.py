"""What the colours and signs of the timeline mean, only of those that it has."""

from html import escape
from typing import Final

from region_sim.report.marks import Marks
from region_sim.report.subject import Subject
from region_sim.report.svg import cross, diamond, dot, line, path, rect, tag

_REFUSED: Final = ("local", "confirmed", "beacon", "none")
_ENDED: Final = (
    "stopped", "superseded", "replaced", "kicked", "limit", "displaced", "lapsed", "expired",
)  # fmt: skip
_MEANT: Final = {
    "local": "refused on sessions of its own region",
    "confirmed": "on what other regions answered",
    "beacon": "on a fresh sign of life",
    "none": "without evidence",
}


def legend(subject: Subject, shown: Marks) -> str:
    """All entries."""
    entries = [
        _entry(rect(1, 2, 12, 8, f"life up fill{subject.hue(region)}"), region)
        for region in subject.history.regions
    ]
    states = sorted({life.what.value for life in subject.history.lives} - {"ready", "resumed"})
    words = {"booted": "booting"}
    entries += [
        _entry(rect(1, 2, 12, 8, f"life {state} fill0"), state)
        for state in (words.get(state, state) for state in states)
    ]
    if any(span.event.kind == "cut" for span in subject.faults):
        entries += _cuts(subject)
    for row, prefix, order in (("refused", "ev", _REFUSED), ("ended", "end", _ENDED)):
        for kind in order:
            count = shown.kinds[row, kind]
            if count:
                entry = _entry(
                    dot(7, 6, 3, f"m {prefix}-{kind}"), f"{_MEANT.get(kind, kind)}", count
                )
                entries.append(entry)
    if any(mark.is_answer for mark in shown.shown):
        entries.append(
            _entry(path(diamond(7, 6, 3.4), "m end-kicked"), "a device was told so (410)")
        )
    if subject.pending:
        entries.append(
            _entry(dot(7, 6, 3, "m ev-local pending"), "rests on an end beyond a cut",
                   len(subject.pending))
        )  # fmt: skip
    if subject.history.probes:
        entries.append(_entry(rect(1, 2, 12, 8, "area fill0"), "sessions"))
        entries.append(_entry(line(0, 6, 14, 6, "grants"), "grants held"))
        entries.append(_entry(rect(1, 2, 12, 8, "overdraft"), "overdraft"))
    return f'<ul class="legend">{"".join(entries)}</ul>'


def _cuts(subject: Subject) -> list[str]:
    entries = [_entry(rect(0, 0, 14, 12, "cut-shade"), "cut off")]
    notes = {span.event.note for span in subject.faults if span.event.kind == "cut"}
    if notes - {"reject"}:
        sign = line(7, 0, 7, 12, "cut-line") + path(cross(7, 6, 3), "cut-sign")
        entries.append(_entry(sign, "cut link, what is sent vanishes"))
    if "reject" in notes:
        sign = line(7, 0, 7, 12, "cut-line reject") + line(3, 6, 11, 6, "cut-sign")
        entries.append(_entry(sign, "cut link, what is sent is rejected"))
    return entries


def _entry(sign: str, words: str, count: int | None = None) -> str:
    sample = tag("svg", sign, width=14, height=12, viewBox="0 0 14 12", aria_hidden="true")
    number = f" <small>{count:,}</small>" if count is not None else ""
    return f"<li>{sample} {escape(words)}{number}</li>"
