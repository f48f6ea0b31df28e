"""Sessions that were adopted on their token alone, while their add was still on its way.

A token does not carry its device's name. A device that roams at once is adopted with its id for a
name; when the add of its session comes, the session is held anew with what the add says.

Bounded: the oldest is forgotten beyond NAMELESS_MAX, and keeps its id for a name.
"""

from typing import Final

from crdt.dots import SessionId

NAMELESS_MAX: Final = 10_000


class Nameless:
    """The sessions that wait for a name."""

    def __init__(self) -> None:
        self._sessions: dict[SessionId, None] = {}

    def note(self, session: SessionId) -> None:
        """A session was adopted of which nothing but its token is known."""
        self._sessions[session] = None
        if len(self._sessions) > NAMELESS_MAX:
            del self._sessions[next(iter(self._sessions))]

    def take(self, session: SessionId) -> bool:
        """Whether the session waits; it does no longer."""
        if session not in self._sessions:
            return False
        del self._sessions[session]
        return True
