"""Own sessions on their way to the disk: late, little at a time, and never in anybody's way."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from crdt.events import Entry
from georeg.store import SqliteJournal, lazy
from georeg.store.journal_file import JournalFile
from tests.store.test_damage import entry
from tests.store.test_journal import NOW_S, kick, limit_pages, opened


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SqliteJournal]:
    monkeypatch.setattr(lazy, "ROUND_S", 0.0)
    monkeypatch.setattr(lazy, "PAUSE_S", 0.0)
    disk = opened(path)
    yield disk
    disk.close()


def stored(disk: SqliteJournal) -> list[Entry]:
    """All that was written, read to its end."""
    found, after = disk.sessions()
    while after is not None:
        more, after = disk.sessions(after)
        found += more
    return found


async def written(disk: SqliteJournal, rounds: int = 1) -> None:
    """Until so many writes of sessions are done."""
    done, real = asyncio.Semaphore(0), disk._sessions._written

    def told(future: "asyncio.Future[None]") -> None:
        real(future)
        done.release()

    disk._sessions._written = told  # type: ignore[method-assign]
    for _ in range(rounds):
        await done.acquire()
    disk._sessions._written = real  # type: ignore[method-assign]


async def test_what_is_held_is_read_back_and_what_is_not_is_forgotten(disk: SqliteJournal) -> None:
    disk.store_session(entry(1))
    disk.store_session(entry(2))
    await written(disk)
    assert stored(disk) == [entry(1), entry(2)]
    disk.forget_session(entry(1).session)
    await written(disk)
    assert stored(disk) == [entry(2)]


async def test_the_latest_dot_of_a_session_stands(disk: SqliteJournal) -> None:
    moved = entry(1)._replace(dot=entry(9).dot, hop=1)
    disk.store_session(entry(1))
    await written(disk)
    disk.forget_session(entry(1).session)
    disk.store_session(moved)
    await written(disk)
    assert stored(disk) == [moved]


async def test_a_session_that_came_and_went_costs_the_disk_nothing(disk: SqliteJournal) -> None:
    disk.store_session(entry(1))
    disk.forget_session(entry(1).session)
    assert disk._sessions._changed == {}


async def test_one_that_ends_while_it_is_being_written_is_forgotten(
    disk: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = disk._sessions._write

    def write_and_end() -> None:
        write()
        if disk._sessions._writing.get(entry(1).session) is not None:
            disk.forget_session(entry(1).session)

    monkeypatch.setattr(disk._sessions, "_write", write_and_end)
    disk.store_session(entry(1))
    await written(disk, 2)
    assert stored(disk) == []


async def test_it_is_written_a_little_at_a_time(
    disk: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lazy, "ROWS_MAX", 10)
    for n in range(1, 26):
        disk.store_session(entry(n))
    await written(disk, 2)
    assert len(stored(disk)) == 20
    await written(disk)
    assert len(stored(disk)) == 25


async def test_a_kick_goes_first(disk: SqliteJournal) -> None:
    disk.store_session(entry(1))
    disk.store_kick(kick())
    disk.sync(lambda error: None)
    disk._sessions._write()
    assert disk._sessions._writing == {}
    await written(disk)
    assert stored(disk) == [entry(1)]


async def test_what_the_disk_refuses_is_tried_again_and_told(
    disk: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_pages(disk, 1)
    for n in range(1, 100):
        disk.store_session(entry(n))
    await written(disk)
    assert "full" in disk.trouble
    assert stored(disk) == []
    disk.forget_session(entry(99).session)
    limit_pages(disk, 1_000_000)
    await written(disk)
    assert disk.trouble == ""
    assert stored(disk) == [entry(n) for n in range(1, 99)]


async def test_a_disk_that_stays_full_costs_bounded_memory(
    disk: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lazy, "QUEUE_MAX", 50)
    for n in range(1, 200):
        disk.store_session(entry(n))
    assert list(disk._sessions._changed) == [entry(n).session for n in range(150, 200)]


async def test_closing_writes_what_waits(path: Path) -> None:
    disk = opened(path)
    disk.store_session(entry(1))
    disk.close()
    again = opened(path)
    assert stored(again) == [entry(1)]
    again.close()


async def test_a_row_that_cannot_be_read_costs_no_other(disk: SqliteJournal) -> None:
    for n in (1, 2, 3):
        disk.store_session(entry(n))
    await written(disk)
    disk._file._sql.execute("UPDATE sessions SET event = x'00' WHERE dot = ?", (key_of(entry(2)),))
    assert stored(disk) == [entry(1), entry(3)]


def key_of(one: Entry) -> bytes:
    return one.dot.to_bytes(8, "big")


def test_when_power_fails_only_sessions_that_were_not_synced_are_lost(path: Path) -> None:
    """The log is cut at any byte behind the last sync: a kick that was acknowledged is there."""
    file, log = JournalFile(path), path.with_name(path.name + "-wal")
    file.store_incarnation(7)
    file.write({kick().session: kick()}, {}, NOW_S)
    synced_bytes = log.stat().st_size
    for n in range(1, 30):
        file.write_sessions({entry(n).session: entry(n)})
    whole, main = log.read_bytes(), path.read_bytes()
    assert synced_bytes < len(whole)

    random, there = Random(1), path.parent / "there"
    there.mkdir()
    kept = set()
    for _ in range(25):
        (there / path.name).write_bytes(main)
        (there / log.name).write_bytes(whole[: random.randrange(synced_bytes, len(whole))])
        again = JournalFile(there / path.name)
        assert (again.incarnation(), again.kicks(NOW_S)) == (7, [kick()])
        kept.add(len(again.sessions(0, 500)[0]))
        again.close()
    assert len(kept) > 5
    file.close()


def test_sessions_are_written_without_waiting_for_the_disk(path: Path) -> None:
    file = JournalFile(path)
    said: list[str] = []
    file._sql.set_trace_callback(said.append)
    file.write_sessions({entry(1).session: entry(1)})
    file.write({kick().session: kick()}, {}, NOW_S)
    words = [line.split()[-1] for line in said if "synchronous" in line or line == "COMMIT"]
    assert words == ["NORMAL", "COMMIT", "FULL", "COMMIT"]
    file.close()


async def test_nothing_is_written_until_all_has_been_read(
    disk: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lazy, "SLICE", 2)
    for n in (1, 2, 3):
        disk.store_session(entry(n))
    await written(disk)
    first, last = disk.sessions()
    assert last == entry(2).session
    disk.store_session(entry(3)._replace(hop=5))
    disk._sessions._write()
    assert disk._sessions._writing == {}
    rest, last = disk.sessions(last)
    assert [*first, *rest] == [entry(1), entry(2), entry(3)]
    assert disk.sessions(last or 0) == ([], None)
    await written(disk)
    assert disk.sessions(entry(2).session)[0][0].hop == 5
