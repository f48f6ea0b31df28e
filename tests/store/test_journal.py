"""What was synced survives; what the disk refuses is said, kept and tried again."""

import asyncio
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest
import structlog

from crdt.dots import RegionId, SessionId, dot_at
from crdt.events import ActorKind, Device, Kick, Plan, PlanSet, Reason
from georeg.store import JournalError, NoJournal, SqliteJournal, journal

NOW_S = 1_700_000_000
ROOT = Path(__file__).resolve().parent.parent.parent


def kick(n: int = 1, at_ms: int = NOW_S * 1000, expires_s: int = NOW_S + 100) -> Kick:
    return Kick(
        SessionId(dot_at(255, 1, 3, n)), f"account{n}", expires_s, Reason.KICKED,
        ActorKind.ACCOUNT, "telly", at_ms, Device("d", "Telly", "tv"), at_ms - 5000, RegionId(1),
    )  # fmt: skip


def plan(account: str = "ann", issued: int = 1, limit: int = 2) -> PlanSet:
    return PlanSet(account, Plan("standard", limit, 0), issued)


def opened(path: Path, now_s: int = NOW_S) -> SqliteJournal:
    return SqliteJournal(path, lambda: now_s)


async def synced(disk: SqliteJournal) -> OSError | None:
    answer: asyncio.Future[OSError | None] = asyncio.get_running_loop().create_future()
    disk.sync(answer.set_result)
    return await answer


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def disk(path: Path) -> Iterator[SqliteJournal]:
    disk = opened(path)
    yield disk
    disk.close()


def limit_pages(disk: SqliteJournal, count: int) -> int:
    """Let SQLite say that the disk is full, from here on."""
    (pages,) = disk._file._sql.execute(f"PRAGMA max_page_count = {count}").fetchone()
    return int(pages)


async def test_a_new_journal_is_empty(disk: SqliteJournal) -> None:
    assert (disk.incarnation(), disk.kicks(), disk.plans()) == (0, [], [])


async def test_what_was_synced_is_there_after_a_restart(path: Path) -> None:
    disk = opened(path)
    disk.store_incarnation(7)
    disk.store_kick(kick())
    disk.store_plan(plan())
    assert await synced(disk) is None
    disk.close()
    again = opened(path)
    assert (again.incarnation(), again.kicks(), again.plans()) == (7, [kick()], [plan()])
    again.close()


async def test_what_is_queued_is_read_before_it_is_written(disk: SqliteJournal) -> None:
    disk.store_kick(kick())
    disk.store_plan(plan())
    assert (disk.kicks(), disk.plans()) == ([kick()], [plan()])


async def test_closing_writes_what_is_queued(path: Path) -> None:
    disk = opened(path)
    disk.store_kick(kick())
    disk.close()
    again = opened(path)
    assert again.kicks() == [kick()]
    again.close()


async def test_what_nobody_waits_for_is_written_after_a_while(
    disk: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "FLUSH_S", 0.0)
    written, real = asyncio.Event(), disk._written

    def told(batch: Any, done: "asyncio.Future[None]") -> None:
        real(batch, done)
        written.set()

    monkeypatch.setattr(disk, "_written", told)
    disk.store_kick(kick())
    await written.wait()
    assert disk._file.kicks(NOW_S) == [kick()]


async def test_a_sync_that_comes_during_another_waits_for_its_own_batch(
    disk: SqliteJournal,
) -> None:
    order: list[str] = []
    disk.store_kick(kick(1))
    disk.sync(lambda error: order.append("first"))
    disk.store_kick(kick(2))
    disk.sync(lambda error: order.append("second"))
    assert order == []
    assert await synced(disk) is None
    assert order == ["first", "second"]
    assert disk._file.kicks(NOW_S) == [kick(1), kick(2)]


async def test_an_incarnation_never_goes_down(disk: SqliteJournal) -> None:
    disk.store_incarnation(7)
    disk.store_incarnation(5)
    assert disk.incarnation() == 7


async def test_the_first_kick_of_a_session_stands(path: Path) -> None:
    disk = opened(path)
    first, later = kick(at_ms=1_000_000), kick(at_ms=2_000_000)
    for stored in (later, first, later):
        disk.store_kick(stored)
        await synced(disk)
    assert disk.kicks() == [first]
    disk.close()


async def test_expired_kicks_are_not_told_and_forgotten_at_the_next_write(path: Path) -> None:
    disk = opened(path)
    disk.store_kick(kick(1, expires_s=NOW_S + 1))
    await synced(disk)
    disk.close()
    later = opened(path, NOW_S + 2)
    assert later.kicks() == []
    later.store_kick(kick(2))
    await synced(later)
    assert later._file.kicks(0) == [kick(2)]
    later.close()


