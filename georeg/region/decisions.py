"""What this region decided about each account lately, and on which evidence: for `georeg explain`.

Invariant: nothing is decided by what is kept here, and nothing of it reaches a disk or a log. What
says who somebody is are ids of accounts and devices; names of devices only if the config wants it.
How much is kept: `records.py`.
Cost: 2 us a start (msgpack, the array of the account). 89 B for an admission with a UUID
as device, 158 B with its share of what an account costs; 4 KB for the largest refusal.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

import msgpack

from crdt.dots import RegionId, SessionId
from crdt.events import ActorKind, Device, Entry, HomeSet, Kick, PlanSet, Reason
from georeg.region.model import Basis, Blocker, Refused
from georeg.region.ports import Clock
from georeg.region.records import Records

SEEN_MAX: Final = 8
"""Sessions that one record names; a refusal that rests on more of them says how many."""
ENDS: Final = frozenset({Reason.DISPLACED, Reason.STOPPED, Reason.LAPSED, Reason.EXPIRED})
"""Releases that end a session; what a kick ends is told as a kick."""
_NOWHERE: Final = RegionId(0)
_WORDS: Final = {reason: reason.name.lower() for reason in Reason}


@dataclass(frozen=True, slots=True)
class Keeping:
    """How much is kept, and what of it says who somebody is."""

    keep_s: int = 86_400
    records_max: int = 100_000
    """0: nothing is kept."""
    names: bool = False
    """Whether names of devices are kept beside their ids."""


class Kind(IntEnum):
    """What was decided, or heard."""

    ADMITTED = 1
    REVIVED = 2
    REFUSED = 3
    ADOPTED = 4
    COVERED = 5
    """An overdraft session was covered by a grant: it is settled."""
    MAY_FINISH = 6
    """An overdraft session was disproved when it was no longer young."""
    KICKED = 7
    ENDED = 8
    MOVED = 9
    """Given up here, since another region holds it now."""
    STOP_PASSED_ON = 10
    """Its device stopped it here, where it was not held."""
    HEARD_KICK = 11
    HEARD_STOP = 12
    HOME_GIVEN = 13
    """The account streamed in one other region only: that one is its home from now on."""
    HOME_TAKEN = 14
    """This region is the account's home from now on."""


class Witness(NamedTuple):
    """A session on which a decision rested, or that was live beside it."""

    session: SessionId
    device: str
    name: str
    region: RegionId
    how: str = ""
    """local, confirmed, beacon; empty: as the view showed it, and nothing rested on it."""
    age_ms: int = 0


class Decision(NamedTuple):
    """One record. Fields that say nothing for its kind are empty or 0."""

    kind: Kind
    wall_ms: int
    session: SessionId
    """0: none, the start was refused."""
    device: str
    name: str
    word: str = ""
    """Of admissions the basis, of refusals the weakest evidence, of ends the reason."""
    region: RegionId = _NOWHERE
    """Of kicks who held it, of adoptions and moves, of sessions or homes, the other region, of what
    is heard who said it; 0: not known."""
    actor: str = ""
    who: str = ""
    """Who kicked: the name of the operator, or of the device."""
    plan: str = ""
    limit: int = 0
    live: int = 0
    """Devices: of admissions with the new one, of refusals those that were proved."""
    took_ms: int = 0
    seen: tuple[Witness, ...] = ()


