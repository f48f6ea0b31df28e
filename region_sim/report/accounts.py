"""Which accounts have a story that is worth telling, and why: bounded, the worst first."""

from dataclasses import dataclass, field
from typing import Final

from region_sim.report.subject import Subject
from region_sim.report.truth import ago

STORIES_MAX: Final = 30


@dataclass(slots=True)
class Told:
    """An account whose story is told."""

    account: str
    findings: list[int] = field(default_factory=list)
    """Numbers of its findings, from 1."""
    pending: int = 0
    excesses: int = 0
    excess_us: int = 0
    at_us: int | None = None
    """The first moment that makes it interesting; a broken promise before all else."""
    is_chosen: bool = False

    def note(self, at_us: int) -> None:
        """Something of interest happened then."""
        if not self.findings:
            self.at_us = at_us if self.at_us is None else min(self.at_us, at_us)

    @property
    def rank(self) -> tuple[bool, bool, int, bool, int, str]:
        """The most telling first."""
        first = self.findings[0] if self.findings else 0
        return (not self.is_chosen, not self.findings, first, not self.pending, -self.excess_us,
                self.account)  # fmt: skip

    @property
    def why(self) -> str:
        """Why it is told, in words."""
        words = []
        if self.findings:
            words.append(_count(len(self.findings), "broken promise"))
        if self.pending:
            words.append(_count(self.pending, "refusal") + " on an end beyond a cut")
        if self.excesses:
            words.append(f"above the limit for {ago(self.excess_us)}")
        return ", ".join(words) or "chosen"


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' if number > 1 else ''}"


def choose(subject: Subject) -> tuple[list[Told], int]:
    """The accounts to tell of, and how many more there would be."""
    found: dict[str, Told] = {}

    def told(account: str) -> Told:
        return found.setdefault(account, Told(account))

    households = subject.run.households
    if subject.account in households:
        told(subject.account).is_chosen = True
    for number, finding in enumerate(subject.verdict.findings, start=1):
        if finding.account in households:
            told(finding.account).note(finding.at_us)
            told(finding.account).findings.append(number)
    for number in sorted(subject.pending):
        call = subject.calls[number]
        told(call.account).pending += 1
        told(call.account).note(call.sent_us)
    for excess in subject.verdict.excesses:
        one = told(excess.account)
        one.excesses += 1
        one.excess_us += excess.to_us - excess.from_us
        one.note(excess.from_us)
    ranked = sorted(found.values(), key=lambda one: one.rank)
    return ranked[:STORIES_MAX], max(0, len(ranked) - STORIES_MAX)
