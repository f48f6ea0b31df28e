"""How a region begins: a fresh incarnation, and what its peers still hold of it.

Before its first own event a region asks every peer what is known of it, for at most `join_ms`. Its
incarnation is one above the highest that its journal or any peer has seen; it is durable before
it is used. Then it loads the kicks and plans of its journal, and re-mints the sessions that
peers hold of its earlier incarnation as *unconfirmed*: neither evidence nor yielding until their
devices are heard. As home it learns for one full wait before it leases anything out.

A journal that another node can take over also knows how long devices have been silent: sessions of
those that cannot be suspect yet are held on as if this region had heard them all the time.

Sessions that its journal alone knows are held on in the same way, a little at a time while it
serves already, so that a region that comes back with nobody to ask knows whom it served. What a
peer has seen of the log counts more: a session whose dot it has seen, and does not hold, has ended.

Peers write down the incarnations that they hear, so that a region whose disk is lost learns its own
also when all of them have lost their power with it.

Where the disk refuses, nobody but the peers will know of the incarnation: it is drawn from so many
that the next life, should it hear nobody, hardly takes it again.

One without a journal may have given homes away (moves.py), and an event of its former life may be
on its way when it asks. So it asks each peer again that has answered a beacon of this life, which
from then on takes nothing of the former one. Until all have told it is home of nothing
(members.py).

A region that finds later that a peer knows a higher incarnation of it (its disk was lost while
nobody could be reached) begins again above that one, with its sessions as they are.
"""

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Final

from crdt.context import Position, position_at
from crdt.dots import INCARNATION_MAX, SHARDS, RegionId, shard_of
from crdt.events import Entry
from crdt.lease import home_wait_ms
from crdt.sessions import NEVER
from georeg.region.beacons import Beacons
from georeg.region.budget import Budget
from georeg.region.messages import Fetch, Fetched, Message
from georeg.region.model import Begun
from georeg.region.replication import Replication
from georeg.region.state import RegionState
from georeg.region.times import TimesWalk

FETCH_MS: Final = 200
RECALL_MS: Final = 5
"""Between two slices of sessions that the journal alone knows."""
BLIND: Final = 1 << 14
"""Incarnations that may be skipped, at random, where what was used before is not surely known."""


