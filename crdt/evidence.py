"""What a refusal rests on: enough distinct devices, each with a witness that is fresh enough.

A session is evidence by the region that holds it: it is local, or its region said so during the
request, or a beacon covers it. The first two are fresh by their nature; a beacon counts while it is
younger than `fresh_ms` and only for positions that are applied here (see DESIGN, part 7).

Invariant: one device is never counted twice, whatever number of sessions it has, and the asking
device never counts against itself.
"""

from collections.abc import Iterable
from typing import NamedTuple


class Witness(NamedTuple):
    """One live session of an account and how old the word for it is."""

    device: str
    age_ms: int
    """0 for a local session; since the answer or the echoed beacon for others."""


def distinct_devices(witnesses: Iterable[Witness], fresh_ms: int, asking: str = "") -> int:
    """How many devices other than the asking one are known live by words of at most that age."""
    return len({w.device for w in witnesses if w.age_ms <= fresh_ms and w.device != asking})


def covers(witnesses: Iterable[Witness], limit: int, fresh_ms: int, asking: str = "") -> bool:
    """Whether the witnesses bear a refusal at this limit."""
    return distinct_devices(witnesses, fresh_ms, asking) >= limit
