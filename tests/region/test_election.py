"""Who is home when a region is down: by best effort, or by a lock outside of all regions."""

from dataclasses import replace

import pytest

from crdt.dots import RegionId
from georeg.region.messages import Borrow
from georeg.region.model import Admitted, Basis, Renewed
from georeg.region.seats import NOBODY
from georeg.region.settings import ElectionKind, Settings
from tests.region.cluster import ACCOUNT, ISSUED, A, B, C, Cluster, D, Stream

LIMIT = 2
BEST_EFFORT = Settings(election=ElectionKind.BEST_EFFORT)
FENCED = Settings(election=ElectionKind.FENCED)
BOTH = pytest.mark.parametrize("settings", [BEST_EFFORT, FENCED], ids=["best effort", "fenced"])
LEARNT_MS = 11_000
"""A lease and its drift, and the first rounds."""
PASSED_ON_MS = 15_000 + LEARNT_MS + 6_000
"""A region is down, the next one has its seat, and has learnt."""


def running(settings: Settings, *ids: RegionId, limit: int = LIMIT) -> Cluster:
    """A cluster whose homes have learnt what there is to learn."""
    cluster = Cluster(*ids, limit=limit, settings=settings)
    cluster.regions[A].set_plan(ACCOUNT, cluster.plan, ISSUED)
    cluster.run(LEARNT_MS)
    return cluster


def watch(cluster: Cluster, ms: int, *streams: Stream, most: int = LIMIT) -> None:
    """Let time pass, and look at each moment at what all regions together might fill."""
    for at_ms in range(0, ms, 20):
        cluster.run(20)
        assert total(cluster) <= most, f"after {at_ms} ms"
        if at_ms % 20_000 == 0:
            assert all(isinstance(stream.beat(), Renewed) for stream in streams)


def total(cluster: Cluster) -> int:
    return sum(max(0, min(cluster.usable(region), LIMIT)) for region in cluster.regions)


def home(cluster: Cluster, at: RegionId, account: str = ACCOUNT) -> RegionId:
    return cluster.regions[at]._state.home_of(account)


def term(cluster: Cluster, at: RegionId, seat: RegionId = A) -> int:
    return cluster.regions[at]._state.seats.terms[seat].book.term


def next_of(cluster: Cluster, seat: RegionId = A) -> RegionId:
    """Who comes after the seat's own region."""
    return cluster.regions[C]._state.seats.order(seat)[1]


# ---- a home that is lost -------------------------------------------------------------------------


@BOTH
def test_every_region_sits_in_its_own_seat_while_all_are_up(settings: Settings) -> None:
    cluster = running(settings)

    assert {home(cluster, at) for at in (A, B, C)} == {A}
    assert cluster.usable(A) == LIMIT
    assert cluster.start(B, "tv").admitted.basis is Basis.BORROWED


@BOTH
def test_the_seat_of_a_lost_region_passes_to_the_next_and_its_slots_are_lent_again(
    settings: Settings,
) -> None:
    cluster = running(settings)
    heir, other = next_of(cluster), {B: C, C: B}[next_of(cluster)]
    cluster.kill(A)
    watch(cluster, PASSED_ON_MS)

    assert {home(cluster, at) for at in (B, C)} == {heir}
    assert cluster.start(other, "tv").admitted.basis is Basis.BORROWED
    assert cluster.start(other, "phone").admitted.basis is Basis.GRANTED
    assert cluster.refused(heir, "tablet").limit == LIMIT


@BOTH
def test_by_the_static_rule_nobody_takes_it(settings: Settings) -> None:
    cluster = running(Settings())
    cluster.kill(A)
    cluster.run(PASSED_ON_MS)

    assert {home(cluster, at) for at in (B, C)} == {A}
    assert cluster.start(B, "tv").admitted.basis is Basis.OVERDRAFT


