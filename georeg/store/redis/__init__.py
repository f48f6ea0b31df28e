"""A region's store in Redis or Redis Cluster: locks that say who runs a slice, and its journal."""

from georeg.store.redis.address import RedisSettings, UnusableRedis
from georeg.store.redis.client import RedisClient
from georeg.store.redis.errors import (
    DataLost,
    Fenced,
    RedisEvicts,
    RedisTooNew,
    RedisTooOld,
    RedisTrouble,
)
from georeg.store.redis.gather import Gatherer
from georeg.store.redis.journal import RedisJournal
from georeg.store.redis.lock import Held, Holding, RedisLock, renewals_of

__all__ = [
    "DataLost", "Fenced", "Gatherer", "Held", "Holding", "RedisClient", "RedisEvicts",
    "RedisJournal", "RedisLock", "RedisSettings", "RedisTooNew", "RedisTooOld", "RedisTrouble",
    "UnusableRedis", "renewals_of",
]  # fmt: skip
