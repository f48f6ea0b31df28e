"""P6 Nothing leaks, as it is judged.

**A stopped session never comes back** in a region that knew of the stop: it answered the stop, or
released the session for it, and has not begun anew since; or it heard the region that knew for 2 s
without trouble, and that one lived on for so long. Remembered for three client leases: later a
device that kept its token is told `lapsed`.

**Nothing is left** after all devices have gone and a client lease has passed: every problem of a
convergence record that begins with `P6`, in its words.

That a start of the same device, and one on a free account, is admitted is P1: what a refusal names
must have lived, on other devices, at most a lease after its last heartbeat.
"""

from collections.abc import Iterator
from typing import Final

from region_sim.oracle.network import HEAL_US
from region_sim.oracle.run import TRAVEL_US, Run, seconds
from region_sim.oracle.sessions import Beat, End, Session
from region_sim.oracle.truth import in_order
from region_sim.oracle.verdict import Finding

SPREAD_US: Final = 2_000_000


def check(run: Run) -> Iterator[Finding]:
    """Every stopped session, then what was left at the end."""
    for household, session in in_order(run.households):
        stops = [end for end in session.ends if end.reason == "stopped"]
        for beat in session.beats if stops else ():
            known = [stop for stop in stops if _is_known(run, stop, beat)]
            if known:
                yield _back(household.account, session, beat, known[0])
                break
    for record in run.history.convergence:
        for problem in record.problems:
            if problem.startswith("P6"):
                text = problem.removeprefix("P6").lstrip(" :")
                yield Finding("P6", "something is left", record.at_us, "", text)


def _is_known(run: Run, stop: End, beat: Beat) -> bool:
    network = run.network
    if beat.sent_us <= stop.at_us or beat.answered_us > stop.at_us + 2 * run.history.lease_us:
        return False
    if network.restarted(beat.region, stop.at_us, beat.answered_us):
        return False
    if beat.region == stop.region:
        return True
    spread_us = SPREAD_US + run.latency_us + TRAVEL_US
    heard_us = network.heard_since_us(beat.region, stop.region, beat.sent_us)
    return max(heard_us, stop.at_us) + spread_us < beat.sent_us and not network.restarted(
        stop.region, stop.at_us, max(heard_us, stop.at_us) + spread_us + HEAL_US
    )


def _back(account: str, session: Session, beat: Beat, stop: End) -> Finding:
    text = (
        f"{beat.region} renewed {session.id} {seconds(beat.sent_us - stop.at_us)} after it was "
        f"stopped in {stop.region}"
    )
    numbers = [act.number for act in session.acts if act.reason == "stopped"]
    return Finding(
        "P6",
        "a stopped session came back",
        beat.answered_us,
        account,
        text,
        (beat.number, *numbers),
        (session.id,),
    )
