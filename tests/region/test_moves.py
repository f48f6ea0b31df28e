"""Homes follow their households: when they move, and what happens on the way."""

from dataclasses import replace

import pytest

from crdt.dots import RegionId, shard_of
from crdt.events import HomeSet
from georeg.region import messages
from georeg.region.budget import Budget
from georeg.region.decisions import Kind
from georeg.region.report import HomeBy
from georeg.region.settings import ElectionKind, Settings
from tests.region.cluster import ACCOUNT, EPOCH_MS, ISSUED, A, B, C, Cluster, D, Disk, Sent, Stream

AFTER_MS = 120_000
SETTINGS = replace(Settings(), home_move_after_ms=AFTER_MS)
LEARNT_MS = 11_000
"""An elected home has learnt."""
ROUNDS_MS = 8_000
"""The walk over the book and the one over what is watched are done within this."""


def at_hash_home(account: str = ACCOUNT, **more: object) -> tuple[Cluster, RegionId, RegionId]:
    """A cluster in which nothing pins the account, its home, and another region."""
    cluster = Cluster(home=RegionId(0), **({"settings": SETTINGS} | more))  # type: ignore[arg-type]
    home = homes(cluster, account)[A]
    return cluster, home, next(region for region in (A, B, C) if region != home)


def homes(cluster: Cluster, account: str = ACCOUNT) -> dict[RegionId, RegionId]:
    return {at: cluster.regions[at]._state.home_of(account) for at in cluster.regions}


def agreed(cluster: Cluster) -> RegionId:
    (home,) = set(homes(cluster).values())
    return home


def usable(cluster: Cluster) -> int:
    return sum(max(0, cluster.usable(at)) for at in cluster.regions)


def third_of(*regions: RegionId) -> RegionId:
    return next(region for region in (A, B, C) if region not in regions)


def moved(limit: int = 2) -> tuple[Cluster, RegionId, RegionId, Stream]:
    """A home that has followed its household."""
    cluster, home, away = at_hash_home(limit=limit)
    stream = cluster.start(away, "tv")
    cluster.play(AFTER_MS + ROUNDS_MS, stream)
    assert agreed(cluster) == away
    return cluster, home, away, stream


def test_a_home_moves_to_where_the_household_has_streamed_for_so_long() -> None:
    cluster, home, away, stream = moved()
    assert cluster.counter(home, "homes_moved") == 1
    assert cluster.counter(away, "homes_taken") == 1
    book = cluster.regions[home]._state.seats.terms[home].book
    assert book.valid(ACCOUNT, cluster.clocks[home].now_ms()) == {}
    assert {at: cluster.usable(at) for at in (home, away)} == {home: 0, away: 2}
    stream.beat()


def test_not_before() -> None:
    cluster, home, away = at_hash_home(limit=2)
    stream = cluster.start(away, "tv")
    cluster.play(AFTER_MS - ROUNDS_MS, stream)
    assert agreed(cluster) == home


def test_starts_there_ask_nobody_any_more_also_when_it_is_cut_off() -> None:
    cluster, home, away, stream = moved()
    cluster.cut(away)
    cluster.play(cluster.settings.grant_lease_ms * 3, stream)
    cluster.sent.clear()
    again = cluster.start(away, "tablet")
    assert again.admitted.basis == "granted"
    assert not cluster.messages(messages.Borrow)
    assert cluster.usable(home) == 0


def test_the_former_home_asks_the_new_one() -> None:
    cluster, home, away, stream = moved()
    other = cluster.start(home, "phone")
    assert other.admitted.basis == "borrowed"
    cluster.refused(third_of(home, away), "laptop")
    assert isinstance(stream.beat(), type(other.beat()))


def test_it_goes_back_in_the_same_way_and_no_sooner() -> None:
    cluster, home, away, stream = moved()
    stream.stop()
    back = cluster.start(home, "tv")
    cluster.play(AFTER_MS - ROUNDS_MS, back)
    assert agreed(cluster) == away
    cluster.play(2 * ROUNDS_MS + cluster.settings.idle_grant_ms, back)
    assert agreed(cluster) == home
    known = cluster.regions[home]._state.shard(ACCOUNT).accounts.home(ACCOUNT)
    assert known is not None
    assert (known.number, known.by, known.home) == (2, away, home)


