"""When more devices of an account streamed than its limit, from the times in which they surely did.

An episode begins when one device too many is there and ends when it no longer is. What is counted
are distinct devices, so that a session that moves, or a device with two sessions, counts once.
"""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from region_sim.oracle.truth import Household

NOISE_US = 1_000
"""Shorter ones are artefacts of two things at the same moment."""


class Episode(NamedTuple):
    """A time in which more devices streamed than the bound."""

    from_us: int
    to_us: int
    limit: int
    peak: int


def episodes(household: Household, factor: int = 1) -> Iterator[Episode]:
    """All times at which more than `factor` times the largest limit so far streamed."""
    changes = sorted(
        change
        for session in household.sessions.values()
        for from_us, to_us in session.sure
        for change in ((from_us, 1, session.device), (to_us, -1, session.device))
    )
    if len({device for _, _, device in changes}) <= factor * household.limits.at(0):
        return
    on: Counter[str] = Counter()
    count = peak = begun_us = limit = 0
    is_above = False
    for at_us, step, device in changes:
        on[device] += step
        if on[device] == max(step, 0):
            count += step
        bound = factor * household.limits.largest(at_us)
        if count > bound:
            if not is_above:
                begun_us, peak, limit = at_us, 0, bound
            peak, is_above = max(peak, count), True
        elif is_above:
            is_above = False
            if at_us - begun_us > NOISE_US:
                yield Episode(begun_us, at_us, limit // factor, peak)
