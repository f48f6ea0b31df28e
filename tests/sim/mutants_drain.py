"""Bugs of a region that is drained: what its starts, its heartbeats and its end may get wrong."""

from typing import Any

from georeg.region.drain import Drain
from georeg.region.region import Region
from tests.sim.planting import Patch, planted


@planted
def drain_admits(patch: Patch) -> None:
    """A drained region goes on admitting."""
    patch.setattr(Region, "ready", property(lambda self: self.joined))


@planted
def drain_mute(patch: Patch) -> None:
    """A drained region tells no device where to go."""
    patch.setattr(Drain, "next_heartbeat_ms", lambda self, session: None)


@planted
def drain_deaf(patch: Patch) -> None:
    """A drained region takes no heartbeats."""
    renew = Region.renew

    def deaf(self: Region, session: int, account: str, mark: int = 0, parent: int = 0) -> bool:
        return not self.drain.has_effect and renew(self, session, account, mark, parent)

    patch.setattr(Region, "renew", deaf)
    patch.setattr(
        Region, "joined", property(lambda self: self._joining.is_joined and not _is_deaf(self))
    )


def _is_deaf(region: Any) -> bool:
    return bool(region.drain.has_effect)


@planted
def drain_alone(patch: Patch) -> None:
    """A drained region does not hear that another one is drained too, and sends devices there."""
    patch.setattr(Drain, "is_draining", lambda self, peer: False)


@planted
def drain_forever(patch: Patch) -> None:
    """A drain does not expire."""
    patch.setattr(Drain, "_expire", lambda self: None)
