"""Leases without a timer per session: the tables are swept, a slice at a time.

Whoever looks at an account sees lapsed sessions as gone (state.py); the sweep releases those at
which nobody looks. One slice is at most ROWS_MAX rows, some 0.5 ms of work plus the releases it
finds, of which it does at most RELEASES_MAX; so the loop is never held up by the number of
sessions. A region with up to a million sessions is swept once a second.
"""

from typing import Final

from crdt.dots import SHARDS
from crdt.events import Reason
from crdt.hlc import hlc_at
from crdt.lapses import lapsed, overdue
from crdt.shard import Shard
from georeg.region.state import RegionState

ROWS_MAX: Final = 16_384
SLOW_WALKS: Final = 60
"""What takes minutes or days is looked for in each shard at every 60th walk: sessions past their
hard deadline, and kicks, ends and plans that may be forgotten."""
PLANS_MAX: Final = 256
"""Rows of accounts looked at in one go and shard for plans that may be forgotten."""
RELEASES_MAX: Final = 24
"""A release costs some 50 us with all that it sets off; a mass lapse is spread over many slices."""


class Sweep:
    """Walks over all shards, again and again."""

    def __init__(self, state: RegionState) -> None:
        self._state = state
        self._shard = 0
        self._row = 0
        self._walks = 0
        self._plan_rows = [0] * SHARDS

    def step(self) -> bool:
        """One slice; True when it was the last one of a walk over all shards."""
        rows_left, releases_left = ROWS_MAX, RELEASES_MAX
        clock = self._state.clock
        now_ms, now_s = clock.now_ms(), clock.wall_ms() // 1000
        before_ms = max(0, now_ms - self._state.settings.client_lease_ms)
        while rows_left > 0:
            shard = self._state.shards[self._shard]
            sessions = shard.sessions
            is_slow = (self._walks + self._shard) % SLOW_WALKS == 0
            if is_slow or sessions.heard_since_ms < before_ms:  # seldom: most of a lease is quiet
                if is_slow and self._row == 0:
                    self._expire(shard, now_ms, now_s)
                silent = lapsed(sessions, before_ms, self._row, rows_left)
                over = dict.fromkeys(silent, Reason.LAPSED)
                if is_slow:
                    late = overdue(sessions, now_s, self._row, rows_left)
                    over |= dict.fromkeys(late, Reason.EXPIRED)
                for row in sorted(over)[:releases_left]:
                    self._state.release(sessions.entry(row), over[row])
                if len(over) >= releases_left:
                    return False  # the same rows again: there may be more in them
                releases_left -= len(over)
                self._row += rows_left
                rows_left -= max(1, min(rows_left, sessions.capacity))
                if self._row < sessions.capacity:
                    continue
            self._row = 0
            self._shard = (self._shard + 1) % SHARDS
            if self._shard == 0:
                self._walks += 1
                return True
        return False

    def _expire(self, shard: Shard, now_ms: int, now_s: int) -> None:
        """Forget what may be forgotten: kicks and ends by their time, plans of idle accounts."""
        shard.expire(now_s, now_ms)
        oldest = hlc_at(max(0, now_s - self._state.settings.plan_memory_s) * 1000)
        first_row = self._plan_rows[shard.index]
        shard.forget_plans(oldest, first_row, PLANS_MAX)
        self._plan_rows[shard.index] = (
            first_row + PLANS_MAX if first_row + PLANS_MAX < shard.accounts.capacity else 0
        )
