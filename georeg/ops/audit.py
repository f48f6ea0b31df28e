"""The audit log: who did, or tried, what, from where, and what came of it. One JSON object a line.

It names accounts and sessions, which no other log does: without them nobody could answer "who ended
my stream". So it has a file of its own, or goes to standard error apart from the log's levels.

Invariant: what changes something is written twice, before it is done (`begun`) and after; what
cannot be written is not done. Lines about callers without a good key are bounded, since strangers
cause them: `STRANGERS_MAX` a minute, then one line that says how many were left out.
"""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from georeg.edge.instants import instant

LOGGER: Final = "georeg.audit"
STRANGERS_MAX: Final = 60
_MINUTE_MS: Final = 60_000


class Audit:
    """Writes the lines of one region."""

    def __init__(
        self, write: Callable[[str], None], wall_ms: Callable[[], int], *, region: str, cluster: str
    ) -> None:
        """`write` takes one line without its end and raises OSError when it cannot keep it."""
        self._write = write
        self._wall_ms = wall_ms
        self._bound = {"region": region, "cluster": cluster}
        self._minute = 0
        self._strangers = 0

    def note(self, action: str, outcome: str, **what: object) -> None:
        """One line. Raises OSError when it could not be written."""
        line = {
            "logger": LOGGER,
            "timestamp": instant(self._wall_ms()),
            **self._bound,
            "action": action,
            "outcome": outcome,
            **what,
        }
        self._write(json.dumps(line, separators=(",", ":"), ensure_ascii=True))

    def stranger(self, action: str, outcome: str, **what: object) -> None:
        """The same for a caller without a good key; too many of them are only counted."""
        minute = self._wall_ms() // _MINUTE_MS
        if minute != self._minute:
            left_out = self._strangers - STRANGERS_MAX
            self._minute, self._strangers = minute, 0
            if left_out > 0:
                self.note("several", "left out", count=left_out)
        self._strangers += 1
        if self._strangers <= STRANGERS_MAX:
            self.note(action, outcome, **what)


def to_stderr(line: str) -> None:
    """Keep a line on standard error, whatever the log's level."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def to_file(file: Path) -> Callable[[str], None]:
    """Keep lines in a file that only its owner may read.

    Opened for each line, so that it may be moved away by whoever rotates logs.
    """

    def write(line: str) -> None:
        file.touch(mode=0o600, exist_ok=True)
        with file.open("a", encoding="utf-8") as log:
            log.write(line + "\n")

    return write
