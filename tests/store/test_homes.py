"""Homes that have moved: on disk before anybody may act on them, and there after a crash."""

import asyncio
from pathlib import Path

from crdt.dots import RegionId
from crdt.events import HomeSet
from georeg.store import SqliteJournal

NOW_S = 1_700_000_000
FIRST = HomeSet("ann", RegionId(2), 1, RegionId(1), NOW_S)
SECOND = HomeSet("ann", RegionId(3), 2, RegionId(2), NOW_S + 9)


def opened(path: Path) -> SqliteJournal:
    return SqliteJournal(path / "journal.sqlite3", lambda: NOW_S)


async def synced(disk: SqliteJournal) -> OSError | None:
    answer: asyncio.Future[OSError | None] = asyncio.get_running_loop().create_future()
    disk.sync(answer.set_result)
    return await answer


async def test_a_home_is_told_once_it_is_durable_and_after_a_restart(tmp_path: Path) -> None:
    disk = opened(tmp_path)
    disk.store_home(FIRST)
    assert disk.homes() == []
    assert await synced(disk) is None
    assert disk.homes() == [FIRST]
    disk.close()
    again = opened(tmp_path)
    assert again.homes() == [FIRST]
    again.close()


async def test_the_highest_number_stands_in_whatever_order_it_came(tmp_path: Path) -> None:
    disk = opened(tmp_path)
    disk.store_home(SECOND)
    disk.store_home(FIRST)
    assert await synced(disk) is None
    disk.store_home(FIRST)
    assert await synced(disk) is None
    assert disk.homes() == [SECOND]
    disk.close()


async def test_what_a_full_disk_refuses_is_written_when_it_has_room(tmp_path: Path) -> None:
    disk = opened(tmp_path)
    sql = disk._file._sql
    (pages,) = sql.execute("PRAGMA page_count").fetchone()
    sql.execute(f"PRAGMA max_page_count = {pages}")
    names = [f"account-{n}" for n in range(200)]
    for name in names:
        disk.store_home(FIRST._replace(account=name))
    assert await synced(disk) is not None
    assert disk.homes() == []
    sql.execute("PRAGMA max_page_count = 100000")
    assert await synced(disk) is None
    assert [home.account for home in disk.homes()] == sorted(names)
    disk.close()


async def test_a_damaged_home_is_damage_of_the_file(tmp_path: Path) -> None:
    """A home that names another region would be worse than none."""
    disk = opened(tmp_path)
    disk.store_home(FIRST)
    await synced(disk)
    disk._file._sql.execute("UPDATE homes SET number = 2")
    disk.close()
    again = opened(tmp_path)
    assert again.lost
    assert again.homes() == []
    again.close()
