"""Judges what regions decide by what really happened (truth.py); their beliefs do not count.

A violation is (promise, time, detail). Times are seconds of the world; a region's clock may run
up to 2 % off, and the bounds leave room for that.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from crdt.dots import RegionId
from crdt.events import ActorKind, Entry, Kick, Reason
from georeg.region.model import (
    Admitted,
    Basis,
    Blocker,
    How,
    Kicked,
    NotDurable,
    Refused,
)
from georeg.region.region import Region
from georeg.region.settings import OnLimit
from tests.model.truth import LEASE_S, Episode, Truth, episodes

if TYPE_CHECKING:
    from tests.model.world import World

SUSPECT_S, FRESH_S, YOUNG_S = 63.5, 3.1, 10.0


class Oracle:
    """Knows everything, believes nobody."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.all: dict[int, Truth] = {}
        self.by_account: dict[str, list[Truth]] = defaultdict(list)
        self.counts: Counter[str] = Counter()
        self.fails: list[tuple[str, float, Any]] = []
        self.kicks_known: dict[int, set[int]] = defaultdict(set)
        self.stops_known: dict[int, set[int]] = defaultdict(set)
        self.late_returns: list[tuple[str, float]] = []
        self.episodes: list[float] = []
        self.evicted: dict[tuple[str, str], float] = {}
        """(account, device) -> when another one's start ended its session (`end_oldest`)."""

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
                by = args[1] if len(args) > 1 else ""
                self._kicked(entry.session, reason.name.lower(), region.id, by)
                if reason is Reason.LIMIT and evidence:
                    self._limited(entry, evidence[-1], region.id)
                elif reason is Reason.LIMIT and args[0] is ActorKind.DEVICE:
                    self._evicted(entry, args[1])
            return kick(entry, reason, *args)

        def on_release(entry: Entry, reason: Reason, **kwargs: Any) -> None:
            if reason is Reason.STOPPED:
                self.stops_known[entry.session].add(region.id)
            if reason in (Reason.DISPLACED, Reason.STOPPED):
                self._ended(entry.session, reason.name.lower(), region.id)
            elif reason is Reason.LAPSED and self.all[entry.session].last == region.id:
                self.all[entry.session].close(self.world.now_s)
            release(entry, reason, **kwargs)

        def on_apply_kick(learned: Kick) -> None:
            self.kicks_known[learned.session].add(region.id)
            apply_kick(learned)

        def on_judge(inquiry: Any) -> None:
            evidence.append([*state.own(inquiry.account), *inquiry.found()])
            judge(inquiry)
            evidence.pop()

        state.kick = on_kick  # type: ignore[method-assign,assignment]
        state.release = on_release  # type: ignore[method-assign]
        state.apply_kick = on_apply_kick  # type: ignore[method-assign,assignment]
        region._overdrafts._judge = on_judge  # type: ignore[method-assign]

    def booted(self, region: RegionId, *, has_disk: bool) -> None:
        """A region begins: it remembers no stops, and no kicks when its disk is empty."""
        for known in [self.stops_known, *([] if has_disk else [self.kicks_known])]:
            for regions in known.values():
                regions.discard(region)

    def _kicked(self, session: int, why: str, region: int, by: str) -> None:
        truth = self.all.get(session)
        self.world.say("kick", hex(session), why, "at", region)
        if truth is not None and truth.kicked_s is None:
            truth.close(self.world.now_s)
            truth.kicked_s, truth.why, truth.ended_by = self.world.now_s, why, by
            truth.ended_at = (region, self.world.now_s)

    def _ended(self, session: int, why: str, region: int) -> None:
        truth = self.all[session]
        self.world.say("end", hex(session), why, "at", region)
        if truth.spans[-1][1] is None and (why == "stopped" or truth.last == region):
            truth.close(self.world.now_s)
            truth.why, truth.ended_at = why, (region, self.world.now_s)

    def stopped(self, session: int, region: int) -> None:
        """The device said stop."""
        self.stops_known[session].add(region)
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

    def _evicted(self, entry: Entry, device: str) -> None:
        """A start ended the oldest session: the account must be full, and no ping-pong."""
        account, now_s = entry.account, self.world.now_s
        self.counts["evicted"] += 1
        others = {
            t.device
            for t in self.by_account[account]
            if t.device != device and t.lived(now_s - FRESH_S, now_s)
        }
        if len(others) < self.world.limits[account]:
            self.bad("P5 evicted though the account was not full", (account, device))
        if self.evicted.get((account, device), now_s) < now_s - 1:
            self.bad("P5 evicted by a device that was evicted itself", (account, device))
        self.evicted.setdefault((account, entry.device.id), now_s)

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
        has_moved = self.world.downs or any(len(t.regions) > 1 for t in mine)
        if len({t.device for t in mine}) > limit and not has_moved:
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
        if lives > limit and world.kind.is_instant:
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
        blockers = [(hex(b.info.session), b.info.device.id) for b in outcome.blockers]
        self.world.say("refuse", account, device, outcome.how, "in", region.id, blockers)
        self._in_time(since_s)
        may_evict = self.world.kind.on_limit is OnLimit.END_OLDEST
        if may_evict and (account, device) not in self.evicted:
            self.bad("P3 refused though the oldest session may be ended", (account, device))
        if len({b.info.device.id for b in outcome.blockers}) < limit:
            self.bad("P1 fewer than L devices named", (account, device))
        self._check_nothing_ended(region.id, account, device, since_s)
        others = [
            t for t in self.by_account[account] if t.device != device and t.session not in replace
        ]
        living = {t.device for t in others if t.lived(since_s - FRESH_S, now_s)}
        if len(living) >= limit:
            return
        dead = [
            (blocker, truth)
            for blocker in outcome.blockers
            if not (truth := self.all[blocker.info.session]).lived(since_s - FRESH_S, now_s)
        ]
        if dead and all(self._is_pending(region.id, blocker, truth) for blocker, truth in dead):
            self.counts["pending end beyond a cut"] += 1
            return
        whys = ",".join(sorted({t.why or "lapsed" for _, t in dead}))
        self.bad(f"P1 false block: {outcome.how}: {whys}", (account, device))

    def _check_nothing_ended(self, region: int, account: str, device: str, since_s: float) -> None:
        """A refused start ends nothing, but for what a holder has handed over for it in vain."""
        for truth in self.by_account[account]:
            ended_at, ended_s = truth.ended_at or (0, -1.0)
            if truth.ended_by == device and ended_s >= since_s and ended_at == region:
                self.bad("P5 a refused start ended a session", (account, hex(truth.session)))

    def _is_pending(self, here: int, blocker: Blocker, truth: Truth) -> bool:
        """Whether a blocker's end cannot be known here; a fresh beacon leaves no such doubt."""
        vouched = blocker.how is How.BEACON and (truth.ended_at or (0,))[0] == blocker.info.region
        return not vouched and self._is_beyond_cut(here, truth)

    def _is_beyond_cut(self, here: int, truth: Truth) -> bool:
        """The one exception: the end was spoken where it cannot be known here yet."""
        if truth.ended_at is None:
            return False
        region, at_s = truth.ended_at
        return any(self.world.is_unreachable(here, there, at_s) for there in {region, truth.last})

    def _in_time(self, since_s: float) -> None:
        if self.world.now_s - since_s > self.world.settings.deadline_ms / 980 + 0.002:
            self.bad("P3 late answer", self.world.now_s - since_s)

    def kick_answered(self, answer: Kicked | NotDurable, since_s: float) -> None:
        """A kick was answered: in time, and durable."""
        self._in_time(since_s)
        if isinstance(answer, NotDurable):
            self.bad("P4 kick not durable", answer.error)
        else:
            self.counts["kick pending" if answer.waiting_for else "kick ended"] += 1

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
        elif truth.kicked_s is not None and self._was_told_to_all(truth.kicked_s):
            self.bad("P4 a kick was forgotten", (hex(truth.session), region))
        if truth.why == "stopped":
            self.counts["heartbeat after a stop: 200"] += 1
            if region in self.stops_known[truth.session]:
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

    def _was_told_to_all(self, kicked_s: float) -> bool:
        """Whether every region must know of a kick, whatever has happened to it since."""
        world = self.world
        return (
            world.now_s > kicked_s + 2
            and not world.cuts
            and not world.loss
            and all(end < kicked_s - 1 or begin > kicked_s + 1 for begin, end, _ in world.downs)
        )

    # ---- afterwards --------------------------------------------------------------------------

    def excess(self, parts: int = 1) -> list[Episode]:
        """Times in which more than `parts` x L devices streamed."""
        return [
            episode
            for account, truths in sorted(self.by_account.items())
            for episode in episodes(account, truths, parts * self.world.limits[account])
        ]
