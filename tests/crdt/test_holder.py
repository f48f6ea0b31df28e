"""The holder's side of the lease rules, one by one."""

import pytest

from crdt.dots import RegionId
from crdt.errors import LocalError
from crdt.holder import GrantHolder

HOME, OTHER = RegionId(2), RegionId(3)
LEASE_MS = 10_000


def holder() -> GrantHolder:
    return GrantHolder(LEASE_MS, 1)


def granted(
    grants: GrantHolder, amount: int, account: str = "ann", *, sent_ms: int = 0, term: int = 1
) -> bool:
    """Ask at `sent_ms` and get the answer 50 ms later."""
    request = grants.request(HOME, account, sent_ms)
    generation = grants.generation(HOME)
    return grants.accept_slot(
        HOME, account, request, generation, term, sent_ms, amount, sent_ms + 50
    )


def test_nothing_is_usable_before_the_home_granted_anything() -> None:
    assert holder().usable(HOME, "ann", 0) == 0


def test_a_grant_is_usable_from_its_home_only() -> None:
    grants = holder()
    assert granted(grants, 3)
    assert grants.usable(HOME, "ann", 100) == 3
    assert grants.usable(OTHER, "ann", 100) == 0
    assert (grants.held(HOME), grants.held(OTHER)) == (3, 0)


def test_a_lease_counts_from_the_send_time_of_the_request() -> None:
    grants = holder()
    request = grants.request(HOME, "ann", 1000)
    grants.accept_slot(HOME, "ann", request, grants.generation(HOME), 1, 1000, 2, 5000)
    assert grants.usable(HOME, "ann", 1000 + LEASE_MS - 1) == 2
    assert grants.usable(HOME, "ann", 1000 + LEASE_MS) == 0


def test_a_renewal_counts_from_its_send_time_and_never_shortens_the_lease() -> None:
    grants = holder()
    granted(grants, 2)
    generation = grants.generation(HOME)
    assert grants.leased(HOME, generation, 1, 3000, 7000)
    assert grants.leased(HOME, generation, 1, 2000, 7001)
    assert grants.usable(HOME, "ann", 2999 + LEASE_MS) == 2
    assert grants.usable(HOME, "ann", 3000 + LEASE_MS) == 0


def test_one_answer_renews_the_lease_of_all_accounts_of_the_home() -> None:
    grants = holder()
    granted(grants, 2, "ann")
    granted(grants, 1, "bob", sent_ms=5000)
    assert grants.usable(HOME, "ann", 14_999) == 2


def test_only_the_reply_to_the_latest_request_counts() -> None:
    grants = holder()
    first = grants.request(HOME, "ann", 0)
    second = grants.request(HOME, "ann", 10)
    generation = grants.generation(HOME)
    assert not grants.accept_slot(HOME, "ann", first, generation, 1, 0, 4, 100)
    assert grants.usable(HOME, "ann", 100) == 0
    assert grants.accept_slot(HOME, "ann", second, generation, 1, 10, 2, 110)
    assert grants.usable(HOME, "ann", 110) == 2


def test_a_doubled_reply_counts_once() -> None:
    grants = holder()
    request = grants.request(HOME, "ann", 0)
    reply = (HOME, "ann", request, grants.generation(HOME), 1, 0, 4, 100)
    assert grants.accept_slot(*reply)
    grants.give_back(HOME, "ann", 4, 0, 200)
    assert not grants.accept_slot(*reply)
    assert grants.usable(HOME, "ann", 200) == 0


def test_giving_back_withdraws_the_request_that_is_under_way() -> None:
    grants = holder()
    request = grants.request(HOME, "ann", 0)
    number, has = grants.give_back(HOME, "ann", 4, 0, 10)
    assert (number > request, has) == (True, 0)
    assert not grants.accept_slot(HOME, "ann", request, grants.generation(HOME), 1, 0, 4, 100)


def test_slots_in_use_are_not_given_back() -> None:
    grants = holder()
    granted(grants, 4)
    assert grants.give_back(HOME, "ann", 3, 2, 100)[1] == 2
    assert grants.give_back(HOME, "ann", 3, 5, 100)[1] == 2
    assert grants.give_back(HOME, "ann", 1, 0, 100)[1] == 1
    assert grants.held(HOME) == 1


def test_a_reply_that_comes_a_lease_after_its_request_is_of_no_use() -> None:
    grants = holder()
    request = grants.request(HOME, "ann", 0)
    generation = grants.generation(HOME)
    assert not grants.accept_slot(HOME, "ann", request, generation, 1, 0, 4, LEASE_MS)


def test_when_the_lease_runs_out_all_grants_of_the_home_end_with_their_generation() -> None:
    grants = holder()
    granted(grants, 2, "ann")
    granted(grants, 1, "bob")
    generation = grants.generation(HOME)
    assert not grants.expire(HOME, LEASE_MS - 1)
    assert grants.expire(HOME, LEASE_MS)
    assert grants.generation(HOME) == generation + 1
    assert grants.held(HOME) == 0
    assert not grants.leased(HOME, generation, 1, LEASE_MS - 1, LEASE_MS + 1)
    assert grants.leased(HOME, generation + 1, 1, LEASE_MS, LEASE_MS + 1)
    assert grants.usable(HOME, "ann", LEASE_MS + 1) == 0


def test_a_reply_to_a_request_of_the_generation_before_is_refused() -> None:
    grants = holder()
    granted(grants, 2, "ann")
    request, generation = grants.request(HOME, "bob", 5000), grants.generation(HOME)
    grants.expire(HOME, LEASE_MS)
    assert not grants.accept_slot(HOME, "bob", request, generation, 1, 5000, 4, LEASE_MS + 1)


