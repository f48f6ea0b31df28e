"""Which of a region's requests were passed: memory with a limit, for rule 4 of the lease rules.

A region numbers all its requests to all homes upwards, over restarts too. Invariant: a request is
taken only if its number is above every number taken before for the same account.

Why a floor: the memory keeps the last number of each account for one to two minutes. When the
older half is dropped, its highest number becomes the floor: everything up to it counts as passed.
That can only refuse a request that was a minute on its way, which is a lost message, never take
one that was passed. Cost: two dict look-ups; one entry per account that asked within two minutes.
"""

from typing import Final

KEEP_MS: Final = 60_000
NUMBERS_MAX: Final = 1 << 18
"""Accounts in one half; more than so many a minute and the halves turn sooner."""


class PassedRequests:
    """The requests of one region that its home has handled."""

    __slots__ = ("_floor", "_newer", "_newer_top", "_older", "_older_top", "_turned_ms")

    def __init__(self, now_ms: int) -> None:
        self._newer: dict[str, int] = {}
        self._older: dict[str, int] = {}
        self._newer_top = self._older_top = self._floor = -1
        self._turned_ms = now_ms

    def take_all(self, number: int) -> None:
        """Count every request up to this number as passed, of whatever account."""
        self._floor = max(self._floor, number)

    def turn(self, now_ms: int) -> None:
        """Drop the older half when its time has come. To be called at each message."""
        if now_ms - self._turned_ms < KEEP_MS and len(self._newer) < NUMBERS_MAX:
            return
        self._floor = max(self._floor, self._older_top)
        self._older, self._older_top = self._newer, self._newer_top
        self._newer, self._newer_top = {}, -1
        self._turned_ms = now_ms

    def last(self, account: str) -> int:
        """Up to this number the account's requests count as passed; -1: none was."""
        number = self._newer.get(account, -1)
        if number < 0:
            number = self._older.get(account, -1)
        return max(number, self._floor)

    def take(self, account: str, number: int) -> bool:
        """Take one request; False when it was passed already, and nothing changes."""
        if number <= self.last(account):
            return False
        self._newer[account] = number
        self._newer_top = max(self._newer_top, number)
        return True
