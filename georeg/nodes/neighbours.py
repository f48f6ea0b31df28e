"""The nodes of the region as this one knows them: who lives, and who says that it runs what.

Learned with each beat (registry.py), so twice a second, and at once by whoever finds that it is
wrong. Invariant: what is known is a hint for passing calls on, no right to decide; of two nodes
that say they run a slice the one with the later fencing number is right.

A store that has lost its data, or comes back after a while, knows nobody. Who ran a slice then has
its sessions in memory, and is to have it again: for so long as a dead node's lock would have lasted
nobody else takes it.
"""

import asyncio
from collections.abc import Callable, Mapping

import structlog

from georeg.nodes.passing import Address
from georeg.nodes.registry import TTL_MS, NodeEntry, Registry
from georeg.store.redis import RedisTrouble

log = structlog.get_logger("georeg.nodes")


class Neighbours:
    """What one node knows of all."""

    def __init__(
        self,
        me: str,
        registry: Registry,
        entry: Callable[[], NodeEntry],
        now_ms: Callable[[], int],
    ) -> None:
        """`entry`: what this node says of itself now."""
        self._me = me
        self._registry = registry
        self._entry = entry
        self._looking: asyncio.Future[None] | None = None
        self._now_ms = now_ms
        self._highest: dict[int, int] = {}
        self._heard: dict[str, tuple[int, int]] = {}
        """Node -> its newest beat, and when that was seen."""
        self._reserved: dict[int, Address] = {}
        """Slice -> the node that ran it before the store lost its data, or was out of reach."""
        self._reserved_until_ms = 0
        self.nodes: Mapping[str, NodeEntry] = {}
        """All that live, this one included, as of the last beat."""
        self.owners: Mapping[int, Address] = {}
        """Slice -> who says that it runs it, asked while the store is out of reach (others.py)."""
        self.trouble = ""
        """Why the store is out of reach; empty: it is not."""
        self.on_nodes: Callable[[], None] = lambda: None
        """Set by the node: what all nodes say is known anew."""

    @property
    def others(self) -> list[NodeEntry]:
        """All but this one."""
        return [entry for name, entry in self.nodes.items() if name != self._me]

    def staying(self) -> list[str]:
        """Those that take slices; this one alone where none says so."""
        return [n for n, entry in self.nodes.items() if not entry.is_leaving] or [self._me]

    def node_of(self, number: int) -> Address | None:
        """The other node that says with the latest fencing number that it runs the slice; where
        none does, the one that is left to have it, and may not have reached the store yet."""
        if number in self.owners:
            return self.owners[number]
        found: tuple[int, Address] | None = None
        for entry in self.others:
            fence = entry.fences.get(number, 0)
            if fence and (found is None or fence > found[0]):
                found = fence, entry.address
        if found is not None:
            return found[1]
        return None if self.is_free(number) else self._reserved[number]

    def highest(self, number: int) -> int:
        """The highest fencing number of a slice that was seen."""
        return self._highest.get(number, 0)

    def saw(self, number: int, fence: int) -> None:
        """A fencing number was given out."""
        self._highest[number] = max(fence, self._highest.get(number, 0))

    def is_free(self, number: int) -> bool:
        """Whether a slice is nobody else's for its memory of what the store has lost."""
        return number not in self._reserved or self._now_ms() >= self._reserved_until_ms

    async def begin(self) -> None:
        """Make this node known. Raises RedisTrouble."""
        self._note(await self._registry.beat(self._entry()))

    async def look_again(self) -> None:
        """Say that this node lives, and learn anew; those who ask at once share one look."""
        if self._looking is None:
            self._looking = asyncio.ensure_future(self._beat())
        await asyncio.wait((self._looking,))

    async def _beat(self) -> None:
        try:
            nodes = await self._registry.beat(self._entry())
            if self.trouble:
                log.info("store_back")
                self._reserve()
            self.trouble, self.owners = "", {}
            self._note(nodes)
        except RedisTrouble as trouble:
            if not self.trouble:
                log.warning("store_out_of_reach", reason=str(trouble))
            self.trouble = str(trouble)
        finally:
            self._looking = None

    def _reserve(self) -> None:
        """What others ran, as far as is known, is theirs for a while."""
        if self._now_ms() >= self._reserved_until_ms:
            self._reserved = {}
        for entry in self.others:
            if not entry.is_leaving:
                self._reserved |= dict.fromkeys(entry.fences, entry.address)
        self._reserved_until_ms = self._now_ms() + TTL_MS

    def _has_vanished(self, nodes: Mapping[str, NodeEntry]) -> bool:
        """Whether a node is gone that beat just now: no dead one is gone so soon."""
        now_ms = self._now_ms()
        return any(
            entry.address.name not in nodes
            and not entry.is_leaving
            and now_ms - self._heard[entry.address.name][1] < TTL_MS // 2
            for entry in self.others
        )

    def _note(self, nodes: Mapping[str, NodeEntry]) -> None:
        if self._has_vanished(nodes):
            log.warning("store_has_forgotten_nodes")
            self._reserve()
        now_ms = self._now_ms()
        heard = {name: self._heard.get(name, (-1, 0)) for name in nodes}
        self._heard = {
            name: heard[name] if heard[name][0] == entry.beats else (entry.beats, now_ms)
            for name, entry in nodes.items()
        }
        self.nodes = nodes
        self.on_nodes()
        for entry in nodes.values():
            for number, fence in entry.fences.items():
                self.saw(number, fence)
