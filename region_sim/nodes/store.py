"""The Redis of one region in the simulated world, and the lines of its nodes to it.

The store runs georeg's own scripts (engine.py), on a machine of its own whose clock drifts like
others. It is part of the world: it outlives nodes, and
what happens to it are faults. A replica hears of every change some time later, and takes over when
the store fails over: what it had not heard is lost, as with a real one.

A line takes its time both ways. As with the real client (georeg/store/redis/client.py) a call ends
within its time, with an answer or with RedisTrouble; one whose answer is lost may have happened.
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from redis.exceptions import RedisError

from georeg.store.redis import RedisClient, RedisSettings, RedisTrouble
from georeg.store.redis.client import Arg, Script
from region_sim.kernel.machine import Machine, new_machine
from region_sim.plan.errors import PlanError
from region_sim.plan.faults import FaultKind
from region_sim.world.ground import INSIDE, Ground

WAY_US: Final = (60, 400)
"""One way, at least and at most."""
REPLICA_US: Final = 300_000
"""So much later a replica hears of a change: longer than usual, so that something is lost."""
_Act = Callable[[Any], Any]


class StoreHost:
    """One region's Redis."""

    def __init__(self, machine: Machine, random: Random, *, has_replica: bool) -> None:
        """Raises PlanError: what runs the scripts is not installed."""
        try:
            from region_sim.nodes.engine import Engine
        except ImportError:
            raise PlanError("regions of many nodes need fakeredis: run make test once") from None
        self._engine = Engine
        self.machine = machine
        self._random = random
        self._has_replica = has_replica
        self._life = 0
        """Grows with each loss: what was under way to an earlier one is gone."""
        self._begin()
        self.downs = 0
        """Faults because of which it refuses connections."""
        self.hangs = 0
        """Faults because of which it takes calls and does not answer."""

    def _begin(self) -> None:
        self._life += 1
        self._master, self._replica = self._engine(), self._engine()

    def lose(self) -> None:
        """All data are lost."""
        self._begin()

    def fail_over(self) -> None:
        """The replica is the master from now on."""
        replica = self._replica
        self._begin()
        self._master = replica

    def serve(self, act: _Act, *, changes: bool) -> Any:
        """Do what a call asks. Raises RedisError."""
        if changes and self._has_replica:
            at_us = self.machine.scheduler.now_us + REPLICA_US
            self.machine.call_true(at_us, self._replicate, act, self._life)
        return self._master.run(act, self.machine.wall_ms() / 1000)

    def _replicate(self, act: _Act, life: int) -> None:
        if life == self._life:
            self._replica.run(act, self.machine.wall_ms() / 1000)

    def after_us(self) -> int:
        """When something that is sent now has arrived."""
        return self.machine.scheduler.now_us + self._random.randint(*WAY_US)


def store_of(ground: Ground) -> StoreHost:
    """The store of a region, on a new machine."""
    random = Random(f"{ground.history.seed}/store/{ground.name}")
    drift = ground.scenario.drift
    machine = new_machine(
        f"{ground.name}{INSIDE}store", ground.machine.scheduler, ground.network, start_s=50.0,
        rate=1 + random.uniform(-drift, drift),
    )  # fmt: skip
    machine.failures, machine.at_end = ground.machine.failures, ground.machine.at_end
    ways = [fault.how for fault in ground.scenario.faults if fault.kind is FaultKind.STORE]
    return StoreHost(machine, random, has_replica="failover" in ways)


class SimRedis(RedisClient):
    """The client of one node, in place of the one over sockets."""

    def __init__(
        self, settings: RedisSettings, host: StoreHost, machine: Machine, cuts: list[float]
    ) -> None:
        """`cuts`: faults that cut this node off from the store."""
        self.settings = settings  # type: ignore[misc]  # in place of the real one's own
        self._host = host
        self._machine = machine
        self._cuts = cuts

    async def check(self) -> str:
        """The server's version."""
        await self._call(lambda redis: redis.ping(), changes=False)
        return "7.0.0"

    async def run(self, script: Script, keys: Sequence[str], args: Sequence[Arg] = ()) -> Any:
        """See `RedisClient.run`."""
        keys, args = list(keys), list(args)
        return await self._call(
            lambda redis: redis.eval(script.text, len(keys), *keys, *args), changes=True
        )

    async def run_all(
        self, script: Script, calls: Sequence[tuple[Sequence[str], Sequence[Arg]]]
    ) -> list[Any]:
        """See `RedisClient.run_all`."""
        calls = [(list(keys), list(args)) for keys, args in calls]

        def act(redis: Any) -> list[Any]:
            return [redis.eval(script.text, len(keys), *keys, *args) for keys, args in calls]

        try:
            answers: list[Any] = await self._call(act, changes=True)
        except RedisTrouble as trouble:
            return [trouble] * len(calls)
        return answers

    def node_of(self, key: str) -> str:  # noqa: ARG002 - there is one server
        """See `RedisClient.node_of`."""
        return ""

    async def read(self, commands: Sequence[tuple[Arg, ...]]) -> list[Any]:
        """See `RedisClient.read`."""
        commands = list(commands)

        def act(redis: Any) -> list[Any]:
            return [redis.execute_command(*command) for command in commands]

        answers: list[Any] = await self._call(act, changes=False)
        return answers

    async def close(self) -> None:
        """There is nothing to close."""

    async def _call(self, act: _Act, *, changes: bool) -> Any:
        machine, host = self._machine, self._host
        answer = machine.create_future()

        def end(value: Any, trouble: str = "") -> None:
            if answer.done():
                return
            if trouble:
                answer.set_exception(RedisTrouble(f"Redis at {self.settings} {trouble}"))
            else:
                answer.set_result(value)

        def serve() -> None:
            if host.downs:
                machine.call_true(host.after_us(), end, None, "refuses connections")
                return
            if host.hangs:
                return
            try:
                value, trouble = host.serve(act, changes=changes), ""
            except RedisError as error:
                value, trouble = None, f"refuses: {error}"
            if not self._cuts:
                machine.call_true(host.after_us(), end, value, trouble)

        if not self._cuts:
            host.machine.call_true(host.after_us(), serve)
        late = machine.call_later(self.settings.timeout_ms / 1000, end, None, "did not answer")
        try:
            return await answer
        finally:
            late.cancel()
