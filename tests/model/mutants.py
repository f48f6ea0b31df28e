"""The rules of a start, each broken once: every mutant must be noticed (test_clauses.py).

A mutant patches the real region code for the length of one test; the product has no switches. Its
docstring says what goes wrong without the clause. Those of sessions, ends and homes are in
mutants_ends.py and mutants_home.py.
"""

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from crdt.events import ActorKind, Reason
from crdt.evidence import Evidence as Words
from georeg.region import budget, home, overdrafts, rules, seen, starts
from georeg.region.asking import Asking, Inquiry
from georeg.region.evidence import Evidence
from georeg.region.messages import Confirm, Confirmed, No
from georeg.region.overdrafts import Overdrafts
from georeg.region.settings import PlanPolicy
from georeg.region.starts import Start, Starts
from georeg.region.state import RegionState

Patch = pytest.MonkeyPatch
Apply = Callable[[Patch], None]

MUTANTS: dict[str, Apply] = {}


def mutant(apply: Apply) -> Apply:
    """Register a mutant under its own name."""
    MUTANTS[apply.__name__] = apply
    return apply


# ---- rule 3 and 4: when to admit ---------------------------------------------------------------


@mutant
def noview(patch: Patch) -> None:
    """Rule 3 without a look at the view admits beyond sessions of another region that are seen."""
    judge = rules.judge
    patch.setattr(rules, "judge", lambda case: judge(case._replace(in_view=0)))


@mutant
def noreeval(patch: Patch) -> None:
    """A start that waited decides on the state of its beginning: two pass through one slot."""
    first: dict[Start, rules.Case] = {}
    make = Start._case

    def case(self: Start, is_final: bool) -> rules.Case:
        now = make(self, is_final)
        then = first.setdefault(self, now)
        return now._replace(own=then.own, usable=then.usable, in_view=then.in_view)

    patch.setattr(Start, "_case", case)


def _admit_early(patch: Patch, *, waits_for_home: bool) -> None:
    """Few confirmations admit before the deadline, once everybody has answered."""
    said_no: set[int] = set()
    make, on_no = Start._case, Asking.on_no

    def case(self: Start, is_final: bool) -> rules.Case:
        inquiry, state = self._inquiry, self._state
        if inquiry is not None and set(state.peers) <= set(inquiry.answers):
            is_final = is_final or not waits_for_home or id(inquiry) in said_no
        return make(self, is_final)

    def no(self: Asking, peer: int, message: No) -> None:
        inquiry = self._open.get(message.rid)
        if inquiry is not None:
            said_no.add(id(inquiry))
        on_no(self, peer, message)  # type: ignore[arg-type]

    patch.setattr(Start, "_case", case)
    patch.setattr(Asking, "on_no", no)


@mutant
def confirmwins(patch: Patch) -> None:
    """All regions have answered, so it admits before the home has spoken: two do so at once."""
    _admit_early(patch, waits_for_home=False)


@mutant
def homeword_final(patch: Patch) -> None:
    """The home's first no makes an overdraft at once, though the state has moved on since."""
    _admit_early(patch, waits_for_home=True)


@mutant
def homeword_answers(patch: Patch) -> None:
    """The home's no carries no answers: the refusal has to rest on older ones."""
    on_no = Asking.on_no
    patch.setattr(Asking, "on_no", lambda self, peer, m: on_no(self, peer, m._replace(answers=())))


@mutant
def homeword_everyone(patch: Patch) -> None:
    """Only regions that the view names are asked: what the view has not seen yet is missed."""

    def ask(self: Asking, inquiry: Inquiry, **wants: Any) -> None:
        names = {"gone": (), "device_name": ""} | wants
        self._borrow(inquiry, names["need"], names["want"], names["gone"], names["device_name"])
        for region in sorted({e.region for e in self._state.live(inquiry.account)}):
            if region != self._state.region:
                self._send(region, Confirm(inquiry.account, inquiry.rid))

    patch.setattr(Asking, "ask", ask)


@mutant
def flight(patch: Patch) -> None:
    """Two requests for slots in flight: the home hears the same need twice and lends for both."""
    borrow = Asking._borrow

    def eager(self: Asking, inquiry: Inquiry, *args: Any) -> None:
        self._flights.pop(inquiry.account, None)
        borrow(self, inquiry, *args)

    patch.setattr(Asking, "_borrow", eager)


@mutant
def stale(patch: Patch) -> None:
    """Answers to earlier requests are used again: a refusal names what has ended since."""
    known: dict[tuple[Asking, str], dict[int, tuple[float, tuple[seen.Seen, ...]]]] = {}
    begin, confirmed = Asking.open, Asking.on_confirmed

    def opened(self: Asking, account: str, *args: Any) -> Inquiry:
        inquiry = begin(self, account, *args)
        now_ms = self._state.clock.now_ms()
        for peer, (at_ms, answer) in known.get((self, account), {}).items():
            if now_ms - at_ms < 60_000:
                inquiry.answers[peer] = answer  # type: ignore[index]
        return inquiry

    def on_confirmed(self: Asking, peer: int, message: Confirmed) -> None:
        now_ms = self._state.clock.now_ms()
        known.setdefault((self, message.account), {})[peer] = (now_ms, message.seen)
        confirmed(self, peer, message)  # type: ignore[arg-type]

    patch.setattr(Asking, "open", opened)
    patch.setattr(Asking, "on_confirmed", on_confirmed)


