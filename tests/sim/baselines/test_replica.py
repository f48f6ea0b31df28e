"""Merging replicas: what arrives in any order, any number of times, comes out the same."""

from random import Random

import pytest

from crdt.dots import RegionId
from crdt.events import ActorKind, Device, Plan
from georeg.edge.tokens import KeyRing
from georeg.region.model import Admitted, Claims, Ended, Refused, Renewed, StartRequest
from georeg.region.settings import Settings
from region_sim.baselines.records import Clock
from region_sim.baselines.replica import Message, Replica
from region_sim.baselines.setup import Setup
from tests.edge.world import KEY, ManualClock
from tests.sim.baselines.cluster import NAMES

BASIC = Plan("basic", 1, 0)


class Replicas:
    """Three replicas whose messages a test carries by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.of = {name: self._make(name) for name in NAMES}

    def _make(self, name: str) -> Replica:
        setup = Setup(
            name=name,
            numbers={n: RegionId(number) for number, n in enumerate(NAMES, start=1)},
            peers={n: "" for n in NAMES if n != name},
            host="",
            port=0,
            home="us",
            settings=Settings(),
            keys=KeyRing([KEY], cluster="test"),
            clock=Clock(self.clock.now_ms, self.clock.wall_ms),
            random=Random(name),
            session=lambda: pytest.fail("a replica does no I/O"),
        )
        return Replica(setup)

    def start(self, name: str, device: str) -> Claims | None:
        """A start, and the token of what was admitted."""
        request = StartRequest("a", Device(device, device, "tv"), plan=BASIC, plan_issued=1)
        outcome = self.of[name].store.start(request, RegionId(NAMES.index(name) + 1))
        if isinstance(outcome, Admitted):
            i = outcome.info
            return Claims(i.session, "a", device, i.region, i.started_ms, i.deadline_s)
        assert isinstance(outcome, Refused)
        return None

    def heartbeat(self, name: str, claims: Claims) -> Renewed | Ended:
        return self.of[name].store.heartbeat(claims, RegionId(NAMES.index(name) + 1))

    def send(self, source: str, target: str) -> Message:
        """One message, delivered and acknowledged."""
        replica = self.of[source]
        sessions, plans = replica.news(target)
        message = replica.message(sessions, plans)
        self.of[target].merge(message)
        replica.acknowledged(target, sessions, plans)
        return message

    def settle(self) -> None:
        """Everything reaches everybody."""
        for _ in range(20):
            pairs = [(a, b) for a in NAMES for b in NAMES if a != b and self.of[a].has_news(b)]
            if not pairs:
                return
            for source, target in pairs:
                self.send(source, target)
        raise AssertionError("they never stop talking")

    def views(self) -> list[list[int]]:
        return [[int(r.session) for r in self.of[n].store.live("a")] for n in NAMES]


@pytest.fixture
def replicas() -> Replicas:
    return Replicas()


def test_starts_that_meet_before_the_gossip_all_get_in(replicas: Replicas) -> None:
    admitted = [replicas.start(name, f"tv-{name}") for name in NAMES]
    assert None not in admitted
    replicas.settle()
    assert [len(view) for view in replicas.views()] == [3, 3, 3]


def test_a_start_after_the_gossip_is_refused(replicas: Replicas) -> None:
    assert replicas.start("us", "tv") is not None
    replicas.settle()
    assert replicas.start("eu", "phone") is None


def test_a_kick_wins_over_a_heartbeat_that_crosses_it(replicas: Replicas) -> None:
    claims = replicas.start("us", "tv")
    assert claims is not None
    replicas.settle()
    replicas.of["eu"].store.kick("a", claims.session, ActorKind.ACCOUNT)
    assert isinstance(replicas.heartbeat("ap", claims), Renewed)
    replicas.settle()
    for name in NAMES:
        answer = replicas.heartbeat(name, claims)
        assert isinstance(answer, Ended)
        assert answer.reason.name == "KICKED"


def test_a_dead_session_lapses_everywhere_although_its_news_go_in_circles(
    replicas: Replicas,
) -> None:
    replicas.start("us", "tv")
    for _ in range(18):
        replicas.settle()
        replicas.clock.advance(5_000)
    assert replicas.views() == [[], [], []]


def test_a_heartbeat_keeps_a_session_alive_in_all_replicas(replicas: Replicas) -> None:
    claims = replicas.start("us", "tv")
    assert claims is not None
    for _ in range(6):
        replicas.settle()
        replicas.clock.advance(30_000)
        replicas.heartbeat("us", claims)
    replicas.settle()
    assert replicas.views() == [[claims.session]] * 3


def test_a_heartbeat_of_a_session_that_a_peer_has_is_short(replicas: Replicas) -> None:
    claims = replicas.start("us", "tv")
    assert claims is not None
    replicas.heartbeat("us", claims)
    replicas.settle()
    replicas.heartbeat("us", claims)
    message = replicas.send("us", "eu")
    assert (message["sessions"], len(message["beats"])) == ([], 1)


def test_a_heartbeat_before_the_peer_has_the_session_does_not_hide_the_session(
    replicas: Replicas,
) -> None:
    claims = replicas.start("us", "tv")
    assert claims is not None
    replicas.heartbeat("us", claims)
    replicas.heartbeat("us", claims)
    replicas.send("us", "eu")
    assert replicas.views()[1] == [claims.session]


@pytest.mark.parametrize("seed", range(20))
def test_replicas_agree_however_their_messages_travel(replicas: Replicas, seed: int) -> None:
    random, claims = Random(seed), list[Claims]()
    for step in range(60):
        name, other = random.sample(NAMES, 2)
        what = random.random()
        if what < 0.3:
            admitted = replicas.start(name, f"tv-{random.randrange(4)}")
            claims += [admitted] if admitted is not None else []
        elif what < 0.6 and claims:
            replicas.heartbeat(name, random.choice(claims))
        elif what < 0.65 and claims:
            session = random.choice(claims).session
            replicas.of[name].store.kick("a", session, ActorKind.ACCOUNT)
        elif what < 0.7 and claims:
            region = RegionId(NAMES.index(name) + 1)
            replicas.of[name].store.stop(random.choice(claims), region)
        elif what < 0.95:
            message = replicas.send(name, other)
            if random.random() < 0.3:
                replicas.of[other].merge(message)
        else:
            replicas.clock.advance(random.choice((100, 5_000, 30_000)))
        assert step < 60
    replicas.settle()
    for claim in claims:
        known = [replicas.of[name].store.find("a", claim.session) for name in NAMES]
        seen = {(r.region, r.hop, r.beat, r.end) for r in known if r is not None}
        assert len(seen) == 1, claim
        assert None not in known
