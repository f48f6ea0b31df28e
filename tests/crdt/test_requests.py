"""A request that was passed is never taken, however long ago; the memory has a limit."""

from hypothesis import given
from hypothesis import strategies as st

from crdt import requests
from crdt.requests import KEEP_MS, PassedRequests


def test_a_request_is_taken_once_and_older_ones_never() -> None:
    passed = PassedRequests(0)
    assert passed.take("ann", 7)
    assert not passed.take("ann", 7)
    assert not passed.take("ann", 6)
    assert passed.take("ann", 8)


def test_an_older_request_for_another_account_is_taken() -> None:
    passed = PassedRequests(0)
    assert passed.take("ann", 7)
    assert passed.take("bob", 6)


def test_what_was_forgotten_still_counts_as_passed() -> None:
    passed = PassedRequests(0)
    passed.take("ann", 7)
    passed.turn(KEEP_MS)
    passed.turn(2 * KEEP_MS)
    assert not passed.take("ann", 7)
    assert not passed.take("bob", 5)
    assert passed.take("bob", 8)


def test_within_a_minute_nothing_is_forgotten() -> None:
    passed = PassedRequests(0)
    passed.take("ann", 7)
    passed.turn(KEEP_MS - 1)
    passed.turn(KEEP_MS)
    assert passed.take("bob", 5)
    assert passed.last("ann") == 7


def test_a_flood_of_accounts_turns_the_memory_early() -> None:
    passed = PassedRequests(0)
    for number in range(requests.NUMBERS_MAX):
        passed.take(f"a{number}", number)
    passed.turn(1)
    passed.take("ann", requests.NUMBERS_MAX)
    assert len(passed._newer) == 1


def test_all_requests_up_to_a_number_can_be_passed_at_once() -> None:
    passed = PassedRequests(0)
    passed.take_all(10)
    assert not passed.take("ann", 10)
    assert passed.take("ann", 11)


@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.integers(0, 20), st.integers(0, KEEP_MS)), max_size=40
    )
)
def test_per_account_the_numbers_taken_always_rise(
    steps: list[tuple[str, int, int]],
) -> None:
    passed, taken, now_ms = PassedRequests(0), dict.fromkeys("abc", -1), 0
    for account, number, pause_ms in steps:
        now_ms += pause_ms
        passed.turn(now_ms)
        if passed.take(account, number):
            assert number > taken[account]
            taken[account] = number
