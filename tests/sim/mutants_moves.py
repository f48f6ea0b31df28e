"""Bugs of a home that is given away: clauses of moves.py and joining.py by which it stays one home.

That it lends nothing while its disk writes is broken in tests/region/test_moves.py.
"""

from typing import Any

from crdt.book import GrantBook
from georeg.region.members import Members
from georeg.region.moves import Moves
from georeg.store import SqliteJournal
from tests.sim.planting import Patch, planted


@planted
def moves_lent(patch: Patch) -> None:
    """A home is given away while a third region holds slots of it."""
    patch.setattr(Moves, "_is_free", lambda self, book, account, to: True)


@planted
def moves_learning(patch: Patch) -> None:
    """A home that learns gives away what others may still hold of its former life."""
    may_move = Moves._may_move

    def hasty(self: Moves, account: str, to: Any) -> bool:
        with Patch.context() as within:
            within.setattr(GrantBook, "is_learning", lambda book, now_ms: False)
            return may_move(self, account, to)

    patch.setattr(Moves, "_may_move", hasty)


@planted
def moves_unwritten(patch: Patch) -> None:
    """A home tells that it is given away, and its disk does not have it."""
    patch.setattr(SqliteJournal, "homes", lambda self: [])


@planted
def moves_undoubted(patch: Patch) -> None:
    """A region without a memory takes itself for the home of whatever its hash gives it."""
    patch.setattr(Members, "doubt", lambda self: None)