@BOTH
def test_what_a_lost_home_had_lent_runs_out_and_is_lent_anew(settings: Settings) -> None:
    cluster = running(settings)
    heir, other = next_of(cluster), {B: C, C: B}[next_of(cluster)]
    tv = cluster.start(other, "tv")
    assert cluster.usable(other) == LIMIT
    cluster.cut(A)
    cluster.lock_cuts.add(A)
    watch(cluster, PASSED_ON_MS, tv, most=LIMIT if settings is FENCED else 2 * LIMIT)
    cluster.run(3_000)

    phone = cluster.start(other, "phone")
    assert phone.admitted.basis in (Basis.BORROWED, Basis.GRANTED)
    assert cluster.usable(other) == LIMIT
    assert home(cluster, other) == heir


@BOTH
@pytest.mark.parametrize("at", ["heir", "other"])
def test_leases_that_outlast_the_lost_home_go_on_under_the_next_one(
    settings: Settings, at: str
) -> None:
    lasting = replace(settings, grant_lease_ms=40_000)
    cluster = running(lasting)
    cluster.run(32_000)
    heir = next_of(cluster)
    holder = heir if at == "heir" else {B: C, C: B}[heir]
    tv = cluster.start(holder, "tv")
    assert cluster.usable(holder) == LIMIT
    cluster.kill(A)
    watch(cluster, 30_000, tv)
    assert home(cluster, holder) == heir
    book = cluster.regions[heir]._state.seats.terms[A].book
    assert book.is_learning(cluster.clocks[heir].now_ms())
    assert cluster.usable(holder) == LIMIT

    watch(cluster, 60_000, tv)
    assert cluster.usable(holder) == LIMIT
    assert cluster.start(holder, "phone").admitted.basis is Basis.GRANTED


def test_of_two_candidates_the_one_that_comes_later_in_the_order_lets_the_other_try_first() -> None:
    cluster = running(FENCED)
    heir, other = next_of(cluster), {B: C, C: B}[next_of(cluster)]
    cluster.lock_cuts.add(heir)
    cluster.kill(A)
    while home(cluster, other) != NOBODY:
        cluster.run(100)
    cluster.run(1_500)
    cluster.lock_cuts.clear()  # the other one was free to try for all this time
    watch(cluster, 10_000)

    assert home(cluster, other) == heir
    assert A not in cluster.regions[other]._state.seats.terms


@BOTH
def test_its_own_region_takes_the_seat_back_and_no_stream_ends(settings: Settings) -> None:
    cluster = running(settings)
    heir, other = next_of(cluster), {B: C, C: B}[next_of(cluster)]
    cluster.kill(A)
    watch(cluster, PASSED_ON_MS)
    streams = [cluster.start(other, "tv"), cluster.start(heir, "phone")]
    before = term(cluster, heir)
    cluster.boot(A)
    watch(cluster, 5_000 + LEARNT_MS, *streams)

    assert {home(cluster, at) for at in (A, B, C)} == {A}
    assert term(cluster, A) > before
    assert cluster.refused(A, "tablet").limit == LIMIT
    streams[0].stop()
    cluster.run(200)
    assert cluster.start(A, "tablet").admitted.basis in (Basis.GRANTED, Basis.BORROWED)


