""" "I am here, at this position": one beacon a second to every other region.

A beacon renews the evidence for all sessions of its sender at once, acknowledges what it has of the
receiver's logs, and echoes the receiver's newest beacon. It lists only shards that the receiver has
not acknowledged in full: an unlisted shard is, by the receiver's own word, complete. So idle
regions exchange some 60 bytes a second, and a lost beacon or range heals with the next exchange.

One more shard per beacon is listed in turn, so that each state hash is compared once a minute; at
equal positions hashes must be equal, else the receiver asks for a snapshot of the shard.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

from crdt.dots import INCARNATION_MAX, SEQUENCE_BITS, SHARDS, RegionId, pack, sequence_of
from georeg.region.evidence import Evidence
from georeg.region.messages import ELECTIONS, Beacon, Fetched, Message, Vitals
from georeg.region.replication import Replication
from georeg.region.state import RegionState
from georeg.region.ways import DIRECT, Ways

REMEMBERED: Final = 16
"""Own beacons whose send times and lists are kept; an older echo proves nothing."""
VITALS_EVERY: Final = 5
"""Every so many beacons say how the sender is, from the first one on: 40 bytes, for operators."""


class _Word(NamedTuple):
    """A peer's word on its set of regions, and what it had written by then that is not here yet."""

    incarnation: int
    said: bytes
    echoed: int
    missing: dict[int, int]


