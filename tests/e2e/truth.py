"""What really happened during a load, written down by the devices, and what may not have happened.

The book knows nothing of the service's rules: only what was asked, what was answered and when, in
monotonic seconds of the one process that all devices live in. It is generous by what it cannot know
(when between a request and its answer a thing happened), and by `network_s` for news to travel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.e2e.client import Answer

EVIDENCE_S = 3.0
"""A refusal may rest on a beacon as old as this."""


@dataclass(slots=True)
class Life:
    """One session as its device lived it."""

    session: str
    account: str
    device: str
    is_provisional: bool
    asked_s: float
    heard_s: list[float]
    """When the 201 came, then when each heartbeat was sent that was answered with 200."""
    answered_s: float
    """When the last of those answers came."""
    over_s: float = float("inf")
    """When its end was certain: a stop, a kick or a successor was answered, or a 410 came."""
    closed_by: set[str] = field(default_factory=set)
    """Reasons that a 410 may give, from what devices and viewers did."""

    def close(self, reason: str, at_s: float) -> None:
        """Somebody ended it, and was told so at this time."""
        self.closed_by.add(reason)
        self.over_s = min(self.over_s, at_s)

    def may_have_lived_until(self, lease_s: float) -> float:
        return min(self.over_s, self.answered_s + lease_s)

    @property
    def surely_lived(self) -> tuple[float, float]:
        """From its admission to the last heartbeat that was renewed."""
        return (self.heard_s[0], self.heard_s[-1])


@dataclass(frozen=True, slots=True)
class Refusal:
    """A 409."""

    account: str
    device: str
    limit: int
    sent_s: float
    received_s: float
    blockers: tuple[str, ...]


@dataclass(slots=True)
class Truth:
    """Everything that was asked and answered, and the judgement."""

    lease_s: float
    suspect_s: float
    network_s: float
    lives: dict[str, Life] = field(default_factory=dict)
    limits: dict[str, int] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    unanswered: list[tuple[str, str, float]] = field(default_factory=list)
    """Account, device and time of starts whose region died over them: decided or not, who knows."""
    wrong: list[str] = field(default_factory=list)
    """What was already wrong when it was answered."""

    def admitted(self, account: str, device: str, answer: Answer) -> Life:
        """A 201."""
        for life in self.lives.values():
            if (life.account, life.device) == (account, device):
                life.close("superseded", answer.received_s)
        decision = answer.body["decision"]
        self.limits[account] = decision["limit"]
        self.lives[answer.id] = Life(
            answer.id,
            account,
            device,
            decision["basis"] in ("overdraft", "unchecked"),
            answer.sent_s,
            [answer.received_s],
            answer.received_s,
        )
        return self.lives[answer.id]

    def may_end(self, session: str, reason: str) -> None:
        """From now on somebody tries to end it, and it may hear so before they do."""
        if session in self.lives:
            self.lives[session].closed_by.add(reason)

    def lost(self, account: str, device: str, sent_s: float) -> None:
        """A start that nobody answered; the session that it may have begun has no known id."""
        self.unanswered.append((account, device, sent_s))

    def refused(self, account: str, device: str, answer: Answer) -> None:
        """A 409."""
        limit = answer.body["limit"]
        blockers = tuple(answer.blockers)
        self.refusals.append(
            Refusal(account, device, limit, answer.sent_s, answer.received_s, blockers)
        )

    def beat(self, life: Life, answer: Answer) -> None:
        """An answer to a heartbeat."""
        if answer.status == 200:
            if answer.sent_s > life.over_s + self.network_s:
                self.wrong.append(f"{life.session} lives on after {life.closed_by}")
            life.heard_s.append(answer.sent_s)
            life.answered_s = answer.received_s
            return
        assert answer.status == 410, answer
        reason = answer.body["reason"]
        silent_s = answer.received_s - life.heard_s[-1]
        is_right = (
            reason in life.closed_by
            or (reason in ("displaced", "lapsed") and silent_s >= self.suspect_s)
            or (reason == "limit" and life.is_provisional)
        )
        if not is_right:
            self.wrong.append(
                f"{life.session}: {reason} after {silent_s:.2f} s of silence, basis "
                f"{'provisional' if life.is_provisional else 'grant'}, closed by {life.closed_by}"
            )
        life.close(reason, answer.received_s)

    def false_refusals(self) -> Iterator[str]:
        """Refusals that name fewer devices than the limit that may have lived lately."""
        for refusal in self.refusals:
            since_s = refusal.sent_s - EVIDENCE_S - self.network_s
            lived = {
                life.device
                for session in refusal.blockers
                if (life := self.lives.get(session)) is not None
                and life.account == refusal.account
                and life.device != refusal.device
                and life.asked_s <= refusal.received_s
                and life.may_have_lived_until(self.lease_s) >= since_s
            }
            if not all(session in self.lives for session in refusal.blockers):
                lived |= self._perhaps_begun(refusal, since_s)
            if len(lived) < refusal.limit:
                yield f"{refusal} rests on {sorted(lived)} only"

    def _perhaps_begun(self, refusal: Refusal, since_s: float) -> set[str]:
        """Devices whose unanswered start may be what the refusal names."""
        return {
            device
            for account, device, sent_s in self.unanswered
            if account == refusal.account
            and device != refusal.device
            and since_s - self.lease_s <= sent_s <= refusal.received_s
        }

    def excesses(self) -> dict[str, float]:
        """By account: how many seconds more devices than its limit surely lived, at the longest."""
        found = {}
        for account, limit in sorted(self.limits.items()):
            lives = [life for life in self.lives.values() if life.account == account]
            longest_s = longest_above(limit, [(x.device, *x.surely_lived) for x in lives])
            if longest_s > 0:
                found[account] = longest_s
        return found


def longest_above(limit: int, spans: Sequence[tuple[str, float, float]]) -> float:
    """How long more than `limit` of the named ones were there together, at the longest."""
    steps = sorted(
        [(from_s, 1, name) for name, from_s, _ in spans]
        + [(to_s, -1, name) for name, _, to_s in spans]
    )
    present: dict[str, int] = {}
    longest_s, above_since_s = 0.0, None
    for at_s, step, name in steps:
        present[name] = present.get(name, 0) + step
        is_above = sum(count > 0 for count in present.values()) > limit
        if is_above and above_since_s is None:
            above_since_s = at_s
        elif not is_above and above_since_s is not None:
            longest_s, above_since_s = max(longest_s, at_s - above_since_s), None
    return longest_s
