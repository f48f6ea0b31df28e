"""What the world of escrow_world.py is made of: its rules, its faults, its clocks and nodes."""

import random
from dataclasses import dataclass
from typing import NamedTuple

from crdt.book import GrantBook
from crdt.dots import RegionId
from crdt.holder import GrantHolder

DRIFT = 0.02


@dataclass(frozen=True)
class Rules:
    """What the world is run with; a mutant replaces one of these."""

    holder: type[GrantHolder] = GrantHolder
    book: type[GrantBook] = GrantBook
    fenced: bool = True


@dataclass(frozen=True)
class Faults:
    """How bad the world is, until `until_s`; then it heals."""

    until_s: float = 150.0
    lease_ms: int = 10_000
    loss: float = 0.05
    doubled: float = 0.05
    late: float = 0.08
    """Share of messages that take up to 8 s; the others take 0.1 s on average."""
    cuts: int = 6
    leak: float = 0.15
    """Share of messages that cross a cut all the same, late: they were under way."""
    pauses: int = 6
    """A holder is stopped for up to 9 s: it hears and answers, but looks at nothing itself."""
    holder_restarts: int = 2
    home_restarts: int = 2
    failovers: int = 1


class Clock:
    """A monotonic clock with its own rate and offset."""

    def __init__(self, chance: random.Random) -> None:
        self._rate = 1 + DRIFT * chance.choice((-1, 1, chance.uniform(-1, 1)))
        self._offset_s = chance.uniform(0, 1000)

    def ms(self, true_s: float) -> int:
        return int(1000 * (self._offset_s + self._rate * true_s))


@dataclass
class Holder:
    region: RegionId
    clock: Clock
    grants: GrantHolder
    incarnation: int = 1
    cut_until_s: float = 0.0
    paused_until_s: float = 0.0
    known_term: int = 1


@dataclass
class Home:
    clock: Clock
    book: GrantBook
    ended: bool = False


class Claim(NamedTuple):
    """One message of claims, as GrantBook.claim takes it."""

    region: RegionId
    request: int
    part: int
    parts: int
    claims: tuple[tuple[str, int], ...]
