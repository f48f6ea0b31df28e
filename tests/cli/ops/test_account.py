"""`georeg quota ACCOUNT`: who is home, why, and whether that is changing."""

from typing import Any

import pytest

from georeg.cli.ops.account import account_lines, merged

Json = dict[str, Any]
MOVED = {"from": "us", "at": "2026-11-27T20:14:07.000Z", "times": 3}


def answer(**more: Any) -> Json:
    """What one region says of an account that plays nothing."""
    return {
        "account": "anna", "plan": "basic", "limit": 1, "is_plan_known": True, "home": "eu",
        "home_by": "hash", "home_moved": None, "is_home_open": False, "grants": {}, "usable": 0,
        "overdraft": 0, "sessions": [], "kicks_remembered": 0, "at_most_if_cut": 3, **more,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({}, "home eu, by hash; "),
        ({"home_by": "pinned", "home_moved": MOVED}, "home eu, pinned by its plan; "),
        (
            {"home_by": "moved", "home_moved": MOVED},
            "home eu, moved there from us at 2026-11-27 20:14:07; ",
        ),
    ],
)
def test_the_home_is_shown_with_its_reason(told: Json, words: str) -> None:
    lines = [line.text for line in account_lines(merged({"eu": answer(**told)}, {}))]
    assert lines[1].startswith(words)


def test_a_home_that_is_changing_is_said_when_any_region_says_so() -> None:
    whole = merged({"eu": answer(), "us": answer(is_home_open=True)}, {})
    assert any("its home is changing" in line.text for line in account_lines(whole))
    calm = merged({"eu": answer(), "us": answer()}, {})
    assert not any("changing" in line.text for line in account_lines(calm))
