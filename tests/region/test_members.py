"""The agreement about the cluster's regions: whatever is late or lost, an account has one home.

A world of two regions that change their configs again and again, to sets with two further regions
that say whatever they are told to; beacons are lost, late and out of order.
"""

from collections.abc import Callable
from random import Random

import pytest

from crdt.dots import RegionId
from georeg.region.election import StaticElection
from georeg.region.members import Members

REAL = [RegionId(n) for n in (1, 2)]
THIRD, FOURTH = RegionId(3), RegionId(4)
SETS = [REAL, [*REAL, THIRD], [*REAL, FOURTH], [*REAL, THIRD, FOURTH]]
ACCOUNTS = [f"acc-{n}" for n in range(40)]
NAMES = {RegionId(n): f"region-{n}" for n in range(1, 5)}


def named(regions: list[RegionId]) -> dict[RegionId, str]:
    return {region: NAMES[region] for region in regions}


@pytest.fixture(autouse=True)
def homes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each home is computed once."""
    known: dict[tuple[tuple[RegionId, ...], str, int], RegionId] = {}
    home = StaticElection.home

    def once(election: StaticElection, account: str, pinned: int) -> RegionId:
        key = (election._regions, account, pinned)
        if key not in known:
            known[key] = home(election, account, pinned)
        return known[key]

    monkeypatch.setattr(StaticElection, "home", once)


class World:
    """Beacons between regions of which only the sets matter."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.members = {r: Members(r, named(REAL), None) for r in REAL}
        self.numbers = dict.fromkeys(REAL, 0)
        self.echoes = {(r, peer): 0 for r in REAL for peer in REAL}
        self.on_the_way: list[tuple[RegionId, RegionId, int, int, bytes]] = []
        self.agreements = 0

    def step(self) -> None:
        region = self.random.choice(REAL)
        act = self.random.random()
        if act < 0.06:
            chosen = named(self.random.choice(SETS))
            self.members[region].change(chosen, self.numbers[region] + 1)
        elif act < 0.4:
            self.numbers[region] += 1
            self.on_the_way += [
                (region, peer, self.numbers[region], self.echoes[region, peer],
                 self.members[region].said)
                for peer in REAL if peer != region
            ]  # fmt: skip
        elif self.on_the_way:
            newest_first = self.random.random() < 0.6
            at = -1 if newest_first else self.random.randrange(len(self.on_the_way))
            source, target, number, echoed, said = self.on_the_way.pop(at)
            if self.random.random() < 0.2:
                return  # lost
            members = self.members[target]
            members.heard(source, said, echoed)
            if number > self.echoes[target, source]:
                self.echoes[target, source] = number
            for peer in members.peers:
                if peer not in REAL:
                    members.heard(peer, members.said, self.numbers[target])
            self.agreements += members.are_agreed

    def has_one_home(self, account: str) -> bool:
        return len(self.homes(account)) < 2

    def homes(self, account: str) -> set[RegionId]:
        """Who is home by the word of those that would use or lend a slot of the account."""
        return {
            members.election.home(account, 0)
            for members in self.members.values()
            if not members.is_moving(account, 0)
        }


def runs(steps: int = 2_500, seeds: int = 10) -> tuple[bool, int]:
    """Whether each account had at most one home at each moment; how often some agreed."""
    agreements = 0
    for seed in range(seeds):
        world = World(seed)
        for _ in range(steps):
            world.step()
            if not all(map(world.has_one_home, ACCOUNTS[::8])):
                return False, agreements
        agreements += world.agreements
    return True, agreements


def test_an_account_never_has_two_homes_that_lend() -> None:
    has_one_home, agreements = runs()
    assert has_one_home
    assert agreements > 100


def without_the_echo(members: Members, peer: RegionId, said: bytes, _echoed: int) -> None:
    ORIGINAL(members, peer, said, 1 << 40)


def without_the_set(members: Members, peer: RegionId, _said: bytes, echoed: int) -> None:
    ORIGINAL(members, peer, members.said, echoed)


ORIGINAL = Members.heard


