"""What one system did in one run, as counts that add up over runs.

The judge is the oracle, for all systems on the same view from outside: what georeg's tap wrote down
is left out, since the baselines have none.
"""

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from typing import Final

from region_sim.compare.playing import Household, above, households
from region_sim.history import Call, CallKind, History
from region_sim.oracle.judge import judge

GHOST_US: Final = 3_000_000
"""A screen that played so shortly before a refusal is no ghost: news take their time."""
SYSTEM_ENDS: Final = frozenset({"limit", "lapsed", "displaced"})
"""Ends that no person asked for."""


@dataclass(slots=True)
class Tally:
    """Counts of one system. Times are microseconds."""

    runs: int = 0
    calls: int = 0
    """Answered or given up; those of event streams apart, which the baselines do not have."""
    undecided: int = 0
    """Calls without an answer, or with 5xx: nobody knows, or nobody wanted to say."""
    starts: int = 0
    admitted: int = 0
    refused: int = 0
    unavailable: int = 0
    """Starts answered 5xx."""
    false_blocks: int = 0
    """Refused although fewer than L other sessions can have lived (oracle, P1)."""
    pending_ends: int = 0
    """Refused on a session whose end was spoken beyond a cut: P1's one exception."""
    ghost_blocks: int = 0
    """Refused although fewer than L other screens played: false or not, it annoys."""
    played_us: int = 0
    excess_us: int = 0
    """Screens above the limit, times how long."""
    excess_times: int = 0
    excess_peak: int = 0
    """The most screens above one account's limit at once."""
    excess_longest_us: int = 0
    cut_off: int = 0
    """Screens ended by the system although their last heartbeat was in time."""
    kicks: int = 0
    kicks_missed: int = 0
    """Kicks of a playing screen that were answered 404."""
    bytes: int = 0
    """Between regions, all pairs together."""
    run_us: int = 0
    """How long the runs were, their quiet ends included."""
    start_us: list[int] = field(default_factory=list)
    """How long viewers waited for the answers to their starts: those who asked the region that they
    are next to, so that this is the design and not the way to it."""

    def add(self, other: "Tally") -> None:
        """Take in another run."""
        for each in fields(Tally):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            is_highest = each.name in ("excess_peak", "excess_longest_us")
            setattr(self, each.name, max(mine, theirs) if is_highest else mine + theirs)

    def start_ms(self, share: float) -> float:
        """A quantile of how long starts waited for their answer."""
        waited = sorted(self.start_us)
        return waited[round((len(waited) - 1) * share)] / 1000 if waited else 0.0


def tally(history: History) -> Tally:
    """Count one run."""
    homes = households(history)
    crossed = sum(transfer.bytes for transfer in history.transfers)
    counts = Tally(runs=1, bytes=crossed, run_us=history.end_us)
    verdict = judge(outside(history))
    counts.false_blocks, counts.pending_ends = verdict.false_blocks, verdict.pending_ends
    for call in history.calls:
        if call.answered_us is not None and not call.request.get("events"):
            _count_call(counts, call, homes)
    for home in homes.values():
        counts.played_us += home.playing_us()
        for time in above(home):
            counts.excess_times += 1
            counts.excess_us += time.screen_us
            counts.excess_peak = max(counts.excess_peak, time.peak)
            counts.excess_longest_us = max(counts.excess_longest_us, time.to_us - time.from_us)
    counts.cut_off = _cut_off(history)
    return counts


def outside(history: History) -> History:
    """The history as it looks to one who has no tap."""
    return replace(
        history, is_tapped=False, ended=[], learned=[], budgets=[], probes=[], convergence=[]
    )


def _count_call(counts: Tally, call: Call, homes: dict[str, Household]) -> None:
    counts.calls += 1
    counts.undecided += call.status == 0 or call.status >= 500
    if call.kind is CallKind.START:
        _count_start(counts, call, homes.get(call.account))
    elif call.kind is CallKind.KICK:
        assert call.answered_us is not None
        home = homes.get(call.account)
        counts.kicks += 1
        counts.kicks_missed += call.status == 404 and home is not None and _plays(home, call)


def _count_start(counts: Tally, call: Call, home: Household | None) -> None:
    assert call.answered_us is not None
    counts.starts += 1
    counts.admitted += call.status == 201
    counts.refused += call.status == 409
    counts.unavailable += call.status >= 500
    if call.status and call.place == call.region:
        counts.start_us.append(call.answered_us - call.sent_us)
    if call.status == 409 and home is not None:
        others = home.playing(call.sent_us - GHOST_US, call.answered_us) - {call.device}
        counts.ghost_blocks += len(others) < int(call.body.get("limit", 0))


def _plays(home: Household, call: Call) -> bool:
    """Whether the screen that a kick names played before and after it."""
    assert call.answered_us is not None
    spans = home.sessions.get(call.session, ())
    return any(a <= call.sent_us and b > call.answered_us for a, b in spans)


def _cut_off(history: History) -> int:
    """Own heartbeats answered 410 for a reason of the system's, the one before not long ago."""
    heard_us: dict[str, int] = {}
    reasons: Counter[str] = Counter()
    for call in history.calls:
        if call.kind is CallKind.START and call.status == 201:
            heard_us[str(call.body["session"]["id"])] = call.sent_us
        elif call.kind is CallKind.HEARTBEAT and not _is_foreign(call):
            silent_us = call.sent_us - heard_us.get(call.session, 0)
            is_in_time = silent_us <= history.suspect_us
            heard_us[call.session] = call.sent_us
            if call.status == 410 and is_in_time:
                reasons[str(call.body.get("reason", ""))] += 1
    return sum(count for reason, count in sorted(reasons.items()) if reason in SYSTEM_ENDS)


def _is_foreign(call: Call) -> bool:
    return any(call.request.get(mark) for mark in ("cloned", "late", "events"))
