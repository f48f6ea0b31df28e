"""What a region says of itself: its numbers, read from its `/metrics` page.

The demo has no way of its own into a region: it reads what any Prometheus would. A number that the
page lacks is 0, so that the view survives a metric that was renamed; a page that cannot be read at
all is no numbers (None).
"""

from collections import defaultdict
from dataclasses import dataclass

import aiohttp
from prometheus_client.parser import text_string_to_metric_families

FETCH_S = 0.8
PAGE_BYTES_MAX = 1 << 20


@dataclass(frozen=True, slots=True)
class LinkNumbers:
    """One other region as it is seen from the region that was asked."""

    peer: str
    state: str
    """up, suspect or down."""
    age_s: float | None
    """Age of the newest evidence; None: never heard."""
    round_trip_s: float | None


@dataclass(frozen=True, slots=True)
class RegionNumbers:
    """One region at one instant."""

    is_ready: bool
    sessions: int
    sessions_known: int
    grants_held: int
    grants_lent: int
    overdraft: int
    links: tuple[LinkNumbers, ...]
    """In the order of the peers' names."""


def read_page(text: str) -> RegionNumbers:
    """The numbers of a metrics page. Raises ValueError when it is not one."""
    values: dict[str, float] = {}
    peers: dict[str, dict[str, float]] = defaultdict(dict)
    states: dict[str, str] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            peer = sample.labels.get("peer")
            if peer is None:
                values[sample.name] = sample.value
            elif sample.name == "georeg_peer_state":
                if sample.value == 1:
                    states[peer] = sample.labels.get("state", "")
            else:
                peers[peer][sample.name] = sample.value

    def whole(name: str) -> int:
        return int(values.get(name, 0))

    return RegionNumbers(
        is_ready=values.get("georeg_ready", 0) == 1,
        sessions=whole("georeg_sessions"),
        sessions_known=whole("georeg_sessions_known"),
        grants_held=whole("georeg_grants_held_slots"),
        grants_lent=whole("georeg_grants_lent_slots"),
        overdraft=whole("georeg_overdraft_sessions"),
        links=tuple(
            LinkNumbers(
                peer,
                states.get(peer, "down"),
                peers[peer].get("georeg_peer_beacon_age_seconds"),
                peers[peer].get("georeg_peer_round_trip_seconds"),
            )
            for peer in sorted(states.keys() | peers.keys())
        ),
    )


async def fetch_numbers(session: aiohttp.ClientSession, address: str) -> RegionNumbers | None:
    """A region's numbers, None when it does not answer in time."""
    timeout = aiohttp.ClientTimeout(total=FETCH_S)
    try:
        async with session.get(f"{address}/metrics", timeout=timeout) as response:
            if response.status != 200:
                return None
            page = await response.content.read(PAGE_BYTES_MAX)
            while chunk := await response.content.read(PAGE_BYTES_MAX - len(page)):
                page += chunk
        return read_page(page.decode())
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError):
        return None
