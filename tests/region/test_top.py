"""Space-saving counters: what they tell is bounded in memory and honest about its error."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from georeg.region.top import Top, TopAccounts

ACCOUNTS = st.sampled_from([f"a{at}" for at in range(12)])


def test_who_it_happens_to_most_comes_first() -> None:
    top = TopAccounts()
    for account in ("b", "a", "b", "c", "b", "a"):
        top.add(account, 0)
    assert top.most(2, 0) == [Top("b", 3, 0), Top("a", 2, 0)]


@settings(max_examples=50, deadline=None)
@given(st.lists(ACCOUNTS, max_size=200))
def test_a_true_count_lies_between_what_is_told_and_its_error(happened: list[str]) -> None:
    top, true = TopAccounts(counters=4), Counter(happened)
    for account in happened:
        top.add(account, 0)
    told = top.most(100, 0)
    assert len(told) <= 4
    assert all(t.times - t.error <= true[t.account] <= t.times for t in told)
    # An account that makes up more than its share of four counters is never missed.
    often = {account for account, count in true.items() if count > len(happened) / 4}
    assert often <= {t.account for t in told}


def test_what_is_older_than_two_generations_is_forgotten() -> None:
    top = TopAccounts(generation_ms=1_000)
    top.add("old", 0)
    top.add("new", 1_500)
    assert [t.account for t in top.most(9, 1_900)] == ["new", "old"]
    assert [t.account for t in top.most(9, 2_100)] == ["new"]
    assert top.most(9, 9_000) == []
