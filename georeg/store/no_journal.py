"""The journal of a region without a disk: nothing survives a crash but what its peers tell.

A kick counts as durable at once; it is lost if the region dies before any peer has heard of it.
"""

from collections.abc import Callable

from crdt.dots import RegionId
from crdt.events import Entry, HomeSet, Kick, PlanSet


class NoJournal:
    """Keeps nothing (see ports.Journal)."""

    lost = ""
    trouble = ""
    times = None

    def incarnation(self) -> int:
        """Always 0: none was stored."""
        return 0

    def store_incarnation(self, incarnation: int) -> None:
        """Forgotten at once."""

    def store_kick(self, kick: Kick) -> None:
        """Forgotten at once."""

    def store_plan(self, plan: PlanSet) -> None:
        """Forgotten at once."""

    def store_home(self, home: HomeSet) -> None:
        """Forgotten at once."""

    def store_peer(self, region: RegionId, incarnation: int) -> None:
        """Forgotten at once."""

    def store_session(self, entry: Entry) -> None:
        """Forgotten at once."""

    def forget_session(self, session: int) -> None:
        """Nothing is known of it."""

    def sync(self, then: Callable[[OSError | None], None]) -> None:
        """Calls back at once: nothing can fail."""
        then(None)

    def committed(self, then: Callable[[OSError | None], None]) -> None:
        """Calls back at once: nobody succeeds this process."""
        then(None)

    def peers(self) -> dict[RegionId, int]:
        """None."""
        return {}

    def kicks(self) -> list[Kick]:
        """None."""
        return []

    def plans(self) -> list[PlanSet]:
        """None."""
        return []

    def homes(self) -> list[HomeSet]:
        """None."""
        return []

    def sessions(self, after: int = 0) -> tuple[list[Entry], int | None]:  # noqa: ARG002
        """None."""
        return [], None
