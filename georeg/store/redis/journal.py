"""The journal of one slice in Redis (ports.Journal): what a node that takes the slice over knows.

The node that runs the slice decides from its memory and tells Redis what it decided, all together
in one commit that is made whole or not at all. `sync` and `committed` call back when everything
that was stored before them is in Redis; what that is worth in a crash of Redis is a matter of its
durability (docs/redis.md).

Invariant: nothing is written under a fence that is not the latest of the slice's data: a commit
that meets a higher one changes nothing, and from then on this journal never writes again. One that
meets data which have lost what was confirmed changes nothing either, until `begin_again`.

While Redis is down or slow, changes wait, the latest of each (changes.py), who waits is told at
once, and a commit is tried every RETRY_S. Nothing is lost while the process lives.
"""

import asyncio
import time
from array import array
from collections.abc import Callable, Sequence
from typing import Any, Final

import structlog

from crdt.dots import RegionId
from crdt.events import Entry, HomeSet, Kick, PlanSet
from georeg.store.redis import scripts
from georeg.store.redis.changes import Changes, Then
from georeg.store.redis.client import Arg, RedisClient
from georeg.store.redis.errors import DataLost, Fenced, RedisTrouble
from georeg.store.redis.gather import Gatherer
from georeg.store.redis.loading import Loaded
from georeg.store.redis.records import heard_block
from georeg.store.redis.taking import Taken, in_error, sweep, take, take_anew
from georeg.store.trouble import Trouble

RETRY_S: Final = 0.25
log = structlog.get_logger("georeg.store")


def now_ms() -> int:
    """Monotonic milliseconds of this process."""
    return time.monotonic_ns() // 1_000_000


