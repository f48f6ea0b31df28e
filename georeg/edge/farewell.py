"""What a draining region tells its callers: where to go, in one form for every answer.

`regions` is a list of `{"name", "url"}`, best first: the other regions that are up and do not
drain. It stands in the answer to a heartbeat, in the last message of an event stream and in the 503
of a start. A region whose public address nobody has configured is named without one.

Invariant: nobody is told to go while there is nowhere to go. Cost: a heartbeat of a region that is
drained costs about as much again as its renewal.
"""

from collections.abc import Mapping
from typing import Any, Final

from crdt.dots import RegionId
from georeg.edge.problems import DRAINING, Problem, to_json, unavailable
from georeg.edge.streams import Message
from georeg.region.views import DrainView

STOP_MS: Final = 5_000
"""Devices that listen to events leave a process that stops over so long a time, not all at once."""


class Farewell:
    """The words of one region's edge while the region drains."""

    def __init__(
        self,
        drain: DrainView,
        names: Mapping[RegionId, str],
        addresses: Mapping[RegionId, str],
        *,
        lease_s: float,
        retry_after_s: int,
    ) -> None:
        """`addresses`: where devices reach the other regions, as far as that is configured."""
        self._drain = drain
        self._names = names
        self._addresses = addresses
        self._lease_s = lease_s
        self._retry_after_s = retry_after_s
        self._written: tuple[RegionId, ...] = ()
        """For which regions the next is written."""
        self._rest = b""
        """What follows the time of the next heartbeat in its answer."""

    def learn(self, names: Mapping[RegionId, str], addresses: Mapping[RegionId, str]) -> None:
        """Other regions, or other places, from now on."""
        self._names, self._addresses = names, addresses
        self._written = ()

    def regions(self) -> list[dict[str, str]]:
        """Where to go, best first; empty when there is nowhere."""
        return [self._place(region) for region in self._drain.elsewhere]

    def _place(self, region: RegionId) -> dict[str, str]:
        place = {"name": self._names[region]}
        if region in self._addresses:
            place["url"] = self._addresses[region]
        return place

    def heartbeat_tail(self, session: int) -> bytes | None:
        """What follows the session's id in the answer to a heartbeat; None: the usual."""
        elsewhere = self._drain.elsewhere
        if not elsewhere:
            return None
        next_ms = self._drain.next_heartbeat_ms(session)
        if next_ms is None:
            return None
        if elsewhere != self._written:
            self._written = elsewhere
            self._rest = b',"lease_s":%b,"regions":%b}' % (
                to_json(self._lease_s), to_json(self.regions()),
            )  # fmt: skip
        return b'","next_heartbeat_s":%d.%03d%b' % (next_ms // 1000, next_ms % 1000, self._rest)

    def message(self, session: int) -> Message:
        """`event: drain`: connect elsewhere when it is the session's turn."""
        wait_ms = self._drain.leaves_in_ms(session)
        data: dict[str, Any] = {"reconnect_in_s": wait_ms / 1000, "regions": self.regions()}
        return Message(
            b"retry: %d\nevent: drain\ndata: %b\n\n" % (wait_ms, to_json(data)), is_last=True
        )

    def problem(self, what: str) -> Problem:
        """503 for what a draining region does not take; without a place to go it is plain."""
        regions = self.regions()
        if not regions:
            return unavailable(f"this region is draining; {what}", self._retry_after_s)
        return Problem(
            DRAINING,
            f"this region is draining; {what} in another region",
            headers={"Retry-After": str(self._retry_after_s)},
            members={"regions": regions},
        )
