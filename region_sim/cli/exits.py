"""Exit codes of every command: those of a verdict (0 to 3), and two of its own."""

from enum import IntEnum
from typing import Final


class Exit(IntEnum):
    """How a command ended."""

    HOLDS = 0
    BROKEN = 1
    NOTHING_PROVED = 2
    NOT_CONVERGED = 3
    USAGE = 64
    BUG = 70


EPILOG: Final = """\
exit codes: 0 every promise held, 1 a promise was broken, 2 nothing was proved (what the scenario
expects never happened), 3 no convergence after healing, 64 wrong usage, 70 a bug of the simulator
"""
