"""Figures: what was measured, its target, and whether the target was met; as values.

A figure is a median over rounds with the lowest and the highest round beside it, so that a reader
sees the noise. Targets are those of DESIGN part 11; a figure without one is shown for comparison.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure should be."""

    bound: float
    at_least: bool = False
    """False: at most."""

    def is_met(self, value: float) -> bool:
        """Whether a figure of this value is on the right side of the bound."""
        return value >= self.bound if self.at_least else value <= self.bound

    def __str__(self) -> str:
        return f"{'>=' if self.at_least else '<='} {number(self.bound)}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number."""

    name: str
    value: float
    unit: str
    lowest: float
    highest: float
    target: Target | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """met, missed, or shown where there is no target."""
        if self.target is None:
            return "shown"
        return "met" if self.target.is_met(self.value) else "missed"

    def as_json(self) -> dict[str, Any]:
        """The figure for the JSON report, target as text."""
        plain = asdict(self)
        plain["target"] = None if self.target is None else str(self.target)
        return plain | {"verdict": self.verdict}

    @classmethod
    def from_wire(cls, wire: dict[str, Any]) -> "Figure":
        """A figure that another process sent with `as_wire`."""
        target = wire.pop("target")
        return cls(**wire, target=None if target is None else Target(**target))

    def as_wire(self) -> dict[str, Any]:
        """All fields as plain values."""
        return asdict(self)


def figure(
    name: str,
    rounds: Sequence[float],
    unit: str,
    *,
    target: Target | None = None,
    note: str = "",
) -> Figure:
    """The median of the rounds, with their spread."""
    return Figure(name, median(rounds), unit, min(rounds), max(rounds), target, note)


def at_most(bound: float) -> Target:
    """A target from above."""
    return Target(bound)


def at_least(bound: float) -> Target:
    """A target from below."""
    return Target(bound, at_least=True)


def number(value: float) -> str:
    """Three significant digits, thousands set apart; zero is plain."""
    if value == 0:
        return "0"
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def quantile(ordered: Sequence[float], share: float) -> float:
    """The value below which this share of an ascending sequence lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