@BOTH
def test_a_claim_is_confirmed_by_the_region_that_takes_its_seat_back(settings: Settings) -> None:
    cluster = running(settings)
    other = {B: C, C: B}[next_of(cluster)]
    cluster.kill(A)
    watch(cluster, PASSED_ON_MS)
    tv = cluster.start(other, "tv")
    assert cluster.usable(other) == LIMIT
    cluster.boot(A)
    for _ in range(LEARNT_MS // 50):
        watch(cluster, 60, tv)
        assert cluster.usable(other) == LIMIT, "the lease is never lost on the way"
    assert home(cluster, other) == A


# ---- fenced --------------------------------------------------------------------------------------


def test_a_cut_off_home_that_reaches_the_lock_service_stays_home_alone() -> None:
    cluster = running(FENCED)
    cluster.cut(A)
    watch(cluster, PASSED_ON_MS)

    assert cluster.usable(A) == LIMIT
    assert {home(cluster, at) for at in (B, C)} == {NOBODY}
    assert cluster.start(B, "tv").admitted.basis is Basis.OVERDRAFT


def test_a_home_that_reaches_nothing_uses_no_slot_once_its_lock_may_have_run_out() -> None:
    cluster = running(FENCED)
    heir = next_of(cluster)
    cluster.cut(A)
    cluster.lock_cuts.add(A)
    cluster.run(FENCED.lock_ttl_ms)

    assert cluster.usable(A) == 0
    assert home(cluster, A) == NOBODY
    watch(cluster, PASSED_ON_MS)
    assert cluster.usable(heir) == LIMIT


def test_while_nobody_reaches_the_lock_service_streams_run_and_starts_are_decided() -> None:
    cluster = running(FENCED)
    tv = cluster.start(A, "tv")
    cluster.lock_cuts |= {A, B, C}
    watch(cluster, FENCED.lock_ttl_ms + 2_000, tv)
    assert total(cluster) == 0
    assert {home(cluster, at) for at in (A, B, C)} == {NOBODY}

    phone = cluster.start(B, "phone")
    assert phone.admitted.basis is Basis.OVERDRAFT
    assert phone.admitted.took_ms <= cluster.settings.deadline_ms
    assert cluster.refused(C, "tablet").limit == LIMIT
    watch(cluster, 60_000, tv, phone)

    cluster.lock_cuts.clear()
    watch(cluster, LEARNT_MS + 3_000, tv, phone)
    assert home(cluster, B) == A
    assert cluster.usable(B) == 1, "the overdraft is covered"


def test_a_region_out_of_reach_of_the_lock_service_lets_another_sit_for_it() -> None:
    cluster = running(FENCED)
    heir = next_of(cluster)
    cluster.lock_cuts.add(A)
    watch(cluster, PASSED_ON_MS)
    assert {home(cluster, at) for at in (A, B, C)} == {heir}
    assert cluster.start(A, "tv").admitted.basis is Basis.BORROWED

    cluster.lock_cuts.clear()
    watch(cluster, LEARNT_MS + 4_000)
    assert {home(cluster, at) for at in (A, B, C)} == {A}


def test_a_restart_takes_a_new_number_and_waits_for_the_lock_of_its_former_life() -> None:
    cluster = running(FENCED)
    before = term(cluster, A)
    cluster.kill(A)
    cluster.run(1_000)
    cluster.boot(A)
    cluster.run(4_000)
    assert A not in cluster.regions[A]._state.seats.terms
    assert home(cluster, B) == NOBODY
    watch(cluster, FENCED.lock_ttl_ms + LEARNT_MS)

    assert term(cluster, A) > before
    assert cluster.usable(A) == LIMIT


def test_a_region_that_stops_in_order_gives_its_lock_back() -> None:
    cluster = running(FENCED)
    cluster.regions[A].close()
    cluster.run(10)

    assert cluster.service.acquire(A, "anybody", 1_000, 0)


def test_a_lock_of_which_a_region_hears_too_late_is_no_lock() -> None:
    cluster = Cluster(limit=LIMIT, settings=FENCED, begin=False)
    cluster.lock_ms = FENCED.lock_ttl_ms - 200  # there it still lasts; drift is not counted yet
    for region in (A, B, C):
        cluster.boot(region)
    cluster.run(PASSED_ON_MS)
    assert {home(cluster, at) for at in (A, B, C)} == {NOBODY}

    cluster.lock_ms = 50
    cluster.run(PASSED_ON_MS)
    assert {home(cluster, at) for at in (A, B, C)} == {A}


def test_a_renewal_counts_from_when_it_was_asked_for() -> None:
    cluster = running(FENCED)
    cluster.lock_ms = 6_000
    cluster.run(7_000)  # one was asked for within the first second, and answered by now
    assert cluster.usable(A) == LIMIT
    cluster.run(5_000)

    assert cluster.usable(A) == 0


def test_who_hears_of_a_later_term_in_its_seat_leaves_it_at_once() -> None:
    cluster = running(FENCED)
    before = term(cluster, A)
    cluster.regions[A]._state.seats.note(A, before + 5)
    cluster.regions[A]._budget.succession.heard()
    assert cluster.usable(A) == 0

    watch(cluster, LEARNT_MS + 2_000)
    assert term(cluster, A) > before + 5


# ---- best effort ---------------------------------------------------------------------------------


def test_both_sides_of_a_cut_have_a_home_and_the_highest_term_wins_when_it_heals() -> None:
    cluster = running(BEST_EFFORT)
    heir, other = next_of(cluster), {B: C, C: B}[next_of(cluster)]
    cluster.cut(A)
    watch(cluster, PASSED_ON_MS, most=2 * LIMIT)
    streams = [cluster.start(A, "tv"), cluster.start(A, "phone"), cluster.start(other, "tablet")]
    assert [s.admitted.basis for s in streams] == [Basis.GRANTED, Basis.GRANTED, Basis.BORROWED]
    assert total(cluster) == 2 * LIMIT
    cluster.heal()
    cluster.run(3_000)
    watch(cluster, LEARNT_MS, *streams)

    assert {home(cluster, at) for at in (A, B, C)} == {A}
    assert heir not in (A, other)


def test_a_region_that_stood_still_acts_for_no_seat_when_it_goes_on() -> None:
    cluster = running(BEST_EFFORT)
    stands_still(cluster, A, PASSED_ON_MS)

    assert cluster.usable(A) == 0
    cluster.run(1)  # its next round does not make up for it
    assert cluster.usable(A) == 0
    watch(cluster, LEARNT_MS + 3_000)
    assert home(cluster, C) == A
    assert cluster.usable(A) == LIMIT


def stands_still(cluster: Cluster, region: RegionId, ms: int) -> None:
    """SIGSTOP: nothing runs there, and its clock goes on."""
    clock, made = cluster.clocks[region], cluster.regions.pop(region)
    clock.is_stopped = True
    watch(cluster, ms)
    clock.is_stopped = False
    cluster.regions[region] = made
    made._tick_at_ms = clock.now_ms()
    clock.call_later(0, made._tick)


def test_a_third_region_takes_the_seat_when_two_are_down() -> None:
    for settings in (BEST_EFFORT, FENCED):
        cluster = running(settings, A, B, C, D)
        order = cluster.regions[A]._state.seats.order(A)
        cluster.kill(order[0])
        cluster.kill(order[1])
        watch(cluster, PASSED_ON_MS + 4_000)

        assert home(cluster, order[3]) == order[2]
        assert cluster.start(order[3], "tv").admitted.basis is Basis.BORROWED


# ---- regions that differ -------------------------------------------------------------------------


@BOTH
def test_a_region_with_another_election_keeps_its_own_seat_and_takes_no_other(
    settings: Settings,
) -> None:
    cluster = Cluster(limit=LIMIT, begin=False)
    for region in (A, B, C):
        cluster.settings = Settings() if region == A else settings
        cluster.boot(region)
    cluster.run(2_000 + LEARNT_MS)
    assert home(cluster, B) == A
    assert cluster.start(B, "tv").admitted.basis is Basis.BORROWED

    pending = cluster.begin(A, "phone")
    assert isinstance(cluster.settled(pending), Admitted)
    assert not [s for s in cluster.messages(Borrow, A) if s.target != A]


def test_by_best_effort_a_region_with_another_election_is_passed_over() -> None:
    cluster = Cluster(limit=LIMIT, begin=False)
    heir = Cluster(limit=LIMIT).regions[A]._state.seats.order(A)[1]
    other = {B: C, C: B}[heir]
    for region in (A, B, C):
        cluster.settings = Settings() if region == heir else BEST_EFFORT
        cluster.boot(region)
    cluster.run(2_000 + LEARNT_MS)
    cluster.kill(A)
    cluster.run(PASSED_ON_MS)

    assert home(cluster, other) == other
    assert cluster.start(other, "tv").admitted.basis is Basis.GRANTED
