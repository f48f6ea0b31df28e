"""Cuts that are gone round: while a third region reaches both sides, news pass by way of it.

So a cut with a way round is felt only until that is found, and while every third region is itself
in trouble with one of the two sides, or not up. One hop only, as regions relay. Links that lag or
lose are not gone round for certain: they carry beacons, only late.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from region_sim.oracle.trouble import Trouble, all_at_once

FOUND_US: Final = 3_000_000
"""Together with the 5 s that every trouble is granted beyond its end (network.py): a region notes a
cut when beacons stay away for 1.5 rounds, of one that is one-way it has to be told after that, and
then what was lost goes out again."""


def felt(found: Iterable[Trouble], ways: Sequence[Sequence[Trouble]]) -> Iterator[Trouble]:
    """The troubles of one link as they are felt. `ways`: per third region, what was wrong with it
    and with its links to both ends."""
    for trouble in found:
        if trouble.kind != "cut" or not ways:
            yield trouble
            continue
        blocked = [[(t.from_us, t.to_us + FOUND_US) for t in way] for way in ways]
        begin = (trouble.from_us, min(trouble.to_us, trouble.from_us + FOUND_US))
        for from_us, to_us in (begin, *all_at_once(blocked, trouble.from_us, trouble.to_us)):
            yield Trouble(trouble.kind, from_us, to_us, trouble.note)
