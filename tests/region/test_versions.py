"""Two versions of the protocol side by side, as while a cluster is upgraded region by region."""

from typing import Any

import msgpack
import pytest

from crdt import codec
from crdt.dots import RegionId, SessionId, dot_at, shard_of
from crdt.errors import PeerError
from crdt.events import Device, Entry, Plan, Release
from crdt.versions import NEWEST, OLDEST
from georeg.region import wire
from georeg.region.messages import (
    OWN_SEAT,
    Beacon,
    Borrow,
    Bundle,
    Confirm,
    Confirmed,
    Fetch,
    Fetched,
    Leased,
    Message,
    No,
    Range,
    Recall,
    Recalled,
    Relayed,
    Renew,
    Repair,
    Slot,
    SnapshotPart,
    Void,
)
from georeg.region.seen import Seen
from region_sim.world import agreement
from tests.region.cluster import BEGIN_MS, A, B, C, Cluster

S7 = SessionId(7)
ENTRY = Entry(
    dot_at(1, 1, shard_of("acc"), 1), S7, "acc", Device("d", "n", "k"), "t", 5000, 5001, 90, 1,
    True, False,
)  # fmt: skip
SEEN = Seen(ENTRY, True, False, 12)
ENTRY_HEX = "cf010000100000004307a3616363a164a16ea16ba174cd1388cd13895a01c3c2"
AS_SAID_IN_VERSION_1: list[tuple[Message, str]] = [
    (Beacon(1, 2, 3, 4, 5, ((1, 2, 3),), ((4, 5, 6),)), "9801010203040591930102039193040506"),
    (Range(1, 2, 3, (None,)), "950201020391c0"),
    (SnapshotPart(RegionId(1), 2, 3, 4, 0, 1, b"x"), "9803010203040001c40178"),
    (Fetch(1), "920401"),
    (Fetched(1, 2), "93050102"),
    (
        Borrow("acc", 1, 2, 3, 1, 2, ((S7, 2),), "n", 4, Plan("basic", 1, 2), 5),
        "9c06a3616363010203010291920702a16e0493a56261736963010205",
    ),
    (Slot("acc", 1, 2, 3, 4, 1, 5), "9807a3616363010203040105"),
    (
        No("acc", 1, ((RegionId(2), (SEEN,)),)),
        f"9408a36163630191920291dc0010{ENTRY_HEX}c3c20c",
    ),
    (Recall("acc", 1, 1, ((S7, 4),), "n"), "9609a3616363010191920704a16e"),
    (
        Recalled("acc", 1, 2, 3, 1, (SEEN,), (ENTRY,)),
        f"980aa36163630102030191dc0010{ENTRY_HEX}c3c20c919d{ENTRY_HEX}",
    ),
    (Confirm("acc", 1), "930ba361636301"),
    (Confirmed("acc", 1, (SEEN,)), f"940ca36163630191dc0010{ENTRY_HEX}c3c20c"),
    (Renew(1, 2, 3, 4, 5, 0, 1, (("acc", 1),)), "990d010203040500019192a361636301"),
    (Leased(1, 2, 3), "940e010203"),
    (Void(1), "920f01"),
    (Repair(3), "921003"),
    (Bundle((b"a", b"b")), "921192c40161c40162"),
]
"""Every message of version 1, written by the code of version 1."""


@pytest.mark.parametrize(("message", "said"), AS_SAID_IN_VERSION_1)
def test_version_1_is_spoken_as_it_was_spoken_then(message: Message, said: str) -> None:
    assert wire.encode(message, 1).hex() == said
    assert wire.decode(bytes.fromhex(said), 1) == message


def test_version_1_has_no_message_that_came_later() -> None:
    known = {type(message) for message, _ in AS_SAID_IN_VERSION_1}
    assert {kind for kind in Message.__args__ if wire.has(kind, 1)} == known
    with pytest.raises(PeerError, match="unknown message 18 in protocol version 1"):
        wire.decode(wire.encode(Relayed(B, C, 1, b"")), 1)


