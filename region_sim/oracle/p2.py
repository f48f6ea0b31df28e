"""P2 Bounded excess, as it is judged: every admission, and every time above the limit.

Counted are distinct devices that surely lived (sessions.py), against the largest limit so far.

**Admitted though full.** A start is wrongly admitted when L other devices must have been known to
the region: each surely lived from 6 s before the start until its answer, was heard within the
suspect time less a heartbeat's slack, and stayed for those 6 s in a region that the asked one could
hear all the time. In the asked region itself the 6 s and the links do not matter (*one region above
L*). This holds in every partition; it is what limits the excess to L per region and part. But a
slot that was borrowed while anything was in trouble is the word of a home that may see less than
the asking region does. A cut that can be gone round is no trouble once that is found: then the
home sees what the asking region sees.

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

from region_sim.history import Call
from region_sim.oracle.excess import Episode, episodes
from region_sim.oracle.network import FOREVER_US
from region_sim.oracle.run import Run, answered, seconds
from region_sim.oracle.sessions import Session
from region_sim.oracle.truth import Household
from region_sim.oracle.verdict import Excess, Finding

KNOWN_US: Final = 6_000_000
YOUNG_US: Final = 12_000_000
"""A provisional session that is disproved is ended within 10 s of its start, and a little."""
LINK_AFTER_US: Final = 20_000_000
"""A region that was silent is down for 15 s; grants that ended with their lease come back."""
REGION_AFTER_US: Final = 60_000_000
"""What a region inherits is no evidence until its device is heard: a heartbeat and retries."""
INSTANT_US: Final = 5_000


def check(run: Run) -> Iterator[Finding]:
    """Every admission, then every time above the limit."""
    for household in run.households.values():
        if len(household.sessions) <= household.limits.smallest:
            continue
        for session in household.sessions.values():
            if session.admitted_us is not None and run.is_georeg:
                yield from _check_admission(run, household, session)
        yield from _check_episodes(run, household)
        yield from _check_parts(run, household)


# ---- admissions ------------------------------------------------------------------------------


def _check_admission(run: Run, household: Household, session: Session) -> Iterator[Finding]:
    start = _start_of(household, session)
    if start is None:
        return
    if session.basis == "overdraft" and run.is_near and _is_settled(run, start):
        yield _guess(start, session)
    limit = max(household.limits.known(run.network, start.sent_us, answered(start)))
    others = [s for s in household.sessions.values() if _counts(s, session, start)]
    own = sorted({s.device for s in others if _is_firm_here(run, s, start)})
    if len(own) >= limit:
        yield _finding(run, household, start, session, "one region above L", own)
        return
    known = sorted({s.device for s in others if _is_known(run, s, start)})
    if len(known) >= limit and not _is_homes_word(run, session, start):
        yield _finding(
            run, household, start, session, f"admitted though full: {session.basis}", known
        )


def _is_homes_word(run: Run, session: Session, start: Call) -> bool:
    """Whether the home may have lent the slot without seeing what the asking region sees."""
    return session.basis == "borrowed" and not _is_settled(run, start)


def _is_settled(run: Run, start: Call) -> bool:
    return run.network.is_settled(start.sent_us, answered(start), LINK_AFTER_US, REGION_AFTER_US)


def _start_of(household: Household, session: Session) -> Call | None:
    """The start that a session was first admitted by; None when an idempotent answer came later."""
    found = [c for c in household.starts if c.number == session.number]
    return found[0] if found and not found[0].request.get("again") else None


def _counts(other: Session, session: Session, start: Call) -> bool:
    return (
        other.device != session.device
        and other.id not in start.request.get("replace", ())
        and other.surely_lived(start.sent_us, answered(start))
    )


def _is_firm_here(run: Run, other: Session, start: Call) -> bool:
    """Whether the asked region surely holds it, and its device was heard in this process's life."""
    beat = other.last_beat(start.sent_us)
    return (
        beat is not None
        and beat.region == start.region
        and answered(start) - beat.sent_us <= run.in_time_us
        and not run.network.restarted(start.region, beat.sent_us, answered(start))
        and other.only_in(start.region, answered(start))
    )


def _is_known(run: Run, other: Session, start: Call) -> bool:
    since_us, until_us = start.sent_us - KNOWN_US, answered(start)
    beat = other.last_beat(since_us)
    if beat is None or not other.surely_lived(since_us, until_us):
        return False
    last = other.last_beat(start.sent_us) or beat
    moved_us = since_us - run.history.lease_us
    if run.network.is_calm(moved_us, until_us):
        moved_us = since_us  # two regions that took it over at once have found out by now
    return (
        until_us - last.sent_us <= run.in_time_us - 5_000_000
        and _stayed(other, beat.region, moved_us, until_us, run.history.lease_us)
        and not run.network.restarted(beat.region, beat.sent_us, until_us)
        and not run.network.is_unreachable(start.region, beat.region, since_us, until_us)
    )


def _stayed(other: Session, region: str, from_us: int, to_us: int, lease_us: int) -> bool:
    """Whether no other region may have come to hold it meanwhile, or hold it still."""
    return all(
        beat.region == region
        for beats in (other.beats, other.perhaps)
        for beat in beats
        if beat.sent_us <= to_us and beat.answered_us >= from_us
    ) and not any(
        beat.region != region and from_us - lease_us <= beat.answered_us for beat in other.perhaps
    )


def _finding(
    run: Run, household: Household, start: Call, session: Session, rule: str, devices: list[str]
) -> Finding:
    limit = household.limits.largest(answered(start))
    text = (
        f"{start.region} admitted {session.device} ({session.basis}) at {limit} streams although "
        f"{', '.join(devices)} must have been known to live"
    )
    living = [
        s.id for s in household.sessions.values() if s.surely_lived(start.sent_us, answered(start))
    ]
    run.counts["wrongly admitted"] += 1
    return Finding(
        "P2",
        rule,
        answered(start),
        household.account,
        text,
        (start.number,),
        (session.id, *living),
    )


def _guess(start: Call, session: Session) -> Finding:
    text = f"{start.region} admitted {session.device} as overdraft though the home was near"
    rule, at_us = "overdraft though all are near", answered(start)
    return Finding("P2", rule, at_us, session.account, text, (start.number,), (session.id,))


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
