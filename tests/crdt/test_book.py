"""The home's side of the lease rules, one by one."""

import pytest

from crdt.book import AMOUNT_MAX, PARTS_MAX, Claimed, GrantBook, Meet
from crdt.dots import RegionId
from crdt.errors import LocalError, PeerError
from crdt.lease import home_wait_ms

ONE, TWO, THREE = RegionId(1), RegionId(2), RegionId(3)
LEASE_MS, DRIFT = 10_000, 0.02
WAIT_MS = home_wait_ms(LEASE_MS, DRIFT)


def book(learn_until_ms: int = -1) -> GrantBook:
    return GrantBook(LEASE_MS, DRIFT, 1, learn_until_ms)


def lend(home: GrantBook, region: RegionId, amount: int, now_ms: int = 0) -> int:
    """Meet the region in generation 7 and lend it slots of ann."""
    assert home.meet(region, 7, now_ms) is Meet.OK
    home.renew(region, now_ms)
    return home.grant("ann", region, amount, now_ms)


def test_what_was_lent_is_valid_until_the_wait_is_over() -> None:
    home = book()
    assert lend(home, ONE, 3) == 3
    assert home.valid("ann", WAIT_MS - 1) == {ONE: 3}
    assert home.valid("ann", WAIT_MS) == {}


def test_regions_come_in_ascending_order() -> None:
    home = book()
    for region in (THREE, ONE, TWO):
        lend(home, region, 1)
    assert list(home.valid("ann", 0)) == [ONE, TWO, THREE]
    assert home.lent == 3


def test_any_renewal_keeps_all_grants_of_the_region() -> None:
    home = book()
    lend(home, ONE, 3)
    assert home.meet(ONE, 7, 9000) is Meet.OK
    home.renew(ONE, 9000)
    assert home.valid("ann", 9000 + WAIT_MS - 1) == {ONE: 3}


def test_a_smaller_grant_never_lowers_what_is_counted() -> None:
    home = book()
    lend(home, ONE, 3)
    assert home.grant("ann", ONE, 1, 100) == 3
    assert home.valid("ann", 100) == {ONE: 3}


def test_the_regions_own_word_lowers_what_is_counted() -> None:
    home = book()
    lend(home, ONE, 3)
    assert home.returned("ann", ONE, 10, 1, 100)
    assert home.valid("ann", 100) == {ONE: 1}
    assert home.lent == 1


def test_no_word_of_a_region_raises_what_is_counted() -> None:
    home = book()
    lend(home, ONE, 1)
    assert home.returned("ann", ONE, 10, 4, 100)
    assert home.returned("bob", ONE, 11, 4, 100)
    assert home.lent == 1


def test_a_word_of_giving_back_that_was_passed_is_ignored() -> None:
    home = book()
    lend(home, ONE, 3)
    assert home.is_latest("ann", ONE, 11)
    assert not home.returned("ann", ONE, 10, 0, 100)
    assert not home.returned("ann", ONE, 11, 0, 100)
    assert home.valid("ann", 100) == {ONE: 3}


def test_a_request_is_current_until_a_later_one_comes() -> None:
    home = book()
    lend(home, ONE, 3)
    assert home.is_latest("ann", ONE, 10)
    assert home.is_current("ann", ONE, 10)
    home.returned("ann", ONE, 12, 3, 100)
    assert not home.is_current("ann", ONE, 10)
    assert not home.is_latest("ann", ONE, 11)


def test_requests_of_different_regions_are_numbered_apart() -> None:
    home = book()
    lend(home, ONE, 1)
    lend(home, TWO, 1)
    assert home.is_latest("ann", ONE, 10)
    assert home.is_latest("ann", TWO, 5)


def test_a_lease_that_ran_out_is_void_and_its_grants_are_gone() -> None:
    home = book()
    lend(home, ONE, 3)
    assert home.meet(ONE, 7, WAIT_MS) is Meet.VOID
    assert home.meet(ONE, 7, WAIT_MS + 1) is Meet.VOID
    assert home.lent == 0
    with pytest.raises(LocalError, match="must not be renewed"):
        home.renew(ONE, WAIT_MS + 1)


def test_the_next_generation_begins_with_nothing() -> None:
    home = book()
    lend(home, ONE, 3)
    assert home.meet(ONE, 8, 100) is Meet.OK
    assert home.valid("ann", 100) == {}
    home.renew(ONE, 100)
    assert home.valid("ann", 100) == {}
    assert home.lent == 0


def test_an_older_generation_is_stale_and_changes_nothing() -> None:
    home = book()
    lend(home, ONE, 3)
    assert home.meet(ONE, 6, 100) is Meet.STALE
    assert home.valid("ann", 100) == {ONE: 3}


def test_one_region_that_lapses_leaves_the_others() -> None:
    home = book()
    lend(home, ONE, 1)
    lend(home, TWO, 2, 5000)
    assert home.valid("ann", WAIT_MS) == {TWO: 2}
    assert home.lent == 2
    assert home.valid("ann", 5000 + WAIT_MS) == {}


def test_without_a_running_lease_nothing_is_lent() -> None:
    home = book()
    home.meet(ONE, 7, 0)
    assert home.grant("ann", ONE, 3, 0) == 0
    home.renew(ONE, 0)
    assert home.grant("ann", ONE, 3, WAIT_MS) == 0


def test_a_new_home_lends_nothing_for_one_wait() -> None:
    home = book(learn_until_ms=WAIT_MS)
    assert lend(home, ONE, 3, WAIT_MS - 1) == 0
    assert home.is_learning(WAIT_MS - 1)
    assert not home.is_learning(WAIT_MS)
    assert home.grant("ann", ONE, 3, WAIT_MS) == 3


