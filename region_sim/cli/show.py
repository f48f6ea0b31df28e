"""How a verdict is shown to people, and as JSON to machines."""

from dataclasses import asdict
from importlib.metadata import version
from typing import Any, Final

from georeg import __version__
from region_sim.history import History
from region_sim.oracle.verdict import Finding, Outcome, Verdict
from region_sim.plan.faults import links_text
from region_sim.plan.scenario import Scenario

FINDINGS_SHOWN: Final = 10
WORDS: Final = {
    Outcome.HOLDS: "every promise held",
    Outcome.BROKEN: "BROKEN PROMISE",
    Outcome.NOTHING_PROVED: "nothing proved: what the scenario expects never happened",
    Outcome.NOT_CONVERGED: "NOT CONVERGED after healing",
}


def plan_text(scenario: Scenario, seed: int) -> str:
    """What will happen: everything that was drawn, before the run begins."""
    plans = ", ".join(f"{name} {share:g}" for name, share in scenario.plans)
    households = f"{scenario.households} households"
    if scenario.only:
        households = f"{', '.join(scenario.only)} of {households}"
    lines = [
        f"scenario {scenario.name}, seed {seed}: {scenario.about}",
        f"  regions    {', '.join(scenario.regions)}; world {scenario.world}, jitter "
        f"{scenario.jitter:g}, last mile {scenario.last_mile_ms:g} ms, drift {scenario.drift:g}",
        f"  viewers    {households} ({plans}) for {scenario.duration_s:g} s",
    ]
    if scenario.settings:
        pairs = ", ".join(f"{key}={value:g}" for key, value in sorted(scenario.settings.items()))
        lines.append(f"  settings   {pairs}")
    lines += [f"  fault      {fault.describe()}" for fault in scenario.faults]
    return "\n".join(lines)


def verdict_text(history: History, verdict: Verdict) -> str:
    """The final table."""
    lines = ["", *_faults(history), *_operations(verdict), *_coverage(verdict)]
    lines += [*_latency(verdict), *_safety(verdict), *_convergence(verdict)]
    lines += ["", f"verdict: {WORDS[verdict.outcome]}"]
    return "\n".join(lines)


def finding_text(finding: Finding) -> str:
    """One broken promise."""
    who = f" {finding.account}" if finding.account else ""
    calls = f" (calls {', '.join(map(str, finding.calls))})" if finding.calls else ""
    return (
        f"  {finding.at_us / 1e6:9.3f} s  {finding.promise} {finding.rule}:{who} {finding.text}"
        f"{calls}"
    )


def _faults(history: History) -> list[str]:
    lines = ["faults that happened"]
    for event in history.faults:
        if event.is_begin:
            where = ",".join(event.regions) or links_text(event.links)
            how = f" {event.note}" if event.note else ""
            lines.append(f"  {event.at_us / 1e6:9.3f} s  {event.kind}{how} {where}")
    return lines if len(lines) > 1 else ["faults that happened: none"]


def _operations(verdict: Verdict) -> list[str]:
    return ["calls", *_columns(verdict.operations)]


def _coverage(verdict: Verdict) -> list[str]:
    seen = {name: count for name, count in verdict.coverage.items() if count}
    lines = ["what really happened", *_columns(seen)]
    if verdict.missing:
        lines.append(f"  expected, but never happened: {', '.join(verdict.missing)}")
    return lines


def _columns(counts: dict[str, int]) -> list[str]:
    """Counts in columns."""
    cells = [f"{count:8,} {name}" for name, count in sorted(counts.items())]
    width = max((len(cell) for cell in cells), default=0) + 2
    each = max(1, 100 // width)
    return [
        "".join(f"{cell:<{width}}" for cell in cells[at : at + each]).rstrip()
        for at in range(0, len(cells), each)
    ]


def _latency(verdict: Verdict) -> list[str]:
    lines = ["answered after, in ms     p50       p99     p99.9       max"]
    for kind, found in sorted(verdict.latency_us.items()):
        cells = "".join(f"{found[q] / 1000:10.1f}" for q in ("p50", "p99", "p999", "max"))
        lines.append(f"  {kind:<18}{cells}")
    return lines


def _safety(verdict: Verdict) -> list[str]:
    worst = max((e.peak - e.limit for e in verdict.excesses), default=0)
    longest = max((e.to_us - e.from_us for e in verdict.excesses), default=0) / 1e6
    lines = [
        "safety",
        f"  false blocks {verdict.false_blocks}, on ends beyond a cut {verdict.pending_ends}; "
        f"unanswered {verdict.unanswered}; starts without an answer {verdict.indefinite}",
        f"  excess: {len(verdict.excesses)} times, at worst {worst} above the limit, at longest "
        f"{longest:.1f} s",
        f"  broken promises {len(verdict.findings)}",
    ]
    lines += [finding_text(finding) for finding in verdict.findings[:FINDINGS_SHOWN]]
    if len(verdict.findings) > FINDINGS_SHOWN:
        lines.append(f"  and {len(verdict.findings) - FINDINGS_SHOWN} more: see --json")
    return lines


def _convergence(verdict: Verdict) -> list[str]:
    if verdict.convergence:
        return [
            "convergence",
            *(f"  {problem}" for problem in verdict.convergence[:FINDINGS_SHOWN]),
        ]
    if verdict.converged_us is None:
        return ["convergence: not looked at"]
    return [f"convergence: all regions agreed {verdict.converged_us / 1e6:.1f} s after healing"]


def verdict_json(
    scenario: Scenario, history: History, verdict: Verdict, digest: str, reproduce: str
) -> dict[str, Any]:
    """Everything that the text says, and all findings."""
    return {
        "scenario": asdict(scenario),
        "seed": history.seed,
        "system": history.system,
        "digest": digest,
        "outcome": verdict.outcome.name.lower(),
        "exit_code": int(verdict.outcome),
        "verdict": {**asdict(verdict), "outcome": verdict.outcome.name.lower()},
        "faults": [asdict(event) for event in history.faults],
        "reproduce": reproduce,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """What a run depends on besides its seed."""
    import platform

    # georeg's own from its sources, which need not be installed.
    found = {"python": platform.python_version(), "georeg": __version__}
    for name in ("aiohttp", "msgpack"):
        found[name] = version(name)
    return found
