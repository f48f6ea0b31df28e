"""HTTP sessions whose connections run over the simulated network."""

from typing import Final

from aiohttp import ClientSession, DummyCookieJar

from region_sim.kernel.connector import SimConnector
from region_sim.kernel.machine import Machine

UNREAD_HEADERS: Final = ("Accept", "Accept-Encoding", "User-Agent")
"""aiohttp would add them to each call, and georeg does not read them."""


def open_lines(machine: Machine, source: str) -> ClientSession:
    """A session that dials from a host; made on the running machine."""
    session = ClientSession(
        connector=SimConnector(machine, source),
        cookie_jar=DummyCookieJar(),
        skip_auto_headers=UNREAD_HEADERS,
    )
    machine.at_end.append(session.detach)  # a killed process closes nothing, and that is no leak
    return session