@pytest.mark.parametrize("mutant", [without_the_echo, without_the_set])
def test_the_world_finds_an_agreement_that_rests_on_less(
    mutant: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Members, "heard", mutant)
    assert not runs()[0]


def test_the_world_finds_it_when_sets_between_two_agreements_are_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    original = Members.change

    def change(members: Members, names: dict[RegionId, str], next_number: int) -> None:
        original(members, names, next_number)
        first = next(iter(members._former))
        members._former = {first: members._former[first]}

    monkeypatch.setattr(Members, "change", change)
    assert not runs()[0]


def test_only_accounts_whose_home_moves_are_concerned() -> None:
    members = Members(REAL[0], named(REAL), None)
    before = {account: members.election.home(account, 0) for account in ACCOUNTS}
    members.change(named([*REAL, FOURTH]), 5)
    moved = {a for a in ACCOUNTS if members.election.home(a, 0) != before[a]}
    assert {a for a in ACCOUNTS if members.is_moving(a, 0)} == moved
    assert {members.election.home(a, 0) for a in moved} == {FOURTH}
    assert 0 < len(moved) < len(ACCOUNTS) / 2
    assert not members.is_moving(ACCOUNTS[0], REAL[1])  # pinned to one that stays


def test_all_others_must_say_the_set_in_answer_to_a_beacon_that_said_it() -> None:
    members = Members(REAL[0], named(REAL), None)
    members.change(named([*REAL, THIRD, FOURTH]), 5)
    members.heard(REAL[1], members.said, 4)
    members.heard(THIRD, bytes(REAL), 5)
    assert members.silent == (2, 3, 4)
    for peer in (REAL[1], THIRD):
        members.heard(peer, members.said, 5)
    assert members.silent == (4,)
    members.heard(FOURTH, b"", 6)  # it speaks version 1 and cannot say
    assert members.are_agreed
    assert members.silent == ()


def test_a_new_region_that_is_not_known_everywhere_is_home_of_nothing() -> None:
    members = Members(REAL[0], named(REAL), None)
    members.doubt()
    mine = [a for a in ACCOUNTS if members.election.home(a, 0) == REAL[0]]
    assert [a for a in ACCOUNTS if members.is_moving(a, 0)] == mine
    for peer in members.peers:
        members.heard(peer, members.said, 1)
    assert members.silent == members.peers
    assert [a for a in ACCOUNTS if members.is_moving(a, 0)] == mine
    for peer in members.peers:
        members.told(peer)
    assert members.are_agreed


def test_a_pinned_home_counts_before_one_that_has_moved_and_the_hash_last() -> None:
    members = Members(REAL[0], named([*REAL, THIRD]), None)
    by_hash = members.home("acc-1", 0)
    other, third = [region for region in (*REAL, THIRD) if region != by_hash][:2]
    assert members.home("acc-1", 0, other) == other
    assert members.home("acc-1", third, other) == third
    assert members.home("acc-1", 99, other) == other  # the cluster has no such region
    assert members.home("acc-1", 0, 99) == by_hash


def test_a_home_that_moved_to_a_region_that_goes_is_open_until_all_agree() -> None:
    members = Members(REAL[0], named([*REAL, FOURTH]), None)
    account = next(a for a in ACCOUNTS if members.home(a, 0) in REAL)
    members.change(named(REAL), 5)
    assert members.is_moving(account, 0, FOURTH)
    assert not members.is_moving(account, 0)
    for peer in members.peers:
        members.heard(peer, members.said, 5)
    assert not members.is_moving(account, 0, FOURTH)
    assert members.home(account, 0, FOURTH) in REAL


def test_what_an_earlier_incarnation_said_is_not_echoed_to_this_one() -> None:
    members = Members(REAL[0], named(REAL), None)
    members.change(named([*REAL, FOURTH]), 900)
    members.begin()
    for peer in members.peers:
        members.heard(peer, members.said, 1)
    assert members.are_agreed


def test_the_last_region_agrees_with_itself() -> None:
    members = Members(REAL[0], named(REAL), None)
    members.change(named(REAL[:1]), 7)
    assert members.are_agreed
    assert members.names == named(REAL)  # ids of sessions that began there are still read
