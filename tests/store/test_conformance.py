"""One suite for both journals: whatever a region stores, they answer alike, and lose no more than
they may.

A program is a list of what a region says to its journal, with moments at which it waits until all
is written, and moments at which its process ends, in order or not. It runs on SQLite and on a real
Redis, each in its own way of ending, and both are held to one model.
"""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Protocol

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crdt.dots import RegionId
from crdt.events import Entry, Kick, PlanSet
from georeg.region.ports import Journal
from georeg.store import SqliteJournal, lazy
from georeg.store.redis import RedisClient, RedisSettings, RedisTrouble
from tests.redis_server import RedisServer
from tests.store.redis.slices import FUTURE_S, Node, moved, sessions_of
from tests.store.test_damage import entry
from tests.store.test_journal import NOW_S, kick, plan

pytestmark = pytest.mark.redis

PAST_S: Final = 1_000


# ---- programs ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Do:
    """One call of a journal, as a region makes it."""

    call: str
    args: tuple[Any, ...]


_few: Final = st.integers(1, 2)
_issued: Final = st.sampled_from([1, 2, 255, 256, 1 << 63, (1 << 64) - 1])
KINDS: Final[dict[str, st.SearchStrategy[tuple[Any, ...]]]] = {
    # The expiry is the session's, the same in all its kicks; of session 2 it is past.
    "store_kick": st.builds(
        lambda n, at: (kick(n, at * 1_000_000, FUTURE_S if n < 2 else PAST_S),),
        _few, st.integers(1, 4),
    ),
    # A later statement of the same time says the same, as a signature vouches for both.
    "store_plan": st.builds(lambda n: (plan("ann", n, n % 7),), _issued),
    "store_session": st.builds(
        lambda n, hop: (moved(entry(n), hop) if hop else entry(n),), _few, st.integers(0, 2)
    ),
    "forget_session": st.builds(lambda n: (entry(n).session,), _few),
    "store_peer": st.builds(lambda n, life: (RegionId(n), life), _few, st.integers(1, 9)),
    "store_incarnation": st.builds(lambda life: (life,), st.integers(1, 30)),
}  # fmt: skip
_HELD: Final = ["store_session", "forget_session"]
THEMES: Final = [
    _HELD, _HELD, ["store_kick"], ["store_plan"], ["store_peer", "store_incarnation"], list(KINDS),
]  # fmt: skip
"""Programs of few kinds of calls meet themselves more often than programs of all."""


WRITTEN: Final = "all is written"
ENDED: Final = "the process ends in order"
KILLED: Final = "the process is killed"
Step = Do | str


def programs(*moments: str) -> st.SearchStrategy[list[Step]]:
    """Calls of some kinds, with these moments between them."""

    def of(theme: list[str]) -> st.SearchStrategy[list[Step]]:
        calls = [KINDS[kind].map(lambda args, kind=kind: Do(kind, args)) for kind in theme]
        step = st.tuples(st.one_of(calls), st.sampled_from(["", "", "", *moments]))
        return st.lists(step, min_size=2, max_size=12).map(
            lambda steps: begun_once([part for step in steps for part in step if part])
        )

    return st.sampled_from(THEMES).flatmap(of)


def begun_once(program: list[Step]) -> list[Step]:
    """A session is stored with its first dot once, as it begins; later it has another."""
    begun: set[int] = set()
    for number, step in enumerate(program):
        if isinstance(step, Do) and step.call == "store_session":
            (one,) = step.args
            if one.session in begun and one.hop == 0:
                program[number] = Do(step.call, (moved(one, 3),))
            begun.add(one.session)
    return program


# ---- the model -----------------------------------------------------------------------------------


@dataclass
class Answers:
    """What a journal tells at the begin of a life."""

    kicks: dict[int, Kick] = field(default_factory=dict)
    plans: dict[str, PlanSet] = field(default_factory=dict)
    sessions: dict[int, Entry] = field(default_factory=dict)
    peers: dict[RegionId, int] = field(default_factory=dict)
    incarnation: int = 0

    @classmethod
    def of(cls, journal: Journal) -> "Answers":
        sessions = sessions_of(journal)
        assert [e.session for e in sessions] == sorted(e.session for e in sessions)
        kicks, plans = journal.kicks(), journal.plans()
        found = cls(
            {k.session: k for k in kicks}, {p.account: p for p in plans},
            {e.session: e for e in sessions}, journal.peers(), journal.incarnation(),
        )  # fmt: skip
        assert (len(found.kicks), len(found.plans)) == (len(kicks), len(plans)), "told twice"
        return found

    def after(self, step: Do) -> "Answers":
        """The same once the step is written."""
        kicks, plans, sessions = dict(self.kicks), dict(self.plans), dict(self.sessions)
        peers, incarnation = dict(self.peers), self.incarnation
        if step.call == "store_kick":
            (one,) = step.args
            kicks[one.session] = min(one, kicks.get(one.session, one), key=lambda k: k.at_ms)
        elif step.call == "store_plan":
            (one,) = step.args
            plans[one.account] = max(one, plans.get(one.account, one), key=lambda p: p.issued)
        elif step.call == "store_session":
            sessions[step.args[0].session] = step.args[0]
        elif step.call == "forget_session":
            sessions.pop(step.args[0], None)
        elif step.call == "store_peer":
            region, number = step.args
            peers[region] = max(number, peers.get(region, 0))
        else:
            incarnation = max(incarnation, step.args[0])
        return Answers(kicks, plans, sessions, peers, incarnation)

    def told(self) -> "Answers":
        """Without what has expired."""
        kicks = {s: k for s, k in self.kicks.items() if k.expires_s == FUTURE_S}
        return Answers(kicks, self.plans, self.sessions, self.peers, self.incarnation)


