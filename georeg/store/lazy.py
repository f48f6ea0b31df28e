"""Own sessions on their way to the disk: what changed since the last write, now and then.

They are there for a region that comes back alone, so that it knows whom it served. None of them is
needed for a promise: one that was lost is adopted at its next heartbeat, and one whose end was lost
is held as unconfirmed until its lease is over. So they are written without a sync, by the journal's
thread when that has nothing else to do, ROWS_MAX rows at once and PAUSE_S between: some 10 ms for
which a kick may have to wait. Heartbeats change nothing here.

Cost: one dict entry a start and an end; a session that came and went between two writes costs the
disk nothing. A region with a million sessions of an hour each writes some 3,000 rows a round; after
a restart, all of them within minutes. Bounded: beyond QUEUE_MAX what waits longest is dropped.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from itertools import islice
from typing import Final

import structlog

from crdt.events import Entry
from georeg.store.errors import JournalError
from georeg.store.journal_file import JournalFile
from georeg.store.trouble import Trouble

ROUND_S: Final = 5.0
PAUSE_S: Final = 0.1
ROWS_MAX: Final = 1_000
SLICE: Final = 200
"""Sessions that are read at once when a region begins; to hold them on takes it some 6 ms."""
QUEUE_MAX: Final = 50_000
log = structlog.get_logger("georeg.store")


class LazySessions:
    """The sessions of one journal. Used on its loop."""

    def __init__(self, file: JournalFile, worker: Executor, is_busy: Callable[[], bool]) -> None:
        """`is_busy`: whether the journal is writing what is more urgent."""
        self._file = file
        self._worker = worker
        self._is_busy = is_busy
        self._changed: dict[int, Entry | None] = {}
        self._writing: dict[int, Entry | None] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._is_being_read = False
        self.trouble = Trouble("a restart alone would not know the latest sessions")

    def store(self, entry: Entry) -> None:
        """The region holds this session."""
        self._change(entry.session, entry)

    def forget(self, session: int) -> None:
        """The region holds it no longer."""
        known = self._changed.get(session)
        if known is not None and known.dot == session and session not in self._writing:
            del self._changed[session]  # it came and went: nothing of it has been written
        else:
            self._change(session, None)

    def read(self, after: int) -> tuple[list[Entry], int | None]:
        """Some of what was written, and the id after which there is more; None: that was all.

        What cannot be read is left out and told. Nothing is written until all has been read: what a
        device has said meanwhile would overwrite what its session was.
        """
        self._is_being_read = False
        try:
            found, last = self._file.sessions(after, SLICE)
        except JournalError as error:
            log.error("journal_sessions_lost", error=str(error))
            return [], None
        self._is_being_read = bool(found) and last > after
        entries = [entry for entry in found if entry is not None]
        if len(entries) < len(found):
            unreadable = len(found) - len(entries)
            log.error("journal_sessions_lost", error="damaged rows", sessions=unreadable)
        return entries, last if self._is_being_read else None

    def close(self) -> None:
        """Write what waits, as far as the disk takes it. The worker has ended."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        try:
            self._file.write_sessions(self._changed)
        except JournalError as error:
            log.error("journal_sessions_lost", error=str(error), sessions=len(self._changed))

    def _change(self, session: int, entry: Entry | None) -> None:
        self._changed[session] = entry
        if len(self._changed) > QUEUE_MAX:
            del self._changed[next(iter(self._changed))]
        if self._timer is None and not self._writing:
            self._write_in(ROUND_S)

    def _write_in(self, delay_s: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._write)

    def _write(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._is_busy() or self._is_being_read:
            self._write_in(PAUSE_S)
            return
        oldest = list(islice(self._changed, ROWS_MAX))
        self._writing = {session: self._changed.pop(session) for session in oldest}
        loop = asyncio.get_running_loop()
        done = loop.run_in_executor(self._worker, self._file.write_sessions, self._writing)
        done.add_done_callback(self._written)

    def _written(self, done: "asyncio.Future[None]") -> None:
        error = done.exception()
        if error is not None and not isinstance(error, OSError):
            raise error
        written, self._writing = self._writing, {}
        self.trouble.note(error)
        if error is not None:
            self._changed = written | self._changed  # what has changed meanwhile counts
        if self._changed and not self._is_closed:
            self._write_in(ROUND_S if error is not None else PAUSE_S)
