"""P1: what a refusal must name, what must be true of it, and what excuses it."""

import pytest

from tests.sim.oracle.story import Story


def refusal_after_a_stop(stopped_in: str = "eu", how: str = "confirmed") -> Story:
    """A session of eu is stopped at 50 s; at 60 s us refuses a start on it."""
    story = Story()
    session = story.start("tv", "eu", 10)
    story.stop(session, stopped_in, 50)
    story.refused("phone", "us", 60, [(session, how)])
    return story


def test_a_refusal_on_a_living_session_is_right() -> None:
    story = Story()
    session = story.start("tv", "eu", 10)
    story.refused("phone", "us", 60, [(session, "beacon")])
    assert story.broken() == []


def test_a_refusal_on_a_stopped_session_is_a_false_block() -> None:
    story = refusal_after_a_stop()
    assert story.broken() == [("P1", "false block: confirmed: stopped")]
    assert story.judged().false_blocks == 1


def test_evidence_may_be_three_seconds_old() -> None:
    story = Story()
    session = story.start("tv", "eu", 10)
    story.stop(session, "eu", 57.5)
    story.refused("phone", "us", 60, [(session, "beacon")])
    assert story.broken() == []


def test_a_session_lives_a_lease_after_its_last_heartbeat_and_no_longer() -> None:
    story = Story()
    session = story.start("tv", "eu", 10)
    story.beat(session, "eu", 40)
    story.refused("phone", "us", 129, [(session, "beacon")])
    assert story.broken() == []
    story.refused("phone", "us", 140, [(session, "beacon")])
    assert story.broken() == [("P1", "false block: beacon: silent")]


def test_who_knows_that_a_session_is_suspect_must_not_refuse_on_it() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.refused("phone", "us", 74, [(session, "local")])
    assert story.broken() == []
    story.refused("phone", "us", 80, [(session, "local")])
    assert story.broken() == [("P1", "rests on a suspect session")]


def test_a_start_that_is_sent_again_is_judged_by_its_first_sending() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.refused("phone", "us", 74, [(session, "local")], key="k")
    story.refused("phone", "us", 80, [(session, "local")], key="k")
    assert story.broken() == []
    story.refused("phone", "us", 82, [(session, "local")], key="another")
    assert story.broken() == [("P1", "rests on a suspect session")]


def test_heartbeats_of_a_shared_token_keep_a_session_alive() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.beat(session, "us", 90, device="laptop", cloned=True)
    story.refused("phone", "us", 150, [(session, "local")])
    assert story.broken() == []


def test_without_a_tap_the_event_stream_tells_of_ends() -> None:
    story = Story()
    story.history.is_tapped = False
    session = story.start("tv", "us", 10)
    story.kick(session, "us", 20, 0, error="reset")
    story.told(session, "us", 20.1, "kicked")
    story.refused("phone", "us", 40, [(session, "local")])
    assert ("P1", "false block: local: kicked") in story.broken()


def test_a_lost_heartbeat_may_have_renewed_a_session() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.beat(session, "us", 90, status=0, took_s=5, error="timeout")
    story.refused("phone", "us", 170, [(session, "local")])
    assert ("P1", "false block: local: silent") not in story.broken()


def test_an_end_spoken_beyond_a_cut_is_pending() -> None:
    story = refusal_after_a_stop()
    story.cut(45, 70)
    assert story.broken() == []
    assert story.judged().pending_ends == 1


@pytest.mark.parametrize("spoken_in", ["us", "ap"])
def test_an_end_that_is_known_here_is_not_pending(spoken_in: str) -> None:
    story = refusal_after_a_stop(spoken_in)
    story.cut_link(45, 70, "eu", "ap")
    assert ("P1", "false block: confirmed: stopped") in story.broken()


def test_a_beacon_leaves_no_doubt_about_an_end_in_its_own_region() -> None:
    story = refusal_after_a_stop(how="beacon")
    story.cut(45, 70)
    assert story.broken() == [("P1", "false block: beacon: stopped")]


def test_an_end_that_can_go_round_a_third_region_is_not_pending() -> None:
    story = refusal_after_a_stop()
    story.cut_link(30, 70)
    assert story.broken() == [("P1", "false block: confirmed: stopped")]


