"""Journals of slices for tests: opened under one fence after the other, with what they told."""

import asyncio
from typing import Any

from crdt.dots import Dot
from crdt.events import Device, Entry
from georeg.store.redis import Gatherer, RedisClient, RedisJournal

NOW_S = 1_700_000_000
FUTURE_S = 4_000_000_000
"""Beyond the clock of any Redis that runs these tests."""
TAG = "c:us:0"


class Node:
    """One node's way to Redis, and what its journals have told it."""

    def __init__(self, client: RedisClient, gather_ms: float = 0.0) -> None:
        self.client = client
        self.gatherer = Gatherer(client, gather_ms)
        self.told: list[str] = []
        self.journals: list[RedisJournal] = []

    async def open(self, fence: int, tag: str = TAG) -> RedisJournal:
        journal = await RedisJournal.open(
            self.client, self.gatherer, tag, fence,
            on_fenced=lambda: self.told.append("fenced"), on_lost=lambda: self.told.append("lost"),
        )  # fmt: skip
        self.journals.append(journal)
        return journal

    async def close(self) -> None:
        for journal in self.journals:
            await journal.close()
        await self.gatherer.close()


async def committed(journal: RedisJournal) -> OSError | None:
    answer: asyncio.Future[OSError | None] = asyncio.get_running_loop().create_future()
    journal.committed(answer.set_result)
    return await answer


async def recovered(journal: RedisJournal) -> None:
    """Until Redis takes what waits."""
    while await committed(journal) is not None:  # noqa: ASYNC110 - a retry tells nobody
        await asyncio.sleep(0.01)


def sessions_of(journal: Any) -> list[Entry]:
    """All that was there, read to its end."""
    found, after = journal.sessions()
    while after is not None:
        more, after = journal.sessions(after)
        found += more
    return list(found)


def moved(entry: Entry, n: int) -> Entry:
    """The session as it is after this region has adopted it."""
    return entry._replace(dot=Dot(1 << 56 | 2 << 36 | n << 6), hop=entry.hop + 1)


def long_entry(entry: Entry) -> Entry:
    """A session with everything as long as it may be."""
    device = Device("d" * 128, "n" * 128, "k" * 32)
    return entry._replace(device=device, title="t" * 128)
