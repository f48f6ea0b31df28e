"""Cuts that are gone round: while a third region reaches both sides, news pass by way of it.

So a cut with a way round is felt only until that is found, and while every third region is itself
in trouble with one of the two sides, or not up. One hop only, as regions relay. Links that lag or
lose are not gone round for certain: they carry beacons, only late.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from region_sim.oracle.trouble import Trouble

FOUND_US: Final = 3_000_000
"""Together with the 5 s that every trouble is granted beyond its end (network.py): a region notes a
cut when beacons stay away for 1.5 rounds, of one that is one-way it has to be told after that, and
then what was lost goes out again."""

Span = tuple[int, int]


def felt(found: Iterable[Trouble], ways: Sequence[Sequence[Trouble]]) -> Iterator[Trouble]:
    """The troubles of one link as they are felt. `ways`: per third region, what was wrong with it
    and with its links to both ends."""
    for trouble in found:
        if trouble.kind != "cut" or not ways:
            yield trouble
            continue
        blocked = [[(t.from_us, t.to_us + FOUND_US) for t in way] for way in ways]
        begin = (trouble.from_us, min(trouble.to_us, trouble.from_us + FOUND_US))
        for from_us, to_us in (begin, *_all_blocked(blocked, trouble.from_us, trouble.to_us)):
            yield Trouble(trouble.kind, from_us, to_us, trouble.note)


def _all_blocked(blocked: Sequence[Sequence[Span]], from_us: int, to_us: int) -> Iterator[Span]:
    """The times between at which every way was blocked."""
    edges = {from_us, to_us}
    edges |= {edge for way in blocked for span in way for edge in span if from_us < edge < to_us}
    moments = sorted(edges)
    for begin_us, end_us in zip(moments, moments[1:], strict=False):
        if all(any(a <= begin_us and end_us <= b for a, b in way) for way in blocked):
            yield (begin_us, end_us)
