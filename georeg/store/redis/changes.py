"""What a slice has to say to Redis: the latest of each thing, and who waits until it is said.

A change that is followed by another of the same session, plan or peer is never sent; so what waits
is bounded by what lives, and by the sessions that Redis has to forget.
"""

from collections.abc import Callable
from itertools import islice
from typing import Final, TypeVar

from crdt.dots import RegionId
from crdt.events import Entry, HomeSet, Kick, PlanSet
from georeg.store.redis.client import Arg
from georeg.store.redis.records import home_value, kick_value, plan_value, session_value
from georeg.store.rows import key

QUEUE_MAX: Final = 100_000
"""Kicks, and plans, that wait for a Redis that refuses; beyond it the oldest are dropped."""
ITEMS_MAX: Final = 1_000
"""Sessions, kicks, plans of one commit, each: some 5 ms for which Redis does nothing else."""
BLOCKS_MAX: Final = 64

K = TypeVar("K")
V = TypeVar("V")
Then = Callable[[OSError | None], None]


class Changes:
    """Changes that wait, or that are being committed."""

    def __init__(self) -> None:
        self.incarnation = 0
        """0: stored already."""
        self.peers: dict[RegionId, int] = {}
        self.kicks: dict[int, Kick] = {}
        self.plans: dict[str, PlanSet] = {}
        self.homes: dict[str, HomeSet] = {}
        """Never dropped: no further home moves while Redis refuses."""
        self.sessions: dict[int, Entry | None] = {}
        """None: to be forgotten."""
        self.heard: dict[int, bytes | None] = {}
        """Blocks of times; None: to be forgotten."""
        self.waiting: list[Then] = []

    def __bool__(self) -> bool:
        return bool(
            self.sessions or self.waiting or self.heard or self.kicks or self.plans or self.peers
            or self.incarnation or self.homes
        )  # fmt: skip

    def put_kick(self, kick: Kick) -> None:
        """The first kick of a session stands."""
        known = self.kicks.get(kick.session)
        if known is None or kick.at_ms < known.at_ms:
            self.kicks[kick.session] = kick
        if len(self.kicks) > QUEUE_MAX:
            del self.kicks[next(iter(self.kicks))]

    def put_plan(self, plan: PlanSet) -> None:
        """The latest plan of an account stands."""
        known = self.plans.pop(plan.account, plan)
        self.plans[plan.account] = max(known, plan, key=lambda p: p.issued)
        if len(self.plans) > QUEUE_MAX:
            del self.plans[next(iter(self.plans))]

    def put_home(self, home: HomeSet) -> None:
        """The highest number of an account stands."""
        known = self.homes.get(home.account, home)
        self.homes[home.account] = max(known, home, key=lambda h: h.number)

    def put_peer(self, region: RegionId, incarnation: int) -> None:
        """The highest incarnation of a peer stands."""
        self.peers[region] = max(incarnation, self.peers.get(region, 0))

    def take(self) -> "Changes":
        """Move to a batch of its own what one commit may hold; who waits goes with the last."""
        batch = Changes()
        batch.incarnation, self.incarnation = self.incarnation, 0
        batch.peers, self.peers = self.peers, {}
        batch.kicks = _moved(self.kicks, ITEMS_MAX)
        batch.plans = _moved(self.plans, ITEMS_MAX)
        batch.homes = _moved(self.homes, ITEMS_MAX)
        batch.sessions = _moved(self.sessions, ITEMS_MAX)
        batch.heard = _moved(self.heard, BLOCKS_MAX)
        if not (self.kicks or self.plans or self.homes or self.sessions):
            batch.waiting, self.waiting = self.waiting, []
        return batch

    def put_before(self, batch: "Changes") -> None:
        """Take back a batch that was not committed; what came meanwhile counts."""
        self.incarnation = max(self.incarnation, batch.incarnation)
        for region, incarnation in batch.peers.items():
            self.put_peer(region, incarnation)
        self.sessions = batch.sessions | self.sessions
        self.heard = batch.heard | self.heard
        later = (self.kicks, self.plans)
        self.kicks, self.plans = batch.kicks, batch.plans
        for kick in later[0].values():
            self.put_kick(kick)
        for plan in later[1].values():
            self.put_plan(plan)
        for home in batch.homes.values():
            self.put_home(home)

    def sections(self, now_s: int) -> list[Arg]:
        """The arguments of a commit, after its numbers; `now_s`: see `session_value`."""
        highest: list[Arg] = ["incarnation", self.incarnation] if self.incarnation else []
        for region, incarnation in self.peers.items():
            highest += f"peer:{region}", incarnation
        kicks: list[Arg] = []
        for kick in self.kicks.values():
            kicks += key(kick.session), kick_value(kick), kick.expires_s
        plans: list[Arg] = []
        for plan in self.plans.values():
            plans += plan.account, plan_value(plan)
        homes: list[Arg] = []
        for home in self.homes.values():
            homes += home.account, home_value(home)
        held: list[Arg] = []
        gone: list[Arg] = []
        for session, entry in self.sessions.items():
            if entry is None:
                gone.append(key(session))
            else:
                held += key(session), session_value(entry, now_s)
        heard: list[Arg] = []
        unheard: list[Arg] = []
        for block, times in self.heard.items():
            if times is None:
                unheard.append(block)
            else:
                heard += block, times
        args: list[Arg] = []
        for name, items in (
            ("highest", highest), ("kicks", kicks), ("plans", plans), ("homes", homes),
            ("held", held),
            ("gone", gone), ("heard", heard), ("unheard", unheard),
        ):  # fmt: skip
            if items:
                args += name, len(items), *items
        return args


def _moved(source: dict[K, V], count: int) -> dict[K, V]:
    if len(source) <= count:
        moved = source.copy()
        source.clear()
        return moved
    return {key: source.pop(key) for key in list(islice(source, count))}