class RedisJournal:
    """The journal of a slice, for the node that holds its lock. Used on a running event loop."""

    def __init__(
        self,
        client: RedisClient,
        gatherer: Gatherer,
        tag: str,
        fence: int,
        on_fenced: Callable[[], None],
        on_lost: Callable[[], None],
        now_ms: Callable[[], int],
    ) -> None:
        """Made by `open`."""
        self._now_ms = now_ms
        self.keys: Final = [client.key(tag, name) for name in scripts.KEYS]
        self._client = client
        self._gatherer = gatherer
        self._fence = fence
        self._on_fenced = on_fenced
        self._on_lost = on_lost
        self._loaded = Loaded()
        self._stored_incarnation = 0
        self._clock_ms = 0
        """Redis' clock less this process' own."""
        self._attempt = 0
        self._confirmed = 0
        self._queued = Changes()
        self._writing: Changes | None = None
        self._unsure: set[int] = set()
        """Sessions of commits that failed, or so it seemed."""
        self._is_retold = False
        """Whether sessions are stored that began long ago, since Redis has lost them."""
        self._final: RedisTrouble | None = None
        self._retry: asyncio.TimerHandle | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._trouble = Trouble("kicks answer 503; a takeover would not know the latest sessions")

    @classmethod
    async def open(
        cls, client: RedisClient, gatherer: Gatherer, tag: str, fence: int,
        *, on_fenced: Callable[[], None], on_lost: Callable[[], None],
        now_ms: Callable[[], int] = now_ms,
    ) -> "RedisJournal":  # fmt: skip
        """Take the slice's data over and load them.

        `tag`: the hash tag of its keys, `cluster:region:slice`. `fence`: of the lock that the
        caller holds. `on_fenced`: another node has taken over; called once. `on_lost`: Redis has
        lost what it confirmed; see `begin_again`. `now_ms`: monotonic. Raises Fenced, RedisTooNew,
        RedisTrouble.
        """
        journal = cls(client, gatherer, tag, fence, on_fenced, on_lost, now_ms)
        taken = await take(client, journal.keys, fence)
        journal._taken(taken)
        journal._loaded = await Loaded.read(client, journal.keys, taken.meta)
        swept = sweep(client, journal.keys, lambda: journal._fence)
        journal._sweeper = asyncio.get_running_loop().create_task(swept)
        return journal

    async def begin_again(self, fence: int) -> None:
        """Go on where Redis has lost data, under the fence of the lock as it is held by now.

        Sessions that are still there are forgotten; the caller stores all that the region knows.
        Raises RedisTrouble: then nothing is written, and it may be tried again. Raises Fenced:
        another node has the data, and `on_fenced` was called.
        """
        assert self.is_lost, "data that are there are not begun again"
        self._queued.sessions.clear()
        self._queued.heard.clear()
        try:
            taken = await take_anew(
                self._client, self.keys, fence, self._stored_incarnation, self._attempt
            )
        except Fenced as fenced:
            self._final = fenced
            self._on_fenced()
            raise
        self._taken(taken)
        self._fence = fence
        self._loaded.blocks.clear()
        self._is_retold = True
        self._final = None
        self._trouble.note(None)
        self._ask()

    def _taken(self, taken: Taken) -> None:
        self._clock_ms = taken.redis_ms - self._now_ms()
        self._stored_incarnation = taken.incarnation
        self._attempt = self._confirmed = taken.attempt

    @property
    def lost(self) -> str:
        """Empty: data that are not there cannot be told from a first start."""
        return ""

    @property
    def trouble(self) -> str:
        """Why Redis takes nothing now; empty: it does."""
        return str(self._final or self._trouble.error)

    @property
    def is_fenced(self) -> bool:
        """Whether another node has taken over; then this journal writes nothing any more."""
        return isinstance(self._final, Fenced)

    @property
    def is_lost(self) -> bool:
        """Whether Redis has lost what it confirmed, and nothing is written until `begin_again`."""
        return isinstance(self._final, DataLost)

    # ---- ports.Journal -----------------------------------------------------------------------

    def incarnation(self) -> int:
        """The one before the next, which is stored already. 0: a first start.

        It is at least the fence less one, so that the next is above all under lower fences.
        """
        return self._stored_incarnation - 1

    def store_incarnation(self, incarnation: int) -> None:
        """The next one is stored already. Raises RedisTrouble for one above: it is queued, and
        stored within milliseconds unless Redis is in trouble."""
        if incarnation <= self._stored_incarnation:
            return
        self._queued.incarnation = max(self._queued.incarnation, incarnation)
        self._ask()
        raise RedisTrouble(f"incarnation {incarnation} is on its way to Redis")

    def store_kick(self, kick: Kick) -> None:
        """Queue a kick."""
        self._queued.put_kick(kick)
        self._ask()

    def store_plan(self, plan: PlanSet) -> None:
        """Queue a plan."""
        self._queued.put_plan(plan)
        self._ask()

    def store_home(self, home: HomeSet) -> None:
        """Queue a home that has moved."""
        self._queued.put_home(home)
        self._ask()

    def store_peer(self, region: RegionId, incarnation: int) -> None:
        """Queue the incarnation of a peer; the highest stands."""
        self._queued.put_peer(region, incarnation)
        self._ask()

    def store_session(self, entry: Entry) -> None:
        """Queue an own session; `committed` tells when it is stored."""
        self._queued.sessions[entry.session] = entry
        self._ask()

    def forget_session(self, session: int) -> None:
        """Queue that an own session is held no longer."""
        sessions = self._queued.sessions
        known = sessions.get(session)
        is_new = known is not None and known.dot == session and session not in self._unsure
        if is_new and (self._writing is None or session not in self._writing.sessions):
            del sessions[session]  # it came and went: nothing of it has been written
        else:
            sessions[session] = None
            self._ask()

    def sync(self, then: Then) -> None:
        """Call back when all that was stored so far is in Redis: None; or why it is not."""
        self.committed(then)

    def committed(self, then: Then) -> None:
        """The same: to Redis all is written alike. In trouble, it calls back at once."""
        loop = asyncio.get_running_loop()
        if self._final is not None or self._trouble.error:
            loop.call_soon(then, self._final or RedisTrouble(self._trouble.error))
        elif self._queued:
            self._queued.waiting.append(then)
            self._ask()
        elif self._writing is not None:
            self._writing.waiting.append(then)
        else:
            then(None)

    def peers(self) -> dict[RegionId, int]:
        """The highest incarnation of each peer when the journal was opened."""
        return dict(self._loaded.peers)

    def kicks(self) -> list[Kick]:
        """Kicks that were there when the journal was opened and have not expired; none any more
        from `all_stored` on."""
        now_s = self._redis_ms() // 1000
        return [kick for kick in self._loaded.kicks if kick.expires_s >= now_s]

    def plans(self) -> list[PlanSet]:
        """Plans that were there when the journal was opened, in the same way."""
        return list(self._loaded.plans)

    def homes(self) -> list[HomeSet]:
        """Homes that have moved, as they were when the journal was opened."""
        return list(self._loaded.homes)

    def sessions(self, after: int = 0) -> tuple[list[Entry], int | None]:
        """Sessions that were there when the journal was opened; each is told once."""
        found, last, wrong = self._loaded.sessions(after)
        for session in wrong:
            self._queued.sessions.setdefault(session, None)
        if wrong:
            self._ask()
        return found, last

    # ---- ports.Times -------------------------------------------------------------------------

    @property
    def times(self) -> "RedisJournal":
        """Times of heartbeats are kept here as well."""
        return self

    def silent_ms(self, session: int) -> int | None:
        """How long ago the device of a session that was there was heard; None: not known, or the
        session was not there. Until `all_stored`."""
        heard_ms = self._loaded.heard_ms(session)
        return None if heard_ms is None else max(0, self._redis_ms() - heard_ms)

    def store(self, block: int, sessions: "array[int]", silent_s: bytes) -> None:
        """Queue when the devices of sessions were last heard: a block, written as a whole."""
        self._queued.heard[block] = heard_block(sessions, silent_s, self._redis_ms())
        self._loaded.blocks.discard(block)
        self._ask()

    def all_stored(self) -> None:
        """All blocks have been stored in this life: those of earlier ones may go."""
        self._is_retold = False
        for block in self._loaded.blocks:
            self._queued.heard.setdefault(block, None)
        self._loaded.let_go()
        self._ask()

    async def close(self) -> None:
        """Commit what waits, if Redis takes it, and write no more."""
        closed: asyncio.Future[OSError | None] = asyncio.get_running_loop().create_future()
        self.committed(closed.set_result)
        error = await closed
        if error is not None and not self.is_fenced:
            log.error("journal_lost", error=str(error), sessions=len(self._queued.sessions))
        self._final = self._final or RedisTrouble("the journal is closed")
        if self._retry is not None:
            self._retry.cancel()
        if self._sweeper is not None:
            self._sweeper.cancel()

    # ---- gather.Committer --------------------------------------------------------------------

    def begin(self) -> Sequence[Arg]:
        """The arguments of the next commit."""
        assert self._writing is None
        self._writing = self._queued.take()
        self._attempt += 1
        now_s = 0 if self._is_retold else self._redis_ms() // 1000
        return [self._fence, self._confirmed, self._attempt, *self._writing.sections(now_s)]

    def end(self, answer: Any) -> None:
        """What became of it."""
        batch, self._writing = self._writing, None
        assert batch is not None
        if isinstance(answer, RedisTrouble):
            self._refused(batch, answer)
            return
        word, redis_ms, *more = answer
        if word != scripts.DONE:
            self._refused(batch, in_error(word, more))
            return
        self._clock_ms = redis_ms - self._now_ms()
        self._confirmed = self._attempt
        self._stored_incarnation = max(self._stored_incarnation, batch.incarnation)
        self._unsure.clear()
        self._trouble.note(None)
        for then in batch.waiting:
            then(None)
        self._ask()

    def _refused(self, batch: Changes, error: RedisTrouble) -> None:
        waiting = batch.waiting + self._queued.waiting
        self._queued.waiting = []
        self._queued.put_before(batch)
        self._unsure |= batch.sessions.keys()
        self._trouble.note(error)
        if isinstance(error, Fenced | DataLost) and self._final is None:
            self._final = error
            (self._on_fenced if self.is_fenced else self._on_lost)()
        for then in waiting:
            then(error)
        if self._final is None:
            self._retry = asyncio.get_running_loop().call_later(RETRY_S, self._try_again)

    def _try_again(self) -> None:
        """Commit what waits, or nothing: to learn that Redis is back."""
        self._retry = None
        if self._final is None and self._writing is None:
            self._gatherer.ask(self)

    def _ask(self) -> None:
        """Commit with the next round trip, unless one is under way or has to wait."""
        if self._final is None and self._writing is None and self._retry is None and self._queued:
            self._gatherer.ask(self)

    def _redis_ms(self) -> int:
        """Redis' clock now, as its last answer told it."""
        return self._now_ms() + self._clock_ms
