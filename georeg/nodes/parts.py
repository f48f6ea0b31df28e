"""The slices of a region that this process runs just now, and what is said where there is none.

Invariant: a rule is asked only of a slice that is in the table, and a slice is in it only while its
node may decide for it (duties.py takes it out before anybody else may).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from georeg.edge.problems import UNAVAILABLE, Problem
from georeg.mesh.slices import slice_of_account, slice_of_session
from georeg.region.region import Region

ELSEWHERE: Final = "Georeg-Elsewhere"
"""Header of a 503: the slice of this call is not run by this node; another one may know more."""

Then = Callable[[OSError | None], None]


def at_once(then: Then) -> None:
    """For journals whose starts do not wait for the disk."""
    then(None)


def not_adrift() -> bool:
    """For slices whose store cannot be lost apart from the process."""
    return False


@dataclass(frozen=True, slots=True)
class Part:
    """One slice as it is run here."""

    number: int
    region: Region
    committed: Callable[[Then], None] = at_once
    """Calls back when all that the slice has done so far survives this process."""
    is_adrift: Callable[[], bool] = not_adrift
    """Whether the store is out of reach: what is decided now nobody else can know."""


class Parts:
    """By the numbers of the slices; asked by account or session."""

    def __init__(self, count: int) -> None:
        """`count`: of all slices of the region."""
        self.count = count
        self.counted: Counter[str] = Counter()
        """What slices had counted that are run here no longer: counters of a process never go back,
        or whoever takes rates of them would count it all again."""
        self._parts: dict[int, Part] = {}
        self._watchers: list[Callable[[Region], None]] = []

    def __iter__(self) -> Iterator[Part]:
        """Those that are run here, by number."""
        return iter(list(self._parts.values()))

    def __len__(self) -> int:
        return len(self._parts)

    def __contains__(self, number: int) -> bool:
        return number in self._parts

    @property
    def regions(self) -> list[Region]:
        """The rules of each."""
        return [part.region for part in self._parts.values()]

    def put(self, part: Part) -> None:
        """It is run here from now on."""
        assert part.number not in self._parts, "a slice is run once"
        self._parts = dict(sorted([*self._parts.items(), (part.number, part)]))

    def take(self, number: int) -> Part | None:
        """It is run here no longer."""
        part = self._parts.pop(number, None)
        if part is not None:
            self.counted.update(part.region.status().counters)
            for callback in self._watchers:
                callback(part.region)
        return part

    def watch(self, callback: Callable[[Region], None]) -> None:
        """Call back with the rules of each slice that is run here no longer, when it goes."""
        self._watchers.append(callback)

    def number_of(self, session: int) -> int:
        """The slice of a session, wherever it is run."""
        return slice_of_session(session, self.count)

    def number_of_account(self, account: str) -> int:
        """The slice of an account, wherever it is run."""
        return slice_of_account(account, self.count)

    def of_account(self, account: str) -> Part:
        """The slice of an account. Raises Problem 503 when it is not run here."""
        return self._part(slice_of_account(account, self.count))

    def of_session(self, session: int) -> Part:
        """The slice of a session. Raises Problem 503 when it is not run here."""
        return self._part(self.number_of(session))

    def _part(self, number: int) -> Part:
        part = self._parts.get(number)
        if part is None:
            raise not_here(number)
        return part


def not_here(number: int | str) -> Problem:
    """What a node says to a call whose slice it does not run."""
    return Problem(
        UNAVAILABLE,
        "another node of this region answers for this account; ask again",
        headers={ELSEWHERE: str(number), "Retry-After": "1"},
    )
