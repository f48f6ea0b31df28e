"""The journal's tables, and how a file of an older georeg becomes one of this.

A file says its schema twice: in SQLite's `user_version`, and as `schema` in the table `meta`, where
every georeg so far looks for it and refuses what is newer. A migration takes one step, in the
transaction in which the file is opened: it is done as a whole, or the file is as it was.

    1  kicks, plans, incarnation in `meta`
    2  rows are sealed with checksums (rows.py); incarnations of peers; own sessions; homes that
       have moved; no index by expiry, which could hide a kick when it was damaged
"""

import sqlite3
from collections.abc import Callable
from typing import Final

from georeg.store.rows import fact_value, sealed

SCHEMA: Final = 2
APPLICATION_ID: Final = 0x67656F72
"""Marks the file as ours: "geor"."""
INCARNATION: Final = "incarnation"
"""The fact that every journal has: the region's own incarnation. Those of peers stand beside it."""

_SEALED: Final = """
CREATE TABLE facts (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (
    session BLOB PRIMARY KEY, dot BLOB NOT NULL, event BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE homes (
    account TEXT PRIMARY KEY, number INTEGER NOT NULL, event BLOB NOT NULL
) WITHOUT ROWID;
"""
_TABLES: Final = f"""
CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE kicks (
    session BLOB PRIMARY KEY, at_ms INTEGER NOT NULL, expires_s INTEGER NOT NULL,
    event BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE plans (
    number INTEGER PRIMARY KEY, account TEXT UNIQUE NOT NULL, issued BLOB NOT NULL,
    event BLOB NOT NULL
);
{_SEALED}
"""


def is_ours(sql: sqlite3.Connection) -> bool:
    """Whether the file is marked as a journal."""
    (mark,) = sql.execute("PRAGMA application_id").fetchone()
    return bool(mark == APPLICATION_ID)


def tables(sql: sqlite3.Connection) -> set[str]:
    """The names of all tables; none in a new file."""
    rows = sql.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall()
    return {str(name) for (name,) in rows}


def schema_of(sql: sqlite3.Connection) -> int | None:
    """The schema of a journal; None when it does not say it, or says two things."""
    (version,) = sql.execute("PRAGMA user_version").fetchone()
    row = sql.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
    told = None if row is None else row[0]
    if told == 1 and version == 0:
        return 1
    return int(told) if type(told) is int and told == version else None


def create(sql: sqlite3.Connection) -> None:
    """Make the tables of a new journal, within a transaction."""
    _run(sql, _TABLES)
    sql.execute("INSERT INTO meta VALUES ('schema', ?)", (SCHEMA,))
    sql.execute("INSERT INTO facts VALUES (?, ?)", (INCARNATION, fact_value(INCARNATION, 0)))
    sql.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    sql.execute(f"PRAGMA user_version = {SCHEMA}")


def migrate(sql: sqlite3.Connection, schema: int) -> None:
    """Bring the tables of an older schema to this one, within a transaction."""
    for step in range(schema, SCHEMA):
        _STEPS[step](sql)
        sql.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (step + 1,))
        sql.execute(f"PRAGMA user_version = {step + 1}")


def _seal_rows(sql: sqlite3.Connection) -> None:
    """From 1 to 2."""
    row = sql.execute("SELECT value FROM meta WHERE name = 'incarnation'").fetchone()
    _run(sql, _SEALED)
    value = fact_value(INCARNATION, row[0] if row else 0)
    sql.execute("INSERT INTO facts VALUES (?, ?)", (INCARNATION, value))
    sql.execute("DELETE FROM meta WHERE name = 'incarnation'")
    sql.execute("DROP INDEX kicks_by_end")
    sql.create_function("sealed", 1, sealed, deterministic=True)
    sql.execute("UPDATE kicks SET event = sealed(event)")
    sql.execute("UPDATE plans SET event = sealed(event)")


_STEPS: Final[dict[int, Callable[[sqlite3.Connection], None]]] = {1: _seal_rows}
"""Schema -> the step from it to the next."""


def _run(sql: sqlite3.Connection, statements: str) -> None:
    # Not executescript: that commits the transaction.
    for statement in statements.split(";"):
        sql.execute(statement)
