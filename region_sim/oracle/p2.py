"""P2 Bounded excess, as it is judged: every admission, and every time above the limit.

Counted are distinct devices that surely lived (sessions.py), against the largest limit so far.

**Admissions** are judged in admissions.py: whether a start was admitted though the region must have
known that the account was full.

**Never above L.** While no link and no region is in trouble and the regions are so near that a
decision never runs into its deadline (12 trips of the longest link within it), no time above L
lasts longer than 5 ms, and nothing is admitted as overdraft, since the home has spoken by then.
Farther apart a start may be decided on what was known by the deadline (overdraft): then it lasts at
most as long as a session is young, and 2 s.

**At most P x L.** While callers do not cross the cuts, never more than P times L for longer than
that, P being the parts into which all links that were disturbed so far divide the regions. With the
policy `end` nothing is above L half a minute after the last trouble.

**Excused** is a time above L that began in trouble, or until 20 s after one on a link and 60 s
after one of a region (its sessions count again when their devices are heard), or after a device
came back that had been silent for longer than the suspect time, or by a smaller plan.
"""

from collections.abc import Iterator
from typing import Final

from region_sim.oracle.admissions import LINK_AFTER_US, REGION_AFTER_US, check_admission
from region_sim.oracle.excess import Episode, episodes
from region_sim.oracle.network import FOREVER_US
from region_sim.oracle.run import Run, seconds
from region_sim.oracle.truth import Household
from region_sim.oracle.verdict import Excess, Finding

YOUNG_US: Final = 12_000_000
"""A provisional session that is disproved is ended within 10 s of its start, and a little."""
INSTANT_US: Final = 5_000


def check(run: Run) -> Iterator[Finding]:
    """Every admission, then every time above the limit."""
    for household in run.households.values():
        if len(household.sessions) <= household.limits.smallest:
            continue
        for session in household.sessions.values():
            if session.admitted_us is not None and run.is_georeg:
                yield from check_admission(run, household, session)
        yield from _check_episodes(run, household)
        yield from _check_parts(run, household)


# ---- times above the limit -------------------------------------------------------------------


def _check_episodes(run: Run, household: Household) -> Iterator[Finding]:
    history, is_near = run.history, run.is_near
    for episode in episodes(household):
        length_us = episode.to_us - episode.from_us
        excuse = _excuse(run, household, episode)
        if not excuse and length_us <= (INSTANT_US if is_near else YOUNG_US):
            excuse = "decided at the same moment" if is_near else "provisional"
        run.excesses.append(
            Excess(
                household.account,
                episode.from_us,
                episode.to_us,
                episode.limit,
                episode.peak,
                excuse,
            )
        )
        run.counts["excess"] += 1
        if not excuse:
            yield _too_long(household, episode, "above L without a partition")
        elif history.excess_policy == "end" and run.is_georeg and _outlasts(run, episode):
            yield _too_long(household, episode, "not ended after the partition")


def _excuse(run: Run, household: Household, episode: Episode) -> str:
    network, until_us = run.network, min(episode.to_us, episode.from_us + YOUNG_US)
    if not network.is_settled(episode.from_us, until_us, LINK_AFTER_US, REGION_AFTER_US):
        return "partition"
    if _has_late_return(run, household, episode):
        return "late return"
    if household.limits.changes:
        since_us = episode.from_us - YOUNG_US
        if household.limits.at(since_us) != household.limits.at(episode.to_us):
            return "plan changed"
    return ""


def _has_late_return(run: Run, household: Household, episode: Episode) -> bool:
    """Whether a device that had been silent for long came back, and took its place again."""
    from_us, to_us = episode.from_us - 1_000_000, episode.to_us
    for session in household.sessions.values():
        heard_us: int | None = None
        for beat in session.beats:
            is_late = heard_us is not None and beat.answered_us - heard_us > run.in_time_us
            if is_late and from_us <= beat.answered_us and beat.sent_us <= to_us:
                return True
            heard_us = beat.sent_us
    return False


def _outlasts(run: Run, episode: Episode) -> bool:
    """Whether it lasted on for half a minute in which nothing was in trouble."""
    calm_us = episode.to_us - YOUNG_US - 20_000_000
    return calm_us > episode.from_us and run.network.is_settled(
        calm_us, episode.to_us, LINK_AFTER_US, REGION_AFTER_US
    )


def _check_parts(run: Run, household: Household) -> Iterator[Finding]:
    network = run.network
    if run.history.is_crossed or any(network.down[region] for region in sorted(network.down)):
        return
    parts = network.parts(FOREVER_US)
    for episode in episodes(household, parts):
        if episode.to_us - episode.from_us > YOUNG_US:
            yield _too_long(household, episode, f"more than {parts} x L")


def _too_long(household: Household, episode: Episode, rule: str) -> Finding:
    sessions = [
        s
        for s in household.sessions.values()
        if any(a < episode.to_us and b > episode.from_us for a, b in s.sure)
    ]
    text = (
        f"{episode.peak} devices streamed at {episode.limit} for "
        f"{seconds(episode.to_us - episode.from_us)}: {rule}"
    )
    return Finding(
        "P2",
        rule,
        episode.from_us,
        household.account,
        text,
        tuple(sorted(s.number for s in sessions)),
        tuple(s.id for s in sessions),
    )