async def test_the_latest_plan_of_an_account_stands(disk: SqliteJournal) -> None:
    disk.store_plan(plan(issued=(1 << 64) - 1, limit=4))
    disk.store_plan(plan(issued=5, limit=1))
    await synced(disk)
    disk.store_plan(plan(issued=6, limit=2))
    await synced(disk)
    assert disk._file.plans() == [plan(issued=(1 << 64) - 1, limit=4)]


async def test_beyond_their_limit_the_plans_stored_longest_ago_go(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("georeg.store.journal_file.PLANS_MAX", 2)
    monkeypatch.setattr("georeg.store.journal_file.WRITES_BETWEEN_COUNTS", 1)
    disk = opened(path)
    for n, account in enumerate(["ann", "bob", "ann", "cid"]):
        disk.store_plan(plan(account, issued=n))
        await synced(disk)
    assert [p.account for p in disk.plans()] == ["ann", "cid"]
    disk.close()


async def test_a_full_disk_is_said_and_the_kick_is_stored_when_there_is_room(
    disk: SqliteJournal,
) -> None:
    limit = limit_pages(disk, 1)
    for n in range(1, 200):
        disk.store_kick(kick(n))
    error = await synced(disk)
    assert isinstance(error, JournalError)
    assert "full" in str(error)
    assert disk._file.kicks(NOW_S) == []
    limit_pages(disk, 1_000_000)
    assert await synced(disk) is None
    assert len(disk._file.kicks(NOW_S)) == 199
    assert limit < 20


async def test_a_disk_that_stays_full_costs_bounded_memory(
    disk: SqliteJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journal, "QUEUE_MAX", 50)
    limit_pages(disk, 1)
    for n in range(1, 200):
        disk.store_kick(kick(n))
        disk.store_plan(plan(f"a{n}"))
    assert isinstance(await synced(disk), JournalError)
    assert (len(disk._queued.kicks), len(disk._queued.plans)) == (50, 50)
    assert disk.kicks()[-1] == kick(199)


async def test_an_incarnation_that_the_disk_refuses_raises(disk: SqliteJournal) -> None:
    disk._file._sql.execute("PRAGMA query_only = 1")
    with pytest.raises(JournalError, match="readonly"):
        disk.store_incarnation(1)


async def test_closing_answers_those_who_wait(path: Path) -> None:
    disk = opened(path)
    disk.store_kick(kick(1))
    first = asyncio.ensure_future(synced(disk))
    await asyncio.sleep(0)
    disk.store_kick(kick(2))
    second = asyncio.ensure_future(synced(disk))
    await asyncio.sleep(0)
    disk.close()
    assert [await first, await second] == [None, None]
    again = opened(path)
    assert again.kicks() == [kick(1), kick(2)]
    again.close()


def test_without_a_journal_nothing_is_kept_and_nothing_fails() -> None:
    none = NoJournal()
    answers: list[OSError | None] = []
    none.store_incarnation(3)
    none.store_kick(kick())
    none.store_plan(plan())
    none.sync(answers.append)
    assert (none.incarnation(), none.kicks(), none.plans(), answers) == (0, [], [], [None])


def run_child(code: str, path: Path) -> "subprocess.Popen[str]":
    """A process that has kicks, `disk` and `synced` at hand, and `say` to talk to the test."""
    prelude = f"""
    import asyncio, resource, structlog, sys
    from pathlib import Path
    from tests.store.test_journal import *
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    def say(what):
        print(what, flush=True)
    disk = opened(Path({str(path)!r}))
    """
    text = textwrap.dedent(prelude) + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", text], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def kill_after(said: str, code: str, path: Path) -> None:
    """Run the code and kill -9 its process once it has said so."""
    with run_child(code, path) as child:
        assert child.stdout is not None
        assert child.stdout.readline().strip() == said
        child.kill()
        assert child.wait() == -signal.SIGKILL


STORE_AND_HANG = """
async def main():
    disk.store_incarnation(3)
    disk.store_kick(kick(1))
    disk.store_plan(plan())
    {then}
    await asyncio.sleep(3600)
asyncio.run(main())
"""


async def test_a_process_killed_after_its_sync_has_lost_nothing(path: Path) -> None:
    kill_after("synced", STORE_AND_HANG.format(then="await synced(disk); say('synced')"), path)
    disk = opened(path)
    assert (disk.incarnation(), disk.kicks(), disk.plans()) == (3, [kick(1)], [plan()])
    disk.close()


async def test_a_process_killed_before_its_sync_leaves_a_sound_journal(path: Path) -> None:
    kill_after("stored", STORE_AND_HANG.format(then="say('stored')"), path)
    disk = opened(path)
    assert disk.incarnation() == 3
    assert disk.kicks() == []
    disk.store_kick(kick(2))
    assert await synced(disk) is None
    disk.close()


def test_killed_at_any_moment_again_and_again_it_has_each_kick_that_it_was_told_of(
    path: Path,
) -> None:
    code = """
    from tests.store.test_damage import entry
    async def main():
        life, held = disk.incarnation() + 1, len(disk.kicks())
        say(f"begun {life} {held}")
        disk.store_incarnation(life)
        for n in range(held + 1, 100_000):
            disk.store_kick(kick(n))
            disk.store_session(entry(n))
            disk.forget_session(entry(n - 3).session)
            if n % 7 == 0:
                disk._sessions._write()
            assert await synced(disk) is None
            say(f"told {n}")
    asyncio.run(main())
    """
    random, told = Random(1), 0
    for life in range(1, 5):
        with run_child(code, path) as child:
            assert child.stdout is not None
            begun, number, held = child.stdout.readline().split()
            assert (begun, int(number)) == ("begun", life), "no incarnation is used twice"
            assert int(held) >= told, "a kick that was acknowledged is lost"
            lines = [child.stdout.readline() for _ in range(random.randrange(5, 60))]
            child.kill()
            lines += child.stdout.readlines()
        told = int([line for line in lines if line.endswith("\n")][-1].split()[1])
    assert told > 20


def test_a_disk_without_room_is_said_by_the_system_and_recovers(path: Path) -> None:
    """The limit on file sizes stands for a full disk: each write beyond it fails."""
    code = f"""
    import os
    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    async def main():
        log = {str(path)!r} + "-wal"
        limit(os.path.getsize(log) + 2000)
        for n in range(1, 200):
            disk.store_kick(kick(n))
        say(type(await synced(disk)).__name__)
        limit(resource.RLIM_INFINITY)
        say(await synced(disk))
        say(len(disk._file.kicks(NOW_S)))
    asyncio.run(main())
    disk.close()
    """
    with run_child(code, path) as child:
        assert child.stdout is not None
        assert child.stdout.read().split() == ["JournalError", "None", "199"]
    assert child.returncode == 0


def test_a_region_that_starts_while_its_disk_is_full_knows_what_it_knew(path: Path) -> None:
    code = """
    def limit(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
    async def main():
        disk.store_incarnation(3)
        disk.store_kick(kick(1))
        await synced(disk)
        disk.close()
        limit(4000)  # less than the log's first frame
        again = opened(disk._file._path)
        say(f"{again.incarnation()} {len(again.kicks())}")
        try:
            again.store_incarnation(4)
        except JournalError as error:
            say(bool(again.trouble))
        limit(resource.RLIM_INFINITY)
        say(await synced(again))
        say(f"{again.incarnation()} {again.trouble!r}")
        again.close()
    asyncio.run(main())
    """
    with run_child(code, path) as child:
        assert child.stdout is not None
        assert child.stdout.read().split() == ["3", "1", "True", "None", "4", "''"]
    assert child.returncode == 0


async def test_the_incarnations_of_peers_are_kept_the_highest_of_each(path: Path) -> None:
    disk = opened(path)
    disk.store_peer(RegionId(2), 7)
    disk.store_peer(RegionId(3), 1)
    disk.store_peer(RegionId(2), 5)
    assert await synced(disk) is None
    disk.store_peer(RegionId(3), 2)
    disk.close()
    again = opened(path)
    assert again.peers() == {2: 7, 3: 2}
    assert again.incarnation() == 0
    again.close()


async def test_a_disk_that_refuses_is_logged_when_it_begins_and_when_it_is_over(
    disk: SqliteJournal,
) -> None:
    with structlog.testing.capture_logs() as logs:
        limit_pages(disk, 1)
        for n in range(1, 200):
            disk.store_kick(kick(n))
        for _ in range(3):
            assert isinstance(await synced(disk), JournalError)
        assert "full" in disk.trouble
        limit_pages(disk, 1_000_000)
        for _ in range(3):
            disk.store_kick(kick(500))
            assert await synced(disk) is None
        assert disk.trouble == ""
    assert [line["event"] for line in logs] == ["journal_refused", "journal_recovered"]
