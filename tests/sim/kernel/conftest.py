"""A laboratory for each test; nothing that a callback raised may go unseen."""

from collections.abc import Iterator

import pytest

from tests.sim.kernel.bench import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    assert bench.a.failures == []
    assert bench.b.failures == []
