"""What was wrong between whom and when: the network and the regions as the oracle sees them.

Built from the faults and lives of a history alone. Every question is answered generously: a fault
on one direction of a link counts for both (a link whose answers are lost is given up by its
sender), and what a fault disturbs is taken to last for `HEAL_US` beyond it, since links have to be
dialled anew. A cut that regions go round is felt for its first moments only (around.py). Cost: a
look is linear in the number of faults of one run, which is small.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from region_sim.history import Call, FaultEvent, History, Life
from region_sim.oracle.around import felt
from region_sim.oracle.parts import Pair, count_parts, ordered
from region_sim.oracle.trouble import Trouble, nobody

FOREVER_US: Final = 1 << 60
HEAL_US: Final = 5_000_000
"""After a fault links are dialled again (2 s to connect, 1 s between two tries) and catch up."""
LEARN_US: Final = 20_000_000
"""A home that is elected lends nothing before it has learnt; with the election itself."""
LATE_EFFECT_US: Final = 2_000_000
"""A request that nobody waits for any more may still take effect so long after."""
_LINK_KINDS: Final = frozenset({"cut", "lag", "loss", "narrow", "stall", "jumble", "late"})
_DOWN_KINDS: Final = frozenset({"kill", "pause", "drain", "upgrade", "leave"})
_INNER_KINDS: Final = frozenset({"node", "store"})
_GOES_ON: Final = frozenset({"operator", "expire"})
"""Drains after which the region was not stopped."""
_DRAIN_ENDS: Final = frozenset({Life.READY, Life.UNDRAINED, Life.KILLED, Life.STOPPED})
_PLACE: Final = "@"
RELAYING: Final = frozenset({"georeg", "live"})
"""Systems whose regions go round a cut by way of a third."""


@dataclass(frozen=True, slots=True)
class Restart:
    """A process began anew. What it had in memory only was lost at `down_us`."""

    down_us: int
    ready_us: int
    is_wiped: bool


class Network:
    """Links, lines, regions and disks of one run, with their troubles."""

    def __init__(self, history: History) -> None:
        self.regions = history.regions
        self._boot_us = HEAL_US if history.election == "static" else LEARN_US
        self.end_us = history.end_us
        self.links: dict[Pair, list[Trouble]] = {}
        """By the two regions in alphabetical order."""
        self.one_way: dict[Pair, list[Trouble]] = {}
        """The same by direction: for counting only."""
        self.lines: dict[Pair, list[Trouble]] = {}
        """(place, region) -> what was wrong with the lines of devices there."""
        self.down: dict[str, list[Trouble]] = {}
        """Times at which a region's process did not serve: dead, starting, paused, stopping."""
        self.draining: dict[str, list[Trouble]] = {}
        self.inner: dict[str, list[Trouble]] = {}
        """Times at which something was wrong inside a region of many nodes: see inside.py."""
        self.disks: dict[str, list[Trouble]] = {}
        self.clocks: dict[str, list[Trouble]] = {}
        self.locks: list[Trouble] = []
        """Times at which a region did not reach the lock service."""
        self.restarts: dict[str, list[Restart]] = {}
        for begin, to_us in _spans(history.faults):
            self._add_fault(begin, to_us)
        for region, troubles in self.inner.items():
            self.down.setdefault(region, []).extend(nobody(troubles, history.nodes, HEAL_US))
        for region in sorted({life.region for life in history.lives}):
            self._add_lives(region, history)
        relays = history.system in RELAYING and not history.has_older
        self._felt = {
            pair: list(felt(found, self._ways(pair) if relays else ()))
            for pair, found in self.links.items()
        }
        """The troubles of links less the cuts that had a way round."""
        self.goes_round = relays and any(
            t.kind == "cut" for found in self.links.values() for t in found
        )
        self._all = sorted(
            (
                t
                for troubles in (
                    *self._felt.values(), *self.down.values(), *self.inner.values(), self.locks
                )
                for t in troubles
            ),
            key=lambda trouble: (trouble.from_us, trouble.to_us, trouble.kind),
        )

    # ---- building ----------------------------------------------------------------------------

    def _add_fault(self, begin: FaultEvent, to_us: int) -> None:
        trouble = Trouble(begin.kind, begin.at_us, to_us, begin.note, begin.node)
        for source, target in begin.links:
            if source.startswith(_PLACE) or target.startswith(_PLACE):
                place, region = sorted((source, target))  # "@" sorts before every name
                self.lines.setdefault((place[1:], region), []).append(trouble)
            elif begin.kind in _LINK_KINDS:
                self.links.setdefault(ordered(source, target), []).append(trouble)
                self.one_way.setdefault((source, target), []).append(trouble)
        for region in begin.regions:
            if begin.kind == "line":
                self.lines.setdefault((region, region), []).append(trouble)
            elif begin.kind == "disk":
                self.disks.setdefault(region, []).append(trouble)
            elif begin.kind in ("drift", "jump"):
                self.clocks.setdefault(region, []).append(trouble)
            elif begin.kind == "locks":
                self.locks.append(trouble)
            elif begin.kind in _INNER_KINDS:
                self.inner.setdefault(region, []).append(trouble)
            elif begin.kind in _DOWN_KINDS and begin.note not in _GOES_ON:
                self.down.setdefault(region, []).append(trouble)

    def _add_lives(self, region: str, history: History) -> None:
        """Down from a death, a stop or a pause until the next READY or RESUMED."""
        down_us: int | None = None
        drain_us: int | None = None
        drained_by = ""
        paused_us: int | None = None
        down, draining = self.down.setdefault(region, []), self.draining.setdefault(region, [])
        for life in (event for event in history.lives if event.region == region):
            match life.what:
                case Life.KILLED | Life.STOPPED | Life.BOOTED:
                    down_us = life.at_us if down_us is None else down_us
                case Life.READY if down_us is not None:
                    is_wiped = self._is_wiped(region, down_us)
                    is_first = region not in self.restarts
                    down.append(Trouble("boot" if is_first else "down", down_us, life.at_us))
                    self.restarts.setdefault(region, []).append(
                        Restart(down_us, life.at_us, is_wiped)
                    )
                    down_us = paused_us = None
                case Life.PAUSED:
                    paused_us = life.at_us
                case Life.RESUMED if paused_us is not None:
                    down.append(Trouble("pause", paused_us, life.at_us))
                    paused_us = None
                case Life.DRAINING:
                    drain_us = life.at_us if drain_us is None else drain_us
                    drained_by = life.note
                case _:
                    pass
            if drain_us is not None and life.what in _DRAIN_ENDS:
                draining.append(Trouble("drain", drain_us, life.at_us, drained_by))
                drain_us = None
        for begun_us, troubles in ((down_us, down), (paused_us, down), (drain_us, draining)):
            if begun_us is not None:
                note = drained_by if troubles is draining else ""
                troubles.append(Trouble("down", begun_us, FOREVER_US, note))

    def _is_wiped(self, region: str, down_us: int) -> bool:
        return any(_wipes(t) and t.meets(down_us, down_us) for t in self.down.get(region, ()))

    def _ways(self, pair: Pair) -> list[list[Trouble]]:
        """What was wrong with each third region and its links to these two."""
        return [
            [
                *self.links.get(ordered(pair[0], third), ()),
                *self.links.get(ordered(pair[1], third), ()),
                *self.down.get(third, ()),
            ]
            for third in self.regions
            if third not in pair
        ]

    # ---- between regions ---------------------------------------------------------------------

    def between(self, here: str, there: str) -> Iterator[Trouble]:
        """Everything that kept news between two regions, or was wrong with one of them."""
        yield from self._felt.get(ordered(here, there), ())
        for region in sorted({here, there}):
            yield from self.down.get(region, ())
            yield from self.inner.get(region, ())

    def is_unreachable(self, here: str, there: str, since_us: int, by_us: int) -> bool:
        """Whether news of `since_us` from one region may be unknown in the other at `by_us`."""
        return any(t.meets(since_us, by_us, HEAL_US) for t in self.between(here, there))

    def heard_since_us(self, here: str, there: str, by_us: int) -> int:
        """Since when two regions have surely heard one another until `by_us`; FOREVER_US: never."""
        since_us = 0
        for trouble in self.between(here, there):
            if trouble.meets(by_us, by_us, HEAL_US):
                return FOREVER_US
            if trouble.to_us < by_us:
                since_us = max(since_us, trouble.to_us + HEAL_US)
        return since_us

    def is_calm(self, from_us: int, to_us: int, after_us: int = HEAL_US) -> bool:
        """Whether no link and no region was in trouble, nor `after_us` behind one."""
        return not any(t.meets(from_us, to_us, after_us) for t in self._all)

    def is_settled(self, from_us: int, to_us: int, link_us: int, region_us: int) -> bool:
        """Whether no link was in trouble until `link_us` before, no region until `region_us`.

        The very first boot of a region is over when its links are up: there is nothing to inherit;
        but where seats may pass on, its home learns first.
        """
        after_us = {"boot": self._boot_us} | dict.fromkeys(_LINK_KINDS, link_us)
        return not any(t.meets(from_us, to_us, after_us.get(t.kind, region_us)) for t in self._all)

    def is_quiet_around(
        self, hub: str, from_us: int, to_us: int, link_us: int, region_us: int
    ) -> bool:
        """The same where links between other regions than the hub do not matter."""
        after_us = {"boot": self._boot_us} | dict.fromkeys(_LINK_KINDS, link_us)
        around = [t for pair, found in sorted(self.links.items()) if hub in pair for t in found]
        around += self.locks
        for places in (self.down, self.inner):
            around += [t for _, found in sorted(places.items()) for t in found]
        return not any(t.meets(from_us, to_us, after_us.get(t.kind, region_us)) for t in around)

    def last_restart(self, region: str, by_us: int) -> Restart | None:
        """The last time before at which a region was back after it had been away."""
        back = [r for r in self.restarts.get(region, ())[1:] if r.ready_us <= by_us]
        return back[-1] if back else None

    def is_only(
        self, region: str, restart: Restart, to_us: int, link_us: int, region_us: int
    ) -> bool:
        """Whether nothing but this restart of a region was in trouble, from before it until now."""
        after_us = {"boot": HEAL_US} | dict.fromkeys(_LINK_KINDS, link_us)
        its_own = [
            t
            for t in self.down.get(region, ())
            if t.kind in ("kill", "down") and restart.down_us <= t.from_us <= restart.ready_us
        ]
        return not any(
            t.meets(restart.down_us, to_us, after_us.get(t.kind, region_us))
            for t in self._all
            if t not in its_own
        )

    def restarted(self, region: str, from_us: int, to_us: int) -> bool:
        """Whether a region, or a slice of it, lost what it had in memory within this time."""
        if not self.is_whole(region, from_us, to_us):
            return True
        return any(
            r.down_us <= to_us and r.ready_us >= from_us for r in self.restarts.get(region, ())
        ) or any(
            t.kind in ("kill", "drain", "upgrade", "leave", "down") and t.meets(from_us, to_us)
            for t in self.down.get(region, ())
        )

    def lost_disk(self, region: str, from_us: int, to_us: int) -> bool:
        """Whether a region lost its disk within this time, or what stood on it."""
        return any(_wipes(t) and t.meets(from_us, to_us) for t in self.down.get(region, ()))

    def is_cut(self, here: str, there: str, from_us: int, to_us: int) -> bool:
        """Whether two regions cannot tell one another anything themselves, for all this time."""
        return any(
            t.kind == "cut" and t.from_us <= from_us and to_us <= t.to_us
            for t in self.links.get(ordered(here, there), ())
        )

    def parts(self, by_us: int) -> int:
        """Into how many parts all links that were ever disturbed until then cut the world."""
        cut = {pair for pair, found in self.links.items() if any(t.from_us <= by_us for t in found)}
        return count_parts(self.regions, cut)

    def parts_at(self, at_us: int) -> int:
        """Into how many parts the cuts of this moment divide the world, one-way ones included."""
        cut = {
            pair
            for pair, found in self.links.items()
            if any(t.kind == "cut" and t.meets(at_us, at_us) for t in found)
        }
        return count_parts(self.regions, cut)

    def parts_around(self, from_us: int, to_us: int) -> int:
        """Into how many parts whatever kept messages back divided the regions at some moment."""
        cut = {
            pair
            for pair, found in self.links.items()
            if any(t.meets(from_us, to_us) for t in found)
        }
        return count_parts(self.regions, cut)

    @property
    def has_jumped(self) -> bool:
        """Whether any wall clock ever jumped: plans are ordered by what it says."""
        return any(t.kind == "jump" for found in self.clocks.values() for t in found)

    # ---- between devices and regions ---------------------------------------------------------

    def is_served(self, call: Call, after_us: int = 0) -> bool:
        """Whether the region of a call was up and the line to it in order, all the time."""
        to_us = self.end_us if call.answered_us is None else call.answered_us
        return not any(t.meets(call.sent_us, to_us, after_us) for t in self.around(call))

    def latest_effect_us(self, call: Call) -> int:
        """Until when a call without an answer may have taken effect: a paused region serves it
        when it goes on; what a line held back TCP sends again after as long a pause at most as the
        line was stuck, whether anybody still waits for it or not."""
        at_us = self.end_us if call.answered_us is None else call.answered_us
        lines = self.lines.get((call.place, call.region), ())
        for trouble in sorted(self.around(call), key=lambda t: t.from_us):
            if trouble.to_us >= FOREVER_US:
                continue
            if trouble.from_us <= at_us < trouble.to_us:
                at_us = trouble.to_us
            if trouble in lines and trouble.meets(call.sent_us, at_us):
                at_us = max(at_us, 2 * trouble.to_us - trouble.from_us)
        return at_us + LATE_EFFECT_US

    def is_whole(self, region: str, from_us: int, to_us: int) -> bool:
        """Whether nothing was wrong inside a region, nor just behind that: slices have settled."""
        return not any(t.meets(from_us, to_us, HEAL_US) for t in self.inner.get(region, ()))

    def around(self, call: Call) -> Iterable[Trouble]:
        """Everything that was ever wrong with a call's region or the line to it."""
        yield from self.lines.get((call.place, call.region), ())
        yield from self.down.get(call.region, ())

    def is_draining(self, region: str, from_us: int, to_us: int) -> bool:
        """Whether a region was asked to take no more starts."""
        return any(t.meets(from_us, to_us) for t in self.draining.get(region, ()))

    def has_jumped_in(self, region: str, from_us: int, to_us: int) -> bool:
        """Whether the wall clock of a region was off at some moment between."""
        clocks = self.clocks.get(region, ())
        return any(t.kind == "jump" and t.meets(from_us, to_us) for t in clocks)

    def has_disk(self, region: str, from_us: int, to_us: int, after_us: int = 0) -> bool:
        """Whether a region's disk was in order."""
        return not any(t.meets(from_us, to_us, after_us) for t in self.disks.get(region, ()))


def _wipes(trouble: Trouble) -> bool:
    return trouble.kind == "leave" or (
        trouble.kind == "kill" and trouble.note in ("wipe", "corrupt")
    )


def _spans(faults: Iterable[FaultEvent]) -> Iterator[tuple[FaultEvent, int]]:
    """Each fault's begin, and when it ended."""
    begun: dict[int, FaultEvent] = {}
    for event in faults:
        if event.is_begin:
            begun[event.number] = event
        elif event.number in begun:
            yield begun.pop(event.number), event.at_us
    for number in sorted(begun):
        yield begun[number], FOREVER_US
