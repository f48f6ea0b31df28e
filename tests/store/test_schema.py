"""A journal of an older georeg is brought up to date at opening, as a whole or not at all."""

import sqlite3
from pathlib import Path

import pytest

from crdt.codec import encode_event
from georeg.store import JournalError, schema
from georeg.store.journal_file import JournalFile
from tests.store.test_journal import NOW_S, kick, plan

VERSION_1 = """
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
INSERT INTO meta VALUES ('schema', 1);
PRAGMA application_id = 1734700914;
PRAGMA journal_mode = WAL;
"""
"""As georeg 0.1.0 made it."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A journal of version 1 with an incarnation, two kicks and two plans."""
    path = tmp_path / "journal.sqlite3"
    database = sqlite3.connect(path)
    database.executescript(VERSION_1)
    with database:
        database.execute("INSERT INTO meta VALUES ('incarnation', 7)")
        for one in (kick(1), kick(2)):
            row = (one.session.to_bytes(8, "big"), one.at_ms, one.expires_s, encode_event(one))
            database.execute("INSERT INTO kicks VALUES (?, ?, ?, ?)", row)
        for number, stated in enumerate((plan("bob"), plan("ann")), start=1):
            issued = stated.issued.to_bytes(8, "big")
            row_of_plan = (number, stated.account, issued, encode_event(stated))
            database.execute("INSERT INTO plans VALUES (?, ?, ?, ?)", row_of_plan)
    database.close()
    return path


def told_schema(path: Path) -> tuple[int, int]:
    """What the file says to this georeg and to one of version 1."""
    database = sqlite3.connect(path)
    (version,) = database.execute("PRAGMA user_version").fetchone()
    (value,) = database.execute("SELECT value FROM meta WHERE name = 'schema'").fetchone()
    database.close()
    return version, value


def check_content(path: Path) -> None:
    file = JournalFile(path)
    assert not file.is_new
    assert file.incarnation() == 7
    assert file.kicks(NOW_S) == [kick(1), kick(2)]
    assert file.plans() == [plan("bob"), plan("ann")]
    assert file.sessions(0, 10) == ([], 0)
    file.close()


def test_a_journal_of_version_1_is_migrated_with_all_that_is_in_it(path: Path) -> None:
    check_content(path)
    assert told_schema(path) == (schema.SCHEMA, schema.SCHEMA)
    check_content(path)


def test_one_that_never_stored_an_incarnation_too(path: Path) -> None:
    database = sqlite3.connect(path)
    with database:
        database.execute("DELETE FROM meta WHERE name = 'incarnation'")
    database.close()
    file = JournalFile(path)
    assert file.incarnation() == 0
    file.close()


def test_a_migration_that_fails_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step = schema._STEPS[1]

    def fail(sql: sqlite3.Connection) -> None:
        step(sql)
        raise sqlite3.OperationalError("no more")

    with monkeypatch.context() as patch:
        patch.setitem(schema._STEPS, 1, fail)
        with pytest.raises(JournalError, match="no more"):
            JournalFile(path)
    assert told_schema(path) == (0, 1)
    check_content(path)


def test_there_is_a_step_from_every_older_schema() -> None:
    assert sorted(schema._STEPS) == list(range(1, schema.SCHEMA))