def test_until_the_way_round_is_found_it_is() -> None:
    story = refusal_after_a_stop()
    story.cut_link(45, 70)
    assert story.judged().pending_ends == 1


def test_an_end_that_a_killed_region_spoke_is_pending() -> None:
    story = refusal_after_a_stop()
    story.kill("eu", 50.01, 58)
    assert story.broken() == []


@pytest.mark.parametrize(
    ("down_s", "broken"),
    [(51, []), (56, [("P1", "false block: beacon: replaced")])],
)
def test_a_crash_may_lose_a_kick_that_nobody_was_promised_until_it_is_on_disk(
    down_s: float, broken: list[tuple[str, str]]
) -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.ended(session, "us", 50, "replaced", is_kick=True)
    story.kill("us", down_s, down_s + 1)
    story.refused("phone", "us", 60, [(session, "beacon")])
    assert story.broken() == broken


def test_a_kick_frees_its_slot_at_once_where_it_is_acknowledged() -> None:
    story = Story()
    session = story.start("tv", "eu", 10)
    story.cut(20, 100)
    story.kick(session, "us", 50)
    story.refused("phone", "us", 60, [(session, "beacon")])
    assert story.broken() == [("P1", "false block: beacon: kicked")]


def test_fewer_devices_than_the_limit_are_no_reason() -> None:
    story = Story(limit=2)
    first = story.start("tv", "us", 10)
    again = story.start("tv", "eu", 11)
    story.refused("phone", "us", 20, [(first, "local"), (again, "confirmed")])
    assert story.broken() == [("P1", "fewer than L named")]


def test_neither_the_asking_device_nor_a_replaced_session_counts() -> None:
    story = Story()
    mine = story.start("phone", "us", 10)
    story.refused("phone", "us", 20, [(mine, "local")])
    other = story.start("tv", "us", 30, basis="overdraft")
    story.refused("phone", "us", 40, [(other, "local")], replace=[other])
    assert story.broken().count(("P1", "fewer than L named")) == 2


@pytest.mark.parametrize(
    ("how", "region", "age_s", "rule"),
    [
        ("guess", "us", 0.1, "no evidence"),
        ("local", "eu", 0.1, "local elsewhere"),
        ("beacon", "eu", 4.0, "stale beacon"),
    ],
)
def test_evidence_is_of_a_known_kind_and_fresh(
    how: str, region: str, age_s: float, rule: str
) -> None:
    story = Story()
    session = story.start("tv", region, 10)
    story.refused("phone", "us", 20, [(session, how)], age_s=age_s)
    assert story.broken() == [("P1", rule)]


def test_a_lost_start_that_an_answer_reveals_is_a_session() -> None:
    story = Story()
    story.lost_start("tv", "eu", 10)
    story.history.regions = ("us", "eu", "ap")
    story._devices["eu-1-9"] = "tv"
    story.refused("phone", "us", 20, [("eu-1-9", "confirmed")])
    assert not [rule for rule in story.broken() if rule[0] == "P1"]
    assert story.judged().indefinite == 1
    assert story.judged().coverage["lost start revealed"] == 1


def test_a_session_that_nobody_started_is_a_false_block() -> None:
    story = Story()
    story.start("tv", "us", 100)
    story.refused("phone", "us", 20, [("eu-1-9", "confirmed")])
    assert story.broken() == [("P1", "false block: confirmed: phantom")]


def test_while_a_plan_changes_either_limit_may_be_found() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.plan(50, 2)
    story.refused("phone", "us", 52, [(session, "local")], limit=1)
    assert story.broken() == []
    story.refused("phone", "us", 70, [(session, "local")], limit=1)
    assert story.broken() == [("P1", "a limit that does not hold")]


def test_the_limit_before_may_be_found_as_long_as_it_cannot_be_known_better() -> None:
    story = Story()
    session = story.start("tv", "us", 10)
    story.cut(40, 90)
    story.plan(50, 2)
    story.refused("phone", "us", 70, [(session, "local")], limit=1)
    assert story.broken() == []
