"""Small worlds in which one thing happens: for rules that chance seldom puts to the test."""

from crdt.dots import RegionId, SessionId
from crdt.events import ActorKind, Device, Plan
from georeg.region.model import (
    Admitted,
    Claims,
    Ended,
    Kicked,
    NotDurable,
    Outcome,
    Refused,
    StartRequest,
)
from georeg.region.pending import Pending
from tests.model.kinds import KINDS, LIMITS
from tests.model.life import EPOCH_MS
from tests.model.scenarios import SETTINGS
from tests.model.world import World

ACCOUNT = "acc"
LATENCY_S = 0.002


class Stage:
    """Regions 1, 2, ... 2 ms apart, one account, a second of silence before the first act."""

    def __init__(self, *, limit: int, home: int, regions: int = 2, kind: str = "near") -> None:
        self.world = World(0, KINDS[kind], SETTINGS)
        self.oracle = self.world.oracle
        name = next(name for name, slots in LIMITS.items() if slots == limit)
        self.plan = Plan(name, limit, home)
        self.world.limits[ACCOUNT] = limit
        numbers = [RegionId(n) for n in range(1, regions + 1)]
        self.world.names = {n: f"r{n}" for n in numbers}
        self.world.latency_s = {(a, b): LATENCY_S for a in numbers for b in numbers if a != b}
        for number in numbers:
            self.world.boot(number)
        self.wait(2.0)

    def wait(self, seconds: float) -> None:
        self.world.until(self.world.now_s + seconds)

    def cut(self, *pairs: tuple[int, int], seconds: float) -> None:
        """Links, each of one direction, that deliver nothing for a while."""
        self.world.partition({(RegionId(a), RegionId(b)) for a, b in pairs}, seconds)

    def start(
        self, region: int, device: str, replace: tuple[SessionId, ...] = ()
    ) -> Pending[Outcome]:
        """A start, told to the oracle like those of households."""
        life, since_s = self.world.lives[RegionId(region)], self.world.now_s
        request = StartRequest(
            ACCOUNT, Device(device, device, "tv"), replace=replace, plan=self.plan,
            plan_issued=EPOCH_MS << 16,
        )  # fmt: skip
        pending = life.region.start(request)

        def decided(outcome: Outcome) -> None:
            if isinstance(outcome, Admitted):
                self.oracle.admitted(life.region, outcome, ACCOUNT, device, since_s)
            elif isinstance(outcome, Refused):
                self.oracle.refused(life.region, outcome, ACCOUNT, device, replace, since_s)

        pending.then(decided)
        return pending

    def admit(self, region: int, device: str, replace: tuple[SessionId, ...] = ()) -> SessionId:
        """A start that must be admitted; returns its session."""
        pending = self.start(region, device, replace)
        if pending.value is None:
            self.wait(0.1)
        assert isinstance(pending.value, Admitted), pending.value
        return pending.value.info.session

    def beat(self, region: int, session: SessionId) -> bool:
        """A heartbeat; whether the session goes on."""
        truth = self.oracle.all[session]
        life = self.world.lives[RegionId(region)].region
        began_ms = EPOCH_MS + int((truth.spans[0][0] or 0) * 1000)
        deadline_s = EPOCH_MS // 1000 + 86_400
        claims = Claims(
            session, ACCOUNT, truth.device, RegionId(truth.region), began_ms, deadline_s
        )
        if life.renew(session, ACCOUNT):
            self.oracle.beat(session, region, None, is_gone=False)
            return True
        answer = life.heartbeat(claims)
        if answer.value is None:
            self.wait(0.1)
        end = answer.value.reason if isinstance(answer.value, Ended) else None
        self.oracle.beat(session, region, end, is_gone=False)
        return end is None

    def kick(self, region: int, session: SessionId) -> Pending[Kicked | NotDurable]:
        life = self.world.lives[RegionId(region)].region
        answer = life.kick(ACCOUNT, session, ActorKind.ACCOUNT)
        assert answer is not None
        return answer

    def stop(self, region: int, session: SessionId) -> None:
        truth = self.oracle.all[session]
        self.oracle.stopped(session, region)
        claims = Claims(
            session, ACCOUNT, truth.device, RegionId(truth.region), EPOCH_MS, EPOCH_MS // 1000 * 2
        )
        self.world.lives[RegionId(region)].region.stop(claims)
