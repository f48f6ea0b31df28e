"""The journal's file: an SQLite database in WAL mode, opened by one process at a time.

Invariant: a batch is stored whole or not at all, and when `write` has returned it survives a crash
of the machine (synchronous = FULL: the log is synced at each commit). Sessions alone are not
synced: a crash of the process loses none that were written, one of the machine perhaps the last. A
file that is damaged, of another program or of a newer schema is refused at opening, unchanged.

Cost: one sync of the disk a batch; a kick takes about 300 bytes until it expires, a plan 80, a
session 150. Opening checks everything once: 1 s for a million sessions.
"""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Final, TypeVar

from crdt.dots import RegionId
from crdt.events import Entry, HomeSet, Kick, PlanSet
from georeg.store import rows, schema
from georeg.store.errors import JournalDamaged, JournalError, JournalForeign, JournalTooNew

PLANS_MAX: Final = 2_000_000
"""Plans kept; beyond it those go that were stored longest ago."""
WRITES_BETWEEN_COUNTS: Final = 1000
"""Counting two million plans takes some 20 ms, going through all kicks as long."""

KICKS: Final = "SELECT session, at_ms, expires_s, event FROM kicks ORDER BY session"
# The first kick of a session stands, as in the ledger.
_STORE_KICK: Final = """
INSERT INTO kicks (session, at_ms, expires_s, event) VALUES (?, ?, ?, ?) ON CONFLICT (session)
DO UPDATE SET at_ms = excluded.at_ms, expires_s = excluded.expires_s, event = excluded.event
WHERE excluded.at_ms < kicks.at_ms
"""
# Replacing gives the row a new number, so that the numbers are the order in which plans came.
_STORE_PLAN: Final = """
INSERT OR REPLACE INTO plans (account, issued, event)
SELECT ?1, ?2, ?3 WHERE NOT EXISTS (SELECT 1 FROM plans WHERE account = ?1 AND issued > ?2)
"""
_FORGET_PLANS: Final = """
DELETE FROM plans WHERE number IN (
    SELECT number FROM plans ORDER BY number LIMIT max(0, (SELECT count(*) FROM plans) - ?)
)
"""
_STORE_HOME: Final = """
INSERT INTO homes (account, number, event) VALUES (?, ?, ?) ON CONFLICT (account)
DO UPDATE SET number = excluded.number, event = excluded.event
WHERE excluded.number >= homes.number
"""
_SESSIONS: Final = """
SELECT session, dot, event FROM sessions WHERE session > ? ORDER BY session LIMIT ?
"""
_OWN: Final = schema.INCARNATION
_SURROUNDINGS: Final = frozenset(
    {
        sqlite3.SQLITE_PERM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_AUTH,
    }
)  # fmt: skip
"""Errors that are not the file's. Any other one says that it is not what georeg has written."""

E = TypeVar("E", Kick, PlanSet, HomeSet)