def test_a_range_is_the_same_in_every_version() -> None:
    # It is written without a version (encode_range), and a bundle's are read without one.
    message = Range(1, 2, 3, (None,))
    for version in range(OLDEST, NEWEST + 1):
        assert wire.encode(message, version) == wire.encode_range(1, 2, 3, [codec.NOTHING])


def test_a_field_that_came_later_is_left_out_and_gets_its_default() -> None:
    slot = Slot("acc", 1, 2, 3, 4, 1, 5, seat=C)
    shorter = wire.encode(slot, 1)
    assert len(msgpack.unpackb(shorter)) == 8
    assert wire.decode(shorter, 1) == slot._replace(seat=OWN_SEAT)
    for payload, version in ((shorter, NEWEST), (wire.encode(slot), 1)):
        with pytest.raises(PeerError, match="Slot has"):
            wire.decode(payload, version)


# ---- clusters -------------------------------------------------------------------------------


def assert_agreed(cluster: Cluster) -> None:
    regions = {cluster.names[r]: region for r, region in cluster.regions.items()}
    assert agreement.disagreements(regions) == []


def test_regions_of_two_versions_agree_on_what_each_of_them_wrote() -> None:
    cluster = Cluster(limit=2, versions={B: 1})
    streams = [cluster.start(A, "tv"), cluster.start(B, "phone")]
    assert cluster.refused(C, "tablet")
    streams[0].beat(at=B)
    streams[1].stop(at=C)
    cluster.run(3_000)
    assert cluster.listed(A) == cluster.listed(B) == cluster.listed(C) == ["tv"]
    assert_agreed(cluster)


def test_the_log_goes_to_a_peer_of_an_older_version_in_its_form(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def newer(event: Any) -> bytes:
        """As if the newest release had a further field: version 1 would refuse it."""
        data = codec.encode_event(event)
        if type(event) is not Release:
            return data
        body = msgpack.unpackb(data)
        return codec.pack([*(body if len(body) == 5 else [*body, event.session]), 2_000])

    monkeypatch.setattr("crdt.shard.encode_event", newer)
    cluster = Cluster(A, B, limit=4, versions={B: 1})
    streams = [cluster.start(A, device) for device in ("tv", "phone", "tablet")]
    cluster.run(100)
    streams[0].stop()
    cluster.run(3_000)
    assert cluster.listed(B) == ["phone", "tablet"]
    assert_agreed(cluster)


def test_a_snapshot_goes_to_a_peer_of_an_older_version_in_its_form(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def newer(event: Any) -> list[Any]:
        """As if the newest add had a further field."""
        body = codec.plain(event) or []
        return [*body, "", 0, 0, event.placed_ms, True] if type(event) is Entry else body

    monkeypatch.setattr("crdt.snapshot.plain", newer)
    cluster = Cluster(A, B, limit=4, versions={B: 1})
    tv = cluster.start(A, "tv")
    cluster.regions[A]._replication.send_snapshot(B, A, shard_of(tv.info.account))
    cluster.run(1_000)
    assert len(cluster.messages(SnapshotPart, A)) == 1
    assert cluster.listed(B) == ["tv"]
    assert_agreed(cluster)


def test_how_others_are_is_known_of_peers_that_say_so() -> None:
    cluster = Cluster(versions={B: 1})
    cluster.run(6_000)
    status = cluster.regions[A].report.status()
    said = {peer.region: peer.vitals is not None for peer in status.regions}
    assert said == {A: True, B: False, C: True}


def test_a_cluster_is_upgraded_region_by_region_without_losing_anything() -> None:
    versions = {A: 1, B: 1, C: 1}
    cluster = Cluster(limit=2, versions=versions)
    tv, phone = cluster.start(A, "tv"), cluster.start(B, "phone")
    cluster.run(1_000)
    for region in (A, B, C, A):  # and A goes back once
        cluster.kill(region)
        versions[region] = 1 if versions.get(region, NEWEST) == NEWEST else NEWEST
        cluster.boot(region)
        cluster.run(BEGIN_MS)
        cluster.play(20_000, tv, phone)
        assert cluster.refused(C, "tablet").blockers
        assert_agreed(cluster)
    assert cluster.listed(C) == ["tv", "phone"]
