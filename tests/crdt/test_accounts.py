"""One shard's accounts, against a plain dict."""

from hypothesis import given, settings
from hypothesis import strategies as st

from crdt.accounts import NONE, AccountTable
from crdt.events import Plan, PlanSet
from crdt.interner import Interner
from crdt.slab import Slab
from tests.crdt.samples import ACCOUNTS

PLANS = [Plan("basic", 1, 0), Plan("premium", 4, 2), Plan("premium", 4, 3)]

statements = st.builds(
    PlanSet, st.sampled_from(ACCOUNTS[:6]), st.sampled_from(PLANS), st.integers(0, 3)
)


def wins(update: PlanSet, known: PlanSet | None) -> bool:
    return known is None or (update.issued, update.plan) > (known.issued, known.plan)


@given(st.lists(st.one_of(statements, st.integers(0, 4))), st.integers(1, 8))
def test_the_latest_statement_holds_and_old_ones_are_forgotten(
    steps: list[PlanSet | int], interned: int
) -> None:
    """Also when the interner has room for one plan only; numbers are sweeps."""
    table = AccountTable(Slab(), Interner(interned))
    known: dict[str, PlanSet] = {}
    for step in steps:
        if isinstance(step, int):
            table.forget_plans(step, 0, 100)
            known = {a: update for a, update in known.items() if update.issued >= step}
        else:
            assert table.set_plan(step) == wins(step, known.get(step.account))
            if wins(step, known.get(step.account)):
                known[step.account] = step
        assert table.plans() == sorted(known.values())
        assert {a for a in ACCOUNTS[:6] if table.find(a) != NONE} == set(known)
        assert all(table.plan(account) == known.get(account) for account in ACCOUNTS[:6])
        assert table.count == len(known)


@settings(max_examples=20)
@given(st.permutations([PlanSet(ACCOUNTS[0], p, i) for p in PLANS for i in range(3)]))
def test_statements_in_any_order_give_the_same(updates: list[PlanSet]) -> None:
    table = AccountTable(Slab())
    for update in updates:
        table.set_plan(update)

    assert table.plan(ACCOUNTS[0]) == PlanSet(ACCOUNTS[0], max(PLANS), 2)


def test_a_thousand_accounts_are_told_apart_and_their_rows_used_again() -> None:
    """Grows the hash table several times; then frees all and fills it with others."""
    table = AccountTable(Slab())
    names = [f"{'x' * (i % 100)}{i}" for i in range(2000)]
    for part in (names[:1000], names[1000:]):
        for issued, name in enumerate(part):
            table.set_plan(PlanSet(name, PLANS[0], issued))
        rows = {name: table.find(name) for name in part}
        assert len(set(rows.values())) == table.count == 1000
        assert all(table.account(row) == name for name, row in rows.items())
        assert table.capacity == 1000
        assert table.forget_plans(5000, 0, 5000) == 1000

    assert table.count == 0


def test_an_account_whose_row_was_freed_is_not_found_though_it_was_the_last_one_asked_for() -> None:
    table = AccountTable(Slab())
    ann, bob = ACCOUNTS[:2]
    table.set_plan(PlanSet(ann, PLANS[0], 0))
    row = table.find(ann)

    table.forget_plans(1, 0, 100)
    assert table.find(ann) == NONE

    table.set_plan(PlanSet(bob, PLANS[1], 0))
    assert (table.find(bob), table.find(ann)) == (row, NONE)
    assert table.intern(ann) not in (row, NONE)


def test_a_sweep_touches_only_its_rows() -> None:
    table = AccountTable(Slab())
    for name in ACCOUNTS[:10]:
        table.set_plan(PlanSet(name, PLANS[0], 0))

    assert table.forget_plans(1, 0, 4) == 4
    assert table.forget_plans(1, 8, 100) == 2
    assert table.forget_plans(1, 100, 100) == 0
    assert table.count == 4
