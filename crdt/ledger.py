"""Kicks: final ends of sessions. A session that is in the ledger is not live, whoever adds it.

Grow-only until the session's hard deadline; after that adoption is refused by the deadline itself,
so forgetting is safe. Of two kicks of one session the earlier one is kept, ties broken by all its
other fields, with the later expiry of both: a join in any order gives the same.

Invariants: `hash` is the XOR over the kicks that are there; every kick is under its account and in
the bucket of its expiry. Bounded: beyond the limit the kick that expires first is forgotten.

Why encoded: a busy service supersedes sessions all day, and a kick as objects costs half a kilobyte
and is something to collect. Cost: 250 B a kick; 2 us to read one; a sweep touches what is due only.
"""

from array import array
from typing import Final

from crdt.codec import decode_kick, encode_event
from crdt.digest import mix_all
from crdt.events import Kick

KICKS_MAX: Final = 1 << 16
"""Of one shard: four million of one region, or 48 starts a second that each supersede another."""
_BUCKET_BITS: Final = 8
"""Expiries are grouped by 256 s: a kick is kept that much longer at most."""


class KickLedger:
    """Session -> kick, for one shard."""

    __slots__ = ("_accounts", "_buckets", "_kicks", "hash", "kicks_max")

    def __init__(self, kicks_max: int = KICKS_MAX) -> None:
        self.kicks_max = kicks_max
        self.hash = 0
        """Of what is known about all kicks: equal ledgers have equal hashes."""
        self._kicks: dict[int, bytes] = {}
        self._accounts: dict[str, tuple[int, ...]] = {}
        self._buckets: dict[int, array[int]] = {}
        """Expiry >> 8 -> sessions that may expire then."""

    def __len__(self) -> int:
        return len(self._kicks)

    def __contains__(self, session: int) -> bool:
        return session in self._kicks

    def get(self, session: int) -> Kick | None:
        """The kick of a session; None when it was not kicked, as far as is known."""
        data = self._kicks.get(session)
        return None if data is None else decode_kick(data)

    def for_account(self, account: str) -> list[Kick]:
        """All kicks of an account's sessions, in the order of their time."""
        kicks = [decode_kick(self._kicks[s]) for s in self._accounts.get(account, ())]
        return sorted(kicks, key=_order)

    def all(self) -> list[Kick]:
        """All kicks, ordered by session."""
        return [decode_kick(self._kicks[session]) for session in sorted(self._kicks)]

    def join(self, kick: Kick) -> bool:
        """Take a kick in. False when it says nothing new. Raises LocalError out of bounds."""
        known = self.get(kick.session)
        if known is not None:
            first = min(known, kick, key=_order)
            kick = first._replace(expires_s=max(known.expires_s, kick.expires_s))
            if kick == known:
                return False
        data = encode_event(kick)
        if known is not None:
            self._forget(known)
        self._kicks[kick.session] = data
        self._accounts[kick.account] = (*self._accounts.get(kick.account, ()), kick.session)
        self._buckets.setdefault(kick.expires_s >> _BUCKET_BITS, array("Q")).append(kick.session)
        self.hash ^= _hash(kick)
        if len(self._kicks) > self.kicks_max:
            self._forget_soonest()
        return True

    def expire(self, now_s: int) -> int:
        """Forget the kicks whose expiry is past, wall-clock seconds; returns how many."""
        if not self._buckets:
            return 0
        due = sorted(at for at in self._buckets if (at + 1) << _BUCKET_BITS <= now_s)
        return sum(self._empty(at) for at in due)

    def _empty(self, at: int) -> int:
        """Forget a bucket's kicks, but for those that moved to a later one."""
        forgotten = 0
        for session in self._buckets.pop(at):
            kick = self.get(session)
            if kick is not None and kick.expires_s >> _BUCKET_BITS == at:
                self._forget(kick)
                forgotten += 1
        return forgotten

    def _forget(self, kick: Kick) -> None:
        """Remove a kick; its bucket may name it still."""
        del self._kicks[kick.session]
        left = tuple(s for s in self._accounts[kick.account] if s != kick.session)
        if left:
            self._accounts[kick.account] = left
        else:
            del self._accounts[kick.account]
        self.hash ^= _hash(kick)

    def _forget_soonest(self) -> None:
        while True:
            at = min(self._buckets)
            bucket = self._buckets[at]
            kick = self.get(bucket.pop())
            if not bucket:
                del self._buckets[at]
            if kick is not None and kick.expires_s >> _BUCKET_BITS == at:
                self._forget(kick)
                return


def _order(kick: Kick) -> tuple[object, ...]:
    """Total order of the kicks of one session, whatever their expiry."""
    return (kick.at_ms, kick._replace(expires_s=0))


def _hash(kick: Kick) -> int:
    return mix_all((kick.session, kick.at_ms, kick.reason, kick.actor, kick.expires_s))
