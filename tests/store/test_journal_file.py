"""A file that is not a sound journal of this schema is refused, clearly, and left as it is."""

import sqlite3
from pathlib import Path

import pytest

from crdt.events import Plan, PlanSet
from georeg.store import JournalDamaged, JournalError, JournalForeign, JournalTooNew
from georeg.store.journal_file import JournalFile


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A sound journal with one plan in it, closed."""
    path = tmp_path / "journal.sqlite3"
    file = JournalFile(path)
    file.write({}, {"ann": PlanSet("ann", Plan("basic", 1, 0), 1)}, 0)
    file.close()
    return path


def change(path: Path, statement: str) -> None:
    database = sqlite3.connect(path)
    with database:
        database.execute(statement)
    database.close()


def test_a_sound_journal_opens_again(path: Path) -> None:
    file = JournalFile(path)
    assert len(file.plans()) == 1
    file.close()


def test_only_its_owner_may_read_the_file(path: Path) -> None:
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    path.write_bytes(b"not a database at all, " * 1000)
    before = path.read_bytes()
    with pytest.raises(JournalDamaged, match="damaged"):
        JournalFile(path)
    assert path.read_bytes() == before


def test_a_file_with_a_damaged_page_is_refused(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096 : 3 * 4096] = b"\xff" * (2 * 4096)
    path.write_bytes(content)
    with pytest.raises(JournalDamaged, match="damaged"):
        JournalFile(path)


def test_a_file_that_was_cut_short_is_refused(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: 4096 + 100])
    with pytest.raises(JournalDamaged, match="damaged"):
        JournalFile(path)


def test_an_event_that_cannot_be_read_is_found_at_opening(path: Path) -> None:
    change(path, "UPDATE plans SET event = x'C1'")
    with pytest.raises(JournalDamaged, match="a plan cannot be read"):
        JournalFile(path)


def test_an_event_of_another_type_is_found_at_opening(path: Path) -> None:
    change(path, "UPDATE plans SET event = 'text'")
    with pytest.raises(JournalDamaged, match="a plan cannot be read"):
        JournalFile(path)


def test_an_event_in_another_ones_row_is_found_at_opening(path: Path) -> None:
    change(path, "UPDATE plans SET account = 'bob'")
    with pytest.raises(JournalDamaged, match="another one's row"):
        JournalFile(path)


def test_an_incarnation_that_is_not_what_was_written_is_found_at_opening(path: Path) -> None:
    change(path, "UPDATE facts SET value = zeroblob(5)")
    with pytest.raises(JournalDamaged, match="an incarnation cannot be read"):
        JournalFile(path)


def test_a_newer_schema_is_refused_and_says_what_to_do(path: Path) -> None:
    change(path, "UPDATE meta SET value = 3 WHERE name = 'schema'")
    change(path, "PRAGMA user_version = 3")
    before = path.read_bytes()
    with pytest.raises(JournalTooNew, match="schema 3, written by a newer georeg.*Run that georeg"):
        JournalFile(path)
    assert path.read_bytes() == before


def test_a_journal_that_says_two_schemas_is_damaged(path: Path) -> None:
    change(path, "PRAGMA user_version = 3")
    with pytest.raises(JournalDamaged, match="schema None"):
        JournalFile(path)


def test_a_journal_without_its_mark_is_damaged(path: Path) -> None:
    change(path, "PRAGMA application_id = 7")
    with pytest.raises(JournalDamaged, match="mark is gone"):
        JournalFile(path)


def test_a_journal_without_a_schema_is_damaged(path: Path) -> None:
    change(path, "DELETE FROM meta WHERE name = 'schema'")
    with pytest.raises(JournalDamaged, match="schema None"):
        JournalFile(path)


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    change(path, "CREATE TABLE songs (title TEXT)")
    before = path.read_bytes()
    with pytest.raises(JournalForeign, match="another program"):
        JournalFile(path)
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_journal(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    path.touch()
    file = JournalFile(path)
    assert file.incarnation() == 0
    file.close()


def test_a_second_process_is_kept_out_until_the_first_closes(path: Path) -> None:
    first = JournalFile(path)
    with pytest.raises(JournalError, match="in use by another process"):
        JournalFile(path)
    first.close()
    JournalFile(path).close()


def test_a_directory_that_does_not_exist_is_said(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot open"):
        JournalFile(tmp_path / "missing" / "journal.sqlite3")