class JournalFile:
    """The open file. May be used by several threads: one call at a time, the others wait."""

    def __init__(self, path: Path, *, is_synced: bool = True) -> None:
        """Open or create it; migrates an older schema.

        `is_synced` False: the machine's disk is a simulated one. Raises JournalError,
        JournalDamaged, JournalForeign or JournalTooNew.
        """
        self._path = path
        self._lock = Lock()
        self._writes = 0
        self._levels = ("FULL", "NORMAL") if is_synced else ("OFF", "OFF")
        self.is_new = False
        """Whether there was no journal before."""
        with self._told("open"):
            path.touch(mode=0o600)
            self._sql = sqlite3.connect(
                path, timeout=0.5, isolation_level=None, check_same_thread=False
            )
        try:
            self._prepare()
        except BaseException:
            self._sql.close()
            raise

    def incarnation(self) -> int:
        """The highest that was stored, 0 when there is none."""
        with self._lock, self._told("read"):
            return self._facts()[_OWN]

    def peers(self) -> dict[RegionId, int]:
        """The highest incarnation of each peer that was stored."""
        with self._lock, self._told("read"):
            facts = self._facts()
        return {RegionId(int(name)): number for name, number in facts.items() if name != _OWN}

    def store_incarnation(self, incarnation: int) -> None:
        """Durable when it returns; a lower one than is stored changes nothing."""
        self._raise_facts({_OWN: incarnation})

    def store_peers(self, incarnations: Mapping[RegionId, int]) -> None:
        """The same for those of peers."""
        self._raise_facts({str(region): number for region, number in incarnations.items()})

    def write(
        self,
        kicks: Mapping[int, Kick],
        plans: Mapping[str, PlanSet],
        now_s: int,
        homes: Iterable[HomeSet] = (),
    ) -> None:
        """Store a batch, and now and then forget the kicks that expired before `now_s`."""
        with self._lock, self._told("write"), self._transaction():
            self._sql.executemany(_STORE_KICK, map(rows.kick_row, kicks.values()))
            self._sql.executemany(_STORE_PLAN, map(rows.plan_row, plans.values()))
            self._sql.executemany(_STORE_HOME, map(rows.home_row, homes))
            if self._writes % WRITES_BETWEEN_COUNTS == 0:
                self._sql.execute("DELETE FROM kicks WHERE expires_s < ?", (now_s,))
                self._sql.execute(_FORGET_PLANS, (PLANS_MAX,))
            self._writes += 1

    def write_sessions(self, sessions: Mapping[int, Entry | None]) -> None:
        """Store own sessions, and forget those that are None; without waiting for the disk."""
        held = [entry for entry in sessions.values() if entry is not None]
        gone = [(rows.key(session),) for session, entry in sessions.items() if entry is None]
        with self._lock, self._told("write"):
            self._sync_as(self._levels[1])
            try:
                with self._transaction():
                    self._sql.executemany("DELETE FROM sessions WHERE session = ?", gone)
                    self._sql.executemany(
                        "INSERT OR REPLACE INTO sessions VALUES (?, ?, ?)",
                        map(rows.session_row, held),
                    )
            finally:
                self._sync_as(self._levels[0])

    def kicks(self, now_s: int) -> list[Kick]:
        """Those that have not expired by `now_s`, in the order of their sessions."""
        return [kick for kick in self._events(KICKS, rows.read_kick) if kick.expires_s >= now_s]

    def plans(self) -> list[PlanSet]:
        """All plans, in the order in which they were stored."""
        return self._events(
            "SELECT account, issued, event FROM plans ORDER BY number", rows.read_plan
        )

    def homes(self) -> list[HomeSet]:
        """All homes that have moved, by account."""
        return self._events(
            "SELECT account, number, event FROM homes ORDER BY account", rows.read_home
        )

    def sessions(self, after: int, count: int) -> tuple[list[Entry | None], int]:
        """Up to `count` own sessions with ids above one, in order: None for what cannot be read.

        And the id after which to go on.
        """
        with self._lock, self._told("read"):
            stored = self._sql.execute(_SESSIONS, (rows.key(after), count)).fetchall()
        found: list[Entry | None] = []
        for row in stored:
            try:
                found.append(rows.read_session(row))
            except rows.WRONG:
                found.append(None)
        return found, rows.read_key(stored[-1][0]) if stored else after

    def close(self) -> None:
        """Let another process open the file."""
        with self._lock:
            self._sql.close()

    # ---- opening -----------------------------------------------------------------------------

    def _prepare(self) -> None:
        with self._told("open"):
            # Exclusive: two regions in one directory would hand out the same dots.
            self._sql.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._check_owner()
            self._sql.execute("PRAGMA journal_mode = WAL")
            self._sync_as(self._levels[0])
            with self._transaction():
                self.is_new = not schema.is_ours(self._sql)
                if self.is_new:
                    schema.create(self._sql)
                self._check_schema()
            (damage,) = self._sql.execute("PRAGMA integrity_check(1)").fetchone()
            if damage != "ok":
                raise self._damaged(damage)
            self._facts()
        self.kicks(0)
        self.plans()
        self.homes()

    def _check_owner(self) -> None:
        found = schema.tables(self._sql)
        if not found or schema.is_ours(self._sql):
            return
        if {"meta", "kicks", "plans"} <= found:
            raise self._damaged("its mark is gone")
        raise JournalForeign(
            f"{self._path} is a database of another program. Give georeg a data directory of its "
            "own, or move that file away"
        )

    def _check_schema(self) -> None:
        found = schema.schema_of(self._sql)
        if found is None or found < 1:
            raise self._damaged(f"it has schema {found}")
        if found > schema.SCHEMA:
            raise JournalTooNew(
                f"{self._path} has schema {found}, written by a newer georeg; this one knows "
                f"{schema.SCHEMA}. Run that georeg again, or give this one another data directory."
            )
        schema.migrate(self._sql, found)

    # ---- the database ------------------------------------------------------------------------

    def _facts(self) -> dict[str, int]:
        """Incarnations by the name of the fact: the own one, and those of peers by their number."""
        stored = self._sql.execute("SELECT name, value FROM facts").fetchall()
        try:
            facts = {str(name): rows.read_fact(name, value) for name, value in stored}
        except rows.WRONG as wrong:
            raise self._damaged(f"an incarnation cannot be read: {wrong}") from None
        if _OWN not in facts:
            raise self._damaged("its incarnation is gone")
        return facts

    def _raise_facts(self, facts: Mapping[str, int]) -> None:
        """Store numbers where they are higher than what is stored."""
        with self._lock, self._told("write"), self._transaction():
            known = self._facts()
            higher = [(name, n) for name, n in facts.items() if n > known.get(name, -1)]
            self._sql.executemany(
                "INSERT OR REPLACE INTO facts VALUES (?, ?)",
                [(name, rows.fact_value(name, number)) for name, number in higher],
            )

    def _events(self, query: str, read: Callable[[Any], E]) -> list[E]:
        with self._lock, self._told("read"):
            stored = self._sql.execute(query).fetchall()
            try:
                return [read(row) for row in stored]
            except rows.WRONG as wrong:
                what = read.__name__.removeprefix("read_")
                raise self._damaged(f"a {what} cannot be read: {wrong}") from None

    def _sync_as(self, level: str) -> None:
        self._sql.execute(f"PRAGMA synchronous = {level}")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._sql.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._sql.execute("COMMIT")
        except BaseException:
            if self._sql.in_transaction:
                self._sql.execute("ROLLBACK")
            raise

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        """Say in our words what SQLite or the system refused."""
        try:
            yield
        except JournalError:
            raise
        except OSError as error:
            raise JournalError(f"cannot {doing} {self._path}: {error}") from error
        except sqlite3.Error as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code == sqlite3.SQLITE_BUSY:
                raise JournalError(f"{self._path} is in use by another process") from error
            if code in _SURROUNDINGS:
                raise JournalError(f"cannot {doing} {self._path}: {error}") from error
            raise self._damaged(str(error)) from error

    def _damaged(self, how: str) -> JournalDamaged:
        return JournalDamaged(f"{self._path} is damaged: {how}")
