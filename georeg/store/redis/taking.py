"""Taking a slice's data over, and sweeping them: what is said to Redis beside commits."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

from georeg.store.redis import scripts
from georeg.store.redis.client import Arg, RedisClient
from georeg.store.redis.errors import DataLost, Fenced, RedisTooNew, RedisTrouble

SWEEP_S: Final = 10.0
"""Between looks for kicks that have expired."""
SWEEP_MAX: Final = 200
"""Forgotten in one step, of kicks and of plans: some 0.2 ms of Redis."""
PLANS_MAX: Final = 2_000_000
"""Plans kept of a slice; beyond it some are forgotten, whichever."""


class Taken(NamedTuple):
    """A slice's data as they were taken over."""

    redis_ms: int
    incarnation: int
    """Stored for the taker: above every one that was stored before."""
    attempt: int
    """Of the last commit under this fence; 0 for a new one."""
    meta: Sequence[bytes]
    """What stood in `meta`: names and values in turn."""


async def take(client: RedisClient, keys: Sequence[str], fence: int) -> Taken:
    """Move the fence of the data up. Again with the same fence, it changes nothing.

    Raises Fenced, RedisTooNew, RedisTrouble.
    """
    return await _take(client, keys, [fence, scripts.FORMAT, fence, 0, 0])


async def take_anew(
    client: RedisClient, keys: Sequence[str], fence: int, incarnation: int, attempt: int
) -> Taken:
    """Make data that have lost something the taker's, without their sessions and times.

    `incarnation`: at least that one is stored. `attempt`: commits go on from there, so that none of
    those before counts any more. Raises Fenced, RedisTooNew, RedisTrouble.
    """
    return await _take(client, keys, [fence, scripts.FORMAT, incarnation, 1, attempt])


async def _take(client: RedisClient, keys: Sequence[str], args: Sequence[Arg]) -> Taken:
    word, redis_ms, *more = await client.run(scripts.TAKE, keys, args)
    if word != scripts.DONE:
        raise in_error(word, more)
    return Taken(redis_ms, *more)


async def sweep(client: RedisClient, keys: Sequence[str], fence: Callable[[], int]) -> None:
    """Forget what has expired, a little at a time, until it is cancelled."""
    forgotten = 0
    while True:
        await asyncio.sleep(0 if forgotten else SWEEP_S)
        try:
            args: list[Arg] = [fence(), SWEEP_MAX, PLANS_MAX, SWEEP_MAX]
            kicks, plans = await client.run(scripts.SWEEP, keys, args)
        except RedisTrouble:
            forgotten = 0  # commits tell of it
        else:
            forgotten = max(0, kicks + plans)


def in_error(word: bytes, more: Sequence[Any]) -> RedisTrouble:
    """What a script has refused."""
    if word == scripts.FENCED:
        return Fenced(f"another node has taken the slice over, with fence {int(more[0])}")
    if word == scripts.NEWER:
        return RedisTooNew(
            f"the data in Redis have format {int(more[0])}, of a newer georeg; this one knows "
            f"{scripts.FORMAT}. Run that georeg again, or use another prefix of keys"
        )
    return DataLost("Redis has lost data that it had confirmed")