def test_a_session_elsewhere_begins_the_time_anew() -> None:
    cluster, home, away = at_hash_home(limit=2)
    stream = cluster.start(away, "tv")
    cluster.play(AFTER_MS // 2, stream)
    visit = cluster.start(home, "phone")
    cluster.play(ROUNDS_MS, stream, visit)
    visit.stop()
    cluster.play(AFTER_MS - ROUNDS_MS, stream)
    assert agreed(cluster) == home
    cluster.play(3 * ROUNDS_MS, stream)
    assert agreed(cluster) == away


def test_a_household_that_has_not_come_back_moves_nothing() -> None:
    """It streamed once, long ago; what it does at the end of the time is not known."""
    cluster, home, away = at_hash_home(limit=2)
    stream = cluster.start(away, "tv")
    cluster.play(ROUNDS_MS, stream)
    stream.stop()
    cluster.run(3 * AFTER_MS)
    assert agreed(cluster) == home
    assert cluster.regions[home]._moves.observed == 0


def test_one_that_pauses_and_comes_back_in_time_is_followed() -> None:
    cluster, home, away = at_hash_home(limit=2)
    stream = cluster.start(away, "tv")
    cluster.play(ROUNDS_MS, stream)
    stream.stop()
    cluster.run(AFTER_MS - 3 * ROUNDS_MS)
    again = cluster.start(away, "tv")
    assert agreed(cluster) == home
    cluster.play(4 * ROUNDS_MS, again)
    assert agreed(cluster) == away


def test_a_pinned_home_never_moves() -> None:
    cluster = Cluster(home=A, limit=2, settings=SETTINGS)
    stream = cluster.start(B, "tv")
    cluster.play(2 * AFTER_MS, stream)
    assert agreed(cluster) == A


def test_a_time_of_0_moves_nothing() -> None:
    cluster = Cluster(home=RegionId(0), settings=replace(SETTINGS, home_move_after_ms=0))
    home = agreed(cluster)
    stream = cluster.start(next(r for r in (A, B, C) if r != home), "tv")
    cluster.play(AFTER_MS, stream)
    assert agreed(cluster) == home


def test_nothing_moves_while_a_region_speaks_version_1() -> None:
    """It could not read the event, and would take the former home for the home."""
    cluster, home, away = at_hash_home(limit=2, versions={C: 1})
    stream = cluster.start(away, "tv")
    cluster.play(2 * AFTER_MS, stream)
    assert agreed(cluster) == home


def test_nothing_moves_to_a_region_that_is_drained() -> None:
    cluster, home, away = at_hash_home(limit=2)
    stream = cluster.start(away, "tv")
    cluster.regions[away].drain.begin()
    cluster.play(AFTER_MS + ROUNDS_MS, stream)
    assert agreed(cluster) == home


def test_nothing_moves_while_the_disk_refuses() -> None:
    cluster, home, away = at_hash_home(limit=2)
    stream = cluster.start(away, "tv")
    cluster.disks[home].error = OSError("full")
    cluster.play(AFTER_MS + ROUNDS_MS, stream)
    assert agreed(cluster) == home
    cluster.disks[home].error = None
    cluster.play(ROUNDS_MS, stream)
    assert agreed(cluster) == away


def test_operators_are_told_who_is_home_why_and_since_when() -> None:
    cluster, home, away, stream = moved()
    for at in (home, away):
        told = cluster.regions[at].report.account(ACCOUNT)
        assert (told.home, told.home_by, told.is_home_open) == (away, HomeBy.MOVED, False)
        assert told.home_moved is not None
        assert (told.home_moved.by, told.home_moved.number) == (home, 1)
        assert told.home_moved.at_s > EPOCH_MS // 1000
    assert cluster.regions[home].report.account("acc-2").home_by is HomeBy.HASH
    kinds = {at: [one.kind for one in cluster.regions[at].report.decisions.of(ACCOUNT)]
             for at in (home, away)}  # fmt: skip
    assert Kind.HOME_GIVEN in kinds[home]
    assert Kind.HOME_TAKEN in kinds[away]
    stream.beat()


def test_a_pin_by_a_later_plan_wins_over_a_home_that_has_moved() -> None:
    cluster, home, away, _ = moved()
    third = third_of(home, away)
    cluster.regions[away].set_plan(ACCOUNT, cluster.plan._replace(home=third), ISSUED + 1)
    cluster.run(1_000)
    assert agreed(cluster) == third
    told = cluster.regions[home].report.account(ACCOUNT)
    assert (told.home_by, told.home_moved is not None) == (HomeBy.PINNED, True)


# ---- the handover ------------------------------------------------------------------------------


def holding() -> tuple[Cluster, RegionId, RegionId, Stream]:
    """The home has decided to give the account away, and its disk is slow."""
    cluster, home, away = at_hash_home(limit=2)
    stream = cluster.start(away, "tv")
    cluster.disks[home].holds = True
    cluster.play(AFTER_MS + ROUNDS_MS, stream)
    assert cluster.regions[home]._budget.leaving == {ACCOUNT}
    return cluster, home, away, stream


def written(cluster: Cluster, region: RegionId) -> None:
    disk = cluster.disks[region]
    disk.holds = False
    waits, disk.waits = disk.waits, []
    for then in waits:
        disk.sync(then)


def test_nobody_is_told_before_the_disk_has_it() -> None:
    cluster, home, away, stream = holding()
    assert set(homes(cluster).values()) == {home}
    written(cluster, home)
    cluster.run(100)
    assert agreed(cluster) == away
    stream.beat()


def test_meanwhile_the_home_lends_and_uses_nothing_and_nobody_is_refused_within_the_limit() -> None:
    cluster, home, away, stream = holding()
    third = third_of(home, away)
    assert cluster.usable(home) == 0
    assert cluster.start(third, "phone").admitted.basis == "overdraft"
    assert usable(cluster) <= 2
    cluster.refused(home, "laptop")
    stream.beat()
    written(cluster, home)
    cluster.run(3_000)
    assert usable(cluster) == 2
    assert sorted(cluster.live(home)) == ["phone", "tv"]


class _Nobody(set[str]):
    """Takes no account."""

    def add(self, account: str) -> None:
        """Forgotten at once."""


@pytest.mark.parametrize("is_broken", [False, True])
def test_to_lend_on_meanwhile_would_be_to_lend_twice(
    is_broken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A slot that is lent while the disk writes is unknown to the new home."""
    cluster, home, away = at_hash_home(limit=2)
    third = third_of(home, away)
    stream = cluster.start(away, "tv")
    if is_broken:
        monkeypatch.setattr(cluster.regions[home]._budget, "leaving", _Nobody())
    cluster.disks[home].holds = True
    cluster.play(AFTER_MS + ROUNDS_MS, stream)
    cluster.start(third, "phone")
    cluster.cut_link(third, home)
    cluster.cut_link(third, away)
    written(cluster, home)
    cluster.run(100)
    assert homes(cluster)[away] == away
    assert (usable(cluster) > 2) is is_broken


def test_nothing_moves_while_the_regions_do_not_agree_on_who_they_are() -> None:
    cluster, home, away = at_hash_home(limit=2)
    stream = cluster.start(away, "tv")
    members = cluster.regions[home]._members
    members.change({**cluster.names, D: "sa"}, 1 << 30)
    cluster.play(AFTER_MS + ROUNDS_MS, stream)
    assert not members.are_agreed
    assert homes(cluster)[away] == home


def test_a_home_that_dies_before_its_disk_has_it_is_home_as_before() -> None:
    cluster, home, away, stream = holding()
    cluster.kill(home)
    cluster.disks[home].holds = False
    cluster.disks[home].waits.clear()
    cluster.boot(home)
    cluster.play(10_000, stream)
    assert agreed(cluster) == home


def test_one_that_dies_when_its_disk_has_it_says_it_when_it_is_back() -> None:
    cluster, home, away, stream = holding()
    disk = cluster.disks[home]
    disk.stored_homes.update(disk.queued_homes)
    cluster.kill(home)
    disk.holds = False
    disk.waits.clear()
    assert set(homes(cluster).values()) == {home}
    cluster.boot(home)
    cluster.play(5_000, stream)
    assert agreed(cluster) == away


def test_a_disk_that_refuses_halfway_is_tried_until_it_takes_it() -> None:
    """What is queued may reach the disk at any time, so the home cannot take it back."""
    cluster, home, away, stream = holding()
    disk = cluster.disks[home]
    disk.error = OSError("full")
    written(cluster, home)
    cluster.play(5_000, stream)
    assert set(homes(cluster).values()) == {home}
    assert cluster.usable(home) == 0
    disk.error = None
    cluster.play(3_000, stream)
    assert agreed(cluster) == away
    assert not cluster.regions[home]._budget.leaving


def test_a_home_takes_back_what_others_hold_and_waits_until_it_has_it() -> None:
    """A grant that a third region holds may be in use: the new home would not know of it."""
    cluster, home, away = at_hash_home(limit=4)
    third = third_of(home, away)
    visit, stream = cluster.start(third, "phone"), cluster.start(away, "tv")
    cluster.play(ROUNDS_MS, stream, visit)
    visit.stop()
    cluster.run(100)
    assert cluster.usable(third) > 0
    cluster.play(AFTER_MS - ROUNDS_MS, stream)
    assert cluster.usable(third) > 0
    cluster.loses = lambda sent: isinstance(sent.message, messages.Recalled)
    cluster.play(3 * ROUNDS_MS, stream)
    assert agreed(cluster) == home  # it has given back, and the word of it is lost
    cluster.lose()
    cluster.play(ROUNDS_MS, stream)
    assert agreed(cluster) == away


def test_a_home_that_learns_gives_nothing_away() -> None:
    """Its book does not show yet who holds what from its former life."""
    cluster, home, away = at_hash_home(limit=2)
    stream = cluster.start(away, "tv")
    cluster.play(ROUNDS_MS, stream)
    cluster.regions[home]._state.seats.terms[home].book.learn_until_ms = 1 << 60
    cluster.play(AFTER_MS + ROUNDS_MS, stream)
    assert agreed(cluster) == home


@pytest.mark.parametrize("election", ElectionKind)
def test_homes_move_unless_they_are_fenced(election: ElectionKind) -> None:
    """Whoever took the lock next might not have heard of the move."""
    cluster, home, away = at_hash_home(limit=2, settings=replace(SETTINGS, election=election))
    cluster.run(LEARNT_MS)
    stream = cluster.start(away, "tv")
    cluster.play(AFTER_MS + ROUNDS_MS, stream)
    assert agreed(cluster) == (home if election is ElectionKind.FENCED else away)


def test_who_sits_in_anothers_seat_gives_nothing_away() -> None:
    """The seat's own region may come back without having heard of it."""
    settings = replace(SETTINGS, election=ElectionKind.BEST_EFFORT)
    cluster, home, _ = at_hash_home(limit=2, settings=settings)
    cluster.run(LEARNT_MS)
    cluster.kill(home)
    cluster.run(16_000 + LEARNT_MS)
    heir = agreed(cluster)
    stream = cluster.start(third_of(home, heir), "tv")
    cluster.play(AFTER_MS + ROUNDS_MS, stream)
    assert agreed(cluster) == heir
    assert cluster.counter(heir, "homes_moved") == 0


# ---- restarts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("which", ["home", "away", "both"])
def test_a_home_that_has_moved_is_known_after_restarts(which: str) -> None:
    cluster, home, away, stream = moved()
    for region in {"home": (home,), "away": (away,), "both": (home, away)}[which]:
        cluster.kill(region)
    for region in {"home": (home,), "away": (away,), "both": (home, away)}[which]:
        cluster.boot(region)
    cluster.run(5_000)
    assert agreed(cluster) == away
    assert stream.session


@pytest.mark.parametrize("lost", ["home", "away"])
def test_a_region_that_lost_its_disk_learns_what_has_moved_from_the_others(lost: str) -> None:
    cluster, home, away, _ = moved()
    region = {"home": home, "away": away}[lost]
    cluster.kill(region)
    cluster.boot(region, Disk())
    cluster.run(30_000)
    assert agreed(cluster) == away
    assert cluster.regions[region]._members.are_agreed
    assert cluster.usable(home) == 0


def test_one_that_lost_its_disk_and_hears_not_all_uses_nothing_that_may_have_moved() -> None:
    """The one that is cut off may be the home now, and lend all slots."""
    cluster, home, away, stream = moved()
    third = third_of(home, away)
    cluster.kill(third)
    cluster.kill(home)
    cluster.cut(away)
    cluster.boot(home, Disk())
    cluster.boot(third, Disk())
    cluster.play(60_000, stream)
    assert homes(cluster)[home] == home  # as far as it knows
    assert cluster.usable(home) == 0
    assert cluster.usable(away) == 2
    cluster.heal()
    cluster.play(30_000, stream)
    assert agreed(cluster) == away
    assert usable(cluster) == 2


def test_one_that_lost_its_disk_asks_until_all_snapshots_have_come() -> None:
    """The one that is lost on the way may be that of a home that it had given away."""
    cluster, home, away, stream = moved()
    shard = shard_of(ACCOUNT)
    cluster.kill(home)

    def is_lost(sent: Sent) -> bool:
        message = sent.message
        return (
            (isinstance(message, messages.SnapshotPart) and message.shard == shard)
            or (isinstance(message, messages.Range) and message.shard == shard)
            or isinstance(message, messages.Bundle)
        )

    cluster.loses = is_lost
    cluster.boot(home, Disk())
    cluster.play(30_000, stream)
    assert homes(cluster)[home] == home  # as far as it knows
    assert cluster.regions[home]._members.silent
    assert cluster.usable(home) == 0
    cluster.lose()
    cluster.play(5_000, stream)
    assert agreed(cluster) == away


def test_an_event_of_a_former_life_is_told_again_by_who_took_the_home() -> None:
    """The former home was lost before the third region heard: the new one says it too."""
    cluster, home, away = at_hash_home(limit=2)
    third = third_of(home, away)
    stream = cluster.start(away, "tv")
    cluster.play(AFTER_MS - ROUNDS_MS, stream)
    cluster.loses = lambda sent: third in (sent.source, sent.target)
    cluster.play(2 * ROUNDS_MS, stream)
    assert homes(cluster)[third] == home
    cluster.kill(home)
    cluster.loses = lambda sent: False
    cluster.play(5_000, stream)
    assert homes(cluster)[third] == away


def test_a_move_that_arrives_late_or_again_changes_nothing() -> None:
    cluster, home, away, stream = moved()
    late = HomeSet(ACCOUNT, third_of(home, away), 1, home, 0)
    region = cluster.regions[away]
    region._state.shard(ACCOUNT).accounts.set_home(late)
    known = region._state.shard(ACCOUNT).accounts.home(ACCOUNT)
    assert known is not None
    counted = cluster.counter(away, "homes_taken")
    region._moves.heard(known._replace(number=known.number + 1))
    assert cluster.counter(away, "homes_taken") == counted
    stream.beat()


def test_what_is_watched_is_bounded_and_looked_at_in_slices(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("georeg.region.moves.OBSERVED_MAX", 2)
    monkeypatch.setattr("georeg.region.moves.LOOKS_MAX", 1)
    cluster, home, away = at_hash_home(limit=2)
    names = [f"acc-{n}" for n in range(30)]
    own = [name for name in names if homes(cluster, name)[A] == home][:4]
    streams = [cluster.start(away, "tv", account=name) for name in own]
    cluster.play(ROUNDS_MS, *streams)
    assert cluster.regions[home]._moves.observed == 2
    cluster.play(3 * AFTER_MS, *streams)
    assert all(homes(cluster, name)[home] == away for name in own)


def test_a_shard_in_which_too_many_homes_have_moved_moves_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("georeg.region.moves.HOMES_MAX", 0)
    cluster, home, away = at_hash_home(limit=2)
    stream = cluster.start(away, "tv")
    cluster.play(2 * AFTER_MS, stream)
    assert agreed(cluster) == home


def test_budget_says_that_a_home_on_its_way_is_moving() -> None:
    cluster, home, _, _ = holding()
    budget: Budget = cluster.regions[home]._budget
    assert budget.is_moving(ACCOUNT)
    assert not budget.is_moving("acc-2")
