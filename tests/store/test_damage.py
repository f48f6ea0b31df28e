"""Whatever has become of the file: the region comes back, believes nothing wrong, and says it."""

import asyncio
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

from crdt.dots import Dot
from crdt.events import Device, Entry, Kick
from georeg.store import JournalDamaged, JournalError, JournalForeign, SqliteJournal
from georeg.store.journal_file import JournalFile
from georeg.store.opening import Found, open_file
from georeg.store.rows import key
from tests.store.test_journal import NOW_S, kick, opened, plan, synced

KICKS, SESSIONS = 60, 200


def entry(n: int) -> Entry:
    dot = Dot(1 << 56 | 1 << 36 | n << 6)
    return Entry(
        dot, dot, f"account{n}", Device(f"d{n}", "Telly", "tv"), "", NOW_S * 1000,  # type: ignore[arg-type]
        NOW_S * 1000, NOW_S + 86_400, 0, False, False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A journal of 12 pages or more with kicks, plans and sessions, closed in order."""
    path = tmp_path_factory.mktemp("sound") / "journal.sqlite3"
    file = JournalFile(path)
    file.store_incarnation(7)
    kicks = {kick(n).session: kick(n) for n in range(1, KICKS + 1)}
    file.write(kicks, {f"a{n}": plan(f"a{n}") for n in range(50)}, NOW_S)
    file.write_sessions({entry(n).session: entry(n) for n in range(1, SESSIONS + 1)})
    file.close()
    return path


def lost_sessions(file: JournalFile) -> Iterator[Entry]:
    """Sessions as they are read back: each one as it was written, or not at all."""
    with suppress(JournalError):
        yield from filter(None, file.sessions(0, 1000)[0])


def check(file: JournalFile, found: Found) -> None:
    """Nothing wrong is believed; what is missing was said."""
    written = [kick(n) for n in range(1, KICKS + 1)]
    kicks: list[Kick] = file.kicks(NOW_S)
    assert all(one in written for one in kicks)
    assert all(one in map(entry, range(1, SESSIONS + 1)) for one in lost_sessions(file))
    if found.damage:
        assert file.incarnation() == 0, "of a damaged file it is not believed"
        assert found.aside is not None
        assert found.aside.exists()
        assert f"{len(kicks)} kicks" in found.lost
    else:
        assert file.incarnation() == 7
        assert kicks == written


@pytest.mark.parametrize("seed", range(120))
def test_a_flipped_bit_is_found_or_harmless(sound: Path, tmp_path: Path, seed: int) -> None:
    path, random = tmp_path / "journal.sqlite3", Random(seed)
    content = bytearray(sound.read_bytes())
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    path.write_bytes(content)
    try:
        file, found = open_file(path, NOW_S)
    except JournalForeign:
        return  # neither its mark nor its tables can be read: for people to judge
    check(file, found)
    file.close()


@pytest.mark.parametrize("seed", range(40))
def test_a_file_that_is_cut_or_torn_is_found(sound: Path, tmp_path: Path, seed: int) -> None:
    path, random = tmp_path / "journal.sqlite3", Random(seed)
    content = bytearray(sound.read_bytes())
    at = random.randrange(1, len(content))
    if seed % 2:
        content[at : at + 4096] = random.randbytes(min(4096, len(content) - at))
    else:
        del content[at:]
    path.write_bytes(content)
    try:
        file, found = open_file(path, NOW_S)
    except JournalForeign:
        return
    check(file, found)
    file.close()


@pytest.mark.parametrize("seed", range(40))
def test_a_log_that_is_damaged_costs_no_more_than_what_stands_in_it(
    sound: Path, tmp_path: Path, seed: int
) -> None:
    live, path, random = tmp_path / "live.sqlite3", tmp_path / "journal.sqlite3", Random(seed)
    shutil.copy(sound, live)
    file = JournalFile(live)
    later = {kick(n).session: kick(n) for n in range(KICKS + 1, KICKS + 11)}
    file.write(later, {}, NOW_S)
    shutil.copy(live, path)
    content = bytearray(live.with_name("live.sqlite3-wal").read_bytes())
    content[random.randrange(len(content))] ^= 1 << random.randrange(8)
    path.with_name("journal.sqlite3-wal").write_bytes(content)
    file.close()

    again, found = open_file(path, NOW_S)
    kicks = again.kicks(NOW_S)
    assert {one.session for one in kicks} >= {kick(n).session for n in range(1, KICKS + 1)}
    assert all(one in [kick(n) for n in range(1, KICKS + 11)] for one in kicks)
    assert again.incarnation() == 7
    assert not found.damage
    again.close()


def damage(path: Path, table: str) -> None:
    """Destroy the pages of one table."""
    with sqlite3.connect(path) as database:
        (root,) = database.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)
        ).fetchone()
    database.close()
    content = bytearray(path.read_bytes())
    content[(root - 1) * 4096 : root * 4096] = b"\xff" * 4096
    path.write_bytes(content)


def test_kicks_outlive_damage_elsewhere_in_the_file(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    shutil.copy(sound, path)
    before = path.read_bytes()
    damage(path, "sessions")
    file, found = open_file(path, NOW_S)

    assert found.saved == KICKS
    assert len(file.kicks(NOW_S)) == KICKS
    assert found.aside == tmp_path / "journal.sqlite3.corrupt-20231114T221320Z"
    assert len(found.aside.read_bytes()) == len(before)
    assert "damaged" in found.damage
    file.close()


def test_kicks_outlive_one_that_cannot_be_read(sound: Path, tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    shutil.copy(sound, path)
    with sqlite3.connect(path) as database:
        changed = (key(kick(9).session),)
        database.execute("UPDATE kicks SET expires_s = 0 WHERE session = ?", changed)
    database.close()
    file, found = open_file(path, NOW_S)

    assert found.saved == KICKS - 1
    assert kick(9) not in file.kicks(0)
    file.close()


def test_a_second_damaged_file_of_the_same_second_keeps_the_first(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    for content in (b"first " * 1000, b"second " * 1000):
        path.write_bytes(content)
        open_file(path, NOW_S)[0].close()

    kept = sorted(file.read_bytes()[:6] for file in tmp_path.glob("*.corrupt-*"))
    assert kept == [b"first ", b"second"]


async def test_the_journal_says_what_it_has_lost(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    for is_new in (True, False):
        disk = opened(path)
        assert (disk.found.is_new, disk.lost) == (is_new, "")
        disk.close()
    path.write_bytes(b"\x00" * 10_000)
    lost = opened(path)
    assert "the journal was damaged, 0 kicks could be read from it" in lost.lost
    lost.store_kick(kick())
    assert await synced(lost) is None
    lost.close()


def test_a_file_of_another_program_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE songs (title TEXT)")
    database.close()
    before = path.read_bytes()
    with pytest.raises(JournalForeign, match="data directory of its own"):
        SqliteJournal(path)
    assert path.read_bytes() == before
    assert list(tmp_path.glob("*.corrupt-*")) == []


def test_where_it_cannot_be_moved_aside_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "journal.sqlite3"
    path.write_bytes(b"nonsense" * 1000)

    def refuse(self: Path, target: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(JournalError, match="cannot be moved aside"):
        open_file(path, NOW_S)


async def test_damage_that_shows_while_it_runs_refuses_kicks_and_nothing_else(
    sound: Path, tmp_path: Path
) -> None:
    path = tmp_path / "journal.sqlite3"
    shutil.copy(sound, path)
    disk = opened(path)
    disk._file._sql.execute("DROP TABLE sessions")
    assert disk.sessions()[0] == []
    disk._file._sql.execute("DROP TABLE kicks")
    disk.store_kick(kick(1000))
    assert isinstance(await synced(disk), JournalDamaged)
    assert "damaged" in disk.trouble
    disk.close()
    await asyncio.sleep(0)
