"""Kicks, for good until the session's hard deadline."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdt.errors import LocalError
from crdt.events import ActorKind, Kick, Reason
from crdt.ledger import KickLedger
from tests.crdt.samples import ACCOUNTS, kick

kicks = st.builds(
    kick,
    st.integers(1, 5),
    account=st.sampled_from(ACCOUNTS[:2]),
    at_ms=st.integers(100, 102),
    reason=st.sampled_from([Reason.KICKED, Reason.LIMIT]),
    actor=st.sampled_from(ActorKind),
    actor_device=st.sampled_from(["", "pad"]),
    expires_s=st.integers(0, 2000),
)


def ledger_of(*these: Kick) -> KickLedger:
    ledger = KickLedger()
    for one in these:
        ledger.join(one)
    return ledger


@settings(max_examples=200)
@given(st.lists(kicks, max_size=8), st.randoms(use_true_random=False))
def test_kicks_in_any_order_and_repeated_give_the_same_ledger(these: list[Kick], random) -> None:  # type: ignore[no-untyped-def]
    other = [*these, *these]
    random.shuffle(other)
    ledger, shuffled = ledger_of(*these), ledger_of(*other)

    assert ledger.all() == shuffled.all()
    assert ledger.hash == shuffled.hash
    assert [ledger.for_account(a) for a in ACCOUNTS[:2]] == [
        shuffled.for_account(a) for a in ACCOUNTS[:2]
    ]
    assert {k.session for k in ledger.all()} == {k.session for k in these}


def test_the_earlier_of_two_kicks_is_kept_with_the_later_expiry() -> None:
    ledger = ledger_of(kick(at_ms=5, expires_s=10))

    assert ledger.join(kick(at_ms=4, expires_s=9))
    assert ledger.get(77) == kick(at_ms=4, expires_s=10)
    assert not ledger.join(kick(at_ms=6, expires_s=10))
    assert ledger.join(kick(at_ms=6, expires_s=11))
    assert ledger.get(77) == kick(at_ms=4, expires_s=11)


@given(st.lists(kicks, max_size=10), st.integers(0, 2500))
def test_a_kick_is_kept_to_its_expiry_and_forgotten_soon_after(
    these: list[Kick], now_s: int
) -> None:
    ledger = ledger_of(*these)
    before = {k.session: k.expires_s for k in ledger.all()}
    ledger.expire(now_s)

    assert {s for s, at in before.items() if at >= now_s} <= {k.session for k in ledger.all()}
    assert all(k.expires_s > now_s - 256 for k in ledger.all())
    assert ledger.hash == ledger_of(*ledger.all()).hash
    assert sum(len(ledger.for_account(a)) for a in ACCOUNTS[:2]) == len(ledger)


def test_beyond_the_limit_the_kick_that_expires_first_is_forgotten() -> None:
    ledger = KickLedger(kicks_max=3)
    for session, expires_s in ((1, 9000), (2, 1000), (3, 5000), (4, 7000), (5, 100_000)):
        ledger.join(kick(session, expires_s=expires_s))

    assert [k.session for k in ledger.all()] == [1, 4, 5]
    assert 1 in ledger
    assert 2 not in ledger


def test_a_kick_out_of_bounds_is_refused_and_changes_nothing() -> None:
    ledger = ledger_of(kick())
    with pytest.raises(LocalError):
        ledger.join(kick(at_ms=1, actor_device="x" * 1000))

    assert ledger.all() == [kick()]
