"""Each rule of a start, broken, is noticed: in an act made for it, or in seeds of the fuzz.

A mutant whose run ends in an exception is noticed too: the product's own assertions caught it.
"""

from collections.abc import Callable

import pytest

from crdt.errors import LocalError
from tests.model import mutants_ends, mutants_home
from tests.model.acts import ACTS
from tests.model.mutants import MUTANTS
from tests.model.oracle import Oracle
from tests.model.scenarios import run

MORE = (mutants_ends, mutants_home)
"""They register their mutants with those of a start."""
SEEDS: dict[str, tuple[str, float, tuple[int, ...]]] = {
    "confirmwins": ("fast", 80.0, (24, 14, 18)),
    "cover": ("lossy", 120.0, (16, 18, 26)),
    "finish": ("excess", 60.0, (0, 1, 3)),
    "flight": ("fast", 40.0, (26, 20, 1)),
    "follow": ("fast", 120.0, (14, 4, 43)),
    "idle": ("fast", 10.0, (0, 1)),
    "nokeys": ("fast", 30.0, (0, 1, 2)),
    "noledger": ("fast", 20.0, (0, 1, 2)),
    "noreask": ("slow", 60.0, (0, 1, 3)),
    "noreeval": ("fast", 120.0, (13, 20, 23)),
    "order": ("slow", 100.0, (9, 7, 4)),
    "order_settled": ("slow", 120.0, (7, 11, 12)),
    "pingpong": ("oldest", 60.0, (2, 0, 1)),
    "stopfinal": ("fast", 60.0, (4, 0, 3)),
    "take": ("fast", 120.0, (1, 2, 13)),
}
"""Mutant -> kind, length, seeds that noticed it when they were kept, the quickest first."""


def is_noticed(play: Callable[[], Oracle]) -> bool:
    try:
        return bool(play().fails)
    except (AssertionError, KeyError, LocalError):
        return True


def test_every_mutant_has_its_witness() -> None:
    assert {"follow", "nohop"} <= {name for module in MORE for name in vars(module)} & set(MUTANTS)
    assert set(MUTANTS) == set(SEEDS) | set(ACTS)


@pytest.mark.parametrize("name", sorted(ACTS))
def test_the_promises_hold_in_an_act(name: str) -> None:
    assert not ACTS[name]().fails


@pytest.mark.parametrize("name", sorted(ACTS))
def test_a_broken_rule_is_noticed_in_its_act(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    MUTANTS[name](monkeypatch)
    assert is_noticed(ACTS[name]), MUTANTS[name].__doc__


@pytest.mark.parametrize("name", sorted(SEEDS))
def test_a_broken_rule_is_noticed_in_a_seed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    kind, end_s, seeds = SEEDS[name]
    MUTANTS[name](monkeypatch)
    noticed = any(is_noticed(lambda seed=seed: run(seed, kind, end_s=end_s)) for seed in seeds)  # type: ignore[misc]
    assert noticed, MUTANTS[name].__doc__
