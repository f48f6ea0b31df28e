"""What a verdict adds up to: outcome, coverage, latencies, operations; the same for any order."""

import random
import sys
from time import perf_counter

import pytest

from region_sim.history import CallKind
from region_sim.oracle import coverage
from region_sim.oracle.judge import ABOUT, CHECKERS, judge
from region_sim.oracle.latency import quantiles
from region_sim.oracle.network import Network
from region_sim.oracle.parts import count_parts
from region_sim.oracle.verdict import Outcome
from tests.sim.oracle.story import REGIONS, Story, us


def evening() -> Story:
    """A bit of everything."""
    story = Story()
    first = story.start("tv", "us", 10)
    story.beat(first, "eu", 40)
    story.cut_link(45, 60)
    story.start("phone", "us", 50, basis="overdraft")
    story.refused("tablet", "us", 52, [(first, "confirmed")])
    story.kill("ap", 62, 70, "wipe")
    story.stop(first, "us", 80)
    story.beat(first, "us", 81, "stopped")
    return story


def test_a_history_without_anything_holds() -> None:
    assert Story().judged().outcome is Outcome.HOLDS


def test_a_run_that_did_not_meet_what_it_expects_proves_nothing() -> None:
    verdict = evening().judged("basis overdraft", "basis borrowed", "refused confirmed")
    assert verdict.missing == ["basis borrowed"]
    assert verdict.outcome is Outcome.NOTHING_PROVED


def test_coverage_counts_what_happened() -> None:
    found = {name: times for name, times in evening().judged().coverage.items() if times}
    for name in (
        "basis granted", "basis overdraft", "refused confirmed", "adopted", "stop", "410 stopped",
        "fault cut", "fault cut drop", "partition partial", "fault kill wipe",
    ):  # fmt: skip
        assert found[name] == 1, name


def test_everything_that_is_counted_has_a_meaning_and_is_told_also_when_it_never_happened() -> None:
    names = coverage.names()
    assert set(evening().judged().coverage) == set(names)
    assert all(names.values())


def test_operations_are_counted_by_their_answer() -> None:
    assert evening().judged().operations == {
        "heartbeat 200": 1, "heartbeat 410 stopped": 1, "start 201": 2, "start 409": 1,
        "stop 204": 1,
    }  # fmt: skip


def test_latencies_are_quantiles_of_what_was_answered() -> None:
    story = Story()
    for number in range(1, 101):
        story.call(CallKind.LIST, "tv", "us", number, 200, took_s=number / 1000)
    story.call(CallKind.LIST, "tv", "us", 200, 0, took_s=5)
    found = quantiles(story.history.calls)["list"]
    assert found == {"p50": 51_000, "p99": 99_000, "p999": 100_000, "max": 100_000}


def test_every_checker_says_what_it_judges() -> None:
    assert list(ABOUT) == list(CHECKERS)
    assert all("as it is judged" in about or "logged" in about for about in ABOUT.values())


def test_a_verdict_does_not_depend_on_the_order_of_accounts() -> None:
    stories = [evening(), evening()]
    stories[1].account = "bob"
    for call in stories[1].history.calls:
        call.account = "bob"
    verdicts = []
    for one, other in (stories, stories[::-1]):
        history = Story().history
        history.calls = sorted(
            [*one.history.calls, *other.history.calls], key=lambda c: (c.sent_us, c.account)
        )
        verdicts.append(judge(history))
    assert verdicts[0] == verdicts[1]


def test_a_baseline_need_not_give_evidence() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.refused("phone", "us", 20, [(session, "")])
    assert story.broken() == [("P1", "no evidence")]
    story.history.system, story.history.is_tapped = "central", False
    assert story.broken() == []


@pytest.mark.parametrize(
    ("cut", "parts"),
    [
        (set(), 1),
        ({("eu", "us")}, 1),
        ({("eu", "us"), ("ap", "us")}, 2),
        ({("eu", "us"), ("ap", "us"), ("ap", "eu")}, 3),
    ],
)
def test_parts_are_what_hangs_together(cut: set[tuple[str, str]], parts: int) -> None:
    assert count_parts(REGIONS, cut) == parts


