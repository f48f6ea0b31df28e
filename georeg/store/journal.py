"""The journal of a region: what is stored is queued, written in batches, synced on request.

Invariant: `sync` says None only when all kicks, plans and homes that were queued before it survive
a crash. A batch that the disk refuses stays queued and is tried again with the next one, so nothing
is lost while the process lives, and the region hears of each failure that it waits for.

Why batches: a sync of the disk takes milliseconds. One worker thread writes one batch at a time;
what comes meanwhile shares the next one, so that a thousand kicks cost two syncs. What nobody waits
for is written within a second. Own sessions are written when nothing else is, seconds later, a
little at a time (lazy.py).
"""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Final

import structlog

from crdt.dots import RegionId
from crdt.events import Entry, HomeSet, Kick, PlanSet
from georeg.store.errors import JournalError
from georeg.store.lazy import LazySessions
from georeg.store.opening import open_file
from georeg.store.trouble import Trouble

FLUSH_S: Final = 1.0
QUEUE_MAX: Final = 100_000
"""Kicks, and plans, that wait for a disk that refuses; beyond it the oldest are dropped. Homes are
not: no further one is moved while the disk refuses."""

Then = Callable[[OSError | None], None]
log = structlog.get_logger("georeg.store")


def wall_s() -> int:
    """Seconds since 1970."""
    return int(time.time())


class _Batch:
    """What waits to be written, the latest of each, and who waits for it."""

    def __init__(self) -> None:
        self.incarnation = 0
        """0: stored already, as it is nearly always."""
        self.peers: dict[RegionId, int] = {}
        self.kicks: dict[int, Kick] = {}
        self.plans: dict[str, PlanSet] = {}
        self.homes: dict[str, HomeSet] = {}
        self.waiting: list[Then] = []

    def __bool__(self) -> bool:
        return bool(
            self.incarnation or self.peers or self.kicks or self.plans or self.homes
            or self.waiting
        )

    def put_kick(self, kick: Kick) -> None:
        known = self.kicks.get(kick.session)
        if known is None or kick.at_ms < known.at_ms:  # the first kick stands, as on disk
            self.kicks[kick.session] = kick
        if len(self.kicks) > QUEUE_MAX:
            del self.kicks[next(iter(self.kicks))]

    def put_plan(self, plan: PlanSet) -> None:
        known = self.plans.pop(plan.account, plan)
        self.plans[plan.account] = max(known, plan, key=lambda p: p.issued)
        if len(self.plans) > QUEUE_MAX:
            del self.plans[next(iter(self.plans))]


