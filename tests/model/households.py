"""Households: the devices of one account, and the people who kick them and press play at once."""

from crdt.events import ActorKind, Plan
from tests.model.devices import Habits, Player
from tests.model.world import World


class Household:
    """The devices of one account, and the person who kicks them now and then."""

    def __init__(self, world: World, account: str, plan: Plan, habits: Habits) -> None:
        self.world, self.account, self.habits = world, account, habits
        regions = sorted(world.lives)
        count = plan.limit + world.random.randint(1, 2)
        self.players = [
            Player(world, account, f"{account}.{k}", world.random.choice(regions), habits, plan)
            for k in range(count)
        ]
        self._wait_kick()
        if habits.burst:
            self._wait_burst()

    def _wait_kick(self) -> None:
        self.world.at(self.world.random.expovariate(1 / self.habits.kick), self._kick)

    def _kick(self) -> None:
        if self.world.is_quiet:
            return
        life = self.world.lives[self.world.random.choice(sorted(self.world.lives))]
        if life.serves:
            live = [s.session for s in life.region.sessions(self.account).sessions]
            if live:
                session = self.world.random.choice(sorted(live))
                answer = life.region.kick(self.account, session, ActorKind.ACCOUNT)
                since_s = self.world.now_s
                if answer is not None:
                    answer.then(lambda kicked: self.world.oracle.kick_answered(kicked, since_s))
        self._wait_kick()

    def _wait_burst(self) -> None:
        self.world.at(self.world.random.expovariate(1 / self.habits.burst), self._burst)

    def _burst(self) -> None:
        """All press play at once, and some of those that play move at the same moment."""
        random = self.world.random
        for player in self.players:
            if self.world.is_quiet:
                return
            if player.session is None:
                player.later(random.uniform(0, 0.12), player.go_if_idle)
            elif random.random() < 0.35 and not self.world.kind.is_cut:
                player.later(random.uniform(0, 0.12), player.roam)
        self._wait_burst()
