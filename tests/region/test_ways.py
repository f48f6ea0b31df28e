"""Which way leads to a peer: proven links, ways round, and the way back."""

import pytest

from crdt.dots import RegionId
from georeg.region.ways import DIRECT, Ways
from tests.region.cluster import A, B, C, D

SILENT_MS = 1_500
ROUND_MS = 1_000


class Told:
    """A's ways, and what its peers tell: each beacon round the given ones speak."""

    def __init__(self, trips_ms: dict[RegionId, int] | None = None) -> None:
        self.trips_ms = {B: 10, C: 10, D: 10} | (trips_ms or {})
        self.ways = Ways(A, (B, C, D), SILENT_MS, self.trips_ms.get, 0)
        self.now_ms = 0
        self.number = 0

    def beacon(
        self,
        peer: RegionId,
        *,
        hears: tuple[RegionId, ...] = (A, B, C, D),
        reaches: tuple[tuple[RegionId, int], ...] = ((A, 10), (B, 10), (C, 10), (D, 10)),
        via: RegionId = DIRECT,
        incarnation: int = 1,
    ) -> bool:
        self.number += 1
        if via == DIRECT:
            self.ways.heard_directly(peer, incarnation, self.number, self.now_ms)
        beacon = (incarnation, self.number)
        return self.ways.heard(peer, beacon, via, hears, reaches, self.now_ms)

    def rounds(self, count: int, *peers: RegionId) -> None:
        for _ in range(count):
            self.now_ms += ROUND_MS
            for peer in peers:
                self.beacon(peer)

    def via(self, peer: RegionId) -> RegionId:
        return self.ways.via(peer, self.now_ms)


@pytest.fixture
def told() -> Told:
    """All links work, and have for some rounds."""
    made = Told()
    made.rounds(3, B, C, D)
    return made


def test_a_link_that_is_proven_is_used(told: Told) -> None:
    assert [told.via(peer) for peer in (B, C, D)] == [DIRECT] * 3
    assert [peer for peer, _ in told.ways.reaches(told.now_ms)] == [B, C, D]
    assert told.ways.hears(told.now_ms) == (B, C, D)


def test_a_peer_that_is_silent_is_reached_round_a_third_that_reaches_it(told: Told) -> None:
    told.rounds(1, B, C)
    assert told.via(D) == DIRECT  # one beacon may be late
    told.rounds(1, B, C)

    assert told.via(D) == B
    assert told.ways.hears(told.now_ms) == (B, C)
    assert [peer for peer, _ in told.ways.reaches(told.now_ms)] == [B, C]


def test_the_way_with_the_shortest_round_trip_is_taken_of_equal_ones_the_lowest(told: Told) -> None:
    told.trips_ms[B] = 30
    told.rounds(2, B, C)
    assert told.via(D) == C


def test_both_halves_of_a_way_round_count() -> None:
    told = Told()
    for _ in range(4):
        told.now_ms += ROUND_MS
        told.beacon(B, reaches=((D, 90),))
        told.beacon(C, reaches=((D, 80),))

    assert told.via(D) == C


def test_a_link_that_has_gone_down_is_gone_round_at_once(told: Told) -> None:
    told.ways.lost(D)
    assert told.via(D) == B


def test_a_peer_that_does_not_hear_us_is_reached_round_a_third_though_we_hear_it(
    told: Told,
) -> None:
    for _ in range(2):
        told.rounds(1, B, C)
        told.beacon(D, hears=(B, C))

    assert told.via(D) == B
    assert told.ways.hears(told.now_ms) == (B, C, D)


def test_a_peer_that_hears_us_is_reached_directly_though_we_hear_it_round_a_third(
    told: Told,
) -> None:
    for _ in range(3):
        told.rounds(1, B, C)
        told.beacon(D, via=B)

    assert told.via(D) == DIRECT
    assert told.ways.hears(told.now_ms) == (B, C)


def test_it_takes_two_proofs_in_a_row_to_come_back_to_the_link(told: Told) -> None:
    told.rounds(2, B, C)
    assert told.via(D) == B
    told.rounds(1, B, C, D)
    assert told.via(D) == B
    told.rounds(2, B, C)
    told.rounds(1, B, C, D)
    assert told.via(D) == B  # the proof before is too old
    told.rounds(1, B, C, D)

    assert told.via(D) == DIRECT


def test_a_relay_that_is_lost_itself_is_left_for_another(told: Told) -> None:
    told.rounds(2, B, C)
    assert told.via(D) == B
    told.rounds(2, C)

    assert told.via(D) == C


def test_a_relay_that_does_not_reach_the_peer_any_more_is_left(told: Told) -> None:
    told.rounds(2, B, C)
    assert told.via(D) == B
    told.beacon(B, reaches=((A, 10), (C, 10)))
    assert told.via(D) == C
    told.beacon(C, reaches=((A, 10), (B, 10)))

    assert told.via(D) == DIRECT


def test_a_way_is_kept_while_it_works_though_another_becomes_shorter(told: Told) -> None:
    told.rounds(2, B, C)
    assert told.via(D) == B
    told.trips_ms[C] = 1

    assert told.via(D) == B


def test_regions_that_name_nobody_are_no_relays_and_nothing_is_relayed_to_them() -> None:
    told = Told()
    for _ in range(4):  # as of protocol version 1
        told.now_ms += ROUND_MS
        told.beacon(B, hears=(), reaches=())
        told.beacon(C)

    assert told.via(D) == C
    assert told.ways.reaches(told.now_ms) == ((C, 10),)
    told.rounds(2)
    assert [told.via(peer) for peer in (B, C, D)] == [DIRECT] * 3


def test_a_peer_that_begins_anew_gets_time_to_hear_us(told: Told) -> None:
    told.rounds(1, B, C)
    told.now_ms += 400
    told.beacon(B)
    told.beacon(D, hears=(), incarnation=2)
    told.now_ms += 300

    assert told.via(D) == DIRECT


def test_so_does_this_region() -> None:
    told = Told()
    told.now_ms = 3_000
    told.ways.begin(told.now_ms)
    told.beacon(B)
    told.beacon(D, hears=(B,))

    assert told.via(D) == DIRECT


def test_a_link_that_is_rounds_behind_a_third_is_not_heard(told: Told) -> None:
    for _ in range(3):
        told.rounds(1, B, C)
        told.beacon(D, via=B)
        told.ways.heard_directly(D, 1, told.number - 8, told.now_ms)

    assert told.ways.hears(told.now_ms) == (B, C)


def test_a_change_of_the_way_of_beacons_is_told(told: Told) -> None:
    assert not told.beacon(D)
    assert told.beacon(D, via=B)
    assert not told.beacon(D, via=B)
    assert told.ways.heard_via(D) == B


def test_regions_come_and_go(told: Told) -> None:
    told.rounds(2, B, C)
    assert told.via(D) == B
    told.ways.set_peers((C, D), told.now_ms)
    assert told.ways.hears(told.now_ms) == (C,)
    assert told.via(D) == C
    told.ways.set_peers((B, C, D), told.now_ms)

    assert told.via(B) == DIRECT
    assert told.ways.hears(told.now_ms) == (C,)