class Decisions:
    """The memory of one region."""

    def __init__(self, clock: Clock, keeping: Keeping | None = None) -> None:
        self._clock = clock
        self.keeping = keeping or Keeping()
        self._records = Records(clock, self.keeping.keep_s, self.keeping.records_max)
        self._pack = msgpack.Packer().pack

    def of(self, account: str) -> list[Decision]:
        """What is remembered of an account, oldest first."""
        return [_decoded(record) for record in self._records.of(account)]

    def complete_since_ms(self, account: str) -> int:
        """Wall clock: what was decided about the account since then is all remembered."""
        clock = self._clock
        return clock.wall_ms() - clock.now_ms() + self._records.complete_since_ms(account)

    def configure(self, keeping: Keeping) -> None:
        """Keep this much from now on; what is too much by it is forgotten at once."""
        was, self.keeping = self.keeping, keeping
        self._records.bound(keeping.keep_s, keeping.records_max)
        if not keeping.records_max or (was.names and not keeping.names):
            self._records.clear()

    def tick(self) -> None:
        """Once a beacon round: forget a little."""
        if self.keeping.records_max:
            self._records.tick()

    def _note(self, account: str, kind: Kind, session: SessionId, *fields: object) -> None:
        """Remember a Decision by its fields in their order; the last ones may be left out.

        Not made first, since that would cost more than all the rest.
        """
        record = self._pack((kind, self._clock.wall_ms(), session, *fields))
        self._records.note(account, record)

    def _name(self, name: str) -> str:
        return name if self.keeping.names else ""

    def admitted(
        self, entry: Entry, basis: Basis, plan: PlanSet | None, limit: int, others: Sequence[Entry],
        took_ms: int, *, is_revival: bool,
    ) -> None:  # fmt: skip
        """A start was admitted, or a session that had ended for its silence goes on."""
        if not self.keeping.records_max:
            return
        seen: tuple[Witness, ...] = ()
        live, device = 1, entry.device
        if others:
            seen = tuple(
                Witness(e.session, e.device.id, self._name(e.device.name), e.region)
                for e in others[:SEEN_MAX]
            )
            live = len({device.id, *(e.device.id for e in others)})
        self._note(
            entry.account, Kind.REVIVED if is_revival else Kind.ADMITTED, entry.session,
            device.id, device.name if self.keeping.names else "", basis, _NOWHERE, "", "",
            plan.plan.name if plan is not None else "", limit, live, took_ms, seen,
        )  # fmt: skip

    def refused(
        self, account: str, device: Device, plan: PlanSet | None, refused: Refused,
        session: SessionId | None,
    ) -> None:  # fmt: skip
        """A start was refused; `session`: of one that wanted to go on after its silence."""
        if not self.keeping.records_max:
            return
        self._note(
            account, Kind.REFUSED, session or SessionId(0), device.id, self._name(device.name),
            refused.how.value, _NOWHERE, "", "", plan.plan.name if plan is not None else "",
            refused.limit, len({b.info.device.id for b in refused.blockers}), refused.took_ms,
            self._witnesses(refused.blockers),
        )  # fmt: skip

    def _witnesses(self, blockers: Iterable[Blocker]) -> tuple[Witness, ...]:
        return tuple(
            Witness(
                b.info.session, b.info.device.id, self._name(b.info.device.name), b.info.region,
                b.how.value, b.age_ms,
            )
            for b in tuple(blockers)[:SEEN_MAX]
        )  # fmt: skip

    def held(self, kind: Kind, entry: Entry, region: RegionId = _NOWHERE, word: str = "") -> None:
        """Something about a session that is held here, in which `region` has a part."""
        if self.keeping.records_max:
            device = entry.device
            name = self._name(device.name)
            self._note(entry.account, kind, entry.session, device.id, name, word, region)

    def ended(self, entry: Entry, reason: Reason) -> None:
        """A session was released; of moves and kicks others tell."""
        if reason in ENDS:
            self.held(Kind.ENDED, entry, word=_WORDS[reason])

    def kicked(self, kick: Kick, kind: Kind = Kind.KICKED) -> None:
        """A kick was made here, or heard of. The name of an operator is always kept."""
        if not self.keeping.records_max:
            return
        is_device = kick.actor is not ActorKind.OPERATOR
        self._note(
            kick.account, kind, kick.session, kick.device.id, self._name(kick.device.name),
            _WORDS[kick.reason], kick.region, ActorKind(kick.actor).name.lower(),
            self._name(kick.actor_device) if is_device else kick.actor_device,
        )  # fmt: skip

    def stopped(
        self, kind: Kind, account: str, session: SessionId, region: RegionId = _NOWHERE
    ) -> None:
        """The stop of a session that is not held here: said to this region, or heard of."""
        if self.keeping.records_max:
            self._note(account, kind, session, "", "", "stopped", region)


    def home_moved(self, kind: Kind, move: HomeSet) -> None:
        """The account's home was given to another region, or taken from it."""
        if self.keeping.records_max:
            other = move.home if kind is Kind.HOME_GIVEN else move.by
            self._note(move.account, kind, SessionId(0), "", "", "", other)


def _decoded(record: bytes) -> Decision:
    noted = Decision(*msgpack.unpackb(record, use_list=False))
    return noted._replace(kind=Kind(noted.kind), seen=tuple(Witness(*one) for one in noted.seen))
