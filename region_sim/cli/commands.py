"""All commands, in the order of the help."""

from typing import Final

from region_sim.cli import listing, replay, report, run, sweep

ALL: Final = (run, report, replay, sweep, listing)
