"""The versions of what regions say to one another, so that a cluster can be upgraded in turn.

Two regions speak the highest version that both know; it is agreed when a connection is made
(georeg/mesh/versions.py), and holds for what goes over that connection. What is new in a version is
always something more: a field at the end of a message or an event, or a message of its own. So the
older form is the newer one without it, and a reader fills in what is not there.

| version | since | what is new |
|---|---|---|
| 1 | 0.1 | |
| 2 | 0.2 | `Relayed`; who drains, `regions`, `vitals`, `hears` and `reaches` in beacons |

A version is dropped when no cluster that is worth upgrading in one step speaks it.
"""

from typing import Final

OLDEST: Final = 1
"""Spoken with a region that names no version."""
NEWEST: Final = 2
