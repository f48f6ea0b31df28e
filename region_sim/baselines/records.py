"""One session as a baseline knows it, and the small questions that one asks of it.

Invariant: `end` is set once for good; a record that has one never lives again.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from crdt.dots import RegionId, SessionId
from crdt.events import ActorKind, Device, Reason
from georeg.region.ends import RETRY
from georeg.region.model import Claims, Ended, StartRequest


@dataclass(slots=True)
class Record:
    """One session."""

    session: SessionId
    account: str
    device: Device
    title: str
    region: RegionId
    """Where its heartbeats go."""
    started_ms: int
    """Wall clock."""
    deadline_s: int
    heard_ms: int
    """The last heartbeat, on this process's monotonic clock."""
    hop: int = 0
    """How often it has moved."""
    beat: int = 0
    """Heartbeats since it moved: which of two copies is newer."""
    end: Ended | None = None


@dataclass(frozen=True, slots=True)
class Clock:
    """Time of one process, in milliseconds."""

    now_ms: Callable[[], int]
    """Monotonic."""
    wall_ms: Callable[[], int]
    """Since 1970; may jump."""


def adopted(claims: Claims, region: RegionId, now_ms: int) -> Record:
    """What a token alone says of a session; the name of its device is not in it."""
    return Record(
        session=claims.session,
        account=claims.account,
        device=Device(claims.device, claims.device, ""),
        title="",
        region=region,
        started_ms=claims.issued_ms,
        deadline_s=claims.deadline_s,
        heard_ms=now_ms,
        hop=1,
    )


def place(record: Record) -> tuple[int, int]:
    """The order in which sessions are shown: the oldest first."""
    return (record.started_ms, record.session)


def devices(records: Iterable[Record]) -> int:
    """How many distinct devices: what is counted."""
    return len({record.device.id for record in records})


def gives_way(record: Record, request: StartRequest) -> bool:
    """Whether an admitted start ends this session: the same device's, or named to be replaced."""
    return record.device.id == request.device.id or record.session in request.replace


def is_same(first: StartRequest, again: StartRequest) -> bool:
    """Whether a retry asks for the same; a renewed entitlement is no difference."""
    return (first.device, first.title, first.replace) == (again.device, again.title, again.replace)


def ended(
    session: SessionId,
    reason: Reason,
    at_ms: int,
    actor: ActorKind = ActorKind.SYSTEM,
    actor_device: str = "",
) -> Ended:
    """An end as the device is told it."""
    return Ended(session, reason, actor, actor_device, at_ms, reason in RETRY)
