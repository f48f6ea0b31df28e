"""What is said to be wrong, and that nothing is said while nothing is."""

from dataclasses import replace
from pathlib import Path

import pytest

from crdt.dots import RegionId
from georeg.ops.diagnosis import Severity, in_short, troubles
from georeg.region.messages import Vitals
from georeg.region.report import RegionReport, SeatReport, StatusReport
from georeg.region.settings import ElectionKind, Settings

ROOT = Path(__file__).resolve().parents[2]
US, EU, AP = RegionId(1), RegionId(2), RegionId(3)
NAMES = {US: "us", EU: "eu", AP: "ap"}
VITALS = Vitals("1.0", 0, 60, 5, 5, 5, 0, 0, 0, 0, 0)


def region(number: RegionId, **more: object) -> RegionReport:
    plain = RegionReport(
        region=number, state="up", is_draining=False, sessions=5, vitals=VITALS, vitals_age_ms=0,
        clock_ahead_ms=0, silent_ms=500, evidence_age_ms=900, round_trip_ms=2, events_behind=0,
        events_missing=0, missing_ms=900,
    )  # fmt: skip
    return replace(plain, **more)  # type: ignore[arg-type]  # the test names real fields


def told(own: RegionReport, *peers: RegionReport, **recent: int) -> list[tuple[str, str]]:
    status = StatusReport(US, 0, (own, *peers), recent)
    return [(t.kind, t.detail) for t in troubles(status, Settings(), NAMES.__getitem__, {})]


def test_nothing_is_said_while_nothing_is_wrong() -> None:
    assert told(region(US), region(EU), region(AP), clock_jumps=0) == []


def test_a_lost_region_and_what_becomes_of_its_sessions_is_said_in_plain_words() -> None:
    ((kind, detail),) = told(region(US), region(AP, state="down", silent_ms=42_300, sessions=120))
    assert kind == "down"
    assert detail == (
        "ap has not been heard for 42 s: its 120 sessions are not counted; devices that report "
        "elsewhere are adopted there"
    )


@pytest.mark.parametrize(
    ("kind", "own", "peer", "recent"),
    [
        ("joining", {"state": "joining"}, {}, {}),
        ("overdraft", {"vitals": VITALS._replace(overdraft=3)}, {}, {}),
        ("draining", {"is_draining": True}, {}, {}),
        ("draining", {}, {"is_draining": True}, {}),
        ("suspect", {}, {"state": "suspect", "silent_ms": 7_000}, {}),
        ("down", {}, {"state": "down", "silent_ms": None, "vitals": None}, {}),
        ("one-way", {}, {"evidence_age_ms": 9_000}, {}),
        ("one-way", {}, {"evidence_age_ms": None}, {}),
        ("lag", {}, {"events_behind": 5_000}, {}),
        ("clock", {}, {"clock_ahead_ms": -42_000}, {}),
        ("version", {}, {"vitals": VITALS._replace(version="2.0")}, {}),
        ("clock_jumps", {}, {}, {"clock_jumps": 1}),
        ("journal_refusals", {}, {}, {"journal_refusals": 2}),
        ("late_rounds", {}, {}, {"late_rounds": 2}),
        ("plans_ahead_of_clock", {}, {}, {"plans_ahead_of_clock": 2}),
        ("state_mismatches", {}, {}, {"state_mismatches": 2}),
    ],
)
def test_each_problem_is_said_once_and_explained_in_the_docs(
    kind: str, own: dict[str, object], peer: dict[str, object], recent: dict[str, int]
) -> None:
    ((found, _),) = told(region(US, **own), region(EU, **peer), **recent)
    assert found == kind
    page = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    assert f"| `{kind}` | " in page


def test_the_worst_comes_first() -> None:
    own, late, lost = region(US, is_draining=True), region(EU, state="suspect"), region(AP)
    status = StatusReport(US, 0, (own, late, replace(lost, state="down")), {})
    found = troubles(status, Settings(), NAMES.__getitem__, {})
    assert [t.severity for t in found] == [Severity.CRITICAL, Severity.WARNING, Severity.NOTE]


def test_an_error_of_a_link_is_told_without_what_is_for_programmers() -> None:
    error = "Cannot connect to host 10.0.0.2:7501 ssl:default [Connect call failed ('10.0.0.2', 1)]"
    assert in_short(error) == "cannot connect to 10.0.0.2:7501"
    assert in_short("wrong cluster key") == "wrong cluster key"


# ---- homes ---------------------------------------------------------------------------------------


def told_of(*seats: SeatReport) -> list[tuple[str, str]]:
    status = StatusReport(US, 0, (region(US),), {}, ElectionKind.FENCED, seats)
    return [(t.kind, t.detail) for t in troubles(status, Settings(), NAMES.__getitem__, {})]


def test_of_a_seat_with_its_own_region_nothing_is_said() -> None:
    assert told_of(SeatReport(US, US, 7, 0, ""), SeatReport(EU, EU, 3, 0, "")) == []


def test_that_nobody_is_home_is_said_with_the_reason_and_what_it_means() -> None:
    seat = SeatReport(US, RegionId(0), 0, 0, "Redis at locks:6379 is out of reach: refused")
    ((kind, detail),) = told_of(seat)
    assert kind == "no-home"
    assert detail == (
        "nobody is home for the accounts of us (Redis at locks:6379 is out of reach: refused): "
        "starts that need a slot are decided on evidence, grants run out, streams go on"
    )


def test_trouble_with_a_lock_is_said_before_it_runs_out() -> None:
    assert told_of(SeatReport(US, US, 7, 0, "it did not answer")) == [
        ("locks", "the lock of us's accounts, which us holds: it did not answer")
    ]


def test_who_sits_for_whom_and_for_how_long_it_learns_is_noted() -> None:
    assert told_of(SeatReport(EU, US, 8, 4_200, "")) == [
        ("seat", "us is home for the accounts of eu while that is away"),
        (
            "learning",
            "us learns for 5 s what is lent of the accounts of eu, and lends nothing until then",
        ),
    ]


def test_regions_with_different_elections_are_told() -> None:
    own = region(US, election=ElectionKind.FENCED)
    ((kind, detail),) = told(own, region(EU, election=ElectionKind.STATIC))
    assert kind == "election"
    assert detail == (
        "eu goes by a static election of homes, us by a fenced one: "
        "give all regions the same [home]"
    )