def test_a_region_is_in_trouble_from_its_death_until_it_is_ready() -> None:
    story = Story()
    story.kill("eu", 20, 30)
    network = Network(story.history)
    assert not network.is_unreachable("us", "eu", 10_000_000, 19_000_000)
    assert network.is_unreachable("us", "eu", 10_000_000, 21_000_000)
    assert network.is_unreachable("us", "eu", 34_000_000, 50_000_000)
    assert not network.is_unreachable("us", "eu", 36_000_000, 50_000_000)
    assert network.restarted("eu", 10_000_000, 25_000_000)
    assert not network.lost_disk("eu", 10_000_000, 25_000_000)


def test_a_cut_that_is_gone_round_is_felt_for_its_first_moments_only() -> None:
    story = Story()
    story.cut_link(20, 300)
    network = Network(story.history)
    assert network.is_unreachable("us", "eu", us(19), us(21))
    assert network.is_unreachable("us", "eu", us(26), us(27))
    assert not network.is_unreachable("us", "eu", us(29), us(40))
    assert network.heard_since_us("us", "eu", us(100)) == us(28)
    assert not network.is_calm(us(20), us(25))
    assert network.is_calm(us(30), us(400))


def test_also_while_the_way_round_is_blocked() -> None:
    story = Story()
    story.cut_link(20, 300)
    story.fault("lag", 100, 110, links="us>ap")
    story.kill("ap", 200, 210)
    network = Network(story.history)
    assert not network.is_unreachable("us", "eu", us(90), us(99))
    assert network.is_unreachable("us", "eu", us(112), us(117))
    assert not network.is_unreachable("us", "eu", us(119), us(190))
    assert network.is_unreachable("us", "eu", us(205), us(206))
    assert network.is_unreachable("us", "eu", us(212), us(217))
    assert not network.is_unreachable("us", "eu", us(220), us(299))


def test_only_cuts_are_gone_round_for_certain_and_only_by_georeg() -> None:
    story = Story()
    story.fault("lag", 20, 100, links="us>eu")
    assert Network(story.history).is_unreachable("us", "eu", us(50), us(51))
    for system, has_older in (("gossip", False), ("georeg", True)):
        story = Story()
        story.cut_link(20, 100)
        story.history.system, story.history.has_older = system, has_older
        assert Network(story.history).is_unreachable("us", "eu", us(50), us(51))


def test_what_came_round_a_third_is_counted() -> None:
    story = Story()
    session = story.start("tv", "eu", 10)
    story.beats(session, "eu", 40, 80)
    story.cut_link(20, 300)
    story.refused("phone", "us", 22, [(session, "beacon")])  # it may have come before the cut
    assert not story.judged().coverage["beacon round a third"]
    story.refused("phone", "us", 60, [(session, "beacon")])
    story.refused("phone", "us", 62, [(session, "confirmed")])
    story.refused("phone", "ap", 64, [(session, "confirmed")])
    story.kick(session, "us", 70)
    coverage = story.judged().coverage
    names = ("beacon round a third", "confirmed round a third", "kick round a third")
    assert [coverage[name] for name in names] == [1, 1, 1]


@pytest.mark.slow
def test_a_hundred_thousand_calls_are_judged_within_seconds() -> None:
    """The bound is ten times what it takes: it is for a quadratic step, not for a slow day."""
    drawn, story = random.Random(1), Story(limit=2)
    for number in range(10_000):
        story.account = f"account-{number}"
        at_s = drawn.uniform(1, 50)
        session = story.start("tv", drawn.choice(REGIONS), at_s)
        story.beats(session, drawn.choice(REGIONS), at_s + 20, at_s + 260)
        story.refused("phone", "us", at_s + 60, [(session, "confirmed")])
    history = story.history
    history.calls.sort(key=lambda call: call.sent_us)
    assert len(history.calls) >= 100_000
    began_s = perf_counter()
    judge(history)
    took_s = perf_counter() - began_s
    assert took_s < (40 if sys.gettrace() is None else 200)
