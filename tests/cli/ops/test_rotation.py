"""The rotation of keys: no step before its time, no key dropped that is still needed."""

from typing import Any

import pytest

from georeg.cli.ops.rotation import obstacles, steps

DAY_S = 86_400


def region(*ids: str, up_s: int = 2 * DAY_S) -> dict[str, Any]:
    at = f"2026-01-{10 + up_s // DAY_S:02}T{up_s % DAY_S // 3600:02}:00:00.000Z"
    keys = [{"id": key, "is_first": place == 0} for place, key in enumerate(ids)]
    return {
        "at": at, "in_use_since": "2026-01-10T00:00:00.000Z", "session_limit_s": DAY_S,
        "rings": {"session": keys, "cluster": keys},
    }  # fmt: skip


def states(new: str | None, ring: str = "session", /, **regions: dict[str, Any]) -> list[str]:
    return [step.state for step in steps(ring, new, regions, {})]


def test_the_steps_follow_one_another_through_a_whole_rotation() -> None:
    old, added, moved = region("a"), region("a", "b"), region("b", "a")
    assert states(None, us=old, eu=old) == ["next", "later", "later", "later", "later"]
    assert states("b", us=added, eu=old) == ["done", "next", "later", "later", "later"]
    assert states("b", us=added, eu=added) == ["done", "done", "next", "later", "later"]
    assert states("b", us=moved, eu=added) == ["done", "done", "next", "later", "later"]
    fresh = region("b", "a", up_s=3_600)
    assert states("b", us=moved, eu=fresh) == ["done", "done", "done", "next", "later"]
    assert states("b", us=moved, eu=moved) == ["done", "done", "done", "done", "next"]
    assert states("b", us=region("b"), eu=region("b")) == ["done"] * 5


def test_a_cluster_key_needs_no_wait() -> None:
    fresh = region("b", "a", up_s=0)
    assert states("b", "cluster", us=fresh, eu=fresh) == ["done", "done", "done", "next"]


def test_a_region_that_cannot_be_asked_holds_the_rotation_up() -> None:
    found = steps("session", "b", {"us": region("a", "b")}, {"eu": "cannot reach"})
    assert [step.state for step in found][1] == "next"
    assert "eu was not looked at" in found[1].details[0]


def test_an_old_key_may_go_when_everybody_has_done_without_it_for_a_sessions_life() -> None:
    assert obstacles("session", "a", {"us": region("b", "a"), "eu": region("b", "a")}, {}) == []


@pytest.mark.parametrize(
    ("us", "eu", "why"),
    [
        (region("a", "b"), region("b", "a"), "us signs with it"),
        (region("b", "a"), region("a"), "eu has not got b"),
        (region("b", "a"), region("b", "a", up_s=3_600), "may live for 23h more"),
    ],
)
def test_a_key_that_is_still_needed_is_not_let_go(
    us: dict[str, Any], eu: dict[str, Any], why: str
) -> None:
    found = obstacles("session", "a", {"us": us, "eu": eu}, {})
    assert any(why in reason for reason in found), found


def test_a_key_is_not_let_go_on_the_word_of_some_regions_only() -> None:
    found = obstacles("session", "a", {"us": region("b", "a")}, {"eu": "cannot reach it"})
    assert found == ["eu was not looked at: cannot reach it"]


def test_a_key_that_nobody_has_is_told_with_those_that_are_there() -> None:
    assert "known are a" in obstacles("cluster", "z", {"us": region("a")}, {})[0]
