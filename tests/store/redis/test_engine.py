"""The simulator's Redis against a real one: the same scripts, the same answers, the same data."""

import time
from random import Random
from typing import Any

import pytest
import redis

from georeg.store.redis import lock, scripts
from georeg.store.redis.client import Script
from region_sim.nodes.engine import Engine
from tests.redis_server import RedisServer

pytestmark = pytest.mark.redis
KEYS = [f"{{t}}:{name}" for name in scripts.KEYS]
CALLS = 300


def commit(random: Random, fence: int, attempt: int) -> list[Any]:
    """Arguments of a commit of a bit of everything."""

    def ids(count: int) -> list[str]:
        return [f"id-{random.randrange(6)}" for _ in range(count)]

    def ranked() -> bytes:
        return b"\x01" + random.randrange(5).to_bytes(8, "big") + b"rest"

    held = [part for name in ids(2) for part in (name, random.randbytes(3))]
    kicks = [part for name in ids(2) for part in (name, ranked(), random.randrange(1 << 31))]
    plans = [part for name in ids(2) for part in (name, ranked())]
    sections = [
        ("highest", ["incarnation", random.randrange(9)]), ("held", held), ("gone", ids(1)),
        ("kicks", kicks), ("plans", plans), ("homes", plans), ("heard", [1, b"times"]),
        ("unheard", [random.randrange(3)]),
    ]  # fmt: skip
    chosen = [section for section in sections if random.random() < 0.6]
    args = [part for name, items in chosen for part in (name, len(items), *items)]
    return [fence, max(0, attempt - random.randrange(3)), attempt, *args]


def a_call(random: Random) -> tuple[Script, list[str], list[Any]]:
    """Some call that a node makes."""
    fence, owner = random.randrange(1, 4), f"node-{random.randrange(2)}"
    locks = ["{t}:lock", "{t}:fence"]
    return random.choice(
        (
            (scripts.TAKE, KEYS, [fence, scripts.FORMAT, fence, random.randrange(2), 0]),
            (scripts.COMMIT, KEYS, commit(random, fence, random.randrange(1, 50))),
            (scripts.COMMIT, KEYS, commit(random, fence, random.randrange(1, 50))),
            (lock._ACQUIRE, locks, [owner, 60_000, random.randrange(3)]),
            (lock._RENEW, locks[:1], [owner, fence, 60_000]),
            (lock._RELEASE, locks[:1], [owner, fence]),
        )
    )


def told(answer: Any) -> Any:
    """Without times, which differ by what passes between the two."""
    if isinstance(answer, list):
        return [told(part) for part in answer]
    return "time" if isinstance(answer, int) and answer > 50_000 else answer


@pytest.mark.parametrize("seed", range(4))
def test_a_random_program_of_calls_gives_the_same_answers_and_leaves_the_same(
    seed: int, server: RedisServer
) -> None:
    real, engine, random = redis.Redis.from_url(server.url), Engine(), Random(seed)
    real.flushall()

    def both(act: Any) -> tuple[Any, Any]:
        return act(real), engine.run(act, time.time())

    for _ in range(CALLS):
        script, keys, args = a_call(random)
        theirs, ours = both(
            lambda at, s=script, k=keys, a=args: at.eval(s.text, len(k), *k, *a)
        )
        assert told(ours) == told(theirs), (script.text, args)
    for key in (*KEYS, "{t}:fence"):
        theirs, ours = both(lambda at, k=key: at.type(k))
        assert ours == theirs
        if theirs == b"hash":
            theirs, ours = both(lambda at, k=key: at.hgetall(k))
        elif theirs == b"zset":
            theirs, ours = both(lambda at, k=key: at.zrange(k, 0, -1, withscores=True))
        assert ours == theirs, key
    real.close()