class Beacons:
    """Sending and hearing beacons."""

    def __init__(
        self,
        state: RegionState,
        replication: Replication,
        evidence: Evidence,
        ways: Ways,
        send: Callable[[RegionId, Message], None],
        announce: Callable[[RegionId, Message], None],
    ) -> None:
        self._state = state
        self._replication = replication
        self._evidence = evidence
        self._ways = ways
        self._send = send
        self._announce = announce
        self.is_draining: Callable[[], bool] = lambda: False
        """Set by the region: whether this one drains."""
        self.on_draining: Callable[[RegionId, bool], None] = lambda peer, is_draining: None
        """Set by the region: whether another one drains, as its beacon says."""
        self.on_seats: Callable[[], None] = lambda: None
        """Set by the region: a peer has said something new of where it sits."""
        self.vitals: Callable[[], tuple[Vitals, ...]] = lambda: ()
        """Set by the region: what this region says of itself."""
        self.on_vitals: Callable[[RegionId, Vitals], None] = lambda peer, vitals: None
        """Set by the region: a peer has said how it is."""
        self.on_known: Callable[[RegionId], None] = lambda peer: None
        """Set by joining: a peer that has still to tell of homes knows of this life by now."""
        self._number = 0
        self._sent_ms: dict[int, int] = {}
        self._listed: dict[tuple[RegionId, int], dict[int, int]] = {}
        """(peer, beacon number) -> positions that it named: by its echo they must be there."""
        self._echoes: dict[RegionId, tuple[int, int, int]] = {}
        """peer -> (incarnation, number, when heard) of its newest beacon."""
        self._words: dict[RegionId, _Word] = {}
        """Words that do not count yet; of each peer the oldest, while regions do not agree."""

    def begin(self) -> None:
        """A new incarnation counts its beacons from 1; echoes of the old one prove nothing."""
        self._number = 0
        self._ways.begin(self._state.clock.now_ms())
        self._sent_ms.clear()
        self._listed.clear()
        self._words.clear()
        self._state.members.begin()

    @property
    def next_number(self) -> int:
        """Of the first beacon that is still to be made."""
        return self._number + 1

    def forget(self, peer: RegionId) -> None:
        """A region was removed; should it come back, nothing of before is echoed to it."""
        self._echoes.pop(peer, None)
        self._words.pop(peer, None)
        self._listed = {key: listed for key, listed in self._listed.items() if key[0] != peer}

    def send_all(self) -> None:
        """One round."""
        self._number += 1
        self._sent_ms[self._number] = self._state.clock.now_ms()
        old = self._number - REMEMBERED
        self._sent_ms.pop(old, None)
        for peer in self._state.peers:
            self._listed.pop((peer, old), None)
            self.send(peer)

    def send(self, peer: RegionId) -> None:
        """The newest beacon, once more for a peer that may have missed it."""
        self._announce(peer, self._beacon(peer))

    def sent_ms(self, beacon: int) -> int | None:
        """When the own beacon of this name (see `Link.beacon`) was sent, if that is remembered."""
        state = self._state
        if beacon >> SEQUENCE_BITS != pack(state.region, state.incarnation, 0) >> SEQUENCE_BITS:
            return None
        return self._sent_ms.get(sequence_of(beacon))

    def on_beacon(self, peer: RegionId, beacon: Beacon, via: RegionId = DIRECT) -> None:
        """Hear a peer: liveness, new incarnations, acknowledgements, evidence.

        `via`: the third region that brought the beacon.
        """
        state, link = self._state, self._replication.links[peer]
        self._replication.check_acks(beacon.acks)
        now_ms = state.clock.now_ms()
        if via == DIRECT:
            self._ways.heard_directly(peer, beacon.incarnation, beacon.number, now_ms)
        if not state.regions.heard(peer, beacon.incarnation, beacon.number, now_ms):
            highest = state.regions.peer(peer).incarnation
            if beacon.incarnation < highest:
                self._send(peer, Fetched(0, min(highest, INCARNATION_MAX - 1)))
            return
        if self._ways.heard(
            peer, beacon[:2], via, beacon.hears, beacon.reaches, now_ms
        ):
            self._evidence.rerouted(peer)
        self._echoes[peer] = (beacon.incarnation, beacon.number, now_ms)
        self.on_draining(peer, beacon.is_draining)
        for vitals in beacon.vitals:
            self.on_vitals(peer, vitals)
        link.beacon = pack(peer, beacon.incarnation, sequence_of(beacon.number))
        if beacon.incarnation > link.incarnation:
            self._new_incarnation(peer, beacon)
        if state.seats.heard(peer, ELECTIONS[beacon.election], beacon.seats):
            self.on_seats()
        missing = self._check_heads(peer, beacon)
        link.ack_due.update(shard for shard, _, _ in beacon.heads)
        is_answer = beacon.echo_incarnation == state.incarnation
        if not state.members.are_agreed:
            echoed = beacon.echo_number if is_answer else 0
            self._hear_set(peer, _Word(beacon.incarnation, beacon.regions, echoed, missing))
        if is_answer and peer in state.members.untold:
            self.on_known(peer)
        for shard, incarnation, position in beacon.acks:
            self._replication.acknowledged(peer, shard, incarnation, position)
        sent_ms = None
        if is_answer:
            sent_ms = self._sent_ms.get(beacon.echo_number)
            # Again with every beacon until it is acknowledged: what goes out again may be lost too.
            listed = self._listed.get((peer, beacon.echo_number), {})
            for shard, position in listed.items():
                if link.acked[shard] < position:
                    self._replication.resend(peer, shard)
        self._evidence.beacon(peer, sent_ms, beacon.echo_held_ms, missing)

    def _hear_set(self, peer: RegionId, word: _Word) -> None:
        """A word counts when all is applied here that its sender had written by then: so whoever
        agrees knows which homes had moved before (members.py).
        """
        for one in filter(None, (self._words.pop(peer, None), word)):
            if one.incarnation == word.incarnation and self._has_all(peer, one):
                self._state.members.heard(peer, one.said, one.echoed)
            elif one.incarnation == word.incarnation:
                self._words.setdefault(peer, one)

    def _has_all(self, peer: RegionId, word: _Word) -> bool:
        shards = self._state.shards
        return all(
            shards[index].position(peer) >= (word.incarnation, position)
            for index, position in word.missing.items()
        )

    def _beacon(self, peer: RegionId) -> Beacon:
        state, link = self._state, self._replication.links[peer]
        tops = [shard.log.top for shard in state.shards]
        listed = {
            index: top
            for index, (top, acked) in enumerate(zip(tops, link.acked, strict=True))
            if top != acked
        }
        self._listed[peer, self._number] = listed
        audited = self._number % SHARDS
        heads = tuple(
            (index, tops[index], state.shards[index].state_hash(state.region))
            for index in sorted({audited, *listed})
        )
        acks = tuple((index, *state.shards[index].position(peer)) for index in sorted(link.ack_due))
        link.ack_due.clear()
        incarnation, number, heard_ms = self._echoes.get(peer, (0, 0, 0))
        now_ms = state.clock.now_ms()
        held_ms = now_ms - heard_ms if number else 0
        vitals = self.vitals() if self._number % VITALS_EVERY == 1 else ()
        return Beacon(
            state.incarnation, self._number, incarnation, number, held_ms, heads, acks,
            self.is_draining(), state.members.said, vitals,
            self._ways.hears(now_ms), self._ways.reaches(now_ms),
            ELECTIONS.index(state.seats.kind), state.seats.says(),
        )  # fmt: skip

    def _new_incarnation(self, peer: RegionId, beacon: Beacon) -> None:
        """The peer has begun anew: it has nothing of ours, and quiet shards hold nothing of it."""
        state, link = self._state, self._replication.links[peer]
        state.seats.incarnations[peer] = beacon.incarnation
        state.journal.store_peer(peer, beacon.incarnation)
        if link.incarnation:
            link.reset()
            self._replication.push_all(peer)
        link.incarnation = beacon.incarnation
        named = {shard for shard, position, _ in beacon.heads if position}
        for index, shard in enumerate(state.shards):
            if index not in named and shard.position(peer).incarnation < beacon.incarnation:
                shard.renounce(peer, beacon.incarnation)

    def _check_heads(self, peer: RegionId, beacon: Beacon) -> dict[int, int]:
        """Shards that are not applied up to the beacon; compares hashes of those that are."""
        missing = {}
        for index, position, state_hash in beacon.heads:
            shard = self._state.shards[index]
            at = shard.position(peer)
            if at < (beacon.incarnation, position):
                missing[index] = position
            elif at == (beacon.incarnation, position) and shard.state_hash(peer) != state_hash:
                self._replication.repair(peer, index)
                missing[index] = position
        return missing
