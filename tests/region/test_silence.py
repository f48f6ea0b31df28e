"""What a region says of a silent device when it gives up its session, and who knows better."""

import pytest

from crdt.events import Reason
from georeg.region import wire
from georeg.region.messages import Bundle, Range, Relayed
from georeg.region.model import Ended, Renewed
from tests.region.cluster import ACCOUNT, HEARTBEAT_MS, A, B, C, Cluster, Sent, Stream


def silent_ms(cluster: Cluster, at: int) -> int:
    """How long the only session of a region has been silent, as it thinks."""
    (seen,) = cluster.regions[at]._state.own(ACCOUNT)  # type: ignore[index]
    return seen.silent_ms


def away_and_back(cluster: Cluster, for_ms: int = 70_000) -> Stream:
    """A device speaks once to eu beyond a cut, then to us again, as if it had never been away.

    So both hold its session, and eu is the one that will go on holding it.
    """
    tv = cluster.start(A, "tv")
    cluster.run(1_000)
    cluster.cut(A)
    assert isinstance(tv.beat(B), Renewed)
    cluster.play(for_ms, tv)
    return tv


def test_who_holds_a_session_on_after_a_cut_hears_when_its_device_spoke_elsewhere(
    cluster: Cluster,
) -> None:
    away_and_back(cluster)
    cluster.heal()
    cluster.run(3_000)

    assert [r.status().sessions for r in cluster.regions.values()] == [0, 1, 0]
    assert silent_ms(cluster, B) == pytest.approx(70_000 - 60_000 + 3_000, abs=100)
    assert [b.info.device.id for b in cluster.refused(B, "phone").blockers] == ["tv"]


def is_log_to_eu(sent: Sent) -> bool:
    """On its own link, or round a third region."""
    message, target = sent.message, sent.target
    if isinstance(message, Relayed):
        message, target = wire.decode(message.payload), message.target
    return (sent.source, target) == (A, B) and isinstance(message, Range | Bundle)


def displaced_unheard(cluster: Cluster) -> tuple[Stream, Stream]:
    """eu lets the session yield after the cut, before it hears that us had heard the device."""
    tv = away_and_back(cluster, 60_000)
    tv.beat()
    cluster.loses = is_log_to_eu
    cluster.heal()
    cluster.run(6_000)
    assert cluster.counter(A, "released_moved") == 1
    phone = cluster.start(B, "phone")
    cluster.run(1_000)
    assert cluster.counter(B, "released_displaced") == 1
    return tv, phone


def test_an_end_by_silence_ends_nothing_that_was_heard_here_since(cluster: Cluster) -> None:
    tv, _ = displaced_unheard(cluster)
    assert cluster.regions[A].is_live(tv.claims)

    assert tv.beat(A) == Renewed(tv.session)
    assert cluster.counter(A, "revived") == 0
    cluster.run(100)
    assert cluster.regions[C].is_live(tv.claims)


def test_whoever_watches_it_there_is_told_of_no_end(cluster: Cluster) -> None:
    ends: list[Ended] = []
    away_and_back(cluster, 60_000)
    tv = cluster.regions[A].sessions(ACCOUNT).sessions[0]
    cluster.regions[A].watch(tv.session, ends.append)
    cluster.regions[B].start(cluster.request("phone"))
    cluster.run(6_000)
    cluster.settled(cluster.begin(B, "phone"))
    cluster.heal()
    cluster.run(3_000)

    assert cluster.counter(B, "released_displaced") == 1
    assert ends == []


def test_it_ends_all_the_same_when_its_device_was_silent_there_too(cluster: Cluster) -> None:
    tv, phone = displaced_unheard(cluster)
    cluster.play(cluster.settings.suspect_ms, phone)

    assert not cluster.regions[A].is_live(tv.claims)
    end = tv.beat(A)
    assert isinstance(end, Ended)
    assert end.reason is Reason.DISPLACED


def test_where_its_device_was_never_heard_the_end_holds(cluster: Cluster) -> None:
    tv, _ = displaced_unheard(cluster)
    assert isinstance(tv.beat(C), Ended)


@pytest.mark.parametrize("late_ms", [0, 3_000, 10_000, 40_000])
def test_a_release_that_comes_late_makes_no_device_younger_than_it_is(
    cluster: Cluster, late_ms: int
) -> None:
    tv = away_and_back(cluster, 10_000)
    assert isinstance(tv.beat(), Renewed)
    spoke_ms = cluster.now_ms
    cluster.loses = is_log_to_eu
    cluster.heal()
    cluster.run(3_000 + late_ms)
    assert cluster.counter(A, "released_moved") == 1
    cluster.lose()
    cluster.run(4_000)

    assert silent_ms(cluster, B) >= cluster.now_ms - spoke_ms


def test_a_session_that_moves_in_peace_is_as_young_as_its_last_heartbeat(cluster: Cluster) -> None:
    tv = cluster.start(A, "tv")
    cluster.run(HEARTBEAT_MS)
    tv.beat(B)
    cluster.run(500)

    assert silent_ms(cluster, B) == 500


def test_ends_by_silence_and_moves_tell_how_silent_it_was_others_do_not(cluster: Cluster) -> None:
    def told(sent: Sent) -> list[list[object]]:
        return [e for e in getattr(sent.message, "events", ()) if isinstance(e, list) and e[0] == 1]

    tv = cluster.start(A, "tv")
    cluster.run(cluster.settings.client_lease_ms + 3_000)
    phone = cluster.start(A, "phone")
    cluster.run(10)
    phone.stop()
    cluster.run(1_000)
    ends = [e for sent in cluster.messages(Range, A) if sent.target == B for e in told(sent)]

    assert tv.session != phone.session
    assert [len(end) for end in ends] == [7, 4]
    assert ends[0][5] == pytest.approx(cluster.settings.client_lease_ms, abs=2_000)
