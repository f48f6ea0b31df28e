"""P7 Convergence, as it is judged: by the records that were taken after healing.

A `Convergence` record says what differed between regions once the faults were over, everything was
healed and nobody started any more; by `limit_us` they had to agree, two beacon rounds after the
links were up again. Each problem in words is a finding, but those of P6. `agreed_us` later than the
limit, or never, is one as well.

At any time: two regions at equal positions with unequal state, which they count themselves
(`state_mismatches` in a probe).
"""

from collections.abc import Iterator
from typing import Final

from region_sim.oracle.run import Run, seconds
from region_sim.oracle.verdict import Finding, Verdict

NOT_CONVERGED: Final = "not converged"
"""The rule of findings that alone make a run `NOT_CONVERGED` instead of `BROKEN`."""


def check(run: Run) -> Iterator[Finding]:
    """Mismatches of any time, then what was found after healing."""
    highest: dict[str, int] = {}
    for probe in run.history.probes:
        count = probe.counters.get("state_mismatches", 0)
        if count > highest.get(probe.region, 0):
            text = f"{probe.region} found equal positions with unequal state"
            yield Finding("P7", "equal positions, unequal state", probe.at_us, "", text)
        highest[probe.region] = count
    for at_us, text in problems(run):
        yield Finding("P7", NOT_CONVERGED, at_us, "", text)


def problems(run: Run) -> Iterator[tuple[int, str]]:
    """When it was seen, and in words what had not converged."""
    for record in run.history.convergence:
        others = [problem for problem in record.problems if not problem.startswith("P6")]
        for problem in others:
            yield record.at_us, problem.removeprefix("P7").lstrip(" :")
        if record.agreed_us is not None and record.agreed_us > record.limit_us:
            late_us = record.agreed_us - record.limit_us
            yield record.agreed_us, f"the regions agreed {seconds(late_us)} too late"


def summarize(run: Run, verdict: Verdict) -> None:
    """Write into the verdict what had not converged, and how long it took."""
    verdict.convergence = [text for _, text in problems(run)]
    agreed = [r for r in run.history.convergence if r.agreed_us is not None]
    if agreed:
        record = agreed[0]
        assert record.agreed_us is not None
        verdict.converged_us = max(0, record.agreed_us - record.healed_us)
