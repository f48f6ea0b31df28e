"""A region's store in Redis or Redis Cluster: locks that say who runs a slice, and its journal."""

from georeg.store.redis.address import RedisSettings, UnusableRedis
from georeg.store.redis.client import RedisClient
from georeg.store.redis.errors import RedisTooOld, RedisTrouble
from georeg.store.redis.lock import Held, Holding, RedisLock

__all__ = [
    "Held", "Holding", "RedisClient", "RedisLock", "RedisSettings", "RedisTooOld", "RedisTrouble",
    "UnusableRedis",
]  # fmt: skip
