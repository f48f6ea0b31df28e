"""Faults and scenarios as text: what is written is read again as the same."""

import argparse
import tomllib
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from region_sim.cli.options import add_scenario_flags, flags_of, scenario_of
from region_sim.plan.draw import draw
from region_sim.plan.errors import PlanError
from region_sim.plan.faults import (
    INSIDE_REGIONS,
    KINDS,
    OF_NODES,
    Fault,
    FaultKind,
    check_fault,
    links_text,
    parse_links,
)
from region_sim.plan.habits import Habits
from region_sim.plan.reader import fault_text, load, names, number_text, parse_fault, read
from region_sim.plan.scenario import Draw, Scenario
from region_sim.plan.writer import scenario_text

REGIONS = ("us", "eu", "ap", "us-east", "east")
TIMES = st.floats(0.001, 1e6, allow_nan=False).map(lambda at_s: round(at_s, 3)) | st.floats(
    0.001, 9
)


@st.composite
def links(draw_one: st.DrawFn, regions: tuple[str, ...] = REGIONS) -> tuple[tuple[str, str], ...]:
    pairs = list(permutations(regions, 2))
    return tuple(draw_one(st.lists(st.sampled_from(pairs), min_size=1)))


@st.composite
def faults(
    draw_one: st.DrawFn,
    regions: tuple[str, ...] = REGIONS,
    kinds: frozenset[FaultKind] = frozenset(FaultKind),
) -> Fault:
    kind = draw_one(st.sampled_from(sorted(kinds)))
    doc = KINDS[kind]
    amount = draw_one(st.floats(doc.low, doc.high)) if doc.amount else 0.0
    if kind is FaultKind.NODE:
        amount = float(draw_one(st.integers(1, 2)))  # there are at least two
    fault = Fault(
        kind,
        draw_one(TIMES | st.just(0.0)),
        draw_one(TIMES),
        () if doc.on_links else tuple(draw_one(st.lists(st.sampled_from(regions), min_size=1))),
        draw_one(links(regions)) if doc.on_links else (),
        draw_one(st.sampled_from(doc.ways)),
        amount,
    )
    return check_fault(fault, regions)


@given(faults())
def test_a_fault_written_as_a_flag_is_read_as_the_same_fault(fault: Fault) -> None:
    assert parse_fault(fault_text(fault, REGIONS), REGIONS) == fault


@given(links())
def test_links_written_as_text_are_read_as_the_same_links(
    some: tuple[tuple[str, str], ...],
) -> None:
    assert set(parse_links(links_text(some), REGIONS)) == set(some)
    assert set(parse_links(links_text(some, REGIONS), REGIONS)) == set(some)


@pytest.mark.parametrize(
    ("text", "again"),
    [
        ("*", "*"),
        ("us", "us|ap,east,eu,us-east"),
        ("us-east", "us-east|ap,east,eu,us"),
        ("us-eu", "eu|us"),
        ("us-us-east", "us|us-east"),
        ("us-east-eu", "eu|us-east"),
        ("us>eu,ap", "us>ap,eu"),
        ("us,eu|ap,east", "ap,east|eu,us"),
        ("us>eu;ap-eu", "ap|eu;us>eu"),
    ],
)
def test_links_are_written_in_few_words(text: str, again: str) -> None:
    assert links_text(parse_links(text, REGIONS), REGIONS) == again


@pytest.mark.parametrize("text", ["", "mars", "us-mars", "us|eu,us", "us>", "us,eu", "us;mars"])
def test_links_that_mean_nothing_are_refused_with_what_they_say(text: str) -> None:
    with pytest.raises(PlanError, match="links "):
        parse_links(text, REGIONS)


@given(st.floats(allow_nan=False, allow_infinity=False) | st.integers(0, 10**9))
def test_a_number_is_written_so_that_nothing_is_lost(number: float) -> None:
    assert float(number_text(number)) == number
    assert "e" not in number_text(number)


