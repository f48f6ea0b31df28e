"""All commands, in the order of the help."""

from typing import Final

from region_sim.cli import listing, run, sweep

ALL: Final = (run, sweep, listing)
