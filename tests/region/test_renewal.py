"""Heartbeats that come together are renewed exactly as they would be one by one."""

from random import Random

import pytest

from crdt.dots import RegionId
from crdt.events import Device
from georeg.region.model import Admitted, StartRequest
from georeg.region.region import Region
from georeg.region.settings import Settings
from georeg.store import NoJournal
from tests.edge.world import ManualClock

ACCOUNT = "k\u00f6nig-1"
LEASE_MS = Settings().client_lease_ms


class Nobody:
    """The mesh of a region without peers."""

    def send(self, peer: RegionId, payload: bytes) -> None:
        raise AssertionError


def region_with_a_session(clock: ManualClock) -> tuple[Region, int]:
    me = RegionId(1)
    region = Region(me, {me: "us"}, Settings(), clock, Nobody(), NoJournal(), Random(1))
    region.open()
    outcome = region.start(StartRequest(ACCOUNT, Device("tv", "TV", "tv"))).value
    assert isinstance(outcome, Admitted)
    return region, outcome.info.session


@pytest.mark.parametrize("silent_ms", [0, LEASE_MS, LEASE_MS + 1])
def test_a_lease_that_runs_is_renewed_and_one_that_is_over_is_not(silent_ms: int) -> None:
    answers = []
    for together in (False, True):
        clock = ManualClock()
        region, session = region_with_a_session(clock)
        clock.time_ms += silent_ms  # without the sweep, which would release it
        if together:
            answers.append(region.renewer()(session, ACCOUNT.encode()))
        else:
            answers.append(region.renew(session, ACCOUNT))

    assert answers == [silent_ms <= LEASE_MS] * 2


def test_a_renewed_session_lives_for_another_lease() -> None:
    clock = ManualClock()
    region, session = region_with_a_session(clock)
    for _ in range(3):
        clock.advance(LEASE_MS)
        assert region.renewer()(session, ACCOUNT.encode())


def test_a_session_that_is_not_here_is_not_renewed() -> None:
    region, session = region_with_a_session(ManualClock())

    assert not region.renewer()(session, b"another-account")
    assert not region.renewer()(session + 1, ACCOUNT.encode())
