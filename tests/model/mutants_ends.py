"""Sessions that move, end and come back, and what a restart keeps: each rule broken once."""

from typing import Any

from crdt.codec import encode_event
from crdt.events import Kick, Reason
from crdt.ledger import KickLedger
from crdt.shard import Shard
from crdt.stops import End, Stops
from georeg.region.heartbeats import Heartbeats
from georeg.region.joining import Joining
from georeg.region.state import RegionState
from tests.model.life import Disk
from tests.model.mutants import Patch, mutant


@mutant
def nohop(patch: Patch) -> None:
    """An adoption has no higher hop: the region that was left goes on holding the session."""
    hold = RegionState.hold
    patch.setattr(
        RegionState, "hold", lambda self, *args, **what: hold(self, *args, **what | {"hop": 0})
    )


@mutant
def noledger(patch: Patch) -> None:
    """A kick is a release by the holder and nothing more: the next heartbeat brings it back."""

    def kick(self: Shard, kick: Kick) -> Kick:
        self._append(encode_event(kick))
        return kick

    patch.setattr(Shard, "kick", kick)
    patch.setattr(KickLedger, "join", lambda self, kick: True)


@mutant
def volatile(patch: Patch) -> None:
    """Kicks are not read back after a restart: what only this region knew is forgotten."""
    patch.setattr(Disk, "kicks", lambda self: [])


@mutant
def stopfinal(patch: Patch) -> None:
    """A stop is an end like a lapse: a late heartbeat revives the session."""
    get = Stops.get

    def lapsed(self: Stops, session: int, now_ms: int) -> End | None:
        end = get(self, session, now_ms)
        return end._replace(reason=Reason.LAPSED) if end is not None else None

    patch.setattr(Stops, "get", lapsed)
    patch.setattr(Stops, "is_stopped", lambda self, session: False)


@mutant
def stopwins(patch: Patch) -> None:
    """A stop ends only what is held here: elsewhere the session goes on without a device."""
    stop = RegionState.stop

    def only_here(self: RegionState, account: str, session: Any) -> None:
        if self.held(account, session) is not None:
            stop(self, account, session)

    patch.setattr(RegionState, "stop", only_here)
    patch.setattr(RegionState, "apply_stop", lambda self, account, session: None)


@mutant
def adopt(patch: Patch) -> None:
    """What is unknown must pass a start: a running session ends because its region was lost."""

    def has_ended(self: Heartbeats, claims: Any) -> bool:
        return self._state.shard(claims.account).context.has(claims.session)

    patch.setattr(Heartbeats, "_has_surely_ended", has_ended)


@mutant
def unconf(patch: Patch) -> None:
    """What is inherited at a restart counts as heard: devices that left meanwhile block others."""
    hold = RegionState.hold

    def confirmed(self: RegionState, *args: Any, **what: Any) -> Any:
        return hold(self, *args, **what | {"unconfirmed": False})

    patch.setattr(RegionState, "hold", confirmed)


@mutant
def inherit(patch: Patch) -> None:
    """A restart inherits nothing: sessions whose devices go on are not seen meanwhile."""
    patch.setattr(Joining, "_remint", lambda self, entry, heard_ms: False)
