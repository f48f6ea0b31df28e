"""How often each branch of a decision, and each fault, really happened in a run.

A run that never met what it claims to test proves nothing: a scenario names what it expects here,
and `judge` tells what is missing. Counted is what answers show, what ends show, and what checkers
came across (`Run.counts`); a region's own counters are not believed.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from region_sim.history import Call, CallKind, FaultEvent, Life
from region_sim.oracle.run import Run, answered
from region_sim.oracle.sessions import PASSING, Session
from region_sim.oracle.truth import is_indefinite
from region_sim.plan.faults import KINDS

YOUNG_US: Final = 12_000_000
SEAT_US: Final = 5_000_000
"""Who was not seen in a seat for so long has left it; it is looked at each second."""
OLD_US: Final = 4_000_000
"""A cut that has lasted for so long let no beacon pass that may still be evidence."""

_MEANINGS: Final[dict[str, str]] = {
    "basis granted": "a start was admitted from a slot that its region held",
    "basis borrowed": "a start was admitted with a slot that was lent for it",
    "basis overdraft": "a start was admitted because nobody could show a full account in time",
    "refused local": "a start was refused on sessions of its own region",
    "refused confirmed": "a start was refused on what other regions answered during it",
    "refused beacon": "a start was refused on a fresh sign of life of another region",
    "beacon round a third": "such a sign of life of a region beyond a cut, since its way round",
    "confirmed round a third": "a region beyond a cut answered during a start, and it was refused",
    "kick round a third": "a holder beyond a cut had released a session when its kick was answered",
    "replaced": "a refused viewer named a session to replace, and was admitted",
    "superseded": "a device started again while its session ran",
    "idempotent answer repeated": "a start was repeated with its key, and got the first answer",
    "start beyond a cut": "a start was admitted while the world was in parts",
    "adopted": "another region than the one before renewed a session",
    "revived": "a session that had been displaced or had lapsed was renewed",
    "late return": "a device came back after a silence longer than the suspect time",
    "cloned heartbeat": "a second device renewed a session with its token",
    "clone found": "a region found a token in two hands, by the tokens that it had rolled",
    "clone found by pace": "a region found a session that is heard too often for one device",
    "clone ended": "a device was told that its session ended because another one used its token",
    "suspect yielded": "a silent session gave its slot to another start",
    "lapsed": "a session ended because its client lease was over",
    "overdraft disproved": "an overdraft session was ended for the limit",
    "overdraft settled": "an overdraft session lived on beyond its first seconds",
    "oldest ended": "a start ended another session by the plan's policy",
    "kick ended": "a kick was acknowledged, and its holder had released the session",
    "kick pending": "a kick was acknowledged while a region was out of reach",
    "kick not found": "a kick of a session that was over, or not known there",
    "kick not stored": "a kick that the disk refused",
    "stop": "a device stopped its session",
    "plan changed": "an account took another plan",
    "told by the event stream": "a device heard of its session's end at once",
    "too many starts": "a start was turned away because its account started too often",
    "lost answer": "a call got no answer",
    "lost start": "a start got no answer",
    "lost start revealed": "something later showed that a lost start had taken effect",
    "lost heartbeat": "a heartbeat got no answer",
    "excess": "more devices streamed than the limit for some time",
    "pending end": "a refusal rested on a session whose end was spoken beyond a cut",
    "false block": "a refusal rested on too few living sessions",
    "limit end on a pending end": "an end for the limit rested on such a session",
    "wrongly admitted": "a start was admitted although L others were known to live",
    "410 in time, heard beyond a cut": "a session ended where it had been silent, not elsewhere",
    "kick broken": "a kicked session was renewed",
    "unanswered": "a call got no answer although all was in order",
    "dead connection met": "a call found its connection dead after a trouble",
    "errors logged by a bad disk": "a region logged an error while its disk was in trouble",
    "seat passed on": "a region became home in the seat of another one, and had learnt",
    "seat taken back": "a region was home in its own seat again after another one had been",
    "partition": "links were cut so that the world was in parts",
    "partition one-way": "a link was cut in one direction only",
    "partition partial": "links were cut, but a way round was left",
    "restart": "a region's process began anew",
    "restart without disk": "a region began anew with an empty disk",
    "unconfirmed listed": "a list showed a session for which no region vouches at present",
    "pause": "a region's process stood still",
    "drained start": "a draining region sent a start elsewhere",
    "drained start went": "such a start was admitted next where it had been sent",
    "drained heartbeat went": "a draining region said where to go, and a device went there",
    "home moved": "an account's home moved to where its household streams",
    "home moved on": "it did so again",
    "evacuated": "a region that its operator drained held sessions, and none at the drain's end",
    "budgets checked": "records of usable grants that were added up",
    "convergence checked": "looks at whether the regions agree",
}
_REASONS: Final = (
    "kicked", "superseded", "replaced", "displaced", "limit", "stopped", "lapsed", "expired",
)  # fmt: skip


def names() -> dict[str, str]:
    """Everything that is counted, with its meaning in one line."""
    ends = {f"410 {reason}": f"a heartbeat was told that its session is {reason}" for reason in
            _REASONS}  # fmt: skip
    faults = {
        f"fault {kind.value} {how}".rstrip(): doc.about
        for kind, doc in KINDS.items()
        for how in ("", *doc.ways)
    }
    return _MEANINGS | ends | faults


def missing(coverage: dict[str, int], expects: Sequence[str]) -> list[str]:
    """What a scenario expects and what never happened, in its order."""
    return [name for name in expects if not coverage.get(name)]


def count(run: Run) -> dict[str, int]:
    """How often each happened; every known name is there, also those that never did."""
    found: Counter[str] = Counter()
    for call in run.history.calls:
        found.update(_of_call(run, call))
    for household in run.households.values():
        found["plan changed"] += household.limits.changes
        for session in household.sessions.values():
            found.update(_of_session(run, session))
    for event in run.history.faults:
        found.update(_of_fault(run, event) if event.is_begin else ())
    _count_lives(run, found)
    found["told by the event stream"] = len(run.history.told)
    found["home moved"] = len(run.history.moved)
    found["home moved on"] = sum(moved.number > 1 for moved in run.history.moved)
    _count_seats(run, found)
    found["budgets checked"] = len(run.history.budgets)
    found["convergence checked"] = len(run.history.convergence)
    for name, times in sorted(run.counts.items()):
        found[name] = max(found[name], times)
    return dict.fromkeys(names(), 0) | dict(sorted(found.items()))


def _of_call(run: Run, call: Call) -> Iterator[str]:
    if not call.status:
        yield "lost answer"
        if call.kind in (CallKind.START, CallKind.HEARTBEAT) and is_indefinite(call):
            yield f"lost {call.kind.value}"
        return
    match call.kind, call.status:
        case CallKind.START, 201:
            yield f"basis {call.body.get('decision', {}).get('basis', '')}"
            if call.request.get("replace"):
                yield "replaced"
            if run.network.parts_at(call.sent_us) > 1:
                yield "start beyond a cut"
        case CallKind.START, 409:
            yield f"refused {call.body.get('evidence', '')}"
            yield from _round_a_third(run, call)
        case CallKind.START, 429:
            yield "too many starts"
        case CallKind.START, 503 if run.network.is_draining(
            call.region, call.sent_us, call.sent_us
        ):
            yield "drained start"
        case CallKind.HEARTBEAT, 200 if call.request.get("cloned"):
            yield "cloned heartbeat"
        case CallKind.HEARTBEAT, 410:
            if (call.body.get("by") or {}).get("kind") == "system" and (
                call.body.get("reason") == "kicked"
            ):
                yield "clone ended"
            yield f"410 {call.body.get('reason', '')}"
        case CallKind.STOP, 204:
            yield "stop"
        case CallKind.LIST, 200:
            states = {shown.get("state") for shown in call.body.get("sessions", ())}
            yield from ("unconfirmed listed",) if "unconfirmed" in states else ()
        case CallKind.KICK, 200:
            yield f"kick {call.body.get('effect', '')}"
            holder = str(call.body.get("session", {}).get("region"))
            if call.body.get("effect") == "ended" and _is_beyond(run, call, holder):
                yield "kick round a third"
        case CallKind.KICK, 404:
            yield "kick not found"
        case CallKind.KICK, 503:
            yield "kick not stored"
        case _:
            pass


def _round_a_third(run: Run, call: Call) -> Iterator[str]:
    """What a refusal rests on that came from beyond a cut."""
    beyond = {
        (shown.get("evidence") or {}).get("how")
        for shown in call.body.get("sessions", ())
        if _is_beyond(run, call, str(shown.get("region")))
    }
    yield from (f"{how} round a third" for how in ("beacon", "confirmed") if how in beyond)


def _is_beyond(run: Run, call: Call, region: str) -> bool:
    """Whether a region could not have told the asked one anything itself, nor have lately."""
    network = run.network
    return network.is_cut(call.region, region, call.sent_us - OLD_US, answered(call))


def _of_session(run: Run, session: Session) -> Iterator[str]:
    if session.admitted_us is None:
        yield "lost start revealed"
    for before, beat in zip(session.beats, session.beats[1:], strict=False):
        if beat.region != before.region:
            yield "adopted"
        if beat.answered_us - before.sent_us > run.in_time_us:
            yield "late return"
        if any(e.reason in PASSING and before.sent_us < e.at_us < beat.answered_us
               for e in session.ends):  # fmt: skip
            yield "revived"
    if any(act.reason == "superseded" and act.is_sure for act in session.acts):
        yield "superseded"
    ends = [e.reason for e in session.ends]
    if "displaced" in ends:
        yield "suspect yielded"
    if "lapsed" in ends:
        yield "lapsed"
    last = session.beats[-1].sent_us if session.beats else 0
    if session.basis == "overdraft" and last > session.began_us + YOUNG_US:
        yield "overdraft settled"
    if not run.history.is_tapped and "limit" in ends:
        yield "overdraft disproved"


def _of_fault(run: Run, event: FaultEvent) -> Iterator[str]:
    yield f"fault {event.kind}"
    if event.note:
        yield f"fault {event.kind} {event.note}"
    if event.kind != "cut":
        return
    both_ways = [(a, b) for a, b in event.links if (b, a) in event.links]
    if len(both_ways) < len(event.links):
        yield "partition one-way"
    yield "partition" if run.network.parts_at(event.at_us) > 1 else "partition partial"


def _count_seats(run: Run, found: Counter[str]) -> None:
    """Each time that somebody sits down: another region, or after one its own."""
    seen_us: dict[tuple[str, str], int] = {}
    passed_on: set[str] = set()
    for sat in run.history.sat:
        sits_down = sat.at_us - seen_us.get((sat.seat, sat.region), -SEAT_US) >= SEAT_US
        seen_us[sat.seat, sat.region] = sat.at_us
        if sits_down and sat.region != sat.seat:
            passed_on.add(sat.seat)
            found["seat passed on"] += 1
        elif sits_down and sat.seat in passed_on:
            found["seat taken back"] += 1


def _count_lives(run: Run, found: Counter[str]) -> None:
    for life in run.history.lives:
        found["pause"] += life.what is Life.PAUSED
    for region in sorted(run.network.restarts):
        for restart in run.network.restarts[region]:
            if restart.down_us > 0 and restart is not run.network.restarts[region][0]:
                found["restart"] += 1
                found["restart without disk"] += restart.is_wiped
