"""Which kept seed shows which planted bug, and by which rule of the oracle it is noticed.

The seeds were found by `python -m tests.sim.find_mutants`, the first is the quickest; there are
several because a change of the product shifts every run. docs/simulator-proof.md has the whole
sweep.
"""

from pathlib import Path
from typing import Final, NamedTuple

SCENARIOS: Final = Path(__file__).parent / "scenarios"


class Witness(NamedTuple):
    """How a planted bug shows."""

    scenario: str
    """A file of tests/sim/scenarios."""
    seeds: tuple[int, ...]
    finding: str
    """Promise and the beginning of the rule."""


def file_of(scenario: str) -> str:
    """Where a scenario of these tests is."""
    return str(SCENARIOS / f"{scenario}.toml")


WITNESSES: Final[dict[str, Witness]] = {
    # P1
    "names_fewer": Witness("near", (1, 2, 3), "P1 fewer than L named"),
    "lower_limit": Witness("near", (1, 2, 3), "P1 a limit that does not hold"),
    "no_evidence": Witness("cuts", (1, 2, 3), "P1 stale beacon"),
    "suspects_count": Witness("sleepers", (2, 3, 4), "P1 rests on a suspect session"),
    "unconf": Witness("crashes", (1, 7, 8), "P1 rests on a suspect session"),
    "device": Witness("blinded", (1, 3), "P1 fewer than L named"),
    "own": Witness("blinded", (1, 2, 3), "P1 fewer than L named"),
    "stale": Witness("vanishing", (1, 2, 3), "P2 admitted though full"),
    "incarnations_unwritten": Witness("blackouts", (1, 3, 5), "P1 rests on a suspect session"),
    "echo": Witness("late-words", (1, 2, 4), "P1 false block: beacon"),
    "cover": Witness("late-logs", (1, 4, 9), "P1 false block: beacon"),
    "stopwins": Witness("stops-elsewhere", (1, 2, 4, 5), "P1 false block"),
    # P2
    "always_admits": Witness("near", (1, 2, 3), "P2 one region above L"),
    "own_only": Witness("races", (1, 2, 3), "P2 above L without a partition"),
    "noreeval": Witness("races", (1, 2, 3), "P2 overdraft though all are near"),
    "confirmwins": Witness("races", (1, 2, 3), "P2 overdraft though all are near"),
    "homeword_final": Witness("races", (1, 2, 3), "P2 overdraft though all are near"),
    "flight": Witness("races", (1, 2, 3), "P2 overdraft though all are near"),
    "nohop": Witness("races", (1, 2, 3), "P2 overdraft though all are near"),
    "yields": Witness("sleepers", (2, 3, 4), "P2 overdraft though all are near"),
    "finish": Witness("excess", (1, 2, 5), "P2 not ended after the partition"),
    "nobody_relays": Witness("gone-round", (1, 2, 3), "P4 a kick was not told"),
    "noview": Witness("kept-slots", (1, 3, 7), "P2 admitted though full: granted"),
    "handover": Witness("triangle", (1, 2, 3), "P2 above L without a partition"),
    "handover_bare": Witness("triangle", (2, 5, 8), "P2 above L without a partition"),
    "homeword_answers": Witness("middle", (1, 2, 3), "P2 overdraft though the home could tell"),
    "homeword_everyone": Witness("headless", (1, 3, 4), "P2 admitted though full: overdraft"),
    "inherit": Witness("blinks", (1, 3), "P2 a slot beside what was inherited"),
    # P3, availability, errors
    "patient": Witness("cuts", (1, 2, 3), "P3 late start"),
    "nokeys": Witness("near", (1, 2, 3), "P3 another answer to the same start"),
    "hangs": Witness("cuts", (1, 2, 3), "availability no answer to a start"),
    "logs_errors": Witness("near", (1, 2, 3), "errors mesh_handler_failed"),
    # clones
    "retries_are_clones": Witness("lost-answers", (1, 2, 3), "clones nobody shared"),
    "forks_are_clones": Witness("lost-answers", (1, 2, 3), "clones nobody shared"),
    # P4
    "noledger": Witness("kicks", (1, 2, 3), "P4 kicked session answered 200"),
    "volatile": Witness("islands", (1, 2, 3), "P4 kicked session answered 200"),
    "kicks_stay": Witness("kicks", (1, 2, 3), "P4 kicked session answered 200"),
    "kick_not_found": Witness("kicks", (1, 2, 3), "P4 kick found nothing"),
    "follow_flush": Witness("kicks-near", (1, 2, 3), "P4 kick pending though all are near"),
    # P5
    "take": Witness("replacers", (1, 2), "P5 a refused start ended a session"),
    "pingpong": Witness("oldest", (1, 2, 3), "P5 oldest ended in turn"),
    "deaf": Witness("steady", (1, 2, 3), "P5 in time"),
    "silence_untold": Witness("roaming", (3, 18, 36, 37), "P5 in time"),
    "yields_kicked": Witness("sleepers", (2, 3, 4), "P5 yielded for good"),
    "order": Witness("far-overdraft", (1, 2, 3), "P5 provisional sessions ended one another"),
    "adopt": Witness("islands", (1, 2, 3), "P5 in time, lapsed"),
    "order_settled": Witness("lent-twice", (2,), "P5 settled session ended for the limit"),
    # P6
    "stopfinal": Witness("stops", (1, 2, 3), "P6 a stopped session came back"),
    "idle": Witness("near", (1, 2, 3), "P6 something is left"),
    "noreask": Witness("ocean", (1, 2, 3), "P6 something is left"),
    "slots_stay": Witness("near", (1, 2, 3), "P6 something is left"),
    # inside a region of many nodes
    "no_last_resort": Witness("nodes", (1, 2, 3), "inside answered 503"),
    "leaving_closed": Witness("nodes-leaving", (1, 2, 3), "inside answered 503"),
    "streams_hold": Witness("nodes-leaving", (5, 14), "P3 late heartbeat"),
    "decides_for_ever": Witness("nodes-paused", (1, 2, 3), "inside answered 503"),
    "takeovers_heard": Witness("nodes-dying", (1, 2, 3), "P1 rests on a suspect session"),
    "told_as_of_now": Witness("nodes-dying", (41, 59), "P1 rests on a suspect session"),
    "inherited_yield": Witness("nodes-dying", (12, 19, 28), "P5 in time, displaced"),
    # P7
    "unnumbered_release": Witness("near", (1, 2, 3), "P7 equal positions, unequal state"),
    "skips": Witness("near", (1, 2, 3), "P7 equal positions, unequal state"),
    "never_resends": Witness("lossy", (1, 2, 3), "P7 not converged"),
    # P8
    "lease_without_drift": Witness("clocks", (1, 4, 5), "P8 usable grants above L"),
    "lease_from_receipt": Witness("late-leases", (1, 2), "P8 usable grants above L"),
    "lease_waits_not": Witness("clocks", (1, 2, 3), "P8 usable grants above L"),
    "lease_any_reply": Witness("shuffled", (2, 3, 1), "P8 usable grants above L"),
    "lease_any_request": Witness("late-returns", (1, 2, 4), "P8 usable grants above L"),
    "lease_dead_renewed": Witness("held-back", (2,), "P8 usable grants above L"),
    "lease_never_learns": Witness("home-blinks", (1, 2, 3), "P8 usable grants above L"),
    "lease_never_renewed": Witness("quiet", (1, 2, 3), "P8 a lease ran out in calm"),
    # A home that is given away
    "moves_lent": Witness("moves-lent", (5, 8), "P8 usable grants above L"),
    "moves_learning": Witness("moves-learning", (1, 2, 5), "P8 usable grants above L"),
    "moves_unwritten": Witness("moves-alone", (1, 2, 3), "P8 usable grants above L"),
    "moves_undoubted": Witness("moves-wiped", (1, 2, 3), "P8 usable grants above L"),
    # Homes that pass on
    "seat_outlived": Witness("fenced", (1, 2, 3), "P8 usable grants above L"),
    "seat_unlearnt": Witness("fenced", (1, 2, 3), "P8 usable grants above L"),
    "seat_unlocked": Witness("fenced", (1, 2, 3), "P8 usable grants above L"),
    "seat_by_another_book": Witness("fenced", (1, 2, 3), "P8 usable grants above L"),
    "seat_kept": Witness("passed-on", (1, 2, 3), "P2 overdraft though all are near"),
    "seat_below": Witness("passed-on", (1, 2, 3), "P2 overdraft though all are near"),
    # A region that is drained
    "drain_admits": Witness("drained", (1, 2, 3), "evacuation start admitted while drained"),
    "drain_mute": Witness("drained", (1, 2, 3), "evacuation not told where to go"),
    "drain_alone": Witness("drained", (1, 3, 4), "evacuation sent to a drained region"),
    "drain_deaf": Witness("drained", (1, 2, 3), "P3 heartbeat answered 503"),
    "drain_forever": Witness("drained", (1, 2, 3), "P3 start answered 503"),
}