# ---- what counts -------------------------------------------------------------------------------


@mutant
def device(patch: Patch) -> None:
    """Sessions are counted instead of devices: a device that came back blocks itself."""

    def sessions(found: Iterable[Any]) -> int:
        return len({s.session for s in found})

    for module in (budget, home, overdrafts, rules, starts):
        patch.setattr(module, "devices", sessions)


@mutant
def own(patch: Patch) -> None:
    """A device's own session, heard of during the request, is evidence against it."""
    patch.setattr(
        Start, "_known", lambda self: {e.session: e for e in self._state.known(self._account)}
    )


@mutant
def take(patch: Patch) -> None:
    """What a start replaces ends at once, also when the answer is no."""
    run = Start.run

    def eager(self: Start) -> Any:
        known = self._found = self._known()
        for session, why in sorted(self._superseded().items()):
            if session in known:
                name = self._request.device.name
                self._state.kick(known[session], why, ActorKind.DEVICE, name)
        return run(self)

    patch.setattr(Start, "run", eager)


@mutant
def yields(patch: Patch) -> None:
    """Suspect sessions never yield: the start beside them is admitted as one too many."""
    patch.setattr(seen.Seen, "yields", property(lambda self: False))


@mutant
def yields_kicked(patch: Patch) -> None:
    """A suspect session that yields is kicked: its device may never come back."""
    release = RegionState.release

    def kicked(self: RegionState, entry: Any, reason: Any, **how: Any) -> None:
        if reason is Reason.DISPLACED and self.kicked(entry.account, entry.session) is None:
            self.kick(entry, reason)
        else:
            release(self, entry, reason, **how)

    patch.setattr(RegionState, "release", kicked)


# ---- evidence ----------------------------------------------------------------------------------


@mutant
def cover(patch: Patch) -> None:
    """A beacon covers positions that are not applied here: what it names may be long over."""
    beacon = Evidence.beacon
    patch.setattr(
        Evidence,
        "beacon",
        lambda self, p, sent_ms, held_ms, _: beacon(self, p, sent_ms, held_ms, {}),
    )


@mutant
def echo(patch: Patch) -> None:
    """A beacon is as old as its receipt: a delayed one passes for fresh."""
    heard = Words.heard

    def at_receipt(self: Words, peer: Any, sent: Any, held: int, missing: Any, now_ms: int) -> None:
        heard(self, peer, sent, held, missing, now_ms)
        self._words[peer].evidence_ms = now_ms

    patch.setattr(Words, "heard", at_receipt)


# ---- rule 5 and 6: overdrafts, policies, repeated starts ---------------------------------------


@mutant
def noreask(patch: Patch) -> None:
    """An overdraft never asks again: nobody finds out that it was one too many."""
    patch.setattr(Overdrafts, "tick", lambda self: None)
    patch.setattr(Overdrafts, "admitted", lambda self, inquiry: None)


@mutant
def order(patch: Patch) -> None:
    """Provisional sessions have no order: each sees the other and both end."""

    def disproved(limit: int, usable: int, mine: Any, answers: Any) -> tuple[seen.Seen, ...]:
        firm = [s for s in [*mine, *answers] if s.firm]
        loose = [s for s in mine if not s.settled][: max(0, len(mine) - usable)]
        return tuple(
            s for s in loose if seen.devices(o for o in firm if o.device != s.device) >= limit
        )

    patch.setattr(rules, "disproved", disproved)


@mutant
def order_place(patch: Patch) -> None:
    """Who replaces a session takes a new place: the place is lost to a later start."""
    hold = RegionState.hold

    def placed_last(self: RegionState, *args: Any, **what: Any) -> Any:
        return hold(self, *args, **what | {"placed_ms": what["started_ms"]})

    patch.setattr(RegionState, "hold", placed_last)


@mutant
def order_settled(patch: Patch) -> None:
    """Covered sessions stay provisional: a later look ends one that was granted."""
    disproved = rules.disproved

    def unsettled(limit: int, usable: int, mine: Any, answers: Any) -> tuple[seen.Seen, ...]:
        def forget(all_seen: Any) -> list[seen.Seen]:
            return [s._replace(settled=False) for s in all_seen]

        return disproved(limit, usable, forget(mine), forget(answers))

    patch.setattr(rules, "disproved", unsettled)


@mutant
def pingpong(patch: Patch) -> None:
    """Who was ended by `end_oldest` may end another in turn: two players do so for ever."""
    patch.setattr(Starts, "may_evict", lambda self, account, device: True)


@mutant
def finish(patch: Patch) -> None:
    """Policy `end` is taken for `finish`: what a cut let in goes on after it."""
    patch.setattr(
        RegionState, "policy_of", lambda self, account: PlanPolicy(self.limit_of(account))
    )


@mutant
def nokeys(patch: Patch) -> None:
    """Idempotency keys are not kept: a start that is sent twice is decided twice."""
    patch.setattr(Starts, "start", lambda self, request: self._begin(request))
