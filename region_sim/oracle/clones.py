"""A token is taken to be in two hands only if it is, as it is judged: each time a region says so.

By tokens: a second device had heartbeated the session in that region before, with an answer or
without; by pace, in any region. Retries after lost answers, doubled and late heartbeats, moves to
and fro, restarts and cuts are none. An end for it (410 `kicked` by `system`) is judged by P5.
"""

from collections.abc import Iterator

from region_sim.history import Call, CallKind, Cloned
from region_sim.oracle.run import Run
from region_sim.oracle.verdict import Finding


def check(run: Run) -> Iterator[Finding]:
    """Every time that a region took two devices for one session."""
    for cloned in run.history.cloned:
        household = run.households.get(cloned.account)
        calls = household.calls if household is not None else []
        run.counts["clone found by pace" if cloned.by_pace else "clone found"] += 1
        if not any(is_shared(call, cloned.session) and _is_before(call, cloned) for call in calls):
            how = "its pace" if cloned.by_pace else "its tokens"
            text = f"{cloned.region} took {cloned.session} to be in two hands by {how}"
            yield Finding(
                "clones", "nobody shared", cloned.at_us, cloned.account, text, (), (cloned.session,)
            )


def is_shared(call: Call, session: str) -> bool:
    """Whether a second device heartbeated this session."""
    is_cloned = call.kind is CallKind.HEARTBEAT and bool(call.request.get("cloned"))
    return is_cloned and call.session == session


def _is_before(call: Call, cloned: Cloned) -> bool:
    return (cloned.by_pace or call.region == cloned.region) and call.sent_us <= cloned.at_us
