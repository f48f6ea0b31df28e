"""Homes follow their households: an account's home moves to the region where alone it streams.

The home gives an account away, to region X, when for `home_move_after_ms` it has seen no session of
it anywhere but in X, and sees one there at the end of that time as at its beginning. Nobody waits
for that and no stream notices it: from then on X decides its starts by itself, also while it is
cut off. It moves back in the same way and no sooner, since X looks as long.

Invariant (P8): of all regions one at most acts as home of an account. For that
1. only the home gives, in its own seat and to a region that sits in its own one, while all regions
   agree on who they are (members.py), nothing pins it, and homes are not fenced: whoever took the
   seat next might not have heard of the move, and the fence would not keep it from lending;
2. and only when its book, which is complete, counts nothing for any region but X: unused grants
   of others are taken back first;
3. from the moment it decides, it lends and uses nothing of the account;
4. it tells X when its disk has it: a region that comes back must know what it has given away.
   One without its disk is home of nothing until all others have told (joining.py);
5. each move has the next number of its account, so whatever comes late or twice changes nothing.
X is home as soon as it hears of it. What it holds of the former home is part of what it has now, so
it gives that back; until the event arrives nobody is home, and starts are decided on evidence.
Both X and the former home say the event in their logs, X since the other's may be lost.

Cost: one record for an account that streams in one other region only, looked at in slices; a move
is one sync of the disk, two events, and a row of the account table that stays (crdt/homes.py).
"""

from typing import Final, NamedTuple

from crdt.book import GrantBook
from crdt.dots import RegionId
from crdt.events import HomeSet
from crdt.homes import HOMES_MAX
from crdt.liveness import RegionState as Liveness
from crdt.versions import NEWEST
from georeg.region.budget import Budget
from georeg.region.decisions import Kind
from georeg.region.drain import Drain
from georeg.region.home import Home
from georeg.region.replication import Replication
from georeg.region.settings import ElectionKind
from georeg.region.state import RegionState

OBSERVED_MAX: Final = 100_000
"""Accounts that are watched at once; others wait until one of these has moved or is forgotten."""
LOOKS_MAX: Final = 200
"""Accounts that are looked at in one beacon round: a millisecond or two."""
RETRY_MS: Final = 1_000
"""Between two tries to write a move that the disk refuses."""


class _Observed(NamedTuple):
    """An account whose sessions are all in one other region."""

    region: RegionId
    since_ms: int
    seen_ms: int
    """When a session was last seen there."""


