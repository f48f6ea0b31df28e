"""Regions of each baseline, for the tests of all of them."""

from collections.abc import AsyncIterator, Callable

import pytest

from tests.sim.baselines.cluster import Regions


@pytest.fixture(params=["central", "independent", "gossip"])
async def regions(
    request: pytest.FixtureRequest, free_ports: Callable[[int], list[int]]
) -> AsyncIterator[Regions]:
    """Each baseline in turn."""
    async with Regions(request.param, free_ports(3)) as made:
        yield made


@pytest.fixture
async def central(free_ports: Callable[[int], list[int]]) -> AsyncIterator[Regions]:
    async with Regions("central", free_ports(3)) as made:
        yield made


@pytest.fixture
async def independent(free_ports: Callable[[int], list[int]]) -> AsyncIterator[Regions]:
    async with Regions("independent", free_ports(3)) as made:
        yield made


@pytest.fixture
async def gossip(free_ports: Callable[[int], list[int]]) -> AsyncIterator[Regions]:
    async with Regions("gossip", free_ports(3)) as made:
        yield made
