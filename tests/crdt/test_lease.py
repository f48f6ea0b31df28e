"""The home's wait covers the slowest holder on the fastest home clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdt.errors import LocalError
from crdt.lease import home_wait_ms


def test_the_home_waits_longer_than_the_lease_by_both_clocks_errors() -> None:
    assert home_wait_ms(10_000, 0.02) == 10_409 + 1


def test_without_drift_the_home_still_waits_for_the_two_readings_of_its_clock() -> None:
    assert home_wait_ms(10_000, 0.0) == 10_001


@given(
    lease_ms=st.integers(1, 10**7),
    drift=st.floats(0, 0.5),
    holder=st.floats(-1, 1),
    home=st.floats(-1, 1),
    fraction=st.floats(0, 0.999),
)
def test_no_home_within_the_drift_reuses_a_slot_while_a_holder_may_use_it(
    lease_ms: int, drift: float, holder: float, home: float, fraction: float
) -> None:
    true_ms = lease_ms / (1 + drift * holder)
    # The home read its clock as a whole number of milliseconds, up to one late.
    home_counts_ms = int(true_ms * (1 + drift * home) + fraction)
    assert home_counts_ms <= home_wait_ms(lease_ms, drift)


@pytest.mark.parametrize(("lease_ms", "drift"), [(0, 0.02), (-1, 0.02), (10, -0.1), (10, 0.51)])
def test_senseless_leases_and_drifts_are_misuse(lease_ms: int, drift: float) -> None:
    with pytest.raises(LocalError):
        home_wait_ms(lease_ms, drift)
