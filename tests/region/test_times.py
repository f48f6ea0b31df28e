"""What a node that takes over knows of devices that were heard by the one before it."""

from array import array

import pytest

from georeg.region import times
from georeg.region.model import Admitted, How, Renewed, State
from georeg.region.settings import Settings
from tests.region.cluster import ACCOUNT, B, Cluster


class Kept:
    """Times of heartbeats outside of the process that heard them."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        self.blocks: dict[int, dict[int, int]] = {}
        self.walks = 0

    def silent_ms(self, session: int) -> int | None:
        heard = [block[session] for block in self.blocks.values() if session in block]
        return self.cluster.now_ms - max(heard) if heard else None

    def store(self, block: int, sessions: "array[int]", silent_s: bytes) -> None:
        self.blocks[block] = {
            session: self.cluster.now_ms - 1000 * silent
            for session, silent in zip(sessions, silent_s, strict=True)
            if silent < times.SILENT_MAX_S
        }

    def all_stored(self) -> None:
        self.walks += 1


@pytest.fixture
def kept(cluster: Cluster) -> Kept:
    """eu's times are kept from here on, by a process that has begun anew."""
    kept = Kept(cluster)
    cluster.disks[B].times = kept
    take_over(cluster)
    return kept


def take_over(cluster: Cluster, after_ms: int = 3_000) -> None:
    """Another process goes on from what eu's journal has, after that time."""
    cluster.kill(B)
    cluster.run(after_ms)
    cluster.boot(B)
    cluster.run(4_000)


def test_a_session_that_was_heard_goes_on_as_live_and_is_evidence(
    cluster: Cluster, kept: Kept
) -> None:
    tv = cluster.start(B, "tv")
    cluster.play(60_000, tv)
    take_over(cluster)
    (shown,) = cluster.regions[B].sessions(ACCOUNT).sessions
    assert shown.state is State.LIVE
    refused = cluster.refused(B, "phone")
    assert (refused.how, refused.blockers[0].info.device.name) == (How.LOCAL, "the tv")


def test_its_client_lease_goes_on_from_when_it_was_heard(cluster: Cluster, kept: Kept) -> None:
    cluster.start(B, "tv")
    cluster.run(30_000)
    take_over(cluster)
    cluster.run(cluster.settings.client_lease_ms - 37_000 - 2_000)
    assert cluster.live(B) == ["tv"]
    cluster.run(times.round_ms(cluster.settings) + 2_000)
    assert cluster.live(B) == []


def test_one_that_is_suspect_by_then_is_unconfirmed_and_gets_a_whole_lease(
    cluster: Cluster, kept: Kept
) -> None:
    tv = cluster.start(B, "tv")
    cluster.run(cluster.settings.suspect_ms - 2_000)
    take_over(cluster)
    (shown,) = cluster.regions[B].sessions(ACCOUNT).sessions
    assert shown.state is State.UNCONFIRMED
    tv.beat()
    assert cluster.regions[B].sessions(ACCOUNT).sessions[0].state is State.LIVE


def test_without_a_time_it_is_unconfirmed_and_blocks_nobody(cluster: Cluster, kept: Kept) -> None:
    cluster.start(B, "tv")
    kept.blocks.clear()
    kept.store = lambda *block: None  # type: ignore[method-assign]
    take_over(cluster)
    assert isinstance(cluster.settled(cluster.begin(B, "phone")), Admitted)


def test_that_it_is_held_on_without_a_time_is_no_sign_of_life_for_the_next_takeover(
    cluster: Cluster, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.start(B, "tv")
    kept.blocks.clear()
    with monkeypatch.context() as without:
        without.setattr(kept, "store", lambda *block: None)
        take_over(cluster)
    cluster.run(times.round_ms(cluster.settings) + 2_000)
    take_over(cluster)
    (shown,) = cluster.regions[B].sessions(ACCOUNT).sessions
    assert shown.state is State.UNCONFIRMED
    assert isinstance(cluster.settled(cluster.begin(B, "phone")), Admitted)


def test_every_session_is_told_once_a_round_and_only_own_ones(
    cluster: Cluster, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(times, "BLOCKS_AT_ONCE", 3)
    own = [cluster.start(B, "tv", account=f"acc-{n}") for n in range(20)]
    cluster.start(1, "tv", account="elsewhere")  # type: ignore[arg-type]
    cluster.run(1_000)
    walks = kept.walks
    kept.blocks.clear()
    cluster.run(2 * times.round_ms(cluster.settings) + 2_000)
    told = sorted(session for block in kept.blocks.values() for session in block)
    assert told == sorted(stream.session for stream in own)
    assert 1 <= kept.walks - walks <= 3


def test_a_device_is_never_told_to_have_been_heard_later_than_it_was(
    cluster: Cluster, kept: Kept
) -> None:
    tv = cluster.start(B, "tv")
    for _ in range(7):
        heard_ms = cluster.now_ms
        cluster.run(4_321)
        silent_ms = kept.silent_ms(tv.session)
        assert silent_ms is None or silent_ms >= cluster.now_ms - heard_ms
        tv.beat()


def test_one_that_may_have_been_heard_once_more_is_neither_evidence_nor_yields(
    cluster: Cluster, kept: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its last heartbeat fell between two rounds: its stream went on and had to yield."""
    tv = cluster.start(B, "tv")
    cluster.run(times.round_ms(cluster.settings) + 2_000)
    with monkeypatch.context() as later:
        later.setattr(kept, "store", lambda *block: None)
        cluster.run(20_000)
        tv.beat()
        heard_ms = cluster.now_ms
        take_over(cluster)
    known_ms = kept.silent_ms(tv.session)
    assert known_ms is not None
    cluster.run(cluster.settings.suspect_ms - known_ms + 1_000)
    assert cluster.now_ms - heard_ms < cluster.settings.suspect_ms
    assert isinstance(cluster.settled(cluster.begin(B, "phone")), Admitted), "it is no evidence"
    assert isinstance(tv.beat(), Renewed), "and has not yielded"


def test_times_keep_pace_with_heartbeats() -> None:
    for heartbeat_s in (30, 5, 1):
        settings = Settings.of(heartbeat_s=heartbeat_s)
        usual = settings.heartbeat_ms + times.round_ms(settings)
        assert usual < settings.suspect_ms, "a device at its pace looks suspect to no successor"


def test_its_slot_is_asked_for_anew(cluster: Cluster, kept: Kept) -> None:
    tv = cluster.start(B, "tv")
    cluster.play(30_000, tv)
    take_over(cluster)
    cluster.play(30_000, tv)
    assert cluster.usable(B) == 1
