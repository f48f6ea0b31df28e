"""The journal's file: an SQLite database in WAL mode, opened by one process at a time.

Invariant: a batch is stored whole or not at all, and when `write` has returned it survives a crash
of the machine (synchronous = FULL: the log is synced at each commit). A file that is damaged, of
another program or of a newer schema is refused at opening, and nothing in it is changed.

Cost: one sync of the disk a batch, whatever is in it; a kick takes about 300 bytes until it
expires, a plan 80. Opening reads everything once, to find damage before the region relies on it.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Final, TypeVar

from crdt.codec import encode_event, read_other, unpack
from crdt.errors import PeerError
from crdt.events import Kick, PlanSet
from georeg.store.errors import JournalDamaged, JournalError, JournalTooNew

SCHEMA: Final = 1
APPLICATION_ID: Final = 0x67656F72
"""Marks the file as ours: "geor"."""
PLANS_MAX: Final = 2_000_000
"""Plans kept; beyond it those go that were stored longest ago."""
WRITES_BETWEEN_COUNTS: Final = 1000
"""Counting two million plans takes some 20 ms."""
EVENT_BYTES_MAX: Final = 4096

_TABLES: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE kicks (
    session BLOB PRIMARY KEY, at_ms INTEGER NOT NULL, expires_s INTEGER NOT NULL,
    event BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX kicks_by_end ON kicks (expires_s);
CREATE TABLE plans (
    number INTEGER PRIMARY KEY, account TEXT UNIQUE NOT NULL, issued BLOB NOT NULL,
    event BLOB NOT NULL
);
"""
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

E = TypeVar("E", Kick, PlanSet)


class JournalFile:
    """The open file. May be used by several threads: one call at a time, the others wait."""

    def __init__(self, path: Path) -> None:
        """Open or create it. Raises JournalError, JournalDamaged or JournalTooNew."""
        self._path = path
        self._lock = Lock()
        self._writes = 0
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
            return self._meta("incarnation") or 0

    def store_incarnation(self, incarnation: int) -> None:
        """Durable when it returns; a lower one than is stored changes nothing."""
        with self._lock, self._told("write"), self._transaction():
            self._sql.execute(
                "INSERT INTO meta VALUES ('incarnation', ?) ON CONFLICT (name)"
                " DO UPDATE SET value = max(value, excluded.value)",
                (incarnation,),
            )

    def write(self, kicks: Mapping[int, Kick], plans: Mapping[str, PlanSet], now_s: int) -> None:
        """Store a batch and forget the kicks that expired before `now_s` (since 1970)."""
        with self._lock, self._told("write"), self._transaction():
            self._sql.executemany(
                _STORE_KICK,
                (
                    (_key(kick.session), kick.at_ms, kick.expires_s, encode_event(kick))
                    for kick in kicks.values()
                ),
            )
            self._sql.executemany(
                _STORE_PLAN,
                ((plan.account, _key(plan.issued), encode_event(plan)) for plan in plans.values()),
            )
            self._sql.execute("DELETE FROM kicks WHERE expires_s < ?", (now_s,))
            if self._writes % WRITES_BETWEEN_COUNTS == 0:
                self._sql.execute(_FORGET_PLANS, (PLANS_MAX,))
            self._writes += 1

    def kicks(self, now_s: int) -> list[Kick]:
        """Those that have not expired by `now_s`, in the order of their sessions."""
        return self._events(
            Kick, "SELECT event FROM kicks WHERE expires_s >= ? ORDER BY session", now_s
        )

    def plans(self) -> list[PlanSet]:
        """All plans, in the order in which they were stored."""
        return self._events(PlanSet, "SELECT event FROM plans WHERE number > ? ORDER BY number", 0)

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
            self._sql.execute("PRAGMA synchronous = FULL")
            with self._transaction():
                if not self._is_ours():
                    self._create()
                self._check_schema()
            (damage,) = self._sql.execute("PRAGMA quick_check(1)").fetchone()
            if damage != "ok":
                raise JournalDamaged(f"{self._path} is damaged: {damage}. {_REMEDY}")
        self.kicks(0)
        self.plans()

    def _is_ours(self) -> bool:
        (mark,) = self._sql.execute("PRAGMA application_id").fetchone()
        return bool(mark == APPLICATION_ID)

    def _check_owner(self) -> None:
        (tables,) = self._sql.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        if tables and not self._is_ours():
            raise JournalDamaged(f"{self._path} is a database of another program. {_REMEDY}")

    def _create(self) -> None:
        for statement in _TABLES.split(";"):
            self._sql.execute(statement)
        self._sql.execute("INSERT INTO meta VALUES ('schema', ?)", (SCHEMA,))
        self._sql.execute(f"PRAGMA application_id = {APPLICATION_ID}")

    def _check_schema(self) -> None:
        schema = self._meta("schema")
        if schema is not None and schema > SCHEMA:
            raise JournalTooNew(
                f"{self._path} has schema {schema}, written by a newer georeg; this one knows "
                f"{SCHEMA}. Run that georeg again, or give this one another data directory."
            )
        if schema != SCHEMA:
            raise JournalDamaged(f"{self._path} has schema {schema}, not {SCHEMA}. {_REMEDY}")

    # ---- the database ------------------------------------------------------------------------

    def _meta(self, name: str) -> int | None:
        row = self._sql.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
        return None if row is None else int(row[0])

    def _events(self, kind: type[E], query: str, number: int) -> list[E]:
        with self._lock, self._told("read"):
            rows = self._sql.execute(query, (number,)).fetchall()
            try:
                return [read_other(unpack(data, EVENT_BYTES_MAX), kind) for (data,) in rows]
            except (PeerError, TypeError) as wrong:
                what = f"a {kind.__name__} cannot be read: {wrong}"
                raise JournalDamaged(f"{self._path} is damaged: {what}. {_REMEDY}") from None

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
        except (sqlite3.Error, OSError) as error:
            code = getattr(error, "sqlite_errorcode", 0) & 0xFF
            if code in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
                raise JournalDamaged(f"{self._path} is damaged: {error}. {_REMEDY}") from error
            if code == sqlite3.SQLITE_BUSY:
                raise JournalError(f"{self._path} is in use by another process") from error
            raise JournalError(f"cannot {doing} {self._path}: {error}") from error


_REMEDY: Final = (
    "Move it away to start without it: the region then learns kicks and plans from its peers."
)


def _key(number: int) -> bytes:
    """64 bits without a sign, which SQLite's integers have; in the same order."""
    return number.to_bytes(8, "big")
