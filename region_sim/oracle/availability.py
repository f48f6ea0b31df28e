"""Availability, as it is judged: every call that got no answer.

A call without an answer although its region was up, ready and not paused, and the line to it in
order, from `AFTER_US` before its sending until it was given up, is a finding. Not counted:

- a call whose device gave up itself before anybody can be expected to answer (cut off by the end of
  the run, or cancelled: no `answered_us`, and less than the time it may take);
- one that failed on a connection from before a trouble: the first call from a place to a region
  after that one or the line came back finds the old connection dead, says so at once, and the next
  call works.

Answers that came late, or were no answers, are P3.
"""

from collections.abc import Iterator
from typing import Final

from region_sim.history import Call
from region_sim.oracle.network import FOREVER_US
from region_sim.oracle.run import Run, seconds
from region_sim.oracle.verdict import Finding

AFTER_US: Final = 1_000_000
_AT_ONCE: Final = frozenset({"reset", "refused"})


def check(run: Run) -> Iterator[Finding]:
    """Every call without an answer."""
    answered_us: dict[tuple[str, str], int] = {}
    """(place, region) -> when the last answer came over that line."""
    for call in run.history.calls:
        line = (call.place, call.region)
        if call.status:
            if call.answered_us is not None:
                answered_us[line] = max(answered_us.get(line, 0), call.answered_us)
            continue
        if call.answered_us is None or not run.network.is_served(call, AFTER_US):
            continue
        if not run.network.is_whole(call.region, call.sent_us, call.answered_us):
            continue  # inside.py
        if _is_old_connection(run, call):
            run.counts["dead connection met"] += 1
            continue
        run.counts["unanswered"] += 1
        took_us = call.answered_us - call.sent_us
        text = (
            f"{call.region} did not answer a {call.kind.value} within {seconds(took_us)} "
            f"({call.error}) although it was up and the line in order"
        )
        yield Finding(
            "availability",
            f"no answer to a {call.kind.value}",
            call.sent_us,
            call.account,
            text,
            (call.number,),
            (call.session,) if call.session else (),
        )


def _is_old_connection(run: Run, call: Call) -> bool:
    """Whether it failed at once, and a trouble may have left a dead connection behind."""
    assert call.answered_us is not None
    if call.error not in _AT_ONCE:
        return False
    return any(
        trouble.from_us <= call.sent_us and trouble.to_us < FOREVER_US
        for trouble in run.network.around(call)
    )
