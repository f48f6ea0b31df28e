"""Errors of the store in Redis. All are OSErrors: to the region, a disk that refused."""

from georeg.store.errors import JournalError


class RedisTrouble(JournalError):
    """Redis is out of reach, too slow, or refuses; the message says which, in one line. Whether it
    has run the call is not known."""


class RedisTooOld(RedisTrouble):
    """The server is older than what the scripts need."""


class RedisEvicts(RedisTrouble):
    """The server is set up to lose keys when it is full: sessions, without anybody noticing."""


class RedisTooNew(RedisTrouble):
    """The data were written by a newer georeg, in a format that this one does not know."""


class Fenced(RedisTrouble):
    """Another node runs the slice now; what this one had to say was left aside."""


class DataLost(RedisTrouble):
    """Redis has lost data that it had confirmed: all of them, or the latest."""
