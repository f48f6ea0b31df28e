"""One fault at one place, as the oracle sees it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Trouble:
    """One fault at one place. `to_us` is FOREVER_US (network.py) for one that never ended."""

    kind: str
    from_us: int
    to_us: int
    note: str = ""
    node: int = 0
    """Which of a region's nodes it concerns; 0: it is none of one node."""

    def meets(self, from_us: int, to_us: int, after_us: int = 0) -> bool:
        """Whether it, or the time `after_us` behind it, has a moment of this time."""
        return self.from_us <= to_us and self.to_us + after_us >= from_us


def all_at_once(spans: Sequence[Sequence[Span]], from_us: int, to_us: int) -> Iterator[Span]:
    """The times between at which there is one of each."""
    edges = {from_us, to_us}
    edges |= {edge for each in spans for span in each for edge in span if from_us < edge < to_us}
    moments = sorted(edges)
    for begin_us, end_us in zip(moments, moments[1:], strict=False):
        if all(any(a <= begin_us and end_us <= b for a, b in each) for each in spans):
            yield (begin_us, end_us)


def nobody(inner: Sequence[Trouble], nodes: int, after_us: int) -> Iterator[Trouble]:
    """When every node of a region was dead, leaving, or stood still, or was so until `after_us`
    before: then nobody serves it."""
    missing = [
        [(t.from_us, t.to_us + after_us) for t in inner if t.node == node and t.note != "cut"]
        for node in range(1, nodes + 1)
    ]
    last_us = max((to_us for spans in missing for _, to_us in spans), default=0)
    for from_us, to_us in all_at_once(missing, 0, last_us):
        yield Trouble("nobody", from_us, to_us)
