"""Into how many parts cut links divide the regions."""

from collections.abc import Iterable

Pair = tuple[str, str]


def ordered(here: str, there: str) -> Pair:
    """Both ends of a link in alphabetical order."""
    return (here, there) if here < there else (there, here)


def count_parts(regions: Iterable[str], cut: set[Pair]) -> int:
    """Into how many parts cut links (in alphabetical order) divide the regions."""
    left = sorted(regions)
    parts = 0
    while left:
        parts += 1
        reached = [left.pop(0)]
        for region in reached:
            near = [r for r in left if (min(r, region), max(r, region)) not in cut]
            reached += near
            left = [r for r in left if r not in near]
    return parts