# ---- the two stores ------------------------------------------------------------------------------


class Store(Protocol):
    """A place that outlives the process that writes to it."""

    async def open(self) -> Journal: ...
    async def written(self) -> None: ...
    async def end(self) -> None: ...
    async def kill(self) -> None: ...


class Sqlite:
    def __init__(self, folder: Path) -> None:
        self.path = folder / "journal.sqlite3"

    async def open(self) -> Journal:
        self.journal = SqliteJournal(self.path, lambda: NOW_S, is_synced=False)
        return self.journal

    async def written(self) -> None:
        await until_called(self.journal.sync)
        sessions = self.journal._sessions
        while sessions._changed or sessions._writing:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0)

    async def end(self) -> None:
        self.journal.close()

    async def kill(self) -> None:
        self.journal._worker.shutdown(wait=True)
        self.journal._file.close()
        for timer in (self.journal._timer, self.journal._sessions._timer):
            if timer is not None:
                timer.cancel()
        self.journal._is_closed = self.journal._sessions._is_closed = True
        await asyncio.sleep(0)  # what the worker has done is heard, by nobody


class Redis:
    def __init__(self, client: RedisClient, tag: str) -> None:
        self.client, self.tag, self.fence = client, tag, 0

    async def open(self) -> Journal:
        self.fence += 1
        self.node = Node(self.client)
        self.journal = await self.node.open(self.fence, self.tag)
        return self.journal

    async def written(self) -> None:
        await until_called(self.journal.committed)

    async def end(self) -> None:
        await self.node.close()

    async def kill(self) -> None:
        await self.node.gatherer.close()
        self.journal._final = RedisTrouble("killed")
        assert self.journal._sweeper is not None
        self.journal._sweeper.cancel()


async def until_called(call: Callable[[Callable[[OSError | None], None]], None]) -> None:
    answer: asyncio.Future[OSError | None] = asyncio.get_running_loop().create_future()
    call(answer.set_result)
    assert await answer is None


def say(journal: Journal, step: Do) -> None:
    try:
        getattr(journal, step.call)(*step.args)
    except RedisTrouble:
        assert step.call == "store_incarnation"


# ---- the suite -----------------------------------------------------------------------------------


async def run_settled(store: Store, program: list[Step]) -> list[Answers]:
    """What it tells at the begin of each life, when all is written before each end."""
    journal, told = await store.open(), []
    for step in [*program, ENDED]:
        if isinstance(step, Do):
            say(journal, step)
            continue
        await store.written()
        if step != WRITTEN:
            await (store.end() if step == ENDED else store.kill())
            journal = await store.open()
            told.append(Answers.of(journal))
    await store.end()
    return told


async def run_killed(store: Store, program: list[Step]) -> None:
    """Kill it at any moment: what was written is there, and nothing that was never said."""
    journal = await store.open()
    is_written, since = Answers(), list[Answers]()
    for step in [*program, KILLED]:
        if isinstance(step, Do):
            say(journal, step)
            since.append((since[-1] if since else is_written).after(step))
        elif step == WRITTEN:
            await store.written()
            is_written, since = (since[-1] if since else is_written), []
        else:
            await store.kill()
            journal = await store.open()
            found = Answers.of(journal)
            may_be = [is_written.told(), *(answers.told() for answers in since)]
            for part in ("kicks", "plans", "sessions", "peers"):
                told = getattr(found, part)
                stages = [getattr(stage, part) for stage in may_be]
                for name in {*told, *(name for stage in stages for name in stage)}:
                    allowed = [stage.get(name) for stage in stages]
                    assert told.get(name) in allowed, (part, name)
            assert found.incarnation >= is_written.incarnation
            is_written, since = found, []
    await store.end()


def expected(program: list[Step]) -> list[Answers]:
    answers, told = Answers(), []
    for step in [*program, ENDED]:
        if isinstance(step, Do):
            answers = answers.after(step)
        elif step != WRITTEN:
            answers = answers.told()
            told.append(answers)
    return told


@pytest.fixture(autouse=True)
def written_at_once() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lazy, "ROUND_S", 0.0)
        patch.setattr(lazy, "PAUSE_S", 0.0)
        yield


class Tags:
    """Each program has data of its own in the shared server."""

    count = 0

    @classmethod
    def fresh(cls) -> str:
        cls.count += 1
        return f"c:us:{cls.count}"


def on_both(server: RedisServer, run: Callable[[Store], Any]) -> list[Any]:
    """What a coroutine gives on each store."""

    async def main() -> list[Any]:
        client = await RedisClient.connect(RedisSettings.parse(server.url, timeout_ms=5_000))
        try:
            with TemporaryDirectory() as folder:
                return [await run(Sqlite(Path(folder))), await run(Redis(client, Tags.fresh()))]
        finally:
            await client.close()

    return asyncio.run(main())


EXAMPLES: Final = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@EXAMPLES
@given(programs(WRITTEN, ENDED, KILLED))
def test_both_tell_the_next_life_the_same_and_what_was_said(
    shared_server: RedisServer, program: list[Step]
) -> None:
    on_disk, in_redis = on_both(shared_server, lambda store: run_settled(store, program))
    right = expected(program)
    for told in (on_disk, in_redis):
        for life, answers in zip(told, right, strict=True):
            assert life.incarnation >= answers.incarnation
            life.incarnation = answers.incarnation
    assert on_disk == right
    assert in_redis == right


@EXAMPLES
@given(programs(WRITTEN, KILLED))
def test_killed_at_any_moment_neither_loses_what_was_written_nor_tells_what_was_never_said(
    shared_server: RedisServer, program: list[Step]
) -> None:
    on_both(shared_server, lambda store: run_killed(store, program))
