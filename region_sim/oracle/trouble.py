"""One fault at one place, as the oracle sees it."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass


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


def nobody(inner: Iterable[Trouble], nodes: int, after_us: int) -> Iterator[Trouble]:
    """When every node of a region was dead, leaving, or stood still, or was so until `after_us`
    before: then nobody serves it."""
    changes = []
    for trouble in inner:
        if trouble.node and trouble.note != "cut":
            changes.append((trouble.from_us, 1, trouble.node))
            changes.append((trouble.to_us + after_us, -1, trouble.node))
    missing: Counter[int] = Counter()
    begun_us: int | None = None
    for at_us, change, node in sorted(changes):
        missing[node] += change
        is_empty = len(+missing) == nodes
        if is_empty and begun_us is None:
            begun_us = at_us
        elif not is_empty and begun_us is not None:
            yield Trouble("nobody", begun_us, at_us)
            begun_us = None