def test_a_new_home_confirms_claims_but_nothing_beyond_them() -> None:
    home = book(learn_until_ms=WAIT_MS)
    home.meet(ONE, 7, 100)
    assert home.claim(ONE, 50, 0, 1, [("ann", 2), ("bob", 1)], 100) is Claimed.ALL
    home.renew(ONE, 100)
    assert home.grant("ann", ONE, 5, 100) == 0
    assert home.valid("ann", 100) == {ONE: 2}
    assert home.lent == 3


def test_claims_are_late_when_the_home_has_learned() -> None:
    home = book(learn_until_ms=WAIT_MS)
    home.meet(ONE, 7, WAIT_MS)
    assert home.claim(ONE, 50, 0, 1, [("ann", 2)], WAIT_MS) is Claimed.LATE
    assert home.lent == 0


def test_claims_are_confirmed_only_when_all_their_parts_have_come() -> None:
    home = book(learn_until_ms=WAIT_MS)
    home.meet(ONE, 7, 100)
    assert home.claim(ONE, 50, 2, 3, [("cid", 1)], 100) is Claimed.PART
    assert home.claim(ONE, 50, 2, 3, [("cid", 1)], 100) is Claimed.PART
    assert home.claim(ONE, 50, 0, 3, [("ann", 1)], 100) is Claimed.PART
    assert home.claim(ONE, 50, 1, 3, [("bob", 1)], 100) is Claimed.ALL
    assert home.lent == 3


def test_parts_of_older_claims_do_not_complete_newer_ones() -> None:
    home = book(learn_until_ms=WAIT_MS)
    home.meet(ONE, 7, 100)
    assert home.claim(ONE, 51, 0, 2, [("ann", 1)], 100) is Claimed.PART
    assert home.claim(ONE, 50, 1, 2, [("bob", 1)], 100) is Claimed.PART
    assert home.claim(ONE, 51, 1, 2, [("bob", 1)], 100) is Claimed.ALL


def test_what_a_region_said_before_its_claims_is_passed() -> None:
    home = book(learn_until_ms=WAIT_MS)
    home.meet(ONE, 7, 100)
    home.claim(ONE, 50, 0, 1, [("ann", 3)], 100)
    assert not home.returned("ann", ONE, 49, 0, 200)
    assert home.returned("ann", ONE, 51, 1, 200)


def test_a_doubled_claim_does_not_bring_back_what_was_returned() -> None:
    home = book(learn_until_ms=WAIT_MS)
    home.meet(ONE, 7, 100)
    home.claim(ONE, 50, 0, 1, [("ann", 3)], 100)
    home.renew(ONE, 100)
    home.returned("ann", ONE, 51, 1, 200)
    home.claim(ONE, 50, 0, 1, [("ann", 3)], 300)
    assert home.valid("ann", 300) == {ONE: 1}


@pytest.mark.parametrize(
    ("part", "parts", "amount"),
    [(0, 1, -1), (0, 1, AMOUNT_MAX + 1), (1, 1, 1), (-1, 1, 1), (0, PARTS_MAX + 1, 1)],
)
def test_claims_out_of_bounds_are_refused_and_change_nothing(
    part: int, parts: int, amount: int
) -> None:
    home = book(learn_until_ms=WAIT_MS)
    home.meet(ONE, 7, 100)
    with pytest.raises(PeerError):
        home.claim(ONE, 50, part, parts, [("bob", 1), ("ann", amount)], 100)
    assert home.lent == 0
    assert home.returned("bob", ONE, 1, 0, 100)


def test_a_returned_amount_out_of_bounds_is_refused_and_changes_nothing() -> None:
    home = book()
    lend(home, ONE, 3)
    with pytest.raises(PeerError):
        home.returned("ann", ONE, 10, AMOUNT_MAX + 1, 100)
    assert home.returned("ann", ONE, 10, 3, 100)


def test_idle_accounts_are_found_a_slice_at_a_time() -> None:
    home = book()
    home.meet(ONE, 7, 0)
    home.renew(ONE, 0)
    for n in range(10):
        home.grant(f"a{n}", ONE, 1, 0)
    found, row = home.accounts_with_grants(0, 4)
    assert (found, row) == (["a0", "a1", "a2", "a3"], 4)
    found, row = home.accounts_with_grants(4, 6)
    assert (found, row) == (["a4", "a5", "a6", "a7", "a8", "a9"], 0)


def test_rows_of_accounts_without_grants_are_used_again() -> None:
    home = book()
    lend(home, ONE, 1)
    home.returned("ann", ONE, 10, 0, 100)
    home.grant("bob", ONE, 2, 100)
    assert home.accounts_with_grants(0, 10) == (["bob"], 0)
    assert home.valid("ann", 100) == {}
    assert home.valid("bob", 100) == {ONE: 2}


def test_the_sweep_frees_what_a_lapsed_region_left() -> None:
    home = book()
    lend(home, ONE, 1)
    home.meet(TWO, 7, WAIT_MS)
    assert home.accounts_with_grants(0, 10) == ([], 0)
    assert home._rows == {}


def test_a_message_of_a_region_that_was_not_met_is_misuse() -> None:
    home = book()
    with pytest.raises(LocalError, match="not met"):
        home.is_latest("ann", ONE, 1)
    with pytest.raises(LocalError, match="no region 0"):
        home.meet(RegionId(0), 1, 0)


@pytest.mark.parametrize("amount", [-1, AMOUNT_MAX + 1])
def test_lending_out_of_bounds_is_misuse(amount: int) -> None:
    home = book()
    with pytest.raises(LocalError, match="cannot lend"):
        lend(home, ONE, amount)


def test_a_home_without_a_term_is_misuse() -> None:
    with pytest.raises(LocalError, match="term"):
        GrantBook(LEASE_MS, DRIFT, 0, -1)