class Moves:
    """Watches the accounts whose home this region is, gives homes away and takes them."""

    def __init__(
        self,
        state: RegionState,
        budget: Budget,
        home: Home,
        replication: Replication,
        drain: Drain,
    ) -> None:
        self._state = state
        self._budget = budget
        self._home = home
        self._replication = replication
        self._drain = drain
        home.idle.on_streaming = self.streams
        self._observed: dict[str, _Observed] = {}
        self._walk: list[str] = []
        """What is still to be looked at in this walk, the next one last."""

    @property
    def observed(self) -> int:
        """How many accounts are watched now."""
        return len(self._observed)

    # ---- watching ----------------------------------------------------------------------------

    def streams(self, account: str) -> None:
        """An account of which something is lent streams: watch it if it does so in one region."""
        if account in self._observed or not self._state.settings.home_move_after_ms:
            return
        places, now_ms = self._places(account), self._state.clock.now_ms()
        if len(places) == 1 and len(self._observed) < OBSERVED_MAX and self._is_home(account):
            (region,) = places
            if region != self._state.region:
                self._observed[account] = _Observed(region, now_ms, now_ms)

    def tick(self) -> None:
        """Once a beacon round: look at some of the accounts that are watched."""
        if not self._walk:
            self._walk = list(reversed(self._observed))
        for _ in range(min(LOOKS_MAX, len(self._walk))):
            account = self._walk.pop()
            if account in self._observed:
                self._look(account, self._observed[account])

    def _look(self, account: str, seen: _Observed) -> None:
        after_ms, now_ms = self._state.settings.home_move_after_ms, self._state.clock.now_ms()
        places = self._places(account)
        if not after_ms or not self._is_home(account) or places - {seen.region}:
            del self._observed[account]
        elif not places:
            if now_ms - seen.seen_ms > after_ms:
                del self._observed[account]
        elif now_ms - seen.since_ms >= after_ms and self._may_move(account, seen.region):
            del self._observed[account]
            self._give(account, seen.region)
        else:
            self._observed[account] = seen._replace(seen_ms=now_ms)

    def _places(self, account: str) -> set[RegionId]:
        return {entry.region for entry in self._state.live(account)}

    def _is_home(self, account: str) -> bool:
        """Whether this region is the account's home, and not by its plan, which would win."""
        state, known = self._state, self._state.plan_of(account)
        is_pinned = known is not None and known.plan.home in state.members.regions
        return not is_pinned and state.seat_of(account) == state.home_of(account) == state.region

    def _may_move(self, account: str, to: RegionId) -> bool:
        """Whether the home can be given away now; if not, the next look asks again."""
        state, now_ms = self._state, self._state.clock.now_ms()
        book = state.seats.acting(state.region, now_ms)
        return (
            book is not None
            and not book.is_learning(now_ms)
            and state.members.are_agreed
            and state.settings.election is not ElectionKind.FENCED
            and state.seats.home(to) == to
            and self._is_free(book, account, to)
            and not self._home.is_asked(account)
            and state.regions.state(to, now_ms) is Liveness.UP
            and not self._drain.is_draining(to)
            and all(link.version == NEWEST for link in self._replication.links.values())
            and not state.journal.trouble
            and state.shard(account).accounts.homes.count < HOMES_MAX
        )

    def _is_free(self, book: GrantBook, account: str, to: RegionId) -> bool:
        """Whether the book counts nothing for others; else what they do not use is recalled."""
        holders = set(book.valid(account, self._state.clock.now_ms())) - {to}
        self._home.idle.take_back(self._state.region, account, holders)
        return not holders

    # ---- giving ------------------------------------------------------------------------------

    def _give(self, account: str, to: RegionId) -> None:
        """Lend and use nothing of the account any more; tell of it when the disk has it."""
        state, known = self._state, self._state.shard(account).accounts.home(account)
        number = 1 if known is None else known.number + 1
        move = HomeSet(account, to, number, state.region, max(0, state.clock.wall_ms() // 1000))
        self._budget.leaving.add(account)
        state.journal.store_home(move)
        state.journal.sync(lambda error: self._stored(move, error))

    def _stored(self, move: HomeSet, error: OSError | None) -> None:
        state = self._state
        if error is not None:  # it is queued and may reach the disk at any time: no way back
            state.clock.call_later(
                RETRY_MS, lambda: state.journal.sync(lambda again: self._stored(move, again))
            )
            return
        self._say(move)
        self._budget.leaving.discard(move.account)
        state.counters["homes_moved"] += 1
        state.decisions.home_moved(Kind.HOME_GIVEN, move)

    # ---- taking ------------------------------------------------------------------------------

    def heard(self, move: HomeSet) -> None:
        """Another region says that a home has moved."""
        state = self._state
        if state.shard(move.account).accounts.home(move.account) != move:
            return  # it has moved on since
        state.journal.store_home(move)
        if not self._replication.is_open:
            return  # this region begins: its logs will begin with what moved here or away
        is_ours = state.region in (move.home, move.by)
        if is_ours and self._say(move) and move.home == state.region:
            state.counters["homes_taken"] += 1
            state.decisions.home_moved(Kind.HOME_TAKEN, move)
            self._budget.hand_back_all(move.by, move.account)

    def _say(self, move: HomeSet) -> bool:
        shard = self._state.shard(move.account)
        is_said = shard.set_home(move)
        self._state.logged(shard.index, at_once=True)
        return is_said