def test_a_request_after_the_lease_ran_out_is_of_the_next_generation() -> None:
    grants = holder()
    granted(grants, 2)
    generation = grants.generation(HOME)
    grants.request(HOME, "ann", LEASE_MS)
    assert grants.generation(HOME) == generation + 1


def test_the_homes_void_ends_the_generation_it_names_and_no_other() -> None:
    grants = holder()
    granted(grants, 2)
    generation = grants.generation(HOME)
    assert not grants.voided(HOME, generation - 1)
    assert grants.usable(HOME, "ann", 100) == 2
    assert grants.voided(HOME, generation)
    assert not grants.voided(HOME, generation)
    assert grants.usable(HOME, "ann", 100) == 0


def test_voiding_one_home_leaves_the_others() -> None:
    grants = holder()
    granted(grants, 2)
    request = grants.request(OTHER, "bob", 0)
    grants.accept_slot(OTHER, "bob", request, grants.generation(OTHER), 1, 0, 1, 10)
    grants.voided(HOME, grants.generation(HOME))
    assert grants.usable(OTHER, "bob", 100) == 1


def test_a_restart_goes_on_above_all_older_generations_and_requests() -> None:
    old, new = GrantHolder(LEASE_MS, 1), GrantHolder(LEASE_MS, 2)
    for _ in range(1000):
        old.voided(HOME, old.generation(HOME))
        last = old.request(HOME, "ann", 0)
    assert new.generation(HOME) > old.generation(HOME)
    assert new.request(HOME, "ann", 0) > last


def test_an_older_term_is_refused() -> None:
    grants = holder()
    granted(grants, 2, term=3)
    assert not granted(grants, 4, term=2, sent_ms=100)
    assert not grants.leased(HOME, grants.generation(HOME), 2, 200, 210)
    assert grants.usable(HOME, "ann", 300) == 2


def test_who_holds_nothing_follows_a_new_term_at_once() -> None:
    grants = holder()
    granted(grants, 2, term=1)
    grants.give_back(HOME, "ann", 2, 0, 100)
    assert grants.term(HOME) == 0
    assert granted(grants, 3, term=2, sent_ms=200)
    assert grants.term(HOME) == 2


def test_a_new_terms_slot_is_refused_while_grants_of_the_old_term_are_held() -> None:
    grants = holder()
    granted(grants, 2, "ann", term=1)
    assert not granted(grants, 3, "bob", term=2, sent_ms=100)
    assert grants.usable(HOME, "ann", 200) == 2


def test_a_new_term_that_confirms_the_claims_takes_over_the_lease() -> None:
    grants = holder()
    granted(grants, 2, "bob", term=1)
    granted(grants, 1, "ann", term=1)
    assert grants.claims(HOME)[1] == [("ann", 1), ("bob", 2)]
    assert grants.leased(HOME, grants.generation(HOME), 2, 1000, 1100)
    assert grants.term(HOME) == 2
    assert grants.usable(HOME, "bob", 1000 + LEASE_MS - 1) == 2


def test_a_new_terms_lease_replaces_a_longer_one_of_the_old_term() -> None:
    grants = holder()
    granted(grants, 2, term=1)
    generation = grants.generation(HOME)
    grants.leased(HOME, generation, 1, 5000, 5050)
    grants.leased(HOME, generation, 2, 1000, 5100)
    assert grants.usable(HOME, "ann", 1000 + LEASE_MS) == 0


def test_a_grant_that_came_after_the_claims_were_sent_is_not_confirmed_with_them() -> None:
    grants = holder()
    granted(grants, 2, "ann", term=1)
    generation = grants.generation(HOME)
    granted(grants, 2, "bob", term=1, sent_ms=1000)
    assert not grants.leased(HOME, generation, 2, 1000, 1100)
    assert grants.leased(HOME, generation, 2, 1200, 1300)


def test_a_lease_that_lapsed_after_the_claims_were_sent_is_not_revived_by_a_new_term() -> None:
    grants = holder()
    granted(grants, 2, term=1)
    generation = grants.generation(HOME)
    assert not grants.leased(HOME, generation, 2, LEASE_MS - 10, LEASE_MS)
    assert grants.usable(HOME, "ann", LEASE_MS) == 0


def test_claims_are_a_request_of_their_own() -> None:
    grants = holder()
    request = grants.request(HOME, "ann", 0)
    assert grants.claims(HOME)[0] == request + 1


def test_an_unanswered_request_is_forgotten_after_two_leases() -> None:
    grants = holder()
    for n in range(100):
        grants.request(HOME, f"a{n}", 0)
    grants.request(HOME, "ann", LEASE_MS)
    grants.request(HOME, "ann", 2 * LEASE_MS)
    held = grants._of(HOME)
    assert len(held.newer) + len(held.older) == 2


def test_accounts_whose_grants_were_voided_are_told_once_and_a_few_at_a_time() -> None:
    grants = holder()
    for n in range(1000):
        granted(grants, 1, f"a{n}")
    grants.voided(HOME, grants.generation(HOME))
    told = []
    while accounts := grants.take_voided(256):
        assert len(accounts) <= 256
        told += accounts
    assert sorted(told) == sorted(f"a{n}" for n in range(1000))


@pytest.mark.parametrize(("lease_ms", "incarnation"), [(0, 1), (-5, 1), (10, -1)])
def test_a_senseless_holder_is_misuse(lease_ms: int, incarnation: int) -> None:
    with pytest.raises(LocalError):
        GrantHolder(lease_ms, incarnation)


def test_a_seat_of_no_region_is_misuse() -> None:
    with pytest.raises(LocalError, match="no seat 256"):
        holder().request(RegionId(256), "ann", 0)
