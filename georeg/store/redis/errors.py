"""Errors of the store in Redis. All are OSErrors: to the region, a disk that refused."""

from georeg.store.errors import JournalError


class RedisTrouble(JournalError):
    """Redis is out of reach, too slow, or refuses; the message says which, in one line. Whether it
    has run the call is not known."""


class RedisTooOld(RedisTrouble):
    """The server is older than what the scripts need."""
