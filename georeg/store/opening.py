"""Opening a region's journal, whatever has become of its file.

A damaged file is moved aside under a name that says when, kicks that can still be read from it are
kept, and a new one is begun. Its incarnation is not believed: the region learns it from its peers.

Invariant: what cannot be lost without a word is said: `Found` tells what the opening met. A file of
another program or of a newer georeg is not touched, and the region does not start.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, NamedTuple

import structlog

from crdt.events import Kick
from georeg.store import rows
from georeg.store.errors import JournalDamaged, JournalError
from georeg.store.journal_file import KICKS, JournalFile

_SIDES: Final = ("", "-wal", "-shm")
log = structlog.get_logger("georeg.store")


class Found(NamedTuple):
    """What opening the journal met."""

    is_new: bool
    """It has been made: the region's first start, or its file was lost or damaged."""
    damage: str = ""
    """Why the file that was there was not used."""
    aside: Path | None = None
    """Where it is now."""
    saved: int = 0
    """Kicks that were read from it."""

    @property
    def lost(self) -> str:
        """In words, what this region has known and cannot tell any more."""
        if not self.damage:
            return ""
        return (
            f"the journal was damaged, {self.saved} kicks could be read from it: other kicks that "
            "no peer knows, and plans"
        )


def open_file(path: Path, now_s: int, *, is_synced: bool = True) -> tuple[JournalFile, Found]:
    """The journal, open. Raises JournalError for what georeg may not or cannot mend."""
    try:
        file = JournalFile(path, is_synced=is_synced)
    except JournalDamaged as damage:
        aside = _move_aside(path, now_s)
        readable = _readable_kicks(aside)
        kicks: dict[int, Kick] = {k.session: k for k in readable if k.expires_s >= now_s}
        file = JournalFile(path, is_synced=is_synced)
        file.write(kicks, {}, now_s)
        found = Found(True, str(damage), aside, len(kicks))
        log.error("journal_damaged", error=found.damage, moved_to=str(aside), lost=found.lost)
        return file, found
    if file.is_new:
        log.warning("journal_new", path=str(path), note="the first start, or the file was lost")
    return file, Found(file.is_new)


def _move_aside(path: Path, now_s: int) -> Path:
    """Rename the file and what belongs to it; gives its new name."""
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(now_s))
    aside, number = path.with_name(f"{path.name}.corrupt-{stamp}"), 1
    while aside.exists():
        number += 1
        aside = path.with_name(f"{path.name}.corrupt-{stamp}-{number}")
    try:
        for side in _SIDES:
            with suppress(FileNotFoundError):
                path.with_name(path.name + side).rename(aside.with_name(aside.name + side))
    except OSError as error:
        raise JournalError(f"{path} is damaged, and cannot be moved aside: {error}") from error
    return aside


def _readable_kicks(path: Path) -> Iterator[Kick]:
    """What is left of the kicks, read from both ends, so that one bad page does not hide all."""
    for order in ("ASC", "DESC"):
        with suppress(sqlite3.Error), closing(sqlite3.connect(path, timeout=0.5)) as sql:
            sql.execute("PRAGMA locking_mode = EXCLUSIVE")
            for row in sql.execute(f"{KICKS} {order}"):
                with suppress(*rows.WRONG):
                    yield rows.read_kick(row)
