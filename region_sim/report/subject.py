"""What a page is about: a run, its verdict, and what the oracle knows of each account."""

from dataclasses import dataclass
from functools import cached_property

from region_sim.history import Call, CallKind, FaultEvent, History
from region_sim.oracle.run import FRESH_US, TRAVEL_US, Run
from region_sim.oracle.verdict import Finding, Verdict
from region_sim.plan.scenario import Scenario


@dataclass(frozen=True)
class FaultSpan:
    """A fault from its begin to its end."""

    event: FaultEvent
    to_us: int
    text: str
    """In words, with everything that was drawn."""


@dataclass(frozen=True)
class Subject:
    """One run to show."""

    history: History
    verdict: Verdict
    scenario: Scenario
    """With everything that was drawn."""
    plan: str
    """What would happen, in words, as it was told before the run."""
    words: str
    """The outcome in words."""
    reproduce: str
    """The command that runs it again."""
    around_us: int | None = None
    """The moment that a reader asked for."""
    account: str = ""
    """The account that a reader asked for."""

    @cached_property
    def run(self) -> Run:
        """The run with the truth that the oracle gathers from its history."""
        return Run.of(self.history)

    @cached_property
    def calls(self) -> dict[int, Call]:
        """Calls by number."""
        return {call.number: call for call in self.history.calls}

    @cached_property
    def blamed(self) -> frozenset[int]:
        """Numbers of the calls that findings rest on."""
        return frozenset(number for f in self.verdict.findings for number in f.calls)

    @cached_property
    def blamed_sessions(self) -> frozenset[str]:
        """Sessions that findings rest on."""
        return frozenset(session for f in self.verdict.findings for session in f.sessions)

    @cached_property
    def pending(self) -> frozenset[int]:
        """Numbers of refusals that count fewer living devices than the limit, and yet are no
        finding: they rest on an end that was spoken beyond a cut."""
        return frozenset(
            call.number
            for call in self.history.calls
            if call.status == 409 and call.kind is CallKind.START and self._is_pending(call)
        )

    def _is_pending(self, call: Call) -> bool:
        household = self.run.households[call.account]
        if call.answered_us is None or call.number in self.blamed:
            return False
        since_us = self.fresh_since_us(call.sent_us)
        replaced = set(call.request.get("replace", ()))
        living = {
            session.device
            for session in household.sessions.values()
            if session.device != call.device
            and session.id not in replaced
            and session.may_have_lived(since_us, call.answered_us)
        }
        return len(living) < int(call.body.get("limit", 0))

    def fresh_since_us(self, at_us: int) -> int:
        """Since when a session may be over that a refusal of this moment may still name (P1)."""
        return at_us - FRESH_US - self.run.latency_us - TRAVEL_US

    def limits(self, account: str) -> list[tuple[int, int]]:
        """From when which limit was true for an account."""
        joined = [(j.at_us, j.limit) for j in self.history.joined if j.account == account]
        return [(0, joined[0][1]), *joined[1:]] if joined else [(0, 0)]

    @cached_property
    def faults(self) -> list[FaultSpan]:
        """All faults that happened, in the order of their begins."""
        ends = {e.number: e.at_us for e in self.history.faults if not e.is_begin}
        spans = []
        for event in self.history.faults:
            if event.is_begin:
                to_us = ends.get(event.number, self.history.end_us)
                spans.append(FaultSpan(event, to_us, self._fault_text(event)))
        return spans

    def _fault_text(self, event: FaultEvent) -> str:
        planned = self.scenario.faults
        if event.number < len(planned) and planned[event.number].kind.value == event.kind:
            return planned[event.number].describe().split(" at ", 1)[0]
        where = ",".join(event.regions) or ",".join(f"{a}>{b}" for a, b in event.links)
        return " ".join(part for part in (event.kind, event.note, where) if part)

    @cached_property
    def focus_us(self) -> int:
        """The moment to look at first."""
        if self.around_us is not None:
            return self.around_us
        if self.verdict.findings:
            return self.verdict.findings[0].at_us
        return self.faults[0].event.at_us if self.faults else self.history.healed_us

    def region_of(self, finding: Finding) -> str:
        """The region that a finding is about; empty: none, or all."""
        call = self.calls.get(finding.calls[0]) if finding.calls else None
        if call is not None:
            return call.region
        named = [region for region in self.history.regions if finding.text.startswith(f"{region} ")]
        return named[0] if named else ""

    def hue(self, region: str) -> int:
        """The number of a region's colour."""
        regions = self.history.regions
        return regions.index(region) % 9 if region in regions else 9


def seconds(us: int) -> str:
    """A moment as people read it."""
    return f"{us / 1e6:.3f} s"
