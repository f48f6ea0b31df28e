"""Puts the page together: words, drawings, data and scripts in one file."""

import json
from html import escape
from pathlib import Path
from typing import Any, Final

from region_sim.report import accounts, diagram, head, marks, stories, timeline
from region_sim.report.details import Details
from region_sim.report.legend import legend
from region_sim.report.subject import Subject

_STATIC: Final = Path(__file__).resolve().parent / "static"
_SCRIPTS: Final = ("tips.js", "diagram.js", "links.js")


def page(subject: Subject) -> str:
    """One run as a page."""
    details = Details()
    shown = marks.gather(subject, details)
    told, left_out = accounts.choose(subject)
    drawing = timeline.draw(subject, shown, details)
    told_of = stories.section(subject, told, left_out, details)
    found = head.findings(subject, {one.account for one in told})
    data = {"diagram": diagram.data(subject, details), "details": details.lines}
    title = f"{subject.history.scenario}, seed {subject.history.seed}: {subject.words}"
    scripts = "".join(f"<script>\n{_static(name)}</script>\n" for name in _SCRIPTS)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{escape(title)}</title>
<style>
{_static("style.css")}</style>
</head>
<body>
<main>
{head.head(subject)}
<section id="timeline"><h2>The run</h2>
<div class="scroll">{drawing}</div>
{legend(subject, shown)}
{_left_out(subject, shown)}</section>
{found}
{told_of}
{_messages(subject)}
</main>
<div id="tip" role="status" hidden></div>
<noscript><p>Without scripts the drawings are complete, but the details of marks and the diagram
of messages are not shown.</p></noscript>
<script type="application/json" id="data">{_json(data)}</script>
{scripts}</body>
</html>
"""


def _static(name: str) -> str:
    return (_STATIC / name).read_text(encoding="utf-8")


def _json(data: Any) -> str:
    """JSON that cannot end the script element that it stands in."""
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return written.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _left_out(subject: Subject, shown: marks.Marks) -> str:
    """What the timeline could not carry, in words."""
    notes = []
    if shown.is_thinned:
        notes.append(
            f"Thinned out: {len(shown.shown):,} of {shown.counts.total():,} refusals and ends are "
            "drawn. The numbers beside the lanes count all; all that broken promises rest on is "
            "drawn, and so are all ends for the limit and all refusals on an end beyond a cut."
        )
    if shown.special_left_out:
        notes.append(f"But of these, too, {shown.special_left_out:,} are left out: too many.")
    flags_left_out = len(subject.verdict.findings) - timeline.FINDING_MARKS_MAX
    if flags_left_out > 0:
        notes.append(f"The last {flags_left_out:,} broken promises have no flag.")
    return f'<p class="note">{" ".join(notes)}</p>' if notes else ""


def _messages(subject: Subject) -> str:
    """The frame that the script fills."""
    has_frames = "" if subject.history.frames else " This run kept no messages, only calls."
    return f"""<section id="messages"><h2>Messages around a moment</h2>
<p class="quiet">Time runs down. A line is one message from region to region, from when it was sent
to when it arrived; a red cross is one that never did. Short arrows beside a lane are calls of
devices and their answers.{has_frames}</p>
<form id="moment" class="controls" autocomplete="off">
<label>moment <select id="windows"></select></label>
<span class="buttons"><button type="button" data-go="-1">&#9664; earlier</button>
<button type="button" data-go="1">later &#9654;</button></span>
<label>at <input id="at" type="number" step="0.05" min="0"> s</label>
<label>&#177; <select id="half"><option value="0.1">0.1 s</option><option value="0.3">0.3 s</option>
<option value="1" selected>1 s</option><option value="1.5">1.5 s</option></select></label>
<label>calls of <select id="who"></select></label>
<span id="kinds" class="chips"></span></form>
<p id="note" class="note"></p>
<div class="scroll"><svg id="messages-svg" class="messages" role="img"
aria-label="Messages between the regions around the chosen moment"></svg></div></section>"""
