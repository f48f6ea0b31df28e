"""Errors that regions logged: no run should cause one, whatever its faults.

A region logs an error for a bug (an exception that nobody expected) and for a disk that refuses or
is damaged, or a store that is away. The second is excused while the disk of that region is in
trouble, or something is wrong inside of it, and when a region whose disk was damaged starts again.
"""

from collections.abc import Iterator
from typing import Final

from region_sim.oracle.run import Run
from region_sim.oracle.verdict import Finding
from region_sim.world.ground import INSIDE

DISK_AFTER_US: Final = 5_000_000
STORE_EVENTS: Final = frozenset({"journal_refused", "journal_lost"})
"""What a node says of a store that it does not reach."""
BOOT_US: Final = 10_000_000
"""It joins for some seconds, and then reads what its disk knows of its sessions."""


def check(run: Run) -> Iterator[Finding]:
    """Every line that was logged as an error."""
    for line in run.history.logs:
        region = line.region.partition(INSIDE)[0]
        if line.event in STORE_EVENTS and not run.network.is_whole(region, line.at_us, line.at_us):
            continue
        has_disk = run.network.has_disk(line.region, line.at_us, line.at_us, DISK_AFTER_US)
        if not has_disk or run.network.lost_disk(line.region, line.at_us - BOOT_US, line.at_us):
            run.counts["errors logged by a bad disk"] += 1
            continue
        yield Finding(
            "errors",
            line.event,
            line.at_us,
            "",
            f"{line.region or 'somebody'} logged: {line.event}: {line.detail}",
        )
