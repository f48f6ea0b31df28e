"""What a region has seen of each region's log, for one shard.

A writer's log in one shard has positions 1, 2, 3, ... and is applied contiguously or not at all, so
the events seen of one writer are a prefix of its log: two numbers, its incarnation and its top
position. A context therefore has no holes, and no cloud of dots above them.

Invariant: a position never goes back. A later incarnation is higher than every position of an
earlier one: what the earlier one wrote has been seen, or will never be.

Why one per shard and not one per account: the account-wise one costs three times the memory of the
sessions themselves. Cost: one small tuple per writer; every question is one dict access.
Source: Almeida, Shoker, Baquero, "Delta State Replicated Data Types" (causal contexts).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from crdt.dots import RegionId, incarnation_of, position_of
from crdt.errors import LocalError


class Position(NamedTuple):
    """How far one writer's log of one shard is known. Ordered: incarnation first."""

    incarnation: int
    top: int
    """Events 1 to `top` of this incarnation are applied; 0: none yet."""


def position_at(dot: int) -> Position:
    """The position of the event with this dot in its writer's log."""
    return Position(incarnation_of(dot), position_of(dot))


START: Final = Position(0, 0)
"""Nothing has been heard of the writer."""


class Context:
    """Region -> position; regions that are not there are at START."""

    __slots__ = ("_positions",)

    def __init__(self, positions: Mapping[RegionId, Position] | None = None) -> None:
        self._positions: dict[RegionId, Position] = {
            region: at for region, at in (positions or {}).items() if at > START
        }

    def get(self, region: RegionId) -> Position:
        """The region's position, START when nothing is known of it."""
        return self._positions.get(region, START)

    def has(self, dot: int) -> bool:
        """Whether the event with this dot has been seen: applied, or skipped with its incarnation.

        The dot must be one of this context's shard.
        """
        return position_at(dot) <= self.get(RegionId(dot >> 56))

    def advance(self, region: RegionId, position: Position) -> None:
        """Note that a log is known further. Raises LocalError for a step back or no step."""
        if position <= self.get(region):
            raise LocalError(f"region {region} is at {self.get(region)}, cannot go to {position}")
        self._positions[region] = position

    def step(self, region: RegionId) -> None:
        """Note one event more of a log that has begun."""
        incarnation, top = self._positions[region]
        self._positions[region] = Position(incarnation, top + 1)

    def join(self, other: "Context") -> None:
        """The higher position of each writer."""
        for region, position in other._positions.items():
            if position > self.get(region):
                self._positions[region] = position

    def dominates(self, other: "Context") -> bool:
        """Whether everything that `other` has seen has been seen here."""
        return all(self.get(region) >= at for region, at in other._positions.items())

    def copy(self) -> "Context":
        """An independent copy."""
        return Context(self._positions)

    def as_tuple(self) -> tuple[tuple[RegionId, Position], ...]:
        """All known positions, ordered by region: the same for equal contexts."""
        return tuple(sorted(self._positions.items()))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Context):
            return NotImplemented
        return self.as_tuple() == other.as_tuple()

    __hash__ = None  # type: ignore[assignment]  # mutable, so not hashable

    def __repr__(self) -> str:
        return f"Context({self._positions})"
