"""Times of heartbeats on their way to the journal: which devices a successor may count on.

A heartbeat is written into a column and nowhere else. Where the journal keeps times (one in Redis
does), the columns are walked, a few blocks of rows at a time, and each block is handed over as a
whole three times per heartbeat interval. So a successor knows for each session when its device was
heard, but for the last heartbeat of those that were heard after their block was handed over: never
that a device was heard later than it was.

Cost: some 30 us and 2 KB a block of ROWS; a million sessions take a few thousandths of a core, and
no command for a heartbeat.
"""

from array import array
from typing import Final

from crdt.dots import SHARDS
from crdt.sessions import NEVER, SessionSet
from georeg.region.ports import Timer
from georeg.region.settings import Settings
from georeg.region.state import RegionState

ROWS: Final = 256
BLOCKS_AT_ONCE: Final = 16
SILENT_MAX_S: Final = 255
"""Longest silence that is told apart; beyond every client lease that makes sense to believe."""
_SHARD_BITS: Final = 32
"""The number of a block: shard, then where its rows begin."""


def round_ms(settings: Settings) -> int:
    """How long a walk over all blocks takes: 10 s by the usual settings."""
    return settings.heartbeat_ms // 3


class TimesWalk:
    """Walks over the sessions of all shards, again and again."""

    def __init__(self, state: RegionState) -> None:
        self._state = state
        self._shard = 0
        self._row = 0
        self._timer: Timer | None = None

    def begin(self) -> None:
        """Walk, if the journal keeps times; once what it held has been read."""
        if self._state.journal.times is not None and self._timer is None:
            self._step()

    def close(self) -> None:
        """Walk no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _step(self) -> None:
        """Hand over the next blocks."""
        state, left = self._state, BLOCKS_AT_ONCE
        times = state.journal.times
        assert times is not None
        now_ms, is_round = state.clock.now_ms(), False
        while left and not is_round:
            sessions = state.shards[self._shard].sessions
            if self._row < sessions.capacity:
                number = self._shard << _SHARD_BITS | self._row
                times.store(number, *_block(sessions, self._row, now_ms))
                self._row += ROWS
                left -= 1
                continue
            self._row = 0
            self._shard = (self._shard + 1) % SHARDS
            is_round = self._shard == 0
        if is_round:
            times.all_stored()
        self._timer = state.clock.call_later(self._pause_ms(), self._step)

    def _pause_ms(self) -> int:
        """So that a walk over all blocks takes a round."""
        blocks = sum(-(-shard.sessions.capacity // ROWS) for shard in self._state.shards)
        whole_ms = round_ms(self._state.settings)
        return max(1, whole_ms * BLOCKS_AT_ONCE // max(blocks, BLOCKS_AT_ONCE))


def _block(sessions: SessionSet, first_row: int, now_ms: int) -> tuple["array[int]", bytes]:
    """The own sessions among ROWS rows, and for how many seconds each device has been silent.

    One that was held on without knowing that has a lease as if heard at that moment, which is no
    sign of life: a later successor must not take it for one.
    """
    ids, silent_s = array("Q"), bytearray()
    heard = sessions.heard[first_row : first_row + ROWS]
    rows = zip(sessions.sessions[first_row : first_row + ROWS], heard, strict=True)
    for row, (session, at_ms) in enumerate(rows, start=first_row):
        if at_ms == NEVER:
            continue
        ids.append(session)
        if sessions.is_unconfirmed(row):
            silent_s.append(SILENT_MAX_S)
        else:
            silent_s.append(min(SILENT_MAX_S, max(0, -((at_ms - now_ms) // 1000))))  # rounded up
    return ids, bytes(silent_s)
