"""Whether a start was rightly admitted: P2 as it is judged where a region decides.

**Admitted though full.** A start is wrongly admitted when L other devices must have been known to
the region: each surely lived from 6 s before the start until its answer, was heard within the
suspect time less a heartbeat's slack, and stayed for those 6 s in a region that the asked one could
hear all the time. In the asked region itself the 6 s and the links do not matter (*one region above
L*). This holds in every partition; it is what limits the excess to L per region and part. But a
slot that was borrowed while anything was in trouble is the word of a home that may see less than
the asking region does. A cut that can be gone round is no trouble once that is found: then the
home sees what the asking region sees.

**Unchecked** is only a start in a region of many nodes in which something is wrong.

Three are known without these 6 s, or beyond those links:

- **Overdraft.** Before it admits without a slot a region asks every other one. So where an answer
  is there in half the deadline, who lived when the start was sent is known, whatever the home does.
- **The home could tell.** Nothing is in trouble but links between other regions than the account's
  home: its no carries what it was answered, so that nothing is admitted as overdraft beside it.
- **A slot beside what was inherited.** A region that was away for less than a region is down knows
  from its peers, and they go on knowing, whom it held: no slot is lent for them meanwhile.
"""

from collections.abc import Iterator
from typing import Final

from region_sim.history import Call
from region_sim.oracle.network import Restart
from region_sim.oracle.run import Run, answered
from region_sim.oracle.sessions import Session
from region_sim.oracle.truth import Household
from region_sim.oracle.verdict import Finding

KNOWN_US: Final = 6_000_000
LINK_AFTER_US: Final = 20_000_000
"""A region that was silent is down for 15 s; grants that ended with their lease come back."""
REGION_AFTER_US: Final = 60_000_000
"""What a region inherits is no evidence until its device is heard: a heartbeat and retries."""
AWAY_US_MAX: Final = 13_000_000
"""A region that was silent for so long is surely not down yet for any other one."""


def check_admission(run: Run, household: Household, session: Session) -> Iterator[Finding]:
    """The start by which a session was admitted."""
    start = _start_of(household, session)
    if start is None:
        return
    if session.basis == "unchecked":
        if run.network.is_whole(start.region, start.sent_us, answered(start)):
            yield _finding(run, household, start, session, "unchecked without need", [])
        return
    if session.basis == "overdraft" and run.is_near and is_settled(run, start):
        yield _guess(start, session)
    limit = max(household.limits.known(run.network, start.sent_us, answered(start)))
    others = [s for s in household.sessions.values() if _counts(s, session, start)]
    own = _devices(s for s in others if _is_firm_here(run, s, start))
    if len(own) >= limit:
        yield _finding(run, household, start, session, "one region above L", own)
        return
    known = _devices(s for s in others if _is_known(run, s, start, session.basis))
    if len(known) >= limit and not _is_homes_word(run, session, start):
        rule = f"admitted though full: {session.basis}"
        yield _finding(run, household, start, session, rule, known)
    elif session.basis == "overdraft":
        told = _devices(s for s in others if _can_home_tell(run, household, s, start))
        if len(told) >= limit:
            rule = "overdraft though the home could tell"
            yield _finding(run, household, start, session, rule, told)
    else:
        inherited = _devices(s for s in others if _is_inherited(run, s, start))
        if len(inherited) >= limit:
            rule = "a slot beside what was inherited"
            yield _finding(run, household, start, session, rule, inherited)


def _devices(sessions: Iterator[Session]) -> list[str]:
    return sorted({session.device for session in sessions})


def _is_homes_word(run: Run, session: Session, start: Call) -> bool:
    """Whether the home may have lent the slot without seeing what the asking region sees."""
    return session.basis == "borrowed" and not is_settled(run, start)


def is_settled(run: Run, start: Call) -> bool:
    """Whether nothing has been in trouble for long when a start was decided."""
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


# ---- who is known ----------------------------------------------------------------------------


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


def _is_known(run: Run, other: Session, start: Call, basis: str) -> bool:
    """Whether the asked region must know of it, by its log or by asking the one that holds it."""
    is_asked = basis == "overdraft" and run.has_answers
    since_us, until_us = start.sent_us - (0 if is_asked else KNOWN_US), answered(start)
    region = _holder(run, other, start, since_us)
    return (
        region is not None
        and until_us - _last_sent_us(other, start) <= run.in_time_us - 5_000_000
        and not run.network.is_unreachable(start.region, region, since_us, until_us)
    )


def _can_home_tell(run: Run, household: Household, other: Session, start: Call) -> bool:
    """Whether the home hears its holder and the asked region, and everybody else."""
    since_us, until_us = start.sent_us - KNOWN_US, answered(start)
    home = household.home
    return (
        run.is_near
        and run.history.is_tapped
        and home not in ("", start.region)
        and _holder(run, other, start, since_us) is not None
        and until_us - _last_sent_us(other, start) <= run.in_time_us - 5_000_000
        and run.network.is_quiet_around(home, since_us, until_us, LINK_AFTER_US, REGION_AFTER_US)
    )


def _is_inherited(run: Run, other: Session, start: Call) -> bool:
    """Whether its region has begun anew, so soon that it was never down for the others."""
    beat = other.last_beat(start.sent_us)
    if beat is None or not other.only_in(beat.region, answered(start)):
        return False
    restart = run.network.last_restart(beat.region, start.sent_us)
    return (
        restart is not None
        and _was_short(restart)
        and other.surely_lived(restart.down_us - KNOWN_US, answered(start))
        and run.network.is_only(
            beat.region, restart, answered(start), LINK_AFTER_US, REGION_AFTER_US
        )
    )


def _was_short(restart: Restart) -> bool:
    return restart.ready_us - restart.down_us <= AWAY_US_MAX


def _holder(run: Run, other: Session, start: Call, since_us: int) -> str | None:
    """The region that surely held it since then, and heard it in this process's life."""
    beat, until_us = other.last_beat(since_us), answered(start)
    if beat is None or not other.surely_lived(since_us, until_us):
        return None
    lease_us = run.history.lease_us
    moved_us = start.sent_us - KNOWN_US  # two that took it over at once have found out by then
    if not run.network.is_calm(moved_us - lease_us, until_us):
        moved_us -= lease_us
    has_stayed = _stayed(other, beat.region, moved_us, until_us, lease_us)
    is_same = not run.network.restarted(beat.region, beat.sent_us, until_us)
    return beat.region if has_stayed and is_same else None


def _last_sent_us(other: Session, start: Call) -> int:
    beat = other.last_beat(start.sent_us)
    assert beat is not None
    return beat.sent_us


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


# ---- findings --------------------------------------------------------------------------------


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
