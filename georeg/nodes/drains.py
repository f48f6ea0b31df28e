"""A drain of a region in slices: begun and ended on every slice that this node runs.

What a drain is: region/drain.py. A slice that comes to this node while a drain is on is drained on
the terms that are left. Invariant: a drain is refused for all slices or for none.

An operator's drain is the region's: each node says with its beats (registry.py) what it heard last,
and follows a later word of another one. So a node that comes while the region drains, or that did
not hear of its end, knows it within a beat. That a process stops is its own affair.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from crdt.dots import RegionId
from crdt.errors import LocalError
from georeg.nodes.parts import Parts
from georeg.region.drain import FOR_MS, FOR_MS_MAX, Progress
from georeg.region.ports import Clock
from georeg.region.region import Region

SAME_MS: Final = 2_000
"""Two words whose ends are nearer to each other say the same."""


class _Terms(NamedTuple):
    """On what terms a drain was begun."""

    until_ms: int | None
    over_ms: int | None
    force: bool


class Word(NamedTuple):
    """What was said about a drain of the region. Of two the larger is the later one."""

    number: int = 0
    """Counts words; 0: nothing was said yet."""
    node: str = ""
    """Who has said it; settles which counts of two that were said at once."""
    left_ms: int = 0
    """So long it still lasts; 0: none is on."""
    over_ms: int | None = None
    force: bool = False


class SlicedDrain:
    """The drains of all slices as one."""

    def __init__(self, parts: Parts, clock: Clock) -> None:
        self._parts = parts
        self._clock = clock
        self._terms: _Terms | None = None
        self._heard = Word()
        """The latest word, as it was when it was said."""
        self.node = ""
        """This node's name."""
        self._watchers: list[Callable[[], None]] = []

    def joined(self, region: Region) -> None:
        """A slice is run here from now on."""
        region.drain.watch(self._tell)
        if not self.is_on or self._terms is None:
            return
        until_ms, over_ms, force = self._terms
        left_ms = None if until_ms is None else max(1, until_ms - self._clock.now_ms())
        if over_ms is not None and left_ms is not None:
            over_ms = min(over_ms, left_ms)
        region.drain.begin(left_ms, over_ms=over_ms, force=force, goes_on=True)

    # ---- other nodes -------------------------------------------------------------------------

    @property
    def word(self) -> Word:
        """What this node tells the others."""
        until_ms = None if self._terms is None else self._terms.until_ms
        if not self._heard.left_ms or until_ms is None:
            return self._heard
        return self._heard._replace(left_ms=max(0, until_ms - self._clock.now_ms()))

    def hear(self, word: Word) -> None:
        """What another node tells: it is followed if it is later than what is known here."""
        if word[:2] <= self._heard[:2]:
            return
        known, self._heard = self.word, word
        if self._is_stopping or _say_the_same(known, word):
            return
        if word.left_ms:
            left_ms = min(word.left_ms, FOR_MS_MAX)
            over_ms = None if word.over_ms is None else min(word.over_ms, left_ms)
            self._begin(left_ms, over_ms, force=word.force, goes_on=True)
        else:
            self._end()

    @property
    def _is_stopping(self) -> bool:
        """Whether it is this process that stops."""
        return self._terms is not None and self._terms.until_ms is None

    def _tell(self) -> None:
        for callback in self._watchers:
            callback()

    @property
    def _on(self) -> list[Region]:
        return [region for region in self._parts.regions if region.drain.is_on]

    @property
    def is_on(self) -> bool:
        """Whether a drain was begun and has not ended."""
        terms = self._terms
        if terms is None:
            return False
        return terms.until_ms is None or terms.until_ms > self._clock.now_ms()

    @property
    def is_forced(self) -> bool:
        """Whether it holds although there may be nowhere to go."""
        return self.is_on and self._terms is not None and self._terms.force

    @property
    def has_effect(self) -> bool:
        """Whether starts are declined; a node without slices goes by its terms alone."""
        regions = self._parts.regions
        if not regions:
            return self.is_forced
        return any(region.drain.has_effect for region in regions)

    @property
    def elsewhere(self) -> tuple[RegionId, ...]:
        """Where every slice can go, best first."""
        found = [region.drain.elsewhere for region in self._on]
        if not found:
            return ()
        return tuple(peer for peer in found[0] if all(peer in each for each in found))

    def obstacle(self) -> str | None:
        """Why `begin` would refuse without force; None: it would not."""
        reasons = (region.drain.obstacle() for region in self._parts.regions)
        return next((reason for reason in reasons if reason is not None), None)

    def begin(
        self, for_ms: int | None = FOR_MS, *, over_ms: int | None = None, force: bool = False
    ) -> None:
        """See `Drain.begin`. Raises LocalError, and no slice drains any more than before."""
        if not force and (obstacle := self.obstacle()) is not None:
            raise LocalError(obstacle)
        self._begin(for_ms, over_ms, force=force, goes_on=False)
        if for_ms is not None:
            number = self._heard.number + 1
            self._heard = Word(number, self.node, for_ms, over_ms, force)

    def _begin(
        self, for_ms: int | None, over_ms: int | None, *, force: bool, goes_on: bool
    ) -> None:
        for region in self._parts.regions:
            region.drain.begin(for_ms, over_ms=over_ms, force=force, goes_on=goes_on)
        until_ms = None if for_ms is None else self._clock.now_ms() + for_ms
        self._terms = _Terms(until_ms, over_ms, force)
        self._tell()

    def end(self) -> None:
        """Drain no more; harmless when it is not on."""
        self._heard = Word(self._heard.number + 1, self.node)
        self._end()

    def _end(self) -> None:
        self._terms = None
        for region in self._parts.regions:
            region.drain.end()
        self._tell()

    def progress(self) -> Progress:
        """How far it has come, over all slices here."""
        all_ = [region.drain.progress() for region in self._parts.regions]
        left = [each.left_ms for each in all_ if each.left_ms is not None]
        return Progress(
            is_on=self.is_on,
            has_effect=self.has_effect,
            is_forced=self.is_forced,
            sessions=sum(each.sessions for each in all_),
            grants=sum(each.grants for each in all_),
            since_ms=max([each.since_ms for each in all_], default=0),
            left_ms=max(left, default=None),
            elsewhere=self.elsewhere or _common([each.elsewhere for each in all_]),
        )

    def sessions_left(self) -> int:
        """Own sessions in the slices here."""
        return sum(region.drain.sessions_left() for region in self._parts.regions)

    def watch(self, callback: Callable[[], None]) -> None:
        """Call back whenever a drain begins, ends, or gains or loses its effect."""
        self._watchers.append(callback)

    def leaves_in_ms(self, session: int) -> int:
        """How long until it is a session's turn to leave."""
        return self._parts.of_session(session).region.drain.leaves_in_ms(session)

    def next_heartbeat_ms(self, session: int) -> int | None:
        """When a device that has just been heard must be heard elsewhere; None: here as usual."""
        return self._parts.of_session(session).region.drain.next_heartbeat_ms(session)


def _say_the_same(one: Word, other: Word) -> bool:
    """As where the operator's one word came to two nodes, and both tell of it."""
    if not one.left_ms or not other.left_ms:
        return one.left_ms == other.left_ms
    return one[3:] == other[3:] and abs(one.left_ms - other.left_ms) < SAME_MS


def _common(found: list[tuple[RegionId, ...]]) -> tuple[RegionId, ...]:
    """What is in all of them, in the order of the first."""
    if not found:
        return ()
    return tuple(peer for peer in found[0] if all(peer in each for each in found))
