"""Values for tests of the replicated state: one shard's accounts, devices, entries, kicks."""

from typing import Any

from crdt.dots import Dot, RegionId, SessionId, dot_at, shard_of
from crdt.events import ActorKind, Device, Entry, Kick, Reason
from crdt.shard import Shard

SHARD = 5
ACCOUNTS = [name for name in (f"account-{i}" for i in range(4000)) if shard_of(name) == SHARD]
"""Accounts of that shard."""
STARTED_MS = 1_700_000_000_123
DEADLINE_S = STARTED_MS // 1000 + 86_400
TV = Device("0123456789abcdef", "Living room", "tv")

ONE, TWO, THREE = RegionId(1), RegionId(2), RegionId(3)


def entry(position: int = 1, region: int = 1, incarnation: int = 1, **changes: Any) -> Entry:
    """A new session at this position."""
    dot = dot_at(region, incarnation, SHARD, position)
    plain = Entry(
        dot, SessionId(dot), ACCOUNTS[0], TV, "", STARTED_MS, STARTED_MS, DEADLINE_S, 0, False,
        False,
    )  # fmt: skip
    return plain._replace(**changes)


def kick(session: int = 77, **changes: Any) -> Kick:
    """A kick by an operator."""
    plain = Kick(
        SessionId(session), ACCOUNTS[0], DEADLINE_S, Reason.KICKED, ActorKind.OPERATOR, "",
        STARTED_MS + 5, TV, STARTED_MS, ONE,
    )  # fmt: skip
    return plain._replace(**changes)


def add(shard: Shard, account: str = ACCOUNTS[0], **changes: Any) -> Entry:
    """Let a shard's own region hold a session."""
    fields: dict[str, Any] = {
        "session": None,
        "account": account,
        "device": TV,
        "title": "",
        "started_ms": STARTED_MS,
        "placed_ms": STARTED_MS,
        "deadline_s": DEADLINE_S,
        "hop": 0,
        "provisional": False,
        "unconfirmed": False,
        "heard_ms": 0,
    }
    return shard.add(**fields | changes)


def begun(region: RegionId = ONE, incarnation: int = 1) -> Shard:
    """A shard whose region has begun an incarnation."""
    shard = Shard(SHARD, region)
    shard.begin(incarnation)
    return shard


def no_dot(value: int) -> Dot:
    """A number as a dot, also where there is none."""
    return Dot(value)
