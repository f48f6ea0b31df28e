"""Inside a region of many nodes, as it is judged: what devices may notice of trouble there.

Judged are calls to a region in which something is wrong, or was until `HEAL_US` before, while the
region itself and the line to it were in order.

- **A running stream notices nothing**: a heartbeat is answered with 200, or with a 410 that P5
  judges, within `HELD_US`: a slice is taken over within 3 s, and until then the stream goes on.
- **A start and a stop are answered** as always, within `HELD_US` and the start's deadline.
- **The rest** may be 503: it is asked again.

A connection that dies with its node is reset: the device sees that at once, and calls again. While
a node stands still, calls that it has taken wait for it: nothing in front of it can know that.
"""

from collections.abc import Iterator
from typing import Final

from region_sim.history import Call, CallKind
from region_sim.oracle.p3 import AFTER_US
from region_sim.oracle.run import Run, answered, seconds
from region_sim.oracle.verdict import Finding

HELD_US: Final = 3_500_000
_FINE: Final = {
    CallKind.HEARTBEAT: (200, 410),
    CallKind.STOP: (204,),
    CallKind.START: (201, 409),
}
_AT_ONCE: Final = frozenset({"reset", "refused"})


def check(run: Run) -> Iterator[Finding]:
    """Every call to a region with trouble inside."""
    for call in run.history.calls:
        if call.kind not in _FINE or call.answered_us is None or call.request.get("events"):
            continue
        if run.network.is_whole(call.region, call.sent_us, call.answered_us):
            continue
        if not run.network.is_served(call, AFTER_US):
            continue
        run.counts["called with trouble inside"] += 1
        yield from _check(run, call)


def _check(run: Run, call: Call) -> Iterator[Finding]:
    took_us = answered(call) - call.sent_us
    allowed_us = HELD_US + run.history.deadline_us * (call.kind is CallKind.START)
    if not call.status:
        if call.error not in _AT_ONCE and not _stands_still(run, call):
            yield _finding(call, "no answer", f"none within {seconds(took_us)} ({call.error})")
    elif call.status not in _FINE[call.kind]:
        yield _finding(call, f"answered {call.status}", f"{call.status} {call.body.get('detail')}")
    elif took_us > allowed_us and not _stands_still(run, call):
        yield _finding(call, "held for too long", f"only after {seconds(took_us)}")


def _stands_still(run: Run, call: Call) -> bool:
    return any(
        trouble.note == "pause" and trouble.meets(call.sent_us, answered(call), AFTER_US)
        for trouble in run.network.inner.get(call.region, ())
    )


def _finding(call: Call, rule: str, text: str) -> Finding:
    what = f"{call.region}, with trouble inside, answered a {call.kind.value}: {text}"
    sessions = (call.session,) if call.session else ()
    return Finding("inside", rule, answered(call), call.account, what, (call.number,), sessions)