class Joining:
    """The way from process start to the first own event, and to a second beginning."""

    def __init__(
        self,
        state: RegionState,
        budget: Budget,
        replication: Replication,
        beacons: Beacons,
        random: Random,
        send: Callable[[RegionId, Message], None],
        on_joined: Callable[[], None],
    ) -> None:
        self._state = state
        self._budget = budget
        self._replication = replication
        self._beacons = beacons
        self._random = random
        self._send = send
        self._on_joined = on_joined
        self._nonce = random.getrandbits(62) + 1
        self._seen: dict[RegionId, int] = {}
        self._answering: dict[RegionId, int] = {}
        """Peers that begin -> the nonce of the question that is being answered."""
        beacons.on_known = self._ask_again
        self._is_closed = False
        self._times = TimesWalk(state)
        self.is_joined = False
        self.name: Callable[[Entry], None] = lambda entry: None
        """Set by the region: an add is known; perhaps of a session that has no name yet."""
        self.is_superseded: Callable[[int], bool] = lambda incarnation: False
        """Set by tenure.py: a later incarnation of this region was heard of; whether another
        process has begun it."""
        self.begun: Begun | None = None
        """With what the present incarnation began."""

    def open(self) -> None:
        """Ask the peers; begin when all have answered, or when the wait is over."""
        for peer, incarnation in sorted(self._state.journal.peers().items()):
            if peer in self._state.peers:  # the cluster may have shrunk
                self._state.regions.remember(peer, incarnation)
        if not self._state.peers:
            self._begin()
            return
        self._fetch()
        self._state.clock.call_later(self._state.settings.join_ms, self._begin_if_needed)

    def _fetch(self) -> None:
        """Ask those that have not answered; links come up while we wait, in either direction."""
        if self.is_joined or self._is_closed:
            return
        for peer in self._state.peers:
            if peer not in self._seen:
                self._send(peer, Fetch(self._nonce))
        self._state.clock.call_later(FETCH_MS, self._fetch)

    def ask(self, peer: RegionId) -> None:
        """Ask one of them, whose link has just come up."""
        if not (self.is_joined or self._is_closed or peer in self._seen):
            self._send(peer, Fetch(self._nonce))

    def close(self) -> None:
        """Begin no more."""
        self._is_closed = True
        self._times.close()

    def on_fetch(self, peer: RegionId, message: Fetch) -> None:
        """A peer begins: send what this region holds of it, then the own logs, then the word."""
        state, link = self._state, self._replication.links[peer]
        if self._answering.get(peer) == message.nonce:
            return  # it asks again while the answer is on its way
        self._answering[peer] = message.nonce
        link.reset()

        sent: list[int] = []

        def finish() -> None:
            self._answering.pop(peer, None)
            self._send(peer, Fetched(message.nonce, self._incarnation_of(peer), len(sent)))

        def step(index: int) -> None:
            if index == SHARDS:
                self._replication.push_all(peer, finish)
                return
            shard = state.shards[index]
            if shard.position(peer).incarnation or shard.accounts.homes.count:
                self._replication.send_snapshot(peer, peer, index)
                sent.append(index)
            state.clock.call_later(0, lambda: step(index + 1))

        step(0)

    def _ask_again(self, peer: RegionId) -> None:
        """The peer knows of this life: it has still to tell which homes have moved."""
        self._send(peer, Fetch(self._nonce + self._state.incarnation))

    def on_fetched(self, peer: RegionId, message: Fetched) -> None:
        """A peer has told all that it knows, or that it knows a later incarnation."""
        if self.is_joined:
            is_answer = message.nonce == self._nonce + self._state.incarnation
            if is_answer and len(self._replication.links[peer].told) >= message.snapshots:
                self._state.members.told(peer)  # else something was lost: it is asked again
            if message.incarnation > self._state.incarnation and not self.is_superseded(
                message.incarnation
            ):
                self._state.counters["begun_again"] += 1
                self._begin_at(message.incarnation + 1, self._wait_ms())
            return
        if message.nonce == self._nonce:
            self._seen[peer] = message.incarnation
            if len(self._seen) == len(self._state.peers):
                self._begin_if_needed()

    def _begin_if_needed(self) -> None:
        if not self.is_joined and not self._is_closed:
            self._begin()

    def _begin(self) -> None:
        state = self._state
        stored = state.journal.incarnation()
        seen = (
            max(
                [
                    *self._seen.values(),
                    *(s.position(state.region).incarnation for s in state.shards),
                ]
            )
            if self._seen
            else 0
        )
        has_heard_all = len(self._seen) == len(state.peers)
        is_first = stored == 0 and seen == 0 and has_heard_all and not state.journal.lost
        last = max(stored, seen)
        # A peer that is silent may have seen a later one; a damaged journal had one.
        if stored == 0 and (not has_heard_all or (seen == 0 and state.journal.lost)):
            last += self._random.randrange(BLIND)
        if stored == 0 and not is_first:
            state.members.doubt()
        told = [shard.position(state.region) for shard in state.shards]
        self._begin_at(last + 1, 0 if is_first or not state.peers else self._wait_ms())
        self._recall(told)
        self.is_joined = True
        self._on_joined()

    def _begin_at(self, incarnation: int, learn_ms: int) -> None:
        """Begin an incarnation: nothing of an earlier one is minted, leased or sent any more."""
        state = self._state
        incarnation = self._stored(incarnation)
        heard = self._heard()
        state.incarnation = incarnation
        self._beacons.begin()
        self._budget.begin(incarnation, state.clock.now_ms() + learn_ms)
        for link in self._replication.links.values():
            link.reset()
        for home in state.journal.homes():
            state.shard(home.account).accounts.set_home(home)  # before the logs begin with them
        inherited = [entry for shard in state.shards for entry in shard.begin(incarnation)]
        self._replication.is_open = True
        kicks, plans = state.journal.kicks(), state.journal.plans()
        for kick in kicks:
            if state.kicked(kick.account, kick.session) is None:
                state.shard(kick.account).kick(kick)
        for plan in plans:
            state.shard(plan.account).set_plan(plan)
        told = sum(
            [self._remint(e, heard.get(e.session, self._kept_ms(e))) for e in inherited]
        )
        self.begun = Begun(
            incarnation, len(kicks), len(plans), told, 0, tuple(sorted(self._seen)),
            state.journal.lost, is_recalling=False,
        )  # fmt: skip
        state.dirty.update(range(SHARDS))
        state.on_dirty(True)

    def _stored(self, incarnation: int) -> int:
        """Make an incarnation durable; where the disk refuses, a higher one that is unlikely."""
        assert 0 < incarnation <= INCARNATION_MAX, "incarnations are exhausted"
        state = self._state
        try:
            state.journal.store_incarnation(incarnation)
        except OSError:
            state.counters["incarnations_not_stored"] += 1
            incarnation = min(INCARNATION_MAX, incarnation + self._random.randrange(BLIND))
            with suppress(OSError):  # it is stored when the disk has recovered
                state.journal.store_incarnation(incarnation)
        return incarnation

    def _recall(self, seen: list[Position], after: int = 0) -> None:
        """Hold on what the journal alone knows, a little at a time: calls are served meanwhile.

        `seen`: how far the peers had this region's logs when it began. What has been adopted on its
        token alone gets its name.
        """
        if self._is_closed or self.begun is None:
            return
        state = self._state
        entries, last = state.journal.sessions(after)
        recalled = 0
        for entry in entries:
            is_seen = position_at(entry.dot) <= seen[shard_of(entry.account)]
            if state.held(entry.account, entry.session) is not None:
                self.name(entry)
            elif not is_seen and self._remint(entry, self._kept_ms(entry)):
                recalled += 1
            else:
                state.journal.forget_session(entry.session)
        state.counters["recalled"] += recalled
        self.begun = self.begun._replace(
            recalled=self.begun.recalled + recalled, is_recalling=last is not None
        )
        if last is not None:
            state.clock.call_later(RECALL_MS, lambda: self._recall(seen, last))
        else:
            self._times.begin()

    def _remint(self, entry: Entry, heard_ms: int | None) -> bool:
        """Hold an inherited session on, if it lives; unconfirmed unless it is known when its device
        was heard.

        What another region has ended while this one was away does not come back.
        """
        state, account = self._state, entry.account
        shard = state.shard(account)
        end = shard.stops.get(entry.session, state.clock.now_ms())
        is_over = (
            shard.ledger.get(entry.session) is not None
            or shard.stops.is_stopped(entry.session)
            or (end is not None and (end.hop, end.dot) >= (entry.hop, entry.dot))
            or entry.deadline_s <= state.clock.wall_ms() // 1000
            or any(
                e.session == entry.session and (e.hop, e.dot) > (entry.hop, entry.dot)
                for e in state.known(account)
            )
        )
        if is_over:
            return False
        state.hold(
            account, entry.device, session=entry.session, title=entry.title,
            started_ms=entry.started_ms, placed_ms=entry.placed_ms, deadline_s=entry.deadline_s,
            hop=entry.hop, provisional=entry.provisional and heard_ms is not None,
            unconfirmed=heard_ms is None, heard_ms=heard_ms,
        )  # fmt: skip
        if state.journal.times is not None:  # nobody else says that its slot is to be asked for
            state.on_uncovered(account, entry.provisional and heard_ms is not None)
        state.counters["inherited"] += 1
        return True

    def _kept_ms(self, entry: Entry) -> int | None:
        """When the journal knows the device to have been heard; None: not, or too long ago.

        One that is suspect by then had nobody to talk to meanwhile: it gets the time of a restart.
        """
        state = self._state
        times = state.journal.times
        silent_ms = None if times is None else times.silent_ms(entry.session)
        if silent_ms is None or silent_ms > state.settings.suspect_ms:
            return None
        return max(0, state.clock.now_ms() - silent_ms)

    def _heard(self) -> dict[int, int]:
        """When the sessions that are held now were last heard; empty at process start."""
        return {
            shard.sessions.sessions[row]: shard.sessions.heard[row]
            for shard in self._state.shards
            for row in shard.sessions.rows_of(self._state.region)
            if shard.sessions.heard[row] != NEVER
        }

    def _incarnation_of(self, peer: RegionId) -> int:
        """The highest that it has used, or the last that it can still begin above."""
        seen = [s.position(peer).incarnation for s in self._state.shards]
        highest = max(self._state.regions.peer(peer).incarnation, *seen)
        return min(highest, INCARNATION_MAX - 1)

    def _wait_ms(self) -> int:
        settings = self._state.settings
        return home_wait_ms(settings.grant_lease_ms, settings.drift)
