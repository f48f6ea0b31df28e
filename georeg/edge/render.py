"""The region's values as the API shows them, and session ids as text.

A session id reads `REGION-INCARNATION-SEQUENCE` (`us-1-1a2b3`): the region's name, the incarnation
in decimal, the sequence in hexadecimal. Invariant: one id has one text; any other spelling of it
(leading zeros, capitals) is no id.
"""

import re
from collections.abc import Iterable
from typing import Any, Final

from crdt.dots import (
    INCARNATION_MAX,
    SEQUENCE_BITS,
    RegionId,
    SessionId,
    incarnation_of,
    pack,
    region_of,
    sequence_of,
)
from georeg.edge.errors import SettingsError
from georeg.edge.instants import instant
from georeg.region.model import Admitted, Ended, Kicked, Listing, Refused, SessionInfo

NAME_LENGTH_MAX: Final = 32
SESSION_PATTERN: Final = r"^[A-Za-z0-9._-]{1,32}-[1-9][0-9]{0,6}-[1-9a-f][0-9a-f]{0,8}$"
PREFIXES_MAX: Final = 4_096
"""Regions times incarnations whose names are kept ready."""
SESSION_TEXT_MAX: Final = NAME_LENGTH_MAX + 18

_NAME: Final = re.compile(r"[A-Za-z0-9._-]{1,32}")
_SESSION: Final = re.compile(SESSION_PATTERN)

Json = dict[str, Any]


class Renderer:
    """Writes the region's values as JSON; knows the names of the cluster's regions."""

    def __init__(self, names: dict[RegionId, str]) -> None:
        """Raises SettingsError for a name that cannot stand in a session id."""
        for name in names.values():
            if _NAME.fullmatch(name) is None:
                raise SettingsError(f"a region's name has 1 to 32 of A-Za-z0-9._-, not {name!r}")
        self._names = dict(names)
        self._prefixes: dict[int, str] = {}
        self._regions = {name: region for region, name in sorted(names.items())}

    def learn(self, names: dict[RegionId, str]) -> None:
        """Further regions; those that are known stay. Raises SettingsError as the constructor."""
        further = Renderer(names)
        self._names |= further._names
        self._regions |= further._regions
        self._prefixes.clear()

    @property
    def regions(self) -> dict[str, int]:
        """Region numbers by name."""
        return dict(self._regions)

    def name_of(self, region: RegionId) -> str:
        """A region's name; its number when it is not of this cluster."""
        return self._names.get(region) or f"region{region}"

    def session_id(self, session: int) -> str:
        """The id as text."""
        prefix = self._prefixes.get(session >> SEQUENCE_BITS)
        if prefix is None:
            prefix = f"{self.name_of(region_of(session))}-{incarnation_of(session)}-"
            if len(self._prefixes) < PREFIXES_MAX:
                self._prefixes[session >> SEQUENCE_BITS] = prefix
        return f"{prefix}{sequence_of(session):x}"

    def parse_session_id(self, text: str) -> SessionId | None:
        """The id that this text means, or None when no session of this cluster can have it."""
        if _SESSION.fullmatch(text) is None:
            return None
        name, incarnation_text, sequence_text = text.rsplit("-", 2)
        region = self._regions.get(name)
        incarnation, sequence = int(incarnation_text), int(sequence_text, 16)
        if region is None or incarnation > INCARNATION_MAX or sequence >> SEQUENCE_BITS:
            return None
        return SessionId(pack(region, incarnation, sequence))

    def session(self, info: SessionInfo, this_device: str) -> Json:
        """A session as it appears everywhere. `this_device`: the caller's device id, or empty."""
        device = info.device
        return {
            "id": self.session_id(info.session),
            "account": info.account,
            "device": {"id": device.id, "name": device.name, "kind": device.kind},
            "region": self.name_of(info.region),
            "started_at": instant(info.started_ms),
            "last_seen_at": instant(info.last_seen_ms),
            "state": info.state.value,
            "title": info.title,
            "this_device": bool(this_device) and device.id == this_device,
        }

    def sessions(self, infos: Iterable[SessionInfo], this_device: str) -> list[Json]:
        """Several of them, in the region's order."""
        return [self.session(info, this_device) for info in infos]

    def admitted(self, outcome: Admitted, token: str, heartbeat_s: float, lease_s: float) -> Json:
        """The 201 of a start."""
        device = outcome.info.device.id
        return {
            "session": self.session(outcome.info, device),
            "token": token,
            "heartbeat_interval_s": heartbeat_s,
            "lease_s": lease_s,
            "decision": {
                "basis": outcome.basis.value,
                "limit": outcome.limit,
                "live": outcome.live,
                "took_ms": outcome.took_ms,
            },
            "sessions": self.sessions(outcome.sessions, device),
        }

    def refused(self, outcome: Refused, device: str) -> Json:
        """What a 409 adds to its problem."""
        members: Json = {
            "limit": outcome.limit,
            "evidence": outcome.how.value,
            "sessions": [
                self.session(blocker.info, device)
                | {"evidence": {"how": blocker.how.value, "age_s": blocker.age_ms / 1000}}
                for blocker in outcome.blockers
            ],
        }
        if outcome.blockers:
            first_ms = min(blocker.info.lapses_ms for blocker in outcome.blockers)
            members["slot_free_at"] = instant(first_ms)
        return members

    def ended(self, ended: Ended) -> Json:
        """What a 410 adds to its problem."""
        return {
            "reason": ended.reason.name.lower(),
            "by": {"kind": ended.actor.name.lower(), "device": ended.actor_device},
            "at": instant(ended.at_ms),
            "retry": ended.retry,
        }

    def listing(self, listing: Listing, this_device: str) -> Json:
        """The 200 of a list."""
        return {
            "account": listing.account,
            "plan": listing.plan,
            "limit": listing.limit,
            "sessions": self.sessions(listing.sessions, this_device),
            "regions_out_of_reach": [self.name_of(region) for region in listing.out_of_reach],
        }

    def kicked(self, kicked: Kicked) -> Json:
        """The 200 of a kick."""
        return {
            "session": self.session(kicked.info, ""),
            "effect": "pending" if kicked.waiting_for else "ended",
            "waiting_for": [self.name_of(region) for region in kicked.waiting_for],
        }


def seconds(time_ms: int) -> float:
    """Milliseconds as seconds; whole ones without a fraction, as people write them."""
    return time_ms // 1000 if time_ms % 1000 == 0 else time_ms / 1000
