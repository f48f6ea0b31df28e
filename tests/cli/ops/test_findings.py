"""`georeg check`: thresholds, levels and the formats that monitors read."""

import json
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from georeg.cli.main import make_parser
from georeg.cli.ops.check import render, thresholds_of
from georeg.cli.ops.findings import Bounds, Level, check, judge, worst


def region(name: str, *, is_self: bool = False, **more: Any) -> dict[str, Any]:
    plain = {
        "region": name, "is_self": is_self, "state": "up", "silent_s": 0.4, "behind_s": 0.9,
        "events_behind": 0, "events_missing": 0, "overdraft": 0, "clock_ahead_s": 0.001,
        "refusals_last_minute": {"local": 0, "confirmed": 0, "beacon": 0},
    }  # fmt: skip
    return {**plain, **more}


def found(*flags: str, recent: dict[str, int] | None = None, **more: Any) -> dict[str, Level]:
    status = {
        "view_of": "us",
        "regions": [
            region("us", is_self=True, **more.pop("own", {})),
            region("eu", **more.pop("peer", {})),
        ],
        "recent": recent or {},
    }
    options = make_parser().parse_args(["check", *flags])
    findings = check(status, thresholds_of(options))
    return {f"{f.name}": f.level for f in findings if f.level}


def test_a_value_counts_above_its_bound_and_not_at_it() -> None:
    bounds = Bounds(5, 15)
    assert [judge(value, bounds) for value in (5, 5.1, 15, 15.1)] == [0, 1, 1, 2]
    assert judge(1e9, Bounds(None, None)) is Level.OK


def test_a_healthy_cluster_is_ok() -> None:
    assert found("--regions-expect", "2") == {}


@pytest.mark.parametrize(
    ("peer", "expected"),
    [
        ({"silent_s": 7.0}, {"seen_seconds": Level.WARNING}),
        ({"silent_s": 20.0}, {"seen_seconds": Level.CRITICAL}),
        ({"silent_s": None}, {"seen_seconds": Level.CRITICAL}),
        ({"behind_s": 30.0}, {"behind_seconds": Level.WARNING}),
        ({"events_missing": 2_000}, {"behind_events": Level.WARNING}),
        ({"events_behind": 200_000}, {"behind_events": Level.CRITICAL}),
        ({"clock_ahead_s": -3.0}, {"clock_seconds": Level.WARNING}),
    ],
)
def test_each_number_has_its_thresholds(peer: dict[str, Any], expected: dict[str, Level]) -> None:
    assert found(peer=peer) == expected


def test_thresholds_are_flags_and_none_switches_one_off() -> None:
    late = {"silent_s": 7.0}
    assert found("--seen-warning", "10", peer=late) == {}
    assert found("--seen-critical", "6", peer=late) == {"seen_seconds": Level.CRITICAL}
    assert found("--seen-warning", "none", "--seen-critical", "none", peer={"silent_s": 1e6}) == {}


def test_fewer_regions_than_expected_is_critical() -> None:
    assert found("--regions-expect", "3") == {"regions_up": Level.CRITICAL}


def test_what_is_wrong_with_the_asked_region_counts() -> None:
    assert found(own={"overdraft": 200}) == {"overdraft": Level.WARNING}
    assert found(own={"state": "joining"}) == {"joining": Level.WARNING}
    assert found(recent={"clock_jumps": 1, "journal_refusals": 1}) == {
        "clock_jumps": Level.WARNING, "journal_refusals": Level.CRITICAL,
    }  # fmt: skip


def findings() -> list[Any]:
    status = {
        "view_of": "us",
        "regions": [region("us", is_self=True), region("eu", silent_s=7.2)],
        "recent": {},
    }
    return check(status, thresholds_of(make_parser().parse_args(["check"])))


def test_nagios_gets_one_line_with_performance_data() -> None:
    line = render("nagios", worst(findings()), findings(), "eu was heard 7.2s ago", view="us")
    assert line.startswith("GEOREG WARNING - eu was heard 7.2s ago (as us sees it) | ")
    assert "\n" not in line
    assert " seen_seconds_eu=7.2s;5;15 " in line


def test_prometheus_gets_text_that_it_can_read() -> None:
    text = render("prometheus", Level.WARNING, findings(), "", view="us") + "\n"
    samples = {
        (sample.name, sample.labels.get("check"), sample.labels.get("region")): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["georeg_check_level", None, None] == 1
    assert samples["georeg_check_value", "seen_seconds", "eu"] == 7.2


def test_programs_get_json_also_where_a_value_is_not_known() -> None:
    status = {"view_of": "us", "regions": [region("eu", silent_s=None)], "recent": {}}
    listed = check(status, thresholds_of(make_parser().parse_args(["check"])))
    answer = json.loads(render("json", worst(listed), listed, "x", view="us"))
    assert answer["level"] == "critical"
    assert answer["found"][0]["value"] is None
    assert "seen_seconds_eu=U;" in render("nagios", worst(listed), listed, "x", view="us")


def test_wrong_usage_is_unknown_since_it_says_nothing_of_the_region(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as end:
        make_parser().parse_args(["check", "--seen-warning", "soon"])
    assert end.value.code == 3