class SqliteJournal:
    """A journal in one SQLite file (see ports.Journal). Used on a running event loop."""

    def __init__(
        self, path: Path, now_s: Callable[[], int] = wall_s, *, is_synced: bool = True
    ) -> None:
        """Open or create the file; a damaged one is moved aside (opening.py).

        `now_s` tells which kicks have expired. `is_synced`: see JournalFile. Raises JournalForeign,
        JournalTooNew or another JournalError, and then has no file open.
        """
        self._file, self.found = open_file(path, now_s(), is_synced=is_synced)
        self._now_s = now_s
        self._queued = _Batch()
        self._writing: _Batch | None = None
        self._is_closed = False
        self._timer: asyncio.TimerHandle | None = None
        self._worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="journal")
        self._sessions = LazySessions(self._file, self._worker, lambda: self._writing is not None)
        self._trouble = Trouble("kicks answer 503")
        self.times: Final = None

    @property
    def lost(self) -> str:
        """In words, what opening the file found to be lost; empty: nothing."""
        return self.found.lost

    @property
    def trouble(self) -> str:
        """Why the disk refuses now; empty: it does not."""
        return self._trouble.error or self._sessions.trouble.error

    def incarnation(self) -> int:
        """The highest incarnation that was ever stored; 0 when there is none."""
        return self._file.incarnation()

    def store_incarnation(self, incarnation: int) -> None:
        """Durable when it returns, which takes a sync of the disk.

        Raises JournalError: then it is queued, and durable when the disk has recovered.
        """
        try:
            self._file.store_incarnation(incarnation)
        except JournalError as error:
            self._trouble.note(error)
            self._queued.incarnation = max(self._queued.incarnation, incarnation)
            self._write_soon()
            raise

    def store_kick(self, kick: Kick) -> None:
        """Queue a kick: durable when `sync` says so, else within a second or two."""
        self._queued.put_kick(kick)
        self._write_soon()

    def store_plan(self, plan: PlanSet) -> None:
        """Queue a plan, in the same way."""
        self._queued.put_plan(plan)
        self._write_soon()

    def store_home(self, home: HomeSet) -> None:
        """Queue a home that has moved, in the same way; the highest number stands."""
        known = self._queued.homes.get(home.account, home)
        self._queued.homes[home.account] = max(known, home, key=lambda h: h.number)
        self._write_soon()

    def store_peer(self, region: RegionId, incarnation: int) -> None:
        """Queue the incarnation of a peer, in the same way; the highest stands."""
        peers = self._queued.peers
        peers[region] = max(incarnation, peers.get(region, 0))
        self._write_soon()

    def store_session(self, entry: Entry) -> None:
        """Note that this region holds a session; written within some seconds."""
        self._sessions.store(entry)

    def forget_session(self, session: int) -> None:
        """Note that this region holds a session no longer, in the same way."""
        self._sessions.forget(session)

    def sessions(self, after: int = 0) -> tuple[list[Entry], int | None]:
        """Some of what this region held, by id, and after which id there is more; None: all."""
        return self._sessions.read(after)

    def sync(self, then: Then) -> None:
        """Make everything queued durable, then call back on the loop: None, or what went wrong."""
        self._queued.waiting.append(then)
        self._write()

    def committed(self, then: Then) -> None:
        """Calls back at once: nobody but this machine can go on from the file."""
        then(None)

    def peers(self) -> dict[RegionId, int]:
        """The highest incarnation of each peer that was ever stored."""
        return self._file.peers()

    def kicks(self) -> list[Kick]:
        """All kicks that have not expired, those that are still queued included."""
        found: dict[int, Kick] = {kick.session: kick for kick in self._file.kicks(self._now_s())}
        for batch in filter(None, (self._writing, self._queued)):
            for session, kick in batch.kicks.items():
                found.setdefault(session, kick)
        return list(found.values())

    def plans(self) -> list[PlanSet]:
        """The latest plan of each account, those that are still queued included."""
        found = {plan.account: plan for plan in self._file.plans()}
        for batch in filter(None, (self._writing, self._queued)):
            found.update(batch.plans)
        return list(found.values())

    def homes(self) -> list[HomeSet]:
        """All homes that have moved; not those that are still queued: nobody may act on these."""
        return self._file.homes()

    def close(self) -> None:
        """Write what is queued and close the file; the batch under way is waited for."""
        if self._timer is not None:
            self._timer.cancel()
        self._is_closed = True
        self._worker.shutdown(wait=True)
        batch, self._queued = self._queued, _Batch()
        error: OSError | None = None
        try:
            self._store(batch)
        except JournalError as refused:
            error = refused
            log.error("journal_lost", error=str(error), kicks=len(batch.kicks))
        self._sessions.close()
        self._file.close()
        for then in batch.waiting:
            then(error)

    def _write_soon(self) -> None:
        if self._timer is None and self._writing is None:
            self._timer = asyncio.get_running_loop().call_later(FLUSH_S, self._write)

    def _write(self) -> None:
        """Begin to write what is queued, unless a batch is under way: it goes with the next."""
        if self._writing is not None or not self._queued:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batch, self._queued = self._queued, _Batch()
        self._writing = batch
        loop = asyncio.get_running_loop()
        done = loop.run_in_executor(self._worker, self._store, batch)
        done.add_done_callback(partial(self._written, batch))

    def _store(self, batch: _Batch) -> None:
        if batch.incarnation:
            self._file.store_incarnation(batch.incarnation)
        if batch.peers:
            self._file.store_peers(batch.peers)
        if batch.kicks or batch.plans or batch.homes:
            homes = batch.homes.values()
            self._file.write(batch.kicks, batch.plans, self._now_s(), homes)

    def _written(self, batch: _Batch, done: "asyncio.Future[None]") -> None:
        self._writing = None
        error = done.exception()
        if error is not None and not isinstance(error, OSError):
            raise error
        self._trouble.note(error)
        if error is not None:
            self._queue_again(batch)
        for then in batch.waiting:
            then(error)
        if self._is_closed:
            return
        if self._queued.waiting:
            self._write()
        elif self._queued:
            self._write_soon()

    def _queue_again(self, batch: _Batch) -> None:
        """What was refused goes before what came meanwhile."""
        later, self._queued = self._queued, _Batch()
        self._queued.waiting = later.waiting
        self._queued.incarnation = max(batch.incarnation, later.incarnation)
        for part in (batch, later):
            for peer, incarnation in part.peers.items():
                self.store_peer(peer, incarnation)
            for kick in part.kicks.values():
                self._queued.put_kick(kick)
            for plan in part.plans.values():
                self._queued.put_plan(plan)
            for home in part.homes.values():
                self.store_home(home)
