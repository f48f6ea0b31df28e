"""Values that many rows share, named by 16-bit numbers.

A household's device is called "Living Room TV" like a million others: a row keeps two bytes, the
table keeps the text once and counts who uses it. The table is bounded. Once it is full of values
in use, `take` says FULL and the row has to keep its value itself: worse in memory, never wrong.

Invariant: a number is given out again only after the last use of its value was dropped.
Cost: one dict access to take, two list accesses to drop or read.
"""

from array import array
from collections.abc import Hashable
from typing import Final, Generic, TypeVar

T = TypeVar("T", bound=Hashable)

FULL: Final = 0xFFFF
"""What `take` answers when it has no number left."""
VALUES_MAX: Final = 0xFFF0
"""Numbers from here on are free for marks of the caller."""


class Interner(Generic[T]):
    """A bounded two-way table of values with counted uses."""

    __slots__ = ("_free", "_numbers", "_uses", "_values", "values_max")

    def __init__(self, values_max: int = VALUES_MAX) -> None:
        assert 0 < values_max <= VALUES_MAX
        self.values_max = values_max
        self._numbers: dict[T, int] = {}
        self._values: list[T | None] = []
        self._uses = array("Q")
        self._free: list[int] = []

    def __len__(self) -> int:
        return len(self._numbers)

    def take(self, value: T) -> int:
        """The number of a value, with one use more; FULL when the table has no room for it."""
        number = self._numbers.get(value)
        if number is None:
            return self._place(value)
        self._uses[number] += 1
        return number

    def drop(self, number: int) -> None:
        """One use less; the last one frees the number."""
        left = self._uses[number] - 1
        self._uses[number] = left
        if left == 0:
            value = self._values[number]
            assert value is not None
            del self._numbers[value]
            self._values[number] = None
            self._free.append(number)

    def value(self, number: int) -> T:
        """The value that has this number."""
        value = self._values[number]
        assert value is not None, "read after its last use"
        return value

    def _place(self, value: T) -> int:
        if self._free:
            number = self._free.pop()
            self._values[number] = value
            self._uses[number] = 1
        elif len(self._values) < self.values_max:
            number = len(self._values)
            self._values.append(value)
            self._uses.append(1)
        else:
            return FULL
        self._numbers[value] = number
        return number
