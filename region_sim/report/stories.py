"""The stories of the accounts that are worth telling: drawings, and their calls as a table."""

from html import escape
from typing import Final

from region_sim.history import Call
from region_sim.report import axis as axes
from region_sim.report import story, truth
from region_sim.report.accounts import Told
from region_sim.report.details import Details
from region_sim.report.subject import Subject, seconds
from region_sim.report.timeline import LEFT, RIGHT

OPEN_MAX: Final = 3
CALLS_SHOWN: Final = 80
_NEAR_US: Final = 10_000_000
_CLOSE_US_MAX: Final = 45_000_000


def section(subject: Subject, told: list[Told], left_out: int, details: Details) -> str:
    """All stories of a page."""
    if not told:
        return ""
    items = "".join(
        _story(
            subject, one, details, is_open=one.is_chosen or (bool(one.findings) and i < OPEN_MAX)
        )
        for i, one in enumerate(told)
    )
    more = ""
    if left_out:
        more = f" {left_out:,} more are left out; <code>--account NAME</code> tells any."
    return f"""<section id="stories"><h2>Accounts</h2>
<p class="quiet">Those with broken promises, with refusals on an end beyond a cut, and with streams
above the limit.{more} Bars are sessions, solid while they surely lived and pale while they may
have, in the colour of their region. Above them: {_legend()}</p>{items}</section>"""


def _legend() -> str:
    return (
        "▲ start admitted, ✕ refused, ❘ heartbeat, ◆ answered 410, ■ stop, ▼ kick, ○ no answer. "
        "Under them: devices that streamed, against the limit."
    )


def _story(subject: Subject, one: Told, details: Details, *, is_open: bool) -> str:
    household = subject.run.households[one.account]
    plans = [j for j in subject.history.joined if j.account == one.account]
    plan = f"{plans[0].plan}, limit {plans[0].limit}" if plans else "plan unknown"
    if len(plans) > 1:
        plan += ", later " + ", ".join(f"{j.plan} {j.limit}" for j in plans[1:])
    parts = []
    close = _close_up(subject, one)
    if close is not None:
        axis = axes.window(*close, LEFT, RIGHT)
        parts.append("<h4>Close up</h4>")
        parts.append(_scrolled(story.draw(subject, one.account, axis, details, one.at_us)))
        parts.append("<h4>Whole run</h4>")
    axis = axes.whole(subject.history, LEFT, RIGHT)
    parts.append(_scrolled(story.draw(subject, one.account, axis, details, one.at_us)))
    parts.append(_table(subject, household.calls, one.at_us))
    left_out = len(story.devices_of(household)) - story.DEVICES_MAX
    if left_out > 0:
        parts.append(f"<p class='quiet'>{left_out} more devices are left out.</p>")
    name = escape(one.account)
    return (
        f'<details class="story" id="story-{name}"{" open" if is_open else ""}>'
        f'<summary><b>{name}</b> <span class="quiet">{escape(plan)}</span> '
        f'<span class="{"bad" if one.findings else "quiet"}">{escape(one.why)}</span></summary>'
        f"{''.join(parts)}</details>"
    )


def _scrolled(drawing: str) -> str:
    return f'<div class="scroll">{drawing}</div>'


def _close_up(subject: Subject, one: Told) -> tuple[int, int] | None:
    """The time around an account's first finding, with the calls that it rests on."""
    if not one.findings or one.at_us is None:
        return None
    finding = subject.verdict.findings[one.findings[0] - 1]
    times = [subject.calls[n].sent_us for n in finding.calls if n in subject.calls]
    times += [
        session.began_us
        for session in subject.run.households[one.account].sessions.values()
        if session.id in finding.sessions
    ]
    near = [at_us for at_us in times if 0 <= one.at_us - at_us <= _CLOSE_US_MAX]
    from_us = max(0, min([one.at_us, *near]) - _NEAR_US // 4)
    to_us = min(subject.history.end_us, max([one.at_us, *near]) + _NEAR_US)
    return from_us, to_us


def _table(subject: Subject, calls: list[Call], at_us: int | None) -> str:
    """The calls nearest to a moment, in order; what findings rest on stands out."""
    if at_us is None:
        shown = calls[:CALLS_SHOWN]
    else:
        nearest = sorted(calls, key=lambda call: (abs(call.sent_us - at_us), call.number))
        shown = sorted(nearest[:CALLS_SHOWN], key=lambda call: call.number)
    rows = "".join(
        f"<tr{' class=blamed' if call.number in subject.blamed else ''}><td>{call.number}</td>"
        f"<td>{seconds(call.sent_us)}</td><td>{escape(truth.call_text(call))}</td></tr>"
        for call in shown
    )
    count = f"{len(shown)} of {len(calls)}" if len(shown) < len(calls) else str(len(calls))
    return (
        f"<details><summary>Calls ({count})</summary><table class='calls'><thead><tr>"
        f"<th>call</th><th>sent</th><th></th></tr></thead><tbody>{rows}</tbody></table></details>"
    )
