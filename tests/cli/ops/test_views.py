"""Several views side by side: what no single region can tell."""

from typing import Any

from georeg.cli.ops.tables import plain
from georeg.cli.ops.views import disagreements, matrix


def view(of: str, sessions: int = 100, **codes: str) -> dict[str, Any]:
    letters = {"U": "up", "S": "suspect", "D": "down"}
    return {
        "view_of": of,
        "regions": [
            {"region": name, "code": code, "state": letters[code[0]], "sessions": sessions}
            for name, code in codes.items()
        ],
    }


def test_views_that_agree_disagree_in_nothing() -> None:
    views = {name: view(name, us="UN", eu="UN", ap="UN") for name in ("us", "eu", "ap")}
    assert disagreements(views, {}) == []


def test_a_region_that_one_has_lost_and_another_hears_is_cut_off_and_not_lost() -> None:
    views = {
        "us": view("us", us="UN", eu="UN", ap="DN"),
        "eu": view("eu", us="UN", eu="UN", ap="UN"),
        "ap": view("ap", us="DN", eu="UN", ap="UN"),
    }
    assert disagreements(views, {}) == [
        "us is down for ap, up for eu: us runs, and is cut off from ap",
        "ap is down for us, up for eu: ap runs, and is cut off from us",
    ]


def test_a_region_that_nobody_hears_and_that_answers_is_cut_off() -> None:
    views = {
        "us": view("us", us="UN", eu="UN", ap="DN"),
        "eu": view("eu", us="UN", eu="UN", ap="DN"),
        "ap": view("ap", us="DN", eu="DN", ap="UN"),
    }
    found = disagreements(views, {})
    assert any("ap answers here, but no other region hears it" in one for one in found)


def test_a_region_that_is_lost_is_no_disagreement() -> None:
    views = {name: view(name, us="UN", eu="UN", ap="DN") for name in ("us", "eu")}
    assert disagreements(views, {"ap": "cannot reach"}) == []


def test_counts_of_slightly_different_instants_are_none_but_a_log_that_lags_is() -> None:
    near = {"us": view("us", 1_000, us="UN", eu="UN"), "eu": view("eu", 1_010, us="UN", eu="UN")}
    assert disagreements(near, {}) == []
    far = {"us": view("us", 900, us="UN", eu="UN"), "eu": view("eu", 1_000, us="UN", eu="UN")}
    assert "eu holds 1,000 sessions, us knows 900: its log has not arrived there yet" in (
        disagreements(far, {})
    )


def test_the_matrix_has_a_row_for_each_view_and_says_who_did_not_answer() -> None:
    views = {"us": view("us", us="UN", ap="DN")}
    assert plain(matrix(views, {"ap": "cannot reach it"})) == (
        "SEEN BY  us  ap\nus       UN  DN\nap: cannot reach it\n"
    )
