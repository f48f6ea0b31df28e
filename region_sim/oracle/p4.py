"""P4 A kick is final, as it is judged: every heartbeat that was answered 200 after a kick.

A region *knows* of a kick from the moment at which it entered it into its ledger or heard of it,
and at the latest when it answered a kick with 200. It goes on knowing through its restarts, but for
kicks that nobody was promised (superseded, replaced, limit: a crash may lose them before they are
on disk), and until its disk is lost. Every region must know 2 s and a trip after the kick, once it
has heard the region that knows for that long without trouble, unless that one died within these 2
s.

**Broken** when a region that knows, or must know, answers a heartbeat 200 that was sent later.

**Not found**: a kick answered 404 although its session surely lived, had begun 5 s before, and was
all the time in regions that the asked one could hear.

**Pending**: a kick that is not confirmed within the deadline although nothing is in trouble and the
regions are so near that it must be.

A region of many nodes in which something is wrong answers 200 for a slice that no node runs: it
knows nothing then.

That its slot is free at once is P1: a refusal that names it. A kick without an answer may or may
not hold; nothing is asked of it.
"""

from collections.abc import Iterator
from typing import Final

from region_sim.history import Call, CallKind
from region_sim.oracle.network import HEAL_US
from region_sim.oracle.run import TRAVEL_US, Run, answered, seconds
from region_sim.oracle.sessions import Beat, End, Session
from region_sim.oracle.truth import in_order
from region_sim.oracle.verdict import Finding

SPREAD_US: Final = 2_000_000
FOUND_US: Final = 5_000_000
CALM_US: Final = 60_000_000


def check(run: Run) -> Iterator[Finding]:
    """Every kicked session, then every kick that found nothing."""
    for household, session in in_order(run.households):
        kicks = [end for end in session.ends if end.is_kick]
        if kicks:
            for beat in session.beats:
                yield from _check_beat(run, household.account, session, kicks, beat)
    for call in run.history.calls:
        if call.kind is CallKind.KICK and call.status == 404 and run.is_georeg:
            yield from _check_missing(run, call)
        elif call.kind is CallKind.KICK and call.status == 200 and run.is_georeg and run.is_near:
            yield from _check_pending(run, call)


def _check_beat(
    run: Run, account: str, session: Session, kicks: list[End], beat: Beat
) -> Iterator[Finding]:
    if not run.network.is_whole(beat.region, beat.sent_us, beat.answered_us):
        return
    for kick in kicks:
        if beat.sent_us <= kick.at_us:
            continue
        if _knows(run, session, kick, beat):
            rule = "kicked session answered 200"
        elif _must_know(run, kick, beat):
            rule = "a kick was not told"
        else:
            continue
        run.counts["kick broken"] += 1
        text = (
            f"{beat.region} renewed {session.id} {seconds(beat.sent_us - kick.at_us)} after it was "
            f"{kick.reason} in {kick.region}"
        )
        numbers = [act.number for act in session.acts if act.reason == "kicked"]
        yield Finding(
            "P4", rule, beat.answered_us, account, text, (beat.number, *numbers), (session.id,)
        )
        return


def _knows(run: Run, session: Session, kick: End, beat: Beat) -> bool:
    network, here = run.network, beat.region
    if kick.region == here:
        since_us = kick.at_us
        is_promised = session.is_promised(here, beat.sent_us)
    else:
        since_us = session.learned_us.get(here, beat.sent_us)
        is_promised = False
    if since_us >= beat.sent_us or network.lost_disk(here, since_us, beat.answered_us):
        return False
    return is_promised or not network.restarted(here, since_us, beat.answered_us)


def _must_know(run: Run, kick: End, beat: Beat) -> bool:
    """Whether the kick was told to everybody, whatever has happened since."""
    network = run.network
    spread_us = SPREAD_US + run.latency_us + TRAVEL_US
    heard_us = network.heard_since_us(beat.region, kick.region, beat.sent_us)
    told_us = max(heard_us, kick.at_us) + spread_us
    lost_us = kick.at_us + spread_us + HEAL_US
    return (
        told_us < beat.sent_us
        and not network.restarted(kick.region, kick.at_us, lost_us)
        and not network.lost_disk(kick.region, kick.at_us, beat.answered_us)
        and not network.lost_disk(beat.region, kick.at_us, beat.answered_us)
    )


def _check_pending(run: Run, call: Call) -> Iterator[Finding]:
    if call.body.get("effect") != "pending" or not run.network.is_settled(
        call.sent_us, answered(call), CALM_US, CALM_US
    ):
        return
    text = f"{call.region} had not confirmed the end of {call.session} within the deadline"
    rule, numbers = "kick pending though all are near", (call.number,)
    yield Finding("P4", rule, answered(call), call.account, text, numbers, (call.session,))


def _check_missing(run: Run, call: Call) -> Iterator[Finding]:
    session = run.session(call)
    from_us, to_us = call.sent_us - FOUND_US, answered(call)
    if session is None or not session.surely_lived(from_us, to_us):
        return
    regions = sorted({beat.region for beat in session.beats if beat.sent_us <= to_us})
    if session.perhaps or any(
        run.network.is_unreachable(call.region, region, from_us, to_us) for region in regions
    ):
        return
    text = f"{call.region} does not know {session.id}, which {session.device} plays"
    yield Finding(
        "P4", "kick found nothing", to_us, call.account, text, (call.number,), (session.id,)
    )
