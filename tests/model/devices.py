"""Devices that start, heartbeat, stop, vanish, roam, sleep, and retry in haste."""

from collections.abc import Callable
from dataclasses import dataclass

from crdt.dots import RegionId, SessionId
from crdt.events import Device, Plan, Reason
from georeg.region.model import Admitted, Claims, Ended, Outcome, Refused, Renewed, StartRequest
from georeg.region.pending import Pending
from georeg.region.region import Region
from tests.model.life import EPOCH_MS, Life
from tests.model.world import World

HEARTBEAT_S = 30.0


@dataclass
class Habits:
    """Means in seconds, shares as probabilities."""

    idle: float = 14
    play: float = 35
    stop: float = 0.33
    vanish: float = 0.17
    again: float = 0.12
    roam: float = 0.18
    sleep: float = 0.1
    late: float = 0.15
    away: float = 0.25
    kick: float = 50
    retry: float = 0.3
    burst: float = 25
    twice: float = 0.1
    """Starts that are sent a second time, with an idempotency key."""


class Player:
    """One device of one household."""

    def __init__(
        self, world: World, account: str, device: str, home: RegionId, habits: Habits, plan: Plan
    ) -> None:
        self.world, self.account, self.habits, self.plan = world, account, habits, plan
        self.device = Device(device, device, "tv")
        self.home = self.at_region = home
        self.epoch = 0
        self.beats = 0
        self.session: SessionId | None = None
        self.began_ms = 0
        self.rest()

    def later(self, delay_s: float, run: Callable[[], None]) -> None:
        """Run unless the device has moved on by then."""
        epoch = self.epoch
        self.world.at(
            delay_s, lambda: run() if epoch == self.epoch and not self.world.is_over else None
        )

    def pick(self) -> RegionId:
        random = self.world.random
        if random.random() >= self.habits.away:
            return self.home
        return random.choice(sorted(self.world.lives))

    def wire_s(self) -> float:
        return self.world.random.uniform(0.004, 0.015)

    def rest(self, mean_s: float | None = None) -> None:
        self.epoch += 1
        self.session = None
        self.later(self.world.random.expovariate(1 / (mean_s or self.habits.idle)), self.go)

    def go(self, region: RegionId | None = None, replace: tuple[SessionId, ...] = ()) -> None:
        """Start a stream."""
        if self.world.is_quiet:
            return
        self.epoch += 1
        self.at_region = self.pick() if region is None else region
        life, epoch = self.world.lives[self.at_region], self.epoch

        def arrive() -> None:
            if not life.serves:
                return
            since_s = self.world.now_s
            is_twice = self.world.random.random() < self.habits.twice
            request = StartRequest(
                self.account, self.device, replace=replace, plan=self.plan,
                plan_issued=EPOCH_MS << 16,
                idempotency_key=f"{self.device.id}/{epoch}" if is_twice else "",
            )  # fmt: skip
            pending = life.region.start(request)
            pending.then(lambda outcome: decided(outcome, since_s))
            if is_twice:
                self.send_again(life, request, pending)

        def decided(outcome: Outcome, since_s: float) -> None:
            oracle, name = self.world.oracle, self.device.id
            if isinstance(outcome, Admitted):
                oracle.admitted(life.region, outcome, self.account, name, since_s)
            elif isinstance(outcome, Refused):
                oracle.refused(life.region, outcome, self.account, name, replace, since_s)
            self.world.at(
                self.wire_s(),
                lambda: self.answer(outcome) if self.epoch == epoch and not self.session else None,
            )

        self.world.at(self.wire_s(), arrive)
        self.later(1.5, self.go_if_idle)

    def go_if_idle(self) -> None:
        if self.session is None:
            self.go()

    def send_again(self, life: Life, request: StartRequest, first: Pending[Outcome]) -> None:
        """The same start once more, as after a lost answer."""

        def arrive() -> None:
            if life.serves:
                life.region.start(request).then(decided)

        def decided(outcome: Outcome) -> None:
            oracle, now_s = self.world.oracle, self.world.now_s
            oracle.counts["start sent twice"] += 1
            if first.value is not None and outcome is not first.value:
                oracle.bad("P3 another answer to the same start", self.device.id)
                if isinstance(outcome, Admitted):
                    oracle.admitted(life.region, outcome, self.account, self.device.id, now_s)

        self.world.at(self.world.random.uniform(0, 0.2), arrive)

    def answer(self, outcome: Outcome) -> None:
        random = self.world.random
        if isinstance(outcome, Admitted):
            self.epoch += 1
            self.session = outcome.info.session
            self.began_ms = outcome.info.started_ms
            self.beats += 1
            beats = self.beats
            self.later(HEARTBEAT_S, lambda: self.beat(beats))
            self.later(random.expovariate(1 / self.habits.play), self.act)
        elif isinstance(outcome, Refused) and random.random() < self.habits.retry:
            self.go(self.at_region, (random.choice(outcome.blockers).info.session,))
        else:
            self.rest()

    def claims(self, session: SessionId) -> Claims:
        deadline_s = (EPOCH_MS + 86_400_000 * 2) // 1000
        return Claims(
            session, self.account, self.device.id, self.at_region, self.began_ms, deadline_s
        )

    def beat(self, chain: int) -> None:
        """One heartbeat; the next one follows its answer."""
        if chain != self.beats or self.session is None:
            return
        life, epoch, session = self.world.lives[self.at_region], self.epoch, self.session
        region = self.at_region

        def arrive() -> None:
            if not life.serves:
                if epoch == self.epoch:
                    self.at_region = self.world.random.choice(sorted(self.world.lives))
                    self.later(0.3, lambda: self.beat(chain))
                return
            self.tell(life.region, session, region, lambda end: answered(end))

        def answered(end: Reason | None) -> None:
            if epoch != self.epoch:
                return
            if end is None:
                pause_s = HEARTBEAT_S * self.world.random.uniform(0.97, 1.03)
                self.later(pause_s, lambda: self.beat(chain))
            else:
                self.rest(3)

        self.world.at(self.wire_s(), arrive)

    def tell(
        self,
        region: Region,
        session: SessionId,
        number: RegionId,
        then: Callable[[Reason | None], None] = lambda end: None,
        *,
        is_late: bool = False,
    ) -> None:
        """Deliver a heartbeat to a region, as its edge does."""
        epoch, claims = self.epoch, self.claims(session)

        def settled(answer: Renewed | Ended) -> None:
            end = answer.reason if isinstance(answer, Ended) else None
            is_gone = is_late or epoch != self.epoch or session != self.session
            self.world.oracle.beat(session, number, end, is_gone=is_gone)
            then(end)

        if region.renew(session, self.account):
            settled(Renewed(session))
        else:
            region.heartbeat(claims).then(settled)

    def roam(self) -> None:
        self.at_region = self.world.random.choice(sorted(self.world.lives))
        self.beats += 1
        self.beat(self.beats)

    def act(self) -> None:
        """What a viewer does next."""
        random, habits = self.world.random, self.habits
        share, what = random.random(), ""
        for name in ("stop", "vanish", "again", "roam", "sleep"):
            share -= getattr(habits, name)
            if share < 0:
                what = name
                break
        if what == "stop":
            self.stop()
            return
        if what == "vanish":
            self.rest(60)
            return
        if what == "again":
            self.epoch += 1
            self.session = None
            self.go(self.pick())
            return
        if what == "roam":
            self.roam()
            if random.random() < 0.3:
                self.later(random.uniform(0, 0.5), self.act)
        if what == "sleep":
            if random.random() < 0.4:
                self.at_region = random.choice(sorted(self.world.lives))
            self.beats += 1
            beats = self.beats
            self.later(random.uniform(60, 130), lambda: self.beat(beats))
        self.later(random.expovariate(1 / habits.play), self.act)

    def stop(self) -> None:
        """Stop, sometimes with a heartbeat that was already under way."""
        assert self.session is not None
        random, session, claims = self.world.random, self.session, self.claims(self.session)
        life = self.world.lives[self.at_region]
        region = self.at_region

        def arrive() -> None:
            if life.serves:
                self.world.oracle.stopped(session, region)
                life.region.stop(claims)

        self.world.at(self.wire_s(), arrive)
        if random.random() < self.habits.late:
            stays = random.random() < 0.7
            other = self.at_region if stays else random.choice(sorted(self.world.lives))
            late = self.world.lives[other]
            self.world.at(
                random.uniform(0, 0.3),
                lambda: (
                    self.tell(late.region, session, other, is_late=True) if late.serves else None
                ),
            )
        self.rest()
