"""A region in slices as the edge asks it: commits that are waited for, and slices that are gone."""

from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from crdt.dots import RegionId, SessionId
from crdt.events import Device, Plan
from georeg.edge.problems import Problem
from georeg.nodes.drains import SlicedDrain, Word
from georeg.nodes.parts import ELSEWHERE, Part, Parts
from georeg.nodes.sliced import SlicedRegion
from georeg.nodes.unchecked import ASKED, Asked, Unchecked
from georeg.region.model import Admitted, Basis, Claims, Refused, StartRequest
from georeg.region.pending import Pending
from georeg.region.region import Region
from georeg.region.settings import Settings
from georeg.store import NoJournal
from tests.edge.world import ManualClock
from tests.nodes.world import SLICES, US, NoLinks, account_in

ACCOUNT = account_in(0)


class Store:
    """Calls back when a test says so."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[OSError | None], None]] = []
        self.is_adrift = False

    def committed(self, then: Callable[[OSError | None], None]) -> None:
        self.waiting.append(then)

    def answer(self, error: OSError | None = None) -> None:
        waiting, self.waiting = self.waiting, []
        for then in waiting:
            then(error)


class OneSlice:
    """A node that runs slice 0 of US."""

    def __init__(self) -> None:
        self.clock, self.settings, self.store = ManualClock(), Settings(), Store()
        self.parts = Parts(SLICES)
        rules = Region(
            US, {US: "us"}, self.settings, self.clock, NoLinks(), NoJournal(), Random(1)
        )
        rules.open()
        self.clock.advance(1)
        store = self.store
        self.parts.put(Part(0, rules, store.committed, lambda: store.is_adrift))
        self.region = SlicedRegion(US, {US: "us"}, self.settings, self.clock, self.parts)

    def start(self, device: str = "tv", **more: Any) -> Pending[Any]:
        plan = Plan("basic", 1, 0)
        return self.region.start(StartRequest(ACCOUNT, Device(device, "", ""), plan=plan, **more))


@pytest.fixture
def one() -> OneSlice:
    return OneSlice()


def test_a_start_is_answered_when_it_is_committed(one: OneSlice) -> None:
    pending = one.start()
    assert pending.value is None
    one.store.answer()
    assert isinstance(pending.value, Admitted)
    assert pending.value.basis is Basis.GRANTED


def test_a_store_that_is_slow_holds_no_start_up_beyond_its_deadline(one: OneSlice) -> None:
    pending = one.start()
    one.clock.advance(one.settings.deadline_ms - 1)
    assert pending.value is None
    one.clock.advance(1)
    assert pending.value.basis is Basis.GRANTED
    one.store.answer()
    later = one.start("phone", deadline_ms=500)
    assert isinstance(later.value, Refused), "a refusal changes nothing and waits for nothing"


def claims_of(one: OneSlice) -> Claims:
    """A session that is committed."""
    pending = one.start()
    one.store.answer()
    info = pending.value.info
    return Claims(info.session, ACCOUNT, "tv", US, info.started_ms, info.deadline_s)


def test_a_stop_is_answered_when_it_is_committed(one: OneSlice) -> None:
    claims = claims_of(one)
    stopped = one.region.stop(claims)
    assert stopped is not None
    assert one.region.sessions(ACCOUNT).sessions == (), "its slot is free at once"
    assert stopped.value is None
    one.store.answer()
    assert stopped.value


def test_a_store_that_is_slow_or_away_holds_no_stop_up(one: OneSlice) -> None:
    one.region.unchecked = Unchecked(US, 9, lambda: one.settings, one.clock)
    claims = claims_of(one)
    slow = one.region.stop(claims)
    assert slow is not None
    one.clock.advance(one.settings.deadline_ms)
    assert slow.value
    assert one.region.unchecked.untold == []
    one.store.answer(OSError("fenced off"))
    assert [each.is_stop for each in one.region.unchecked.untold] == [True], "others are told"
    one.store.is_adrift = True
    assert one.region.stop(claims) is None
    assert one.store.waiting == []


def test_the_deadline_that_a_start_names_is_its_own(one: OneSlice) -> None:
    pending = one.start(deadline_ms=500)
    one.clock.advance(499)
    assert pending.value is None
    one.clock.advance(1)
    assert isinstance(pending.value, Admitted)


def test_what_the_store_has_refused_or_cannot_know_is_said_to_be_unchecked(one: OneSlice) -> None:
    pending = one.start()
    one.store.answer(OSError("out of reach"))
    assert pending.value.basis is Basis.UNCHECKED
    one.store.is_adrift = True
    again = one.start()
    assert again.value.basis is Basis.UNCHECKED
    assert one.store.waiting == []


def test_what_is_asked_of_a_slice_that_is_not_here_names_it(one: OneSlice) -> None:
    with pytest.raises(Problem) as caught:
        one.region.sessions(account_in(2))
    assert caught.value.headers is not None
    assert caught.value.headers[ELSEWHERE] == "2"


def test_only_a_call_without_any_other_answer_is_answered_without_its_slice(one: OneSlice) -> None:
    one.region.unchecked = Unchecked(US, 9, lambda: one.settings, one.clock)
    request = StartRequest(account_in(3), Device("tv", "", ""))
    with pytest.raises(Problem):
        one.region.start(request)
    token = ASKED.set(Asked.NOBODY)
    try:
        outcome = one.region.start(request).value
        here = one.start()
    finally:
        ASKED.reset(token)
    assert isinstance(outcome, Admitted)
    assert outcome.basis is Basis.UNCHECKED
    assert here.value is None, "the slice that is here decides"


def test_the_last_word_about_a_session_is_what_its_slice_is_told(one: OneSlice) -> None:
    last = Unchecked(US, 9, lambda: one.settings, one.clock)
    admitted = last.start(StartRequest(account_in(3), Device("tv", "", "")))
    (untold,) = last.untold
    assert (untold.claims.session, untold.is_stop) == (admitted.info.session, False)
    last.stop(untold.claims)
    (untold,) = last.untold
    assert untold.is_stop
    last.told(untold)
    assert last.untold == []


def test_without_its_slice_an_account_gets_no_more_than_its_limit_from_one_node() -> None:
    last = Unchecked(US, 9, Settings, ManualClock())

    def start(device: str, *replace: SessionId) -> Admitted | Refused:
        plan = Plan("standard", 2, 0)
        return last.start(StartRequest("anna", Device(device, "", ""), plan=plan, replace=replace))

    tv, phone = start("tv"), start("phone")
    assert isinstance(tv, Admitted)
    assert isinstance(phone, Admitted)
    refused = start("tablet")
    assert isinstance(refused, Refused)
    assert {blocker.info.device.id for blocker in refused.blockers} == {"tv", "phone"}
    assert [each.is_stop for each in last.untold] == [False, False], "a refused start ends nothing"
    again = start("tv")
    assert isinstance(again, Admitted), "a device never blocks itself"
    assert isinstance(start("tablet", phone.info.session), Admitted)
    ended = {each.claims.session for each in last.untold if each.is_stop}
    assert ended == {tv.info.session, phone.info.session}
    for each in last.untold:
        last.told(each)
    assert isinstance(start("radio"), Admitted), "what the slice knows is the slice's to judge"


def test_what_waits_to_be_told_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("georeg.nodes.unchecked.WAITING_MAX", 3)
    last = Unchecked(US, 9, Settings, ManualClock())
    for number in range(5):
        last.stop(Claims(SessionId(number + 1), "anna", "tv", US, 0, 0))
    assert [each.claims.session for each in last.untold] == [1, 2, 3]


def test_heartbeats_leave_room_for_starts_and_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("georeg.nodes.unchecked.WAITING_MAX", 4)
    last = Unchecked(US, 9, Settings, ManualClock())
    heard = [Claims(SessionId(number + 1), "anna", "tv", US, 0, 0) for number in range(5)]
    for claims in heard:
        last.heartbeat(claims)
    assert [each.claims.session for each in last.untold] == [1, 2]
    for claims in heard:
        last.stop(claims)
    assert [each.claims.session for each in last.untold] == [1, 2, 3, 4]


def test_of_a_session_the_latest_is_told_and_nothing_after_its_stop() -> None:
    clock = ManualClock()
    last = Unchecked(US, 9, Settings, clock)
    claims = Claims(SessionId(1), "anna", "tv", US, 0, 0)
    last.heartbeat(claims)
    (first,) = last.untold
    clock.advance(30_000)
    last.heartbeat(claims)
    last.told(first)
    (second,) = last.untold
    assert second.at_ms == first.at_ms + 30_000, "what was told was not the last"
    last.stop(claims)
    last.heartbeat(claims)
    assert [each.is_stop for each in last.untold] == [True]


def test_a_slice_that_comes_while_a_drain_is_on_is_drained_on_what_is_left_of_it() -> None:
    one = OneSlice()
    drain = SlicedDrain(one.parts, one.clock)
    drain.begin(10_000, over_ms=8_000, force=True)
    one.clock.advance(4_000)
    names = {US: "us", RegionId(2): "eu"}
    late = Region(US, names, one.settings, one.clock, NoLinks(), NoJournal(), Random(2))
    drain.joined(late)
    assert late.drain.is_on
    assert late.drain.progress().left_ms == 6_000
    one.clock.advance(6_000)
    assert not drain.is_on
    assert not late.drain.is_on


class Drained:
    """A node without slices, as far as drains go."""

    def __init__(self, clock: ManualClock, node: str) -> None:
        self.drain = SlicedDrain(Parts(SLICES), clock)
        self.drain.node = node


def test_a_node_that_comes_hears_of_the_drain_and_of_its_end() -> None:
    clock = ManualClock()
    old, new = Drained(clock, "old").drain, Drained(clock, "new").drain
    old.begin(60_000, over_ms=50_000, force=True)
    clock.advance(20_000)
    new.hear(old.word)
    assert (new.is_on, new.has_effect) == (True, True)
    assert new.word.left_ms == 40_000
    new.hear(Word())
    assert new.is_on, "who has heard nothing says nothing"
    new.end()
    old.hear(new.word)
    assert not old.is_on
    new.hear(old.word)
    assert not new.is_on


def test_a_drain_that_is_over_is_nobodys_any_more() -> None:
    clock = ManualClock()
    old, new = Drained(clock, "old").drain, Drained(clock, "new").drain
    old.begin(60_000, force=True)
    clock.advance(60_000)
    new.hear(old.word)
    assert not new.is_on
    new.begin(1_000, force=True)
    old.hear(new.word)
    assert old.is_on


def test_one_word_that_came_to_two_nodes_begins_the_drain_once() -> None:
    one = OneSlice()
    one.region.drain.node = "a"
    one.region.drain.begin(60_000, force=True)
    since = one.parts.regions[0].drain
    one.clock.advance(1_000)
    other = Drained(one.clock, "b").drain
    other.begin(60_000, force=True)
    one.region.drain.hear(other.word)
    assert since.progress().since_ms == 1_000, "else devices' turns would begin again"
    assert one.region.drain.word[:2] == (1, "b")
    other.begin(10_000, force=True)
    one.region.drain.hear(other.word)
    assert since.progress().since_ms == 0, "other terms hold from now on"


def test_that_a_process_stops_is_no_word_about_the_region() -> None:
    clock = ManualClock()
    old, new = Drained(clock, "old").drain, Drained(clock, "new").drain
    new.begin(None, force=True)
    old.hear(new.word)
    assert not old.is_on
    old.begin(60_000, force=True)
    old.end()
    new.hear(old.word)
    assert new.is_on, "it stops all the same"


def test_a_drain_without_force_is_suspended_where_there_is_nowhere_to_go() -> None:
    one = OneSlice()
    one.region.drain.hear(Word(1, "old", 60_000, None, False))
    region = one.parts.regions[0]
    assert (region.drain.is_on, region.drain.has_effect) == (True, False)
    assert one.region.drain.is_on
    assert not one.region.drain.has_effect
