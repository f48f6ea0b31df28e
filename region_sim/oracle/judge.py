"""Judges one run: every checker over one history, and what it all adds up to.

Pure: the same history gives the same verdict, to the order of its findings. Works for live runs and
baselines as well, where no tap wrote down what the regions did: what cannot be known is never held
against anybody. The outcome: any finding is BROKEN, but for those of convergence alone, which are
NOT_CONVERGED; a run without findings that did not meet what it expects proved nothing.

Cost: some ten microseconds a call, a household at a time.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from region_sim.history import Call, CallKind, History
from region_sim.oracle import (
    availability,
    clones,
    coverage,
    errors,
    evacuation,
    inside,
    latency,
    p1,
    p2,
    p3,
    p4,
    p5,
    p6,
    p7,
    p8,
)
from region_sim.oracle.run import Checker, Run
from region_sim.oracle.verdict import Finding, Outcome, Verdict

CHECKERS: Final[dict[str, Checker]] = {
    "P1": p1.check,
    "P2": p2.check,
    "P3": p3.check,
    "P4": p4.check,
    "P5": p5.check,
    "P6": p6.check,
    "P7": p7.check,
    "P8": p8.check,
    "clones": clones.check,
    "availability": availability.check,
    "evacuation": evacuation.check,
    "inside": inside.check,
    "errors": errors.check,
}
"""By promise, in the order in which they are told."""
ABOUT: Final = {
    name: (module.__doc__ or "").split("\n", 1)[0].rstrip(".")
    for name, module in zip(
        CHECKERS,
        (p1, p2, p3, p4, p5, p6, p7, p8, clones, availability, evacuation, inside,
         errors),
        strict=True,
    )
}
"""What each checker is for, in one line."""


def judge(history: History, *, expects: Sequence[str] = ()) -> Verdict:
    """The verdict on a run. `expects`: coverage without which it proves nothing."""
    run = Run.of(history)
    verdict = Verdict()
    for check in CHECKERS.values():
        verdict.findings += check(run)
    verdict.findings.sort(key=lambda finding: finding.at_us)
    verdict.operations = _operations(history)
    verdict.coverage = coverage.count(run)
    verdict.missing = coverage.missing(verdict.coverage, expects)
    verdict.latency_us = latency.quantiles(history.calls)
    verdict.excesses = sorted(run.excesses, key=lambda e: (e.from_us, e.account))
    verdict.false_blocks = run.counts["false block"]
    verdict.pending_ends = run.counts["pending end"]
    verdict.unanswered = run.counts["unanswered"]
    verdict.indefinite = sum(
        call.kind is CallKind.START and not call.status for call in history.calls
    )
    p7.summarize(run, verdict)
    verdict.outcome = _outcome(verdict.findings, verdict.missing)
    return verdict


def _outcome(findings: list[Finding], missing: list[str]) -> Outcome:
    if any(finding.rule != p7.NOT_CONVERGED for finding in findings):
        return Outcome.BROKEN
    if findings:
        return Outcome.NOT_CONVERGED
    return Outcome.NOTHING_PROVED if missing else Outcome.HOLDS


def _operations(history: History) -> dict[str, int]:
    """Calls by kind and answer."""
    return dict(sorted(Counter(_label(call) for call in history.calls).items()))


def _label(call: Call) -> str:
    answer = str(call.status or "none")
    if call.status == 410:
        answer = f"410 {call.body.get('reason', '')}"
    return f"{call.kind.value} {answer}"