SCENARIOS = st.builds(
    Scenario,
    name=st.just("one"),
    about=st.text(st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")), max_size=20),
    regions=st.just(("us", "eu", "ap")),
    world=st.sampled_from(["aws", "near"]),
    round_trip_ms=st.dictionaries(st.sampled_from(["us-eu", "ap>us,eu"]), st.floats(0, 1e3)),
    jitter=st.floats(0, 10),
    duration_s=st.floats(1, 1e6),
    households=st.integers(1, 2000),
    only=st.just(()) | st.just(("acc-0001",)),
    drift=st.floats(0, 0.02),
    settings=st.dictionaries(st.sampled_from(["lease_s", "beacon_ms"]), st.floats(0, 1e6)),
    plans=st.just(Scenario("x").plans) | st.just((("basic", 1.0),)),
    habits=st.builds(Habits, roam=st.floats(0, 1), play_s=st.floats(0, 1e6)),
    pinned=st.sampled_from(["", "eu"]),
    older=st.sampled_from([(), ("us",), ("us", "ap")]),
    on_limit=st.sampled_from(["refuse", "end_oldest"]),
    faults=st.lists(
        faults(("us", "eu", "ap"), frozenset(FaultKind) - INSIDE_REGIONS), max_size=4
    ).map(tuple),
    draw=st.just(Draw()) | st.just(Draw((FaultKind.CUT, FaultKind.KILL), 1, 4)),
    expects=st.just(()) | st.just(("adopted", "partition")),
)


OF_MANY_NODES = st.builds(
    Scenario,
    name=st.just("many"),
    regions=st.just(("us", "eu", "ap")),
    nodes=st.integers(2, 8),
    slices=st.sampled_from([1, 2, 64]),
    faults=st.lists(faults(("us", "eu", "ap"), OF_NODES), max_size=4).map(tuple),
    draw=st.just(Draw()) | st.just(Draw((FaultKind.NODE, FaultKind.STORE), 1, 4)),
)


@given(SCENARIOS | OF_MANY_NODES)
def test_a_scenario_written_to_a_file_is_read_as_the_same_scenario(scenario: Scenario) -> None:
    text = scenario_text(scenario, head="what it is\n\nand why")
    again = read(tomllib.loads(text), scenario.name)
    assert replace(again, plans=scenario.plans) == scenario
    assert dict(again.plans) == dict(scenario.plans)


@pytest.mark.parametrize("name", names())
def test_a_scenario_that_was_drawn_is_the_same_again_by_flags_and_by_file(name: str) -> None:
    drawn = replace(draw(load(name), 7), expects=(), only=("acc-0002",), duration_s=31.5)
    drawn = replace(drawn, habits=replace(drawn.habits, roam=0.0, play_s=1e6))
    parser = argparse.ArgumentParser()
    add_scenario_flags(parser, default="storm")
    assert scenario_of(parser.parse_args(flags_of(drawn, name))) == drawn
    assert read(tomllib.loads(scenario_text(drawn)), name) == drawn


def test_only_names_households_that_there_are() -> None:
    with pytest.raises(PlanError, match="acc-0001 to acc-0005"):
        read({"households": 5, "only": ["acc-0006"]}, "one")


def test_a_fault_inside_a_region_needs_nodes_there_and_others_do_not_fit_them() -> None:
    def told(kind: str, amount: float = 0, **more: object) -> str:
        fault = {"kind": kind, "regions": ["us"], "at_s": 1.0, "for_s": 1.0, "amount": amount}
        with pytest.raises(PlanError) as error:
            read({"fault": [fault], **more}, "one")
        return str(error.value)

    assert told("node") == "scenario one: node: not with nodes = 1"
    assert told("kill", nodes=3) == "scenario one: kill: not with nodes = 3"
    for amount in (4, 1.5):
        no_node = f"fault node: amount = {amount} is the number of no node of 3"
        assert told("node", amount, nodes=3) == f"scenario one: {no_node}"
    assert told("node", nodes=3, slices=5) == "scenario one: slices = 5 does not divide 64"
