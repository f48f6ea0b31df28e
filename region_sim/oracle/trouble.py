"""One fault at one place, as the oracle sees it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Trouble:
    """One fault at one place. `to_us` is FOREVER_US (network.py) for one that never ended."""

    kind: str
    from_us: int
    to_us: int
    note: str = ""

    def meets(self, from_us: int, to_us: int, after_us: int = 0) -> bool:
        """Whether it, or the time `after_us` behind it, has a moment of this time."""
        return self.from_us <= to_us and self.to_us + after_us >= from_us
