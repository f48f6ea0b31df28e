"""Ground truth: when which device really streamed, and what that makes of each decision.

A session lives from its admission until it is ended by the region that holds it, or until a client
lease after its last heartbeat that was answered 200. A violation is (promise, time, detail).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crdt.events import Entry, Kick, Reason
from georeg.region.model import Admitted, Basis, Refused
from georeg.region.region import Region

if TYPE_CHECKING:
    from tests.model.world import World

SUSPECT_S, LEASE_S, FRESH_S, YOUNG_S = 65.0, 90.0, 3.0, 10.0


@dataclass
class Truth:
    """One session as it really was."""

    session: int
    account: str
    device: str
    region: int
    heard_s: float
    spans: list[list[float | None]] = field(default_factory=list)
    kicked_s: float | None = None
    why: str | None = None
    ended_at: tuple[int, float] | None = None
    """Region and time of its end."""
    excused: bool = False
    """Ended for the limit on the word of a session whose end was spoken beyond a cut."""
    regions: set[int] = field(default_factory=set)
    last: int = 0

    def close(self, at_s: float) -> None:
        if self.spans[-1][1] is None:
            self.spans[-1][1] = min(at_s, self.heard_s + LEASE_S)

    def intervals(self) -> list[tuple[float, float]]:
        return [(a or 0.0, self.heard_s + LEASE_S if b is None else b) for a, b in self.spans]

    def lived(self, from_s: float, to_s: float) -> bool:
        return any(a <= to_s + 1e-9 and b >= from_s - 1e-9 for a, b in self.intervals())

    def lives(self, at_s: float) -> bool:
        return any(a <= at_s + 1e-9 and b > at_s + 1e-9 for a, b in self.intervals())


class Oracle:
    """Knows everything, believes nobody."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.all: dict[int, Truth] = {}
        self.by_account: dict[str, list[Truth]] = defaultdict(list)
        self.counts: Counter[str] = Counter()
        self.fails: list[tuple[str, float, Any]] = []
        self.kicks_known: dict[int, set[int]] = defaultdict(set)
        self.late_returns: list[tuple[str, float]] = []
        self.episodes: list[float] = []

    def bad(self, promise: str, detail: object = None) -> None:
        self.fails.append((promise, round(self.world.now_s, 3), detail))
        self.world.say("VIOLATION", promise, detail)

    # ---- watching the regions ----------------------------------------------------------------

    def observe(self, region: Region) -> None:
        """Be told of the ends that a region speaks or hears of."""
        state = region._state
        kick, release, apply_kick = state.kick, state.release, state.apply_kick
        judge = region._overdrafts._judge
        evidence: list[Any] = []

        def on_kick(entry: Entry, reason: Reason, *args: Any) -> Kick:
            if state.kicked(entry.account, entry.session) is None:
                self._kicked(entry.session, reason.name.lower(), region.id)
                if reason is Reason.LIMIT and evidence:
                    self._limited(entry, evidence[-1], region.id)
            return kick(entry, reason, *args)

        def on_release(entry: Entry, reason: Reason, **kwargs: Any) -> None:
            if reason in (Reason.DISPLACED, Reason.STOPPED):
                self._ended(entry.session, reason.name.lower(), region.id)
            release(entry, reason, **kwargs)

        def on_apply_kick(learned: Kick) -> None:
            self.kicks_known[learned.session].add(region.id)
            apply_kick(learned)

        def on_judge(inquiry: Any) -> None:
            evidence.append([*state.own(inquiry.account), *inquiry.found()])
            judge(inquiry)
            evidence.pop()

        state.kick = on_kick  # type: ignore[method-assign,assignment]
        state.release = on_release  # type: ignore[method-assign,assignment]
        state.apply_kick = on_apply_kick  # type: ignore[method-assign]
        region._overdrafts._judge = on_judge  # type: ignore[method-assign]

    def _kicked(self, session: int, why: str, region: int) -> None:
        truth = self.all.get(session)
        self.world.say("kick", hex(session), why, "at", region)
        if truth is not None and truth.kicked_s is None:
            truth.close(self.world.now_s)
            truth.kicked_s, truth.why = self.world.now_s, why
            truth.ended_at = (region, self.world.now_s)

    def _ended(self, session: int, why: str, region: int) -> None:
        truth = self.all[session]
        self.world.say("end", hex(session), why, "at", region)
        if truth.spans[-1][1] is None and (why == "stopped" or truth.last == region):
            truth.close(self.world.now_s)
            truth.why, truth.ended_at = why, (region, self.world.now_s)

    def stopped(self, session: int, region: int) -> None:
        """The device said stop."""
        self._ended(session, "stopped", region)

    def _limited(self, entry: Entry, evidence: list[Any], region: int) -> None:
        """A provisional session was disproved: L others must really live."""
        self.counts["ended limit"] += 1
        truth, now_s = self.all[entry.session], self.world.now_s
        others = {
            t.device
            for t in self.by_account[truth.account]
            if t.device != truth.device and t.why != "limit" and t.lived(now_s - FRESH_S, now_s)
        }
        named = [self.all[s.session] for s in evidence if s.session != entry.session]
        dead = [t for t in named if not t.lived(now_s - FRESH_S, now_s)]
        truth.excused = any(t.excused or self._is_beyond_cut(region, t) for t in dead)
        if len(others) >= self.world.limits[truth.account]:
            return
        if truth.excused or any(t.excused for t in named):
            self.counts["limit end, pending ends beyond a cut"] += 1
            return
        mutual = any(
            t.why == "limit" and t.device != truth.device and t.lived(now_s - FRESH_S, now_s)
            for t in self.by_account[truth.account]
        )
        what = "provisional sessions ended one another" if mutual else "limit end without L others"
        self.bad(f"P5 {what}", (truth.account, hex(entry.session)))

    # ---- decisions ---------------------------------------------------------------------------

    def admitted(
        self, region: Region, outcome: Admitted, account: str, device: str, since_s: float
    ) -> None:
        now_s, limit, session = self.world.now_s, self.world.limits[account], outcome.info.session
        self.world.say("admit", hex(session), device, outcome.basis, account, "in", region.id)
        assert session not in self.all, "a session id was used twice"
        truth = Truth(session, account, device, region.id, now_s, [[now_s, None]])
        truth.regions.add(region.id)
        truth.last = region.id
        self.all[session] = truth
        self.by_account[account].append(truth)
        self.counts[str(outcome.basis)] += 1
        self._in_time(since_s)
        usable = [
            max(0, life.region._budget.usable(account))
            for life in self.world.lives.values()
            if life.serves and life.region._state.shard(account).plan(account) is not None
        ]
        if sum(usable) > limit:
            self.bad("P8 usable grants above L", (account, usable))
        mine = [t for t in self.by_account[account] if t.region == region.id and t.lives(now_s)]
        if len({t.device for t in mine}) > limit and not self.world.downs:
            if all(len(t.regions) == 1 for t in mine):
                self.bad("P2 one region above L", (account, hex(session)))
        self._check_grant(outcome.basis, account, device, session)

    def _check_grant(self, basis: Basis, account: str, device: str, session: int) -> None:
        """Without a partition a grant never admits beyond L sessions that were long known."""
        now_s, limit, world = self.world.now_s, self.world.limits[account], self.world
        is_calm = all(end < now_s - 6 for _, end, _ in world.cuts) and not world.downs
        known = {
            t.device
            for t in self.by_account[account]
            if t.device != device
            and t.lives(now_s)
            and t.lives(now_s - 6)
            and t.heard_s > now_s - SUSPECT_S + 5
        }
        is_late = any(a == account and at_s > now_s - 7 for a, at_s in self.late_returns)
        if basis is not Basis.OVERDRAFT and is_calm and len(known) >= limit and not is_late:
            self.bad("P2 granted though L were known to live", (account, hex(session)))
        lives = len({t.device for t in self.by_account[account] if t.lives(now_s)})
        if lives > limit and world.kind == "fast":
            self.bad("P2 live above L after a decision", (account, hex(session), str(basis), lives))

    def refused(
        self,
        region: Region,
        outcome: Refused,
        account: str,
        device: str,
        replace: tuple[int, ...],
        since_s: float,
    ) -> None:
        now_s, limit = self.world.now_s, self.world.limits[account]
        self.counts[f"refused {outcome.how}"] += 1
        self.world.say("refuse", account, device, outcome.how, "in", region.id,
                       [(hex(b.info.session), b.info.device.id) for b in outcome.blockers])  # fmt: skip
        self._in_time(since_s)
        if len({b.info.device.id for b in outcome.blockers}) < limit:
            self.bad("P1 fewer than L devices named", (account, device))
        others = [
            t
            for t in self.by_account[account]
            if t.device != device and t.session not in replace
        ]
        living = {t.device for t in others if t.lived(since_s - FRESH_S, now_s)}
        if len(living) >= limit:
            return
        named = [self.all[b.info.session] for b in outcome.blockers]
        dead = [t for t in named if not t.lived(since_s - FRESH_S, now_s)]
        if dead and all(self._is_beyond_cut(region.id, t) for t in dead):
            self.counts["pending end beyond a cut"] += 1
            return
        whys = ",".join(sorted({t.why or "lapsed" for t in dead}))
        self.bad(f"P1 false block: {outcome.how}: {whys}", (account, device))

    def _is_beyond_cut(self, here: int, truth: Truth) -> bool:
        """The one exception: the end was spoken where it cannot be known here yet."""
        if truth.ended_at is None:
            return False
        region, at_s = truth.ended_at
        return any(
            self.world.is_unreachable(here, there, at_s) for there in {region, truth.last}
        )

    def _in_time(self, since_s: float) -> None:
        if self.world.now_s - since_s > self.world.settings.deadline_ms / 1000 + 0.002:
            self.bad("P3 late answer", self.world.now_s - since_s)

    # ---- heartbeats --------------------------------------------------------------------------

    def beat(self, session: int, region: int, end: Reason | None, *, is_gone: bool) -> None:
        """A heartbeat was answered: `end` None is 200. `is_gone`: the device has moved on."""
        truth, now_s = self.all[session], self.world.now_s
        self.world.say("beat", hex(session), "at", region, end.name if end else 200)
        if end is None:
            self._beat_ok(truth, region)
        elif truth.kicked_s is None and not is_gone and now_s - truth.heard_s <= SUSPECT_S:
            self.bad(f"P5 in time, ended: {end.name.lower()}", hex(session))

    def _beat_ok(self, truth: Truth, region: int) -> None:
        now_s = self.world.now_s
        if truth.kicked_s is not None and region in self.kicks_known[truth.session]:
            self.bad("P4 kicked session answered 200", (hex(truth.session), region))
        if truth.why == "stopped":
            self.counts["heartbeat after a stop: 200"] += 1
            life = self.world.lives[region]
            if life.region._state.shard(truth.account).stops.is_stopped(truth.session):
                self.bad("P6 a stopped session came back", hex(truth.session))
            return
        if truth.spans[-1][1] is None and now_s > truth.heard_s + LEASE_S:
            truth.spans[-1][1] = truth.heard_s + LEASE_S
        if truth.spans[-1][1] is not None and truth.kicked_s is None:
            truth.spans.append([now_s, None])
        if now_s - truth.heard_s > SUSPECT_S and region != truth.last:
            self.late_returns.append((truth.account, now_s))
        truth.heard_s, truth.last = now_s, region
        truth.regions.add(region)

    # ---- afterwards --------------------------------------------------------------------------

    def excess(self, parts: int = 1) -> list[tuple[str, float, float, int]]:
        """Times in which more than `parts` x L devices streamed: account, start, length, peak."""
        episodes = []
        for account, truths in sorted(self.by_account.items()):
            bound = parts * self.world.limits[account]
            changes = sorted(
                change
                for truth in truths
                for a, b in truth.intervals()
                if b > a
                for change in ((a, 1, truth.device), (b, -1, truth.device))
            )
            on: Counter[str] = Counter()
            begin, peak = None, 0
            for at_s, step, device in changes:
                on[device] += step
                count = sum(n > 0 for n in on.values())
                if count > bound:
                    begin, peak = (at_s, count) if begin is None else (begin, max(peak, count))
                elif begin is not None:
                    if at_s - begin > 1e-6:
                        episodes.append((account, begin, at_s - begin, peak))
                    begin = None
        return episodes
