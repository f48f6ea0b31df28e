"""How a bug is planted into georeg for one simulated run, and undone after it."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.model import mutants_ends, mutants_home
from tests.model.mutants import MUTANTS as CLAUSES

Patch = pytest.MonkeyPatch
Apply = Callable[[Patch], None]

MORE = (mutants_ends, mutants_home)
"""They register their mutants with those of a start."""
PLANTED: dict[str, Apply] = dict(CLAUSES)


def planted(apply: Apply) -> Apply:
    """Register a bug under its own name; it takes the place of a clause's."""
    PLANTED[apply.__name__] = apply
    return apply


@contextmanager
def plant(name: str) -> Iterator[None]:
    """Within this context georeg has the bug; an empty name is none."""
    with pytest.MonkeyPatch.context() as patch:
        if name:
            PLANTED[name](patch)
        yield
