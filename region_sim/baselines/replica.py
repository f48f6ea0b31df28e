"""One region's replica of all sessions, as a value that messages change; no I/O.

Sessions merge one by one: an end wins over everything (remove-wins, so a kick is final once it has
arrived), else the holder with more moves wins, else the newer heartbeat. Merging is commutative,
associative and idempotent, so it does not matter in which order or how often messages arrive.

For each peer the replica keeps what that peer has not acknowledged; what is new here is passed on
to all others, so that a peer is reached around a cut. A heartbeat travels as its age, never as a
time, so clocks need not agree; and as six numbers, once the peer has the session.

Invariant: what is known to everybody costs nothing but its own record; a message that a peer has
acknowledged is never sent to it again, unless the peer lost its memory (`tell_all`).
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from crdt.dots import RegionId, SessionId
from crdt.events import ActorKind, Device, Plan, Reason
from georeg.region.ends import RETRY
from georeg.region.model import Ended
from region_sim.baselines.records import Record
from region_sim.baselines.setup import Setup

REACH_MS: Final = 5_000
"""A region not heard for so long is said to be out of reach."""
BATCH_MAX: Final = 5_000
"""Sessions in one message."""
Message = dict[str, Any]


class News(NamedTuple):
    """What a peer has yet to be told of one session."""

    change: int
    record: Record
    is_whole: bool
    """Else only its heartbeat: the peer has the rest."""


class Replica:
    """The copy, and what each peer still has to be told of it."""

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._names = {number: name for name, number in setup.numbers.items()}
        self._heard_ms: dict[str, int] = {}
        self._change = 0
        self._news: dict[str, dict[SessionId, News]] = {}
        """peer -> session -> news, in the order of the changes."""
        self._plan_news: dict[str, dict[str, int]] = {}
        """peer -> account -> number of the change."""
        self.store = store = setup.disk.open(setup.settings, setup.clock, setup.random)
        for record in store.records():
            if record.region != setup.number:  # others know better whether it still lives
                record.heard_ms -= setup.settings.client_lease_ms
        for peer in sorted(setup.peers):
            self.tell_all(peer)
        store.owns = lambda record: record.region == setup.number
        store.on_change = lambda record: self._tell(record, is_whole=True)
        store.on_beat = lambda record: self._tell(record, is_whole=False)
        store.on_plan = self._tell_plan
        store.age_ms = lambda record: self._silent_ms(self._names[record.region])
        store.waits_for = self._waits_for
        store.out_of_reach = self._out_of_reach

    # ---- what peers have to be told ----------------------------------------------------------

    def tell_all(self, peer: str) -> None:
        """The peer has lost its memory."""
        self._news[peer] = {}
        self._plan_news[peer] = {}
        for record in self.store.records():
            self._news[peer][record.session] = News(self._next(), record, is_whole=True)
        for account, _, _ in self.store.plans():
            self._plan_news[peer][account] = self._next()

    def has_news(self, peer: str) -> bool:
        """Whether there is anything to tell."""
        return bool(self._news[peer] or self._plan_news[peer])

    def news(self, peer: str) -> tuple[list[News], dict[str, int]]:
        """The oldest news for a peer: sessions, and accounts whose plan changed."""
        sessions = [
            news for _, news in zip(range(BATCH_MAX), self._news[peer].values(), strict=False)
        ]
        return sessions, dict(self._plan_news[peer])

    def acknowledged(self, peer: str, told: list[News], plans: dict[str, int]) -> None:
        """The peer has it; what has changed since is still news."""
        news, plan_news = self._news[peer], self._plan_news[peer]
        for item in told:
            current = news.get(item.record.session)
            if current is not None and current.change == item.change:
                del news[item.record.session]
        for account, change in plans.items():
            if plan_news.get(account) == change:
                del plan_news[account]

    def everything(self) -> Message:
        """For a peer that begins."""
        records = [News(0, record, is_whole=True) for record in self.store.records()]
        return self.message(records, [account for account, _, _ in self.store.plans()])

    def message(self, sessions: Iterable[News], accounts: Iterable[str]) -> Message:
        """News as it travels."""
        now_ms = self._setup.clock.now_ms()
        plans = {account: (issued, plan) for account, issued, plan in self.store.plans()}
        whole, beats = [], []
        for _, record, is_whole in sessions:
            version = [*_version(record), now_ms - record.heard_ms]
            if is_whole:
                whole.append([record.session, record.account, version, *_rest(record)])
            else:
                beats.append([record.session, record.account, version])
        return {
            "from": self._setup.name,
            "sessions": whole,
            "beats": beats,
            "plans": [[account, *plans[account]] for account in accounts],
        }

    def _next(self) -> int:
        self._change += 1
        return self._change

    def _tell(self, record: Record, *, is_whole: bool, source: str = "") -> None:
        for peer, news in self._news.items():
            if peer != source:
                former = news.pop(record.session, None)
                needs_whole = is_whole or (former is not None and former.is_whole)
                news[record.session] = News(self._next(), record, needs_whole)

    def _tell_plan(self, account: str) -> None:
        for news in self._plan_news.values():
            news[account] = self._next()

    # ---- what peers tell ---------------------------------------------------------------------

    def merge(self, message: Message) -> None:
        """Take in what a peer says."""
        source = str(message["from"])
        self._heard_ms[source] = self._setup.clock.now_ms()
        for session, account, version, *rest in message["sessions"]:
            known = self.store.find(account, session)
            if known is None:
                known = _record(session, account, rest)
                self.store.put(known)
            is_newer, is_ended = self._moved(known, version), _merge_end(known, rest[-1])
            if is_newer or is_ended:
                self._tell(known, is_whole=True, source=source)
        for session, account, version in message["beats"]:
            known = self.store.find(account, session)
            if known is not None and self._moved(known, version):
                self._tell(known, is_whole=False, source=source)
        for account, issued, plan in message["plans"]:
            self.store.set_plan(account, Plan(*plan), issued)

    def _moved(self, record: Record, version: list[int]) -> bool:
        """Take holder and heartbeat of another copy when they are newer."""
        hop, region, beat, silent_ms = version
        theirs, ours = (hop, region, beat), _version(record)
        if theirs < ours:
            return False
        record.hop, record.region, record.beat = hop, RegionId(region), beat
        record.heard_ms = max(record.heard_ms, self._setup.clock.now_ms() - silent_ms)
        return theirs > ours

    # ---- what the store asks -----------------------------------------------------------------

    def _silent_ms(self, region: str) -> int:
        """Since a region was last heard directly; since the beginning when it never was."""
        return self._setup.clock.now_ms() - self._heard_ms.get(region, 0)

    def _waits_for(self, record: Record) -> tuple[RegionId, ...]:
        news = self._news.get(self._names[record.region], {})
        return (record.region,) if record.session in news else ()

    def _out_of_reach(self) -> tuple[RegionId, ...]:
        silent = [peer for peer in sorted(self._news) if self._silent_ms(peer) > REACH_MS]
        return tuple(self._setup.numbers[peer] for peer in silent)


def _version(record: Record) -> tuple[int, int, int]:
    """Of two copies the one with the higher version is newer: moves, holder, heartbeats."""
    return (record.hop, record.region, record.beat)


def _rest(record: Record) -> list[Any]:
    end = record.end
    told = end and [end.reason, end.actor, end.actor_device, end.at_ms]
    return [record.device, record.title, record.started_ms, record.deadline_s, told]


def _record(session: int, account: str, rest: list[Any]) -> Record:
    """A session that is new here, older than every version of it."""
    device, title, started_ms, deadline_s, _ = rest
    return Record(
        session=SessionId(session),
        account=account,
        device=Device(*device),
        title=title,
        region=RegionId(0),
        started_ms=started_ms,
        deadline_s=deadline_s,
        heard_ms=-(1 << 62),
        hop=-1,
    )


def _merge_end(record: Record, told: list[Any] | None) -> bool:
    """Of two ends all regions keep the same one: a kick, else the earlier. True: it was news."""
    if told is None:
        return False
    reason, actor, actor_device, at_ms = told
    theirs = Ended(
        record.session,
        Reason(reason),
        ActorKind(actor),
        actor_device,
        at_ms,
        Reason(reason) in RETRY,
    )
    if record.end is not None and _rank(record.end) <= _rank(theirs):
        return False
    record.end = theirs
    return True


def _rank(end: Ended) -> tuple[bool, int, int]:
    return (end.reason is not Reason.KICKED, end.at_ms, end.reason)
