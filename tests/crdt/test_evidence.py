"""How old the word of another region is."""

from crdt.dots import RegionId
from crdt.evidence import Evidence

EU = RegionId(2)
SHARD = 7


def heard_once(*, missing: dict[int, int] | None = None) -> Evidence:
    """An evidence that has one beacon of EU, echoing the own one of 1,000 ms."""
    evidence = Evidence([EU])
    evidence.heard(EU, 1_000, 200, missing or {}, 1_500)
    return evidence


def test_without_a_beacon_there_is_no_evidence() -> None:
    evidence = Evidence([EU])
    evidence.heard(EU, None, 0, {}, 1_500)

    assert evidence.age_ms(EU, SHARD, 1_500) is None
    assert evidence.newest_age_ms(EU, 1_500) is None
    assert evidence.round_trip_ms(EU) is None


def test_a_beacon_is_as_old_as_the_own_beacon_that_it_echoes() -> None:
    assert heard_once().age_ms(EU, SHARD, 2_000) == 1_000


def test_a_late_echo_of_an_older_beacon_makes_nothing_older() -> None:
    evidence = heard_once()
    evidence.heard(EU, 500, 0, {}, 1_600)

    assert evidence.age_ms(EU, SHARD, 2_000) == 1_000


def test_a_beacon_proves_nothing_for_a_shard_that_is_not_applied_up_to_it() -> None:
    evidence = heard_once(missing={SHARD: 9})

    assert evidence.age_ms(EU, SHARD, 2_000) is None
    assert evidence.age_ms(EU, SHARD + 1, 2_000) == 1_000


def test_a_shard_that_lags_keeps_the_evidence_that_it_had() -> None:
    evidence = heard_once()
    evidence.heard(EU, 2_000, 0, {SHARD: 9}, 2_500)
    evidence.heard(EU, 3_000, 0, {SHARD: 12}, 3_500)

    assert evidence.age_ms(EU, SHARD, 4_000) == 3_000
    assert evidence.age_ms(EU, SHARD + 1, 4_000) == 1_000


def test_a_shard_that_has_caught_up_shares_the_newest_evidence() -> None:
    evidence = heard_once(missing={SHARD: 9})
    evidence.applied(EU, SHARD, 8)
    assert evidence.age_ms(EU, SHARD, 2_000) is None

    evidence.applied(EU, SHARD, 9)

    assert evidence.age_ms(EU, SHARD, 2_000) == 1_000


def test_a_round_trip_does_not_count_the_time_for_which_the_peer_held_the_beacon() -> None:
    evidence = heard_once()
    evidence.heard(EU, 2_000, 100, {}, 2_400)

    assert evidence.round_trip_ms(EU) == 300


def test_one_slow_round_trip_does_not_make_a_peer_far() -> None:
    evidence = heard_once()
    assert evidence.round_trip_ms(EU) is None

    evidence.heard(EU, 2_000, 0, {}, 2_900)

    assert evidence.round_trip_ms(EU) == 300
